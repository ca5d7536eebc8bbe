"""Let there be Color!: squared error of ab, and cross-entropy of the scene where the photographs have class folders."""

from dataclasses import dataclass
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops

import zoo
from training.systems.constraints import AtLeast, Positive, PositiveInt
from training.systems.losses import label_cross_entropy, squared_error
from training.systems.recipe import Recipe
from training.systems.system import Losses, Photographs, Statistics, System, Tensors, supervised_system
from zoo.architectures.iizuka2016 import LIMIT, classifier
from zoo.color import Tensor


@dataclass(frozen=True, kw_only=True)
class Iizuka2016Recipe(Recipe):
    """What iizuka2016 adds to a recipe."""

    architecture: str = "iizuka2016"
    width: Positive = 1.0
    global_size: PositiveInt = 224
    alpha: Annotated[float, AtLeast(0)] = 1 / 300  # of the classifier's cross-entropy; 0: no classifier

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The names of the class folders, which the classifier tells apart if there are two or more."""
        return {"classes": np.array(photographs.classes)}

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"width": self.width, "global_size": self.global_size}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        wanted = {"map": network.get_layer("map").output, "ab": network.output}
        beside: tuple[keras.Model, ...] = ()
        if self.alpha and len(statistics["classes"]) > 1:
            labeler = classifier(network, len(statistics["classes"]))
            beside, wanted = (labeler,), wanted | {"logits": labeler.output}
        model = keras.Model(network.input, wanted)

        def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
            return model(lightness, training=training)

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            colors = _colors(outputs["map"], truth)
            if "logits" not in outputs:
                return {"loss": colors}
            scene = label_cross_entropy(outputs["logits"], truth["labels"])
            return {"loss": colors + self.alpha * scene, "color": colors, "scene": scene}

        return supervised_system(network, forward, losses, beside=beside)


def _colors(predicted: Tensor, truth: Tensors) -> Tensor:
    """The loss of a map of half the size: its target is the mean of 2 x 2 pixels, without those that are padding."""
    weight = truth["mask"][..., None]
    share = ops.average_pool(weight, 2, 2, "same")
    wanted = ops.average_pool((truth["ab"] + LIMIT) / (2 * LIMIT) * weight, 2, 2, "same")
    wanted = ops.divide_no_nan(wanted, share)
    height, width = wanted.shape[1:3]
    return squared_error(predicted[:, :height, :width], wanted, share[..., 0])
