"""Losses of tensors: one value for each picture, so that the global batch alone decides what divides them."""

import numpy as np
from keras import ops

from zoo.color import Tensor


def cross_entropy(scores: Tensor, classes: Tensor, weights: np.ndarray, mask: Tensor) -> Tensor:
    """Class-weighted cross-entropy, averaged over each picture's pixels that are not padding.

    Args:
        scores: logits (B, H, W, n).
        classes: the true class of every pixel, (B, H, W) int.
        weights: of the classes, (n,); see `zoo.bins.rebalancing_weights`.
        mask: 1 where the picture is and 0 where it is padded, (B, H, W). Padding alone has the loss 0.

    Returns:
        (B,) float32, at least 0. Source: ColorUNet, section 2.1; Zhang et al., equation 2.
    """
    log_sum = ops.logsumexp(scores, axis=-1)
    true_score = ops.squeeze(ops.take_along_axis(scores, ops.expand_dims(classes, -1), axis=-1), -1)
    weight = ops.take(weights, classes, axis=0) * mask
    total = ops.sum(weight * (log_sum - true_score), axis=(1, 2))
    return total / ops.maximum(ops.sum(mask, axis=(1, 2)), 1.0)
