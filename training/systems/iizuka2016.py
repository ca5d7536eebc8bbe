"""Let there be Color!: squared error of ab, and cross-entropy of the scene where the photographs have class folders."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from training.data.datasets import Photographs
from training.recipes.recipe import Recipe
from training.systems.losses import label_cross_entropy, squared_error
from training.systems.system import Losses, Statistics, System, Tensors, supervised
from zoo.architectures.iizuka2016 import LIMIT, classifier
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Iizuka2016Recipe(Recipe):
    """What iizuka2016 adds to a recipe."""

    architecture: str = "iizuka2016"
    width: float = 1.0
    global_size: int = 224
    alpha: float = 1 / 300  # of the classifier's cross-entropy; 0: no classifier

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_positive("width", "global_size")
        if self.alpha < 0:
            raise ArgumentError(f"alpha is {self.alpha}: it must be at least 0")

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The names of the class folders, which the classifier tells apart if there are two or more."""
        return {"classes": np.array(photographs.classes)}

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"width": self.width, "global_size": self.global_size}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        painter = keras.Model(network.input, [network.get_layer("map").output, network.output])
        classes = len(statistics["classes"])
        if not self.alpha or classes < 2:

            def colors(lightness: tf.Tensor, truth: Tensors, training: bool) -> Losses:
                painted, ab = painter(lightness, training=training)
                return _colors(painted, ab, truth)

            return supervised(network, colors)
        labeler = classifier(network, classes)
        both = keras.Model(network.input, [*painter.outputs, labeler.output])

        def losses(lightness: tf.Tensor, truth: Tensors, training: bool) -> Losses:
            painted, ab, logits = both(lightness, training=training)
            found = _colors(painted, ab, truth)
            scene = label_cross_entropy(logits, truth["labels"])
            return found | {"loss": found["loss"] + self.alpha * scene, "color": found["loss"], "scene": scene}

        return supervised(network, losses, beside=(labeler,))


def _colors(painted: tf.Tensor, ab: tf.Tensor, truth: Tensors) -> Losses:
    """The loss of a map of half the size, whose target is the mean of 2 x 2 pixels; padding is left out by halves."""
    weight = truth["mask"][..., None]
    share = tf.nn.avg_pool2d(weight, 2, 2, "SAME")
    wanted = tf.nn.avg_pool2d((truth["ab"] + LIMIT) / (2 * LIMIT) * weight, 2, 2, "SAME")
    wanted = tf.math.divide_no_nan(wanted, share)
    height, width = wanted.shape[1:3]
    return {"loss": squared_error(painted[:, :height, :width], wanted, share[..., 0]), "ab": ab}
