"""lite_unet: cross-entropy over 313 softly encoded ab bins, and, if asked for, the error of their mean."""

from dataclasses import dataclass
from typing import Annotated, Any

from keras import ops

import zoo
from training.systems.classification import ClassificationRecipe, cut, forward_scores
from training.systems.constraints import Above, AtLeast, AtMost, Positive
from training.systems.losses import absolute_error, pixel_weights, soft_cross_entropy
from training.systems.system import Losses, Photographs, Statistics, System, Tensors, supervised_system
from zoo import bins
from zoo.architectures.lite_unet import ENCODER, STRIDE
from zoo.color import Tensor


@dataclass(frozen=True, kw_only=True)
class LiteUNetRecipe(ClassificationRecipe):
    """What lite_unet adds to a recipe. A prior is in the order of `zoo.bins.ab_grid`."""

    architecture: str = "lite_unet"
    width: Positive = 1.0
    sigma: Positive = 5.0  # of the soft encoding, in Lab units
    l1: Annotated[float, AtLeast(0)] = 0.0  # factor of the absolute error of the bins' mean, in Lab units
    # Factor on the learning rate of the encoder, which begins with weights of ImageNet and needs smaller steps.
    encoder_lr_factor: Annotated[float, Above(0), AtMost(1)] = 1.0

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The centers of the bins, and their prior."""
        return self.grid_statistics(photographs, neighbors=None, sigma=self.sigma)

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"temperature": self.temperature, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        centers = statistics["centers"]
        class_weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def targets(truth: Tensors) -> Tensors:
            """The mean color of each cell of pixels, softly encoded, and how much of the cell is picture."""
            ab, share = _average_cells(truth["ab"], truth["mask"], STRIDE)
            encoded = bins.soft_encode(ab, centers, neighbors=None, sigma=self.sigma)
            weights = share if self.rebalance_lambda == 1 else share * pixel_weights(encoded, class_weights)
            return {"cells": ab, "share": share, "encoded": encoded, "weights": weights}

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            scores = cut(outputs["scores"], *truth["cells"].shape[1:3])
            loss = soft_cross_entropy(scores, truth["encoded"], truth["weights"])
            if not self.l1:
                return {"loss": loss}
            l1 = absolute_error(bins.annealed_mean(scores, centers, 1.0), truth["cells"], truth["share"])
            return {"loss": loss + self.l1 * l1, "l1": l1}

        lr_factors = dict.fromkeys(ENCODER, self.encoder_lr_factor) if self.encoder_lr_factor < 1 else {}
        return supervised_system(network, forward_scores(network), losses, targets=targets, lr_factors=lr_factors)


def _average_cells(maps: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Maps (B, H, W, C) -> their means over squares of pixels, of which a mask says what counts.

    Args:
        maps: of any H and W; the squares at their right and lower border may be cut off.
        mask: weights of the pixels, (B, H, W), in [0, 1].
        side: of the squares, in pixels.

    Returns:
        Means (B, h, w, C), 0 where nothing counts, and how much of each square counts, (B, h, w).
    """
    weights = ops.expand_dims(mask, -1)
    share = ops.average_pool(weights, side, side, padding="same")
    means = ops.average_pool(maps * weights, side, side, padding="same") / ops.maximum(share, 1e-6)
    return means, share[..., 0]
