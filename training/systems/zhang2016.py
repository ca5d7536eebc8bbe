"""Colorful Image Colorization: rebalanced cross-entropy over 313 softly encoded ab bins."""

from dataclasses import dataclass
from typing import Any

import zoo
from training.systems.classification import ClassificationRecipe, cut, forward_scores
from training.systems.constraints import Positive, PositiveInt
from training.systems.losses import not_gray, pixel_weights, soft_cross_entropy
from training.systems.system import Losses, Photographs, Statistics, System, Tensors, supervised_system
from zoo import bins
from zoo.architectures.zhang2016 import STRIDE


@dataclass(frozen=True, kw_only=True)
class Zhang2016Recipe(ClassificationRecipe):
    """What zhang2016 adds to a recipe. A prior is in the order of `zoo.bins.ab_grid`."""

    architecture: str = "zhang2016"
    width: Positive = 1.0
    neighbors: PositiveInt = 5
    sigma: Positive = 5.0

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The centers of the bins, and their prior."""
        return self.grid_statistics(photographs, neighbors=self.neighbors, sigma=self.sigma)

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"temperature": self.temperature, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        centers = statistics["centers"]
        class_weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def targets(truth: Tensors) -> Tensors:
            """Of every fourth pixel each way, as many as there are scores."""
            encoded = bins.soft_encode(
                truth["ab"][:, ::STRIDE, ::STRIDE], centers, neighbors=self.neighbors, sigma=self.sigma
            )
            return {"encoded": encoded, "weights": pixel_weights(encoded, class_weights)}

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            height, width = truth["encoded"].shape[1:3]
            mask = truth["mask"][:, ::STRIDE, ::STRIDE] * not_gray(truth["ab"])[:, None, None]
            scores = cut(outputs["scores"], height, width)
            return {"loss": soft_cross_entropy(scores, truth["encoded"], truth["weights"] * mask)}

        # A dozen operations on 313 numbers for each pixel, of which a compiler makes a few.
        return supervised_system(network, forward_scores(network), losses, targets=targets, compiled=True)
