"""The autoencoder: RGB in [0, 1], and one of three distances to the photograph."""

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

import zoo
from training.recipes.recipe import Recipe
from training.systems.losses import binary_cross_entropy, smooth_absolute_error, squared_error
from training.systems.system import Losses, Statistics, System, Tensors, supervised
from zoo.architectures.autoencoder import REGULARIZATIONS, STRIDE
from zoo.errors import ArgumentError

DISTANCES = {
    "squared": squared_error,
    "smooth_absolute": smooth_absolute_error,
    "cross_entropy": binary_cross_entropy,
}


@dataclass(frozen=True, kw_only=True)
class AutoencoderRecipe(Recipe):
    """What the autoencoder adds to a recipe. The side of what it encodes is the recipe's size."""

    architecture: str = "autoencoder"
    regularization: str = "none"
    width: float = 1.0
    distance: str = "squared"  # or "smooth_absolute", "cross_entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_positive("width")
        self.check_choice("regularization", REGULARIZATIONS)
        self.check_choice("distance", tuple(DISTANCES))
        if self.size % STRIDE:
            raise ArgumentError(f"size is {self.size}: it must be a multiple of {STRIDE}")

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"regularization": self.regularization, "size": self.size, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        painter = keras.Model(network.input, [network.get_layer("rgb").output, network.output])
        distance = DISTANCES[self.distance]

        def losses(lightness: tf.Tensor, truth: Tensors, training: bool) -> Losses:
            rgb, ab = painter(lightness, training=training)
            return {"loss": distance(rgb, truth["rgb"], truth["mask"]), "ab": ab}

        return supervised(network, losses)
