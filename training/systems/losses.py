"""Losses of tensors: one value for each picture, so that the global batch alone decides what divides them."""

import numpy as np
from keras import ops

from zoo.color import GRAY_LIMIT, Tensor
from zoo.errors import ArgumentError


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


def soft_cross_entropy(scores: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy with soft targets, averaged over each picture's pixels, whatever they weigh.

    The division is by the number of pixels, H * W, and not by the sum of the weights: a pixel of weight 0 counts as a
    loss of 0. Weights whose expected value is 1, as `zoo.bins.rebalancing_weights` gives them, keep the loss's scale.

    Args:
        scores: logits (B, H, W, n).
        targets: distributions (B, H, W, n), rows with the sum 1; see `zoo.bins.soft_encode`.
        weights: of the pixels, (B, H, W): `pixel_weights`, times `not_gray` of the picture, times a mask if there is
            padding.

    Returns:
        (B,) float32, at least 0. Source: Zhang et al., equation 2. Weighting the loss gives the gradients of their
        code, which leaves the loss as it is and multiplies its gradient at the logits.
    """
    surprise = -ops.sum(targets * ops.log_softmax(scores, axis=-1), axis=-1)
    return ops.mean(weights * surprise, axis=(1, 2))


def pixel_weights(targets: Tensor, weights: Tensor) -> Tensor:
    """Soft targets (B, H, W, n) and weights of the classes (n,) -> weights of the pixels (B, H, W).

    A pixel weighs as much as the most probable class of its target. Source: Zhang et al., equation 3.
    """
    return ops.take(weights, ops.argmax(targets, axis=-1), axis=0)


def not_gray(ab: Tensor, limit: float = GRAY_LIMIT) -> Tensor:
    """Colors ab (B, H, W, 2) in Lab units -> (B,) float32: 1, or 0 where no |a| and no |b| is above the limit.

    A gray photograph teaches nothing of color, so its pixels weigh 0. Source: Zhang et al., training code.
    """
    return ops.cast(ops.any(ops.absolute(ab) > limit, axis=(1, 2, 3)), "float32")


def squared_error(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean of (predicted - true)^2 over the channels and over each picture's pixels that are not padding.

    Args:
        predicted: (B, H, W, C), of any range.
        true: (B, H, W, C), of the same range.
        mask: 1 where the picture is and 0 where it is padded, (B, H, W). Padding alone has the loss 0.

    Returns:
        (B,) float32, at least 0. Source: Iizuka et al., whose Frobenius norm is a sum over the map; Rahman et al.,
        section V.B, equation 2.
    """
    difference = predicted - true
    return _masked_mean(difference * difference, mask)


def absolute_error(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean of |predicted - true| over the channels and over each picture's pixels that are not padding.

    Arguments and result as of `squared_error`; the gradient where both are equal is 0. Source: the L1 term of pix2pix
    (Pandey and Rana, equation 7) and of Gorriz Blanch et al., equation 5; the caller multiplies by its lambda.
    """
    return _masked_mean(ops.absolute(predicted - true), mask)


def smooth_absolute_error(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean of the smooth L1 (Huber) loss: d^2 / 2 where d = |predicted - true| is below 1, and d - 1/2 above.

    Arguments and result as of `squared_error`. On values in [0, 1] it is half the squared error. Source: Rahman et
    al., section V.B, equation 1, after Girshick's Fast R-CNN.
    """
    distance = ops.absolute(predicted - true)
    curved = ops.minimum(distance, 1.0)
    return _masked_mean(curved * (distance - 0.5 * curved), mask)


def binary_cross_entropy(predicted: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """Mean of -(t log p + (1 - t) log(1 - p)) over the channels and each picture's pixels that are not padding.

    Args:
        predicted: (B, H, W, C) in [0, 1], kept 1e-7 away from both ends, beyond which the gradient is 0.
        true: (B, H, W, C) in [0, 1].
        mask: 1 where the picture is and 0 where it is padded, (B, H, W). Padding alone has the loss 0.

    Returns:
        (B,) float32, at least 0; 0 is reached only where the true values are 0 or 1. Source: Rahman et al., section
        V.B, who name cross-entropy without a formula.
    """
    p = ops.clip(predicted, 1e-7, 1 - 1e-7)
    return _masked_mean(-(true * ops.log(p) + (1 - true) * ops.log(1 - p)), mask)


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Values (B, H, W, C), mask (B, H, W) -> (B,): the mean over channels and pixels with the mask 1, or else 0."""
    total = ops.sum(ops.mean(values, axis=-1) * mask, axis=(1, 2))
    return total / ops.maximum(ops.sum(mask, axis=(1, 2)), 1.0)


def label_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each picture's label, and 0 for a picture without one.

    Args:
        logits: (B, n).
        labels: (B,) int in [0, n), or -1 where there is no label.

    Returns:
        (B,) float32, at least 0. Source: Iizuka et al.; the caller multiplies by their alpha = 1/300.
    """
    chosen = ops.expand_dims(ops.maximum(labels, 0), -1)
    true_score = ops.squeeze(ops.take_along_axis(logits, chosen, axis=-1), -1)
    return (ops.logsumexp(logits, axis=-1) - true_score) * ops.cast(labels >= 0, "float32")


def hue_chroma_divergence(
    scores: Tensor,
    hue_target: Tensor,
    chroma_target: Tensor,
    chroma: Tensor,
    lightness: Tensor,
    mask: Tensor,
) -> Tensor:
    """KL divergences w KL(chroma) + 5 C KL(hue), averaged over each picture's samples that are not padding.

    The hue of a sample counts by its true chroma C, for a gray has none; its chroma counts less by
    w = min(3 L, 1, 3 (1 - L)) the nearer it is to black or white, where little color fits.

    Args:
        scores: logits (B, N, 2 n), those of the hue first.
        hue_target: histograms (B, N, n), rows with the sum 1.
        chroma_target: histograms (B, N, n), rows with the sum 1.
        chroma: the true chroma C, (B, N) in [0, 1]; see `zoo.color.rgb_to_hcl`.
        lightness: the gray L, (B, N) in [0, 1].
        mask: 1 where the sample is of the picture and 0 where of padding, (B, N). Padding alone has the loss 0.

    Returns:
        (B,) float32, at least 0 up to rounding, and 0 where the predicted histograms are the targets. Source: Larsson
        et al., section 3, with lambda_H = 5; the weight w is that of their training code.
    """
    hue_scores, chroma_scores = ops.split(scores, 2, axis=-1)
    fitting = ops.minimum(ops.minimum(3 * lightness, 3 * (1 - lightness)), 1.0)
    divergence = fitting * _divergence(chroma_target, chroma_scores) + 5 * chroma * _divergence(hue_target, hue_scores)
    return ops.sum(divergence * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)


def _divergence(targets: Tensor, scores: Tensor) -> Tensor:
    """Distributions (..., n), logits (..., n) -> KL(targets || softmax(scores)) (...), with 0 log 0 = 0."""
    log_targets = ops.log(ops.maximum(targets, 1e-30))
    return ops.sum(targets * (log_targets - ops.log_softmax(scores, axis=-1)), axis=-1)


def adversarial(logits: Tensor, real: bool, kind: str) -> Tensor:
    """What a discriminator's map costs when it should say "real", or "fake", averaged over each picture's map.

    The discriminator minimizes half the sum of both: `adversarial(D(true), True, kind)` and
    `adversarial(D(generated), False, kind)`. The generator minimizes `adversarial(D(generated), True, kind)`, the form
    whose gradient does not vanish when the discriminator is sure of itself.

    Args:
        logits: the discriminator's map before any sigmoid, (B, ...).
        real: whether the map should say "real".
        kind: "log" for -log sigmoid(logits), or -log(1 - sigmoid(logits)) if not real; "least_squares" for
            (logits - 1)^2, or logits^2.

    Returns:
        (B,) float32, at least 0. Source: "log" Isola et al., sections 3.1 and 3.3 (Pandey and Rana, equations 7 and 8;
        Gorriz Blanch et al., equations 4 and 5); "least_squares" Mao et al., Least Squares GAN, as in the code of
        Gorriz Blanch et al.

    Raises:
        ArgumentError: there is no such kind.
    """
    if kind == "log":
        cost = ops.softplus(-logits if real else logits)
    elif kind == "least_squares":
        cost = ops.square(logits - float(real))
    else:
        raise ArgumentError(f"kind is {kind!r}: it must be log or least_squares")
    return ops.mean(cost, axis=tuple(range(1, len(logits.shape))))
