"""How far a colorized picture is from the photograph on ab, and how colorful it is.

RMSE, PSNR and SSIM are equations 1 to 4 of the comparison paper of the networks of Iizuka, Zhang and Larsson,
on the ab channels in Lab units (D65, a and b roughly in [-86, 98] and [-108, 95] for sRGB). Lightness takes
no part: a colorizer does not change it. L1 is that of Gorriz Blanch et al., whose PSNR is the same as here.
Colorfulness is that of Hasler and Susstrunk, "Measuring colourfulness in natural images" (Human Vision and
Electronic Imaging VIII, 2003), with signed opponent channels. Nothing is resized, clipped or rounded here.

Every function takes one picture (H, W, C) or a batch (..., H, W, C), and returns an array of the leading
shape, which is () for one picture. Sums are float64 whatever the input.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.metrics import structural_similarity

from zoo.errors import ArgumentError

# MAX_I of equation 3. With it scikit-image has the constants of equation 4: c1 = (0.01 MAX_I)^2 = 6.5025 and
# c2 = (0.03 MAX_I)^2 = 58.5225.
PEAK = 255.0
WINDOW = 5  # side of the local windows of SSIM, in pixels


def _pair(ab_true: ArrayLike, ab: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, second = np.asarray(ab_true, np.float64), np.asarray(ab, np.float64)
    if first.shape != second.shape or first.ndim < 3 or first.shape[-1] != 2:
        raise ArgumentError(f"two equal shapes (..., H, W, 2) are needed, not {first.shape} and {second.shape}")
    return first, second


def mse(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    """Mean squared error (...) of ab (..., H, W, 2) in Lab units squared, >= 0: equation 1.

    The sum over pixels and over both channels is divided by 2HW.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 2).
    """
    first, second = _pair(ab_true, ab)
    return np.asarray(np.mean((first - second) ** 2, axis=(-3, -2, -1)))


def rmse(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    """Root of the mean squared error (...) of ab (..., H, W, 2) in Lab units, >= 0: equation 2.

    The mean over a set of pictures is the mean of their roots, at most the root of their mean MSE.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 2).
    """
    return np.sqrt(mse(ab_true, ab))


def l1(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    """Mean absolute error (...) of ab (..., H, W, 2) in Lab units, >= 0: L1 of Gorriz Blanch et al., Table I.

    The mean is over pixels and over both channels, as in the code that the authors published; the text says no more
    than "averaged". Their pictures had been through 8-bit RGB, as those of `training.evaluation.protocol` have.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 2).
    """
    first, second = _pair(ab_true, ab)
    return np.asarray(np.mean(np.abs(first - second), axis=(-3, -2, -1)))


def psnr(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio (...) of ab (..., H, W, 2) in dB with a peak of 255: equation 3.

    More is closer. Equal pictures give inf; `mean_psnr` says how a set with such pictures is averaged. The
    peak is that of the paper, although ab spans about 200 units, and lightness does not count: the figures
    cannot be compared with PSNR of RGB. Table I of Gorriz Blanch et al. has the same, averaged over pictures.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 2).
    """
    with np.errstate(divide="ignore"):
        return np.asarray(20.0 * np.log10(PEAK / rmse(ab_true, ab)))


def mean_psnr(values: ArrayLike) -> tuple[float, int]:
    """The mean of the finite PSNR values (N,) in dB, and how many were infinite and left out of it.

    It is inf only where all of them are.
    """
    decibels = np.asarray(values, np.float64)
    finite = decibels[np.isfinite(decibels)]
    return (float(finite.mean()) if finite.size else float("inf")), decibels.size - finite.size


def ssim(ab_true: ArrayLike, ab: ArrayLike) -> NDArray[np.float64]:
    """Structural similarity (...) of ab (..., H, W, 2), 1 for equal pictures, else less: equation 4.

    Means, variances and covariance (divided by N, not N - 1) of all 5x5 windows inside the picture,
    unweighted, then the mean over windows and over both channels. The index was made for values in [0, 255];
    a and b are signed, so that windows of opposite hue or opposed structure give values below 0.

    Raises:
        ArgumentError: the shapes differ, are not (..., H, W, 2), or a side is less than 5.
    """
    first, second = _pair(ab_true, ab)
    return mean_similarity(first, second, WINDOW, win_size=WINDOW, gaussian_weights=False)


def mean_similarity(
    first: NDArray[np.float64], second: NDArray[np.float64], smallest: int, **window: Any
) -> NDArray[np.float64]:
    """Structural similarity (...) of values up to 255 (..., H, W, C), the mean over windows and channels.

    Args:
        first, second: of equal shapes.
        smallest: side that a picture must have.
        window: of `skimage.metrics.structural_similarity`. Covariances are divided by N.

    Raises:
        ArgumentError: a side is less than `smallest`.
    """
    if min(first.shape[-3:-1]) < smallest:
        raise ArgumentError(f"pictures of at least {smallest}x{smallest} are needed, not {first.shape[-3:-1]}")
    measure = partial(structural_similarity, data_range=PEAK, channel_axis=-1, use_sample_covariance=False, **window)
    return _each_picture(measure, first, second)


def _each_picture(
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What `measure` gives for each pair of pictures of two batches (..., H, W, C), as an array (...)."""
    leading, picture = first.shape[:-3], first.shape[-3:]
    pairs = zip(first.reshape(-1, *picture), second.reshape(-1, *picture), strict=True)
    return np.asarray([measure(*pair) for pair in pairs], np.float64).reshape(leading)


def colorfulness(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float64]:
    """Colorfulness (...) of sRGB pictures (..., H, W, 3), 0 for gray: Hasler and Susstrunk 2003.

    With rg = R - G and yb = (R + G) / 2 - B, both signed, it is sqrt(var rg + var yb) + 0.3 sqrt(mean rg^2 +
    mean yb^2). Its authors call 15 slightly, 33 moderately, 59 quite and 109 extremely colorful. Code that
    takes the absolute values of rg and yb first, as some papers do, gives other figures. Pictures of 16 bits
    are measured on the same scale of 0 to 255, without rounding.

    Raises:
        ArgumentError: the type is neither uint8 nor uint16, or the last axis is not 3.
    """
    red, green, blue = np.moveaxis(levels(rgb), -1, 0)
    opponents = np.stack([red - green, (red + green) / 2.0 - blue])
    spread = np.sqrt(np.sum(np.var(opponents, axis=(-2, -1)), axis=0))
    offset = np.sqrt(np.sum(np.mean(opponents, axis=(-2, -1)) ** 2, axis=0))
    return np.asarray(spread + 0.3 * offset)


def levels(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float64]:
    """SRGB pictures (..., H, W, 3) of 8 or 16 bits -> their values on the scale of 0 to 255, not rounded.

    Raises:
        ArgumentError: the type is neither uint8 nor uint16, or the last axis is not 3.
    """
    pixels = np.asarray(rgb)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim < 3 or pixels.shape[-1] != 3:
        raise ArgumentError(f"uint8 or uint16 (..., H, W, 3) is needed, not {pixels.dtype} {pixels.shape}")
    scaled = pixels.astype(np.float64)
    return scaled if pixels.dtype == np.uint8 else scaled / 257.0
