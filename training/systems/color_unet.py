"""ColorUNet: weighted cross-entropy over the most frequent UV cells of the photographs."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from training.data.datasets import Photographs
from training.data.statistics import frequent_uv_classes, uv_prior
from training.recipes.recipe import Recipe
from training.systems.losses import cross_entropy
from training.systems.system import Losses, Statistics, System, Tensors, cut, given_prior, supervised
from zoo import bins, color
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class ColorUNetRecipe(Recipe):
    """What ColorUNet adds to a recipe. The classes are those of the training photographs."""

    architecture: str = "color_unet"
    filters: tuple[int, ...] = (16, 32, 64)
    bins: int = 32
    rebalance_lambda: float = 0.5  # of class rebalancing; 1: none
    temperature: float = 0.38
    prior: str = ""  # a .npy file of as many shares as classes, as `colorzoo prior` writes it

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_positive("bins", "temperature")
        if len(self.filters) < 2 or min(self.filters) <= 0:
            raise ArgumentError(f"filters is {self.filters}: two levels or more, each above 0, are needed")
        if not 0 <= self.rebalance_lambda <= 1:
            raise ArgumentError(f"rebalance_lambda is {self.rebalance_lambda}: it must lie in [0, 1]")

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The class of every UV cell, their mean ab, their prior. Known classes stay, unless scores are fresh.

        Raises:
            ArgumentError: classes that are not known, or of another number.
        """
        if known is None or any(fnmatchcase("scores", pattern) for pattern in self.fresh):
            cell_classes, centers, prior = frequent_uv_classes(photographs, self.bins)
        else:
            cell_classes, centers = self._checked(known)
            prior = uv_prior(photographs, cell_classes)
        if self.prior:
            prior = given_prior(self.prior, len(centers))
        return {"cell_classes": cell_classes, "centers": centers, "prior": prior}

    def _checked(self, known: Statistics) -> tuple[np.ndarray, np.ndarray]:
        otherwise = "or fresh=('scores',) to learn the classes of these photographs"
        if "cell_classes" not in known:
            raise ArgumentError(
                f"init is {self.init!r}: its classes are not known, NAME.json beside it is needed, {otherwise}"
            )
        if len(known["centers"]) != self.bins:
            raise ArgumentError(
                f"bins is {len(known['centers'])} in {self.init!r} and {self.bins} here: set it, {otherwise}"
            )
        return known["cell_classes"], known["centers"]

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"bins": statistics["centers"].tolist(), "temperature": self.temperature, "filters": self.filters}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        scorer = keras.Model(network.input, [network.get_layer("scores").output, network.output])
        weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def losses(lightness: tf.Tensor, truth: Tensors, training: bool) -> Losses:
            scores, ab = scorer(lightness, training=training)
            side = truth["mask"].shape[1]  # the scores are padded to the network's stride
            cells = bins.uv_cell(color.rgb_to_yuv(truth["rgb"])[..., 1:])
            classes = tf.gather(statistics["cell_classes"], cells)
            return {"loss": cross_entropy(cut(scores, side, side), classes, weights, truth["mask"]), "ab": ab}

        return supervised(network, losses)
