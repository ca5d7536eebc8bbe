"""Colorful Image Colorization: rebalanced cross-entropy over 313 softly encoded ab bins."""

from dataclasses import dataclass
from typing import Annotated, Any

import keras

import zoo
from training.systems.constraints import AtLeast, AtMost, Positive, PositiveInt
from training.systems.losses import not_gray, pixel_weights, soft_cross_entropy
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
from zoo import bins
from zoo.architectures.zhang2016 import STRIDE
from zoo.color import Tensor


@dataclass(frozen=True, kw_only=True)
class Zhang2016Recipe(Recipe):
    """What zhang2016 adds to a recipe. The prior is that of the training photographs, or a given one."""

    architecture: str = "zhang2016"
    width: Positive = 1.0
    neighbors: PositiveInt = 5
    sigma: Positive = 5.0
    rebalance_lambda: Annotated[float, AtLeast(0), AtMost(1)] = 0.5  # of class rebalancing; 1: none
    temperature: Positive = 0.38
    prior: str = ""  # a .npy file of 313 shares, in the order of zoo.bins.ab_grid()

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The centers of the bins, and their prior."""
        centers = bins.ab_grid()
        if self.prior:
            return {"centers": centers, "prior": given_prior(self.prior, len(centers))}
        prior = photographs.ab_prior(centers, neighbors=self.neighbors, sigma=self.sigma)
        return {"centers": centers, "prior": prior}

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"temperature": self.temperature, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        scorer = keras.Model(network.input, {"scores": network.get_layer("scores").output, "ab": network.output})
        centers = statistics["centers"]
        class_weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def targets(truth: Tensors) -> Tensors:
            """Of every fourth pixel each way, as many as there are scores."""
            encoded = bins.soft_encode(
                truth["ab"][:, ::STRIDE, ::STRIDE], centers, neighbors=self.neighbors, sigma=self.sigma
            )
            return {"encoded": encoded, "weights": pixel_weights(encoded, class_weights)}

        def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
            return scorer(lightness, training=training)

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            height, width = truth["encoded"].shape[1:3]
            mask = truth["mask"][:, ::STRIDE, ::STRIDE] * not_gray(truth["ab"])[:, None, None]
            scores = cut(outputs["scores"], height, width)
            return {"loss": soft_cross_entropy(scores, truth["encoded"], truth["weights"] * mask)}

        # A dozen operations on 313 numbers for each pixel, of which a compiler makes a few.
        return supervised(network, forward, losses, targets=targets, compiled=True)
