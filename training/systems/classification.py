"""Classes of color with rebalanced weights: what color_unet, lite_unet and zhang2016 share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import keras
import numpy as np

from training.systems.constraints import AtLeast, AtMost, Positive
from training.systems.recipe import Recipe
from training.systems.system import Photographs, Statistics, Tensors
from zoo.bins import ab_grid
from zoo.color import Tensor
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class ClassificationRecipe(Recipe):
    """What networks that score classes of color add to a recipe."""

    rebalance_lambda: Annotated[float, AtLeast(0), AtMost(1)] = 0.5  # of class rebalancing; 1: none
    temperature: Positive = 0.38
    # A .npy file of as many shares as classes, in their order, as `colorzoo prior` writes it; "": that of the
    # training photographs.
    prior: str = ""

    def grid_statistics(self, photographs: Photographs, *, neighbors: int | None, sigma: float) -> Statistics:
        """The bins of `zoo.bins.ab_grid`, and the prior of the recipe, or that of softly encoded photographs."""
        centers = ab_grid()
        if self.prior:
            return {"centers": centers, "prior": read_prior(self.prior, len(centers))}
        return {"centers": centers, "prior": photographs.ab_prior(centers, neighbors=neighbors, sigma=sigma)}


def forward_scores(network: keras.Model) -> Callable[[Tensor, Tensors, bool], dict[str, Tensor]]:
    """A `System.forward` that gives "scores", logits of the layer of this name, and "ab" from one run of a network."""
    scorer = keras.Model(network.input, {"scores": network.get_layer("scores").output, "ab": network.output})

    def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
        return scorer(lightness, training=training)

    return forward


def read_prior(path: str, count: int) -> np.ndarray:
    """The prior (count,) float32 of a .npy file.

    Raises:
        ArgumentError: the file cannot be read or holds something else.
    """
    try:
        prior = np.load(path).astype(np.float32)
    except (OSError, ValueError) as error:
        raise ArgumentError(f"prior is {path!r}, which cannot be read: {error}") from error
    if prior.shape != (count,) or not (prior >= 0).all() or not np.isclose(prior.sum(), 1, atol=1e-3):
        raise ArgumentError(f"prior is {path!r}: {count} shares with the sum 1 are needed, it has {prior.shape}")
    return prior


def cut(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, H, W, C) that may be padded to a stride -> their upper left part (B, height, width, C)."""
    # A slice that leaves out nothing would still be copied, and its gradient as well.
    return maps if tuple(maps.shape[1:3]) == (height, width) else maps[:, :height, :width]
