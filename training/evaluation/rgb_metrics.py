"""How far a colorized picture is from the photograph on RGB, as most papers report it, lightness included.

A colorizer keeps the lightness of its input, so that these figures are better than those on ab alone, and differ less
between colorizers. They are of sRGB-encoded values as they are stored, without linearization, and nothing is resized or
clipped. Pictures of 16 bits are compared on the same scales, without rounding.

Every function takes one picture (H, W, 3) or a batch (..., H, W, 3) of 8 or 16 bits, the truth first, and returns an
array of the leading shape, which is () for one picture. Sums are float64.
"""

import numpy as np
from numpy.typing import NDArray

from training.evaluation.metrics import PEAK, levels, mean_similarity
from zoo.errors import ArgumentError

SIGMA = 1.5  # of the Gaussian window of SSIM, in pixels
SMALLEST = 11  # its side: 3.5 sigma on either side of its middle

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def _pair(truth: Pixels, rgb: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = levels(truth), levels(rgb)
    if first.shape != second.shape:
        raise ArgumentError(f"two equal shapes (..., H, W, 3) are needed, not {first.shape} and {second.shape}")
    return first, second


def mse_rgb(truth: Pixels, rgb: Pixels) -> NDArray[np.float64]:
    """Mean squared error (...) of RGB in [0, 1], over pixels and channels, in [0, 1].

    The loss of Rahman et al., Enhanced Grayscale Images Automatic Colorization using Auto Encoders (equation 2), on
    pictures that have been rounded to whole levels.

    Raises:
        ArgumentError: the shapes differ, are not (..., H, W, 3), or a type is neither uint8 nor uint16.
    """
    first, second = _pair(truth, rgb)
    return np.asarray(np.mean(((first - second) / PEAK) ** 2, axis=(-3, -2, -1)))


def psnr_rgb(truth: Pixels, rgb: Pixels) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio (...) of RGB in dB, of the mean squared error over pixels and all three channels.

    Equal pictures give inf; see `training.evaluation.metrics.mean_psnr`.

    Raises:
        ArgumentError: the shapes differ, are not (..., H, W, 3), or a type is neither uint8 nor uint16.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(-10.0 * np.log10(mse_rgb(truth, rgb)))


def ssim_rgb(truth: Pixels, rgb: Pixels) -> NDArray[np.float64]:
    """Structural similarity (...) of RGB, 1 for equal pictures, else less.

    Wang, Bovik, Sheikh, Simoncelli. Image Quality Assessment. IEEE TIP 13(4), 2004, with their settings: Gaussian
    windows of 11 x 11 pixels (sigma 1.5) that lie inside the picture, weighted covariances, K1 = 0.01, K2 = 0.03, a
    range of 255; for each channel by itself, then the mean over windows and channels.

    Raises:
        ArgumentError: the shapes differ, are not (..., H, W, 3), a side is less than 11, or a type is neither uint8 nor
            uint16.
    """
    first, second = _pair(truth, rgb)
    return mean_similarity(first, second, SMALLEST, gaussian_weights=True, sigma=SIGMA)


def channel_accuracy(truth: Pixels, rgb: Pixels) -> NDArray[np.float64]:
    """The share (...) of pixels whose largest channel is the same in both pictures, in [0, 1].

    What Rahman et al. call accuracy: Keras's metric of that name takes the three channels for scores of classes. Of
    equal channels the first counts, so that a gray picture is all red, and black and white agree: it says little.

    Raises:
        ArgumentError: the shapes differ, are not (..., H, W, 3), or a type is neither uint8 nor uint16.
    """
    first, second = _pair(truth, rgb)
    return np.asarray(np.mean(first.argmax(axis=-1) == second.argmax(axis=-1), axis=(-2, -1)))
