"""Colorful Image Colorization: rebalanced cross-entropy over 313 softly encoded ab bins."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import zoo
from training.data.datasets import Photographs
from training.data.statistics import CHECKED_TOGETHER, GRAY_LIMIT
from training.recipes.recipe import Recipe
from training.systems.losses import not_gray, pixel_weights, soft_cross_entropy
from training.systems.system import Losses, Statistics, System, Tensors, cut, given_prior, supervised
from zoo import bins, color
from zoo.architectures.zhang2016 import STRIDE
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Zhang2016Recipe(Recipe):
    """What zhang2016 adds to a recipe. The prior is that of the training photographs, or a given one."""

    architecture: str = "zhang2016"
    width: float = 1.0
    neighbors: int = 5
    sigma: float = 5.0
    rebalance_lambda: float = 0.5  # of class rebalancing; 1: none
    temperature: float = 0.38
    prior: str = ""  # a .npy file of 313 shares, in the order of zoo.bins.ab_grid()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_positive("width", "neighbors", "sigma", "temperature")
        if not 0 <= self.rebalance_lambda <= 1:
            raise ArgumentError(f"rebalance_lambda is {self.rebalance_lambda}: it must lie in [0, 1]")

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The centers of the bins, and their prior."""
        centers = bins.ab_grid()
        if self.prior:
            return {"centers": centers, "prior": given_prior(self.prior, len(centers))}
        return {"centers": centers, "prior": soft_prior(photographs, centers, self.neighbors, self.sigma)}

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"temperature": self.temperature, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        scorer = keras.Model(network.input, [network.get_layer("scores").output, network.output])
        centers = statistics["centers"]
        class_weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        # A dozen operations on 313 numbers a cell, of which XLA makes a few: half the time, on CPUs.
        @tf.function(jit_compile=True)
        def encoded(ab: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            targets = bins.soft_encode(ab, centers, neighbors=self.neighbors, sigma=self.sigma)
            return targets, pixel_weights(targets, class_weights)

        def losses(lightness: tf.Tensor, truth: Tensors, training: bool) -> Losses:
            scores, ab = scorer(lightness, training=training)
            wanted = truth["ab"][:, ::STRIDE, ::STRIDE]
            height, width = wanted.shape[1:3]
            targets, weights = encoded(wanted)
            mask = truth["mask"][:, ::STRIDE, ::STRIDE] * not_gray(truth["ab"], GRAY_LIMIT)[:, None, None]
            return {"loss": soft_cross_entropy(cut(scores, height, width), targets, weights * mask), "ab": ab}

        return supervised(network, losses, compiled=True)


def soft_prior(photographs: Photographs, centers: np.ndarray, neighbors: int, sigma: float) -> np.ndarray:
    """The mean (n,) float32 of the softly encoded colors of all photographs, of every fourth pixel each way.

    Source: Zhang et al., section 2.2, where the prior is smoothed with the kernel of the soft encoding.
    """
    total = np.zeros(len(centers))
    for start in range(0, len(photographs.frames), CHECKED_TOGETHER):
        frames = photographs.frames[start : start + CHECKED_TOGETHER, ::STRIDE, ::STRIDE]
        inside = _inside(photographs.sizes[start : start + CHECKED_TOGETHER], photographs.frames.shape[1])
        ab = color.rgb_to_lab(frames[inside].astype(np.float32) / 255)[..., 1:]
        encoded = bins.soft_encode(ab, centers, neighbors=neighbors, sigma=sigma)
        total += ops.convert_to_numpy(ops.sum(encoded, axis=0))
    return (total / total.sum()).astype(np.float32)


def _inside(sizes: np.ndarray, side: int) -> np.ndarray:
    """Heights and widths (B, 2) -> which of every fourth pixel each way belong to the picture, (B, n, n) bool."""
    within = np.arange(0, side, STRIDE) < sizes[:, :, None]
    return within[:, 0, :, None] & within[:, 1, None, :]
