"""ColorUNet: weighted cross-entropy over the most frequent UV cells of the photographs."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import keras
import numpy as np
from keras import ops

import zoo
from training.systems.constraints import AtLeast, AtMost, Items, Positive, PositiveInt
from training.systems.losses import cross_entropy
from training.systems.recipe import Recipe
from training.systems.system import (
    Losses,
    Photographs,
    Statistics,
    System,
    Tensors,
    cut,
    given_prior,
    supervised,
)  # fmt: skip
from zoo import bins, color
from zoo.color import Tensor
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class ColorUNetRecipe(Recipe):
    """What ColorUNet adds to a recipe. The classes are those of the training photographs."""

    architecture: str = "color_unet"
    filters: Annotated[tuple[PositiveInt, ...], Items(2)] = (16, 32, 64)  # of each level
    bins: PositiveInt = 32
    rebalance_lambda: Annotated[float, AtLeast(0), AtMost(1)] = 0.5  # of class rebalancing; 1: none
    temperature: Positive = 0.38
    prior: str = ""  # a .npy file of as many shares as classes, as `colorzoo prior` writes it

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The class of every UV cell, their mean ab, their prior. Known classes stay, unless scores are fresh.

        Raises:
            ArgumentError: classes that are not known, or of another number.
        """
        if known is None or any(fnmatchcase("scores", pattern) for pattern in self.fresh):
            cell_classes, centers, prior = photographs.frequent_uv_classes(self.bins)
        else:
            cell_classes, centers = self._check_classes(known)
            prior = photographs.uv_prior(cell_classes)
        if self.prior:
            prior = given_prior(self.prior, len(centers))
        return {"cell_classes": cell_classes, "centers": centers, "prior": prior}

    def _check_classes(self, known: Statistics) -> tuple[np.ndarray, np.ndarray]:
        otherwise = "or fresh=('scores',) to learn the classes of these photographs"
        if "cell_classes" not in known:
            raise ArgumentError(
                f"init is {self.init!r}: its classes are not known, NAME.json beside it is needed, {otherwise}"
            )
        if len(known["centers"]) != self.bins:
            raise ArgumentError(
                f"{self.init!r} has bins={len(known['centers'])}, the recipe bins={self.bins}: set it, {otherwise}"
            )
        return known["cell_classes"], known["centers"]

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"bins": statistics["centers"].tolist(), "temperature": self.temperature, "filters": self.filters}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        scorer = keras.Model(network.input, {"scores": network.get_layer("scores").output, "ab": network.output})
        weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
            return scorer(lightness, training=training)

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            side = truth["mask"].shape[1]  # the scores are padded to the network's stride
            cells = bins.uv_cell(color.rgb_to_yuv(truth["rgb"])[..., 1:])
            classes = ops.take(statistics["cell_classes"], cells, axis=0)
            return {"loss": cross_entropy(cut(outputs["scores"], side, side), classes, weights, truth["mask"])}

        return supervised(network, forward, losses)
