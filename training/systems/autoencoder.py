"""The autoencoder: RGB in [0, 1], and one of three distances to the photograph."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import keras
from keras import ops

import zoo
from training.systems.constraints import AtLeast, MultipleOf, OneOf, Positive
from training.systems.losses import binary_cross_entropy, smooth_absolute_error, squared_error
from training.systems.recipe import Recipe
from training.systems.system import Losses, Statistics, System, Tensors, supervised_system
from zoo.architectures.autoencoder import REGULARIZATIONS, STRIDE
from zoo.color import Tensor

DISTANCES = {
    "squared": squared_error,
    "smooth_absolute": smooth_absolute_error,
    "cross_entropy": binary_cross_entropy,
}


@dataclass(frozen=True, kw_only=True)
class AutoencoderRecipe(Recipe):
    """What the autoencoder adds to a recipe. The side of what it encodes is the recipe's size."""

    has_accuracy: ClassVar[bool] = True

    architecture: str = "autoencoder"
    size: Annotated[int, AtLeast(16), MultipleOf(STRIDE)] = 256
    regularization: Annotated[str, OneOf(REGULARIZATIONS)] = "none"
    width: Positive = 1.0
    distance: Annotated[str, OneOf(DISTANCES)] = "squared"

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"regularization": self.regularization, "size": self.size, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        model = keras.Model(network.input, {"rgb": network.get_layer("rgb").output, "ab": network.output})
        distance = DISTANCES[self.distance]

        def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
            return model(lightness, training=training)

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            return {
                "loss": distance(outputs["rgb"], truth["rgb"], truth["mask"]),
                "accuracy": channel_accuracy(outputs["rgb"], truth["rgb"], truth["mask"]),
            }

        return supervised_system(network, forward, losses)


def channel_accuracy(rgb: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Share (B,) of each picture's pixels whose strongest channel is that of the true RGB (B, H, W, 3).

    This is what Keras computes as "accuracy" of a map of three channels. It says little of the colors: where two
    channels are equal, as in gray, the first of them is the strongest. Padding does not count.
    """
    agrees = ops.cast(ops.equal(ops.argmax(rgb, axis=-1), ops.argmax(true, axis=-1)), "float32")
    return ops.sum(agrees * mask, axis=(1, 2)) / ops.maximum(ops.sum(mask, axis=(1, 2)), 1.0)
