"""ColorUNet: weighted cross-entropy over the most frequent UV cells of the photographs."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import numpy as np
from keras import ops

import zoo
from training.systems.classification import ClassificationRecipe, cut, forward_scores, read_prior
from training.systems.constraints import Items, OneOf, PositiveInt
from training.systems.losses import cross_entropy
from training.systems.system import Losses, Photographs, Statistics, System, Tensors, supervised_system
from zoo import bins, color
from zoo.architectures.color_unet import BODIES
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class ColorUNetRecipe(ClassificationRecipe):
    """What ColorUNet adds to a recipe. The classes are those of the training photographs."""

    architecture: str = "color_unet"
    filters: Annotated[tuple[PositiveInt, ...], Items(2)] = (16, 32, 64)  # of each level
    bins: PositiveInt = 32
    body: Annotated[str, OneOf(BODIES)] = "unet"

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
            prior = read_prior(self.prior, len(centers))
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
        return {
            "bins": statistics["centers"].tolist(),
            "temperature": self.temperature,
            "filters": self.filters,
            "body": self.body,
        }

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            side = truth["mask"].shape[1]  # the scores are padded to the network's stride
            cells = bins.uv_cell(color.rgb_to_yuv(truth["rgb"])[..., 1:])
            classes = ops.take(statistics["cell_classes"], cells, axis=0)
            return {"loss": cross_entropy(cut(outputs["scores"], side, side), classes, weights, truth["mask"])}

        return supervised_system(network, forward_scores(network), losses)
