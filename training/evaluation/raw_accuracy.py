"""The area under the curve of raw accuracy, with and without rebalancing, of Zhang et al.

Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016, section 3.1: the share of pixels whose predicted color lies
within a distance of the truth in the ab plane, swept over distances from 0 to 150 Lab units, integrated and normalized;
and the same where pixels weigh inversely to the frequency of their true color (equation 4 with lambda = 0). The metric
goes back to Deshpande, Rock, Forsyth. Learning Large-Scale Automatic Image Colorization. ICCV 2015.

The integral is taken exactly rather than as a sum over thresholds: a pixel at the distance d has its share of 1 - d /
150. Nothing is resized, clipped or rounded here.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.evaluation.histograms import nearest_bin
from zoo.errors import ArgumentError

LARGEST = 150.0  # the last threshold, in Lab units


def auc(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    """Area (...) under the curve of raw accuracy of ab (..., H, W, 2), in [0, 1]; 1 for equal pictures.

    Gray is high already: most colors are less than 30 units from it. Papers print it in percent.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 2).
    """
    return np.asarray(_pixel_areas(ab_true, ab).mean(axis=(-2, -1)))


def auc_rebalanced(
    ab_true: ArrayLike, ab: ArrayLike, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Area (...) under the curve with weighted pixels, in [0, 1], and the mean weight (...) of each picture's pixels.

    The figure of a set is the mean over its pictures, each with its mean weight, as every pixel of the set then counts
    by its own.

    Args:
        ab_true: the truth, ab (..., H, W, 2).
        ab: the result.
        weights: of the bins of `zoo.bins.ab_grid`, (313,), such as `balancing_weights` gives them.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 2), or there are not 313 weights.
    """
    areas = _pixel_areas(ab_true, ab)
    found = bin_weights(ab_true, weights)
    mean = found.mean(axis=(-2, -1))
    # A picture in which nothing counts has no area; its weight of 0 keeps that out of every mean.
    total = (areas * found).mean(axis=(-2, -1))
    return np.divide(total, mean, out=np.zeros_like(total), where=mean > 0), np.asarray(mean)


def bin_weights(ab_true: ArrayLike, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weight (..., H, W) of each pixel: that of the bin that is nearest to its true color.

    Raises:
        ArgumentError: there are not 313 weights.
    """
    index = nearest_bin(ab_true)
    if weights.ndim != 1 or index.max(initial=0) >= len(weights):
        raise ArgumentError(f"a weight for each bin of the ab grid is needed, not {weights.shape}")
    return np.asarray(weights, np.float64)[index]


def balancing_weights(counts: ArrayLike) -> NDArray[np.float64]:
    """Counts of pixels (n,) -> weights (n,) inverse to them, whose mean over the pixels is 1; 0 for empty bins.

    Equation 4 with lambda = 0 over the bins that occur, with the frequencies of the set itself; Zhang et al. had
    smoothed those of ImageNet.
    """
    pixels = np.asarray(counts, np.float64)
    present = pixels > 0
    weights = np.zeros_like(pixels)
    weights[present] = pixels.sum() / (present.sum() * pixels[present])
    return weights


def _pixel_areas(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(ab_true, np.float64), np.asarray(ab, np.float64)
    if first.shape != second.shape or first.ndim < 3 or first.shape[-1] != 2:
        raise ArgumentError(f"two equal shapes (..., H, W, 2) are needed, not {first.shape} and {second.shape}")
    distance = np.hypot(first[..., 0] - second[..., 0], first[..., 1] - second[..., 1])
    return np.asarray(1.0 - np.minimum(distance, LARGEST) / LARGEST)
