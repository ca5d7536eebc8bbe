"""CIEDE2000, the color difference that is meant to be equally visible everywhere in Lab.

CIE 142-2001, with all three weights kL, kC and kH equal to 1. The formula is written out, with the cases that others
get wrong, by Sharma, Wu, Dalal. The CIEDE2000 Color-Difference Formula. Color Research and Application 30(1), 2005.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import ArgumentError

FAR = 25.0**7  # chroma to the seventh power, above which the corrections of blue and gray come to an end


def ciede2000(lab_true: ArrayLike, lab: ArrayLike) -> NDArray[np.float64]:
    """Mean color difference (...) over the pixels of Lab pictures (..., H, W, 3), >= 0; about 1 is just visible.

    L is in [0, 100], a and b are in Lab units (D65). The lightness takes part: that of a colorized picture is the
    truth's within rounding. Pixels are compared one by one; the eye does not see such differences in fine detail.

    Raises:
        ArgumentError: the shapes differ or are not (..., H, W, 3).
    """
    first, second = np.asarray(lab_true, np.float64), np.asarray(lab, np.float64)
    if first.shape != second.shape or first.ndim < 3 or first.shape[-1] != 3:
        raise ArgumentError(f"two equal shapes (..., H, W, 3) are needed, not {first.shape} and {second.shape}")
    return np.asarray(differences(first, second).mean(axis=(-2, -1)))


def differences(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The CIEDE2000 difference (...) of each pair of colors Lab (..., 3)."""
    (light1, a1, b1), (light2, a2, b2) = (np.moveaxis(lab, -1, 0) for lab in (first, second))
    mean_chroma7 = _seventh((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma7 / (mean_chroma7 + FAR))  # 1 + G
    a1, a2 = a1 * stretch, a2 * stretch
    chroma1, chroma2 = np.hypot(a1, b1), np.hypot(a2, b2)
    chromatic = chroma1 * chroma2 > 0
    hue1, hue2 = (np.arctan2(b, a) % (2 * np.pi) for a, b in ((a1, b1), (a2, b2)))

    turn = hue2 - hue1
    short_turn = np.where(chromatic, turn - 2 * np.pi * np.sign(turn) * (np.abs(turn) > np.pi), 0.0)
    delta_hue = 2 * np.sqrt(chroma1 * chroma2) * np.sin(short_turn / 2)
    # Where one color is gray, the hue of the other one counts.
    mean_hue = hue1 + hue2
    over = (np.abs(turn) > np.pi) * np.where(mean_hue < 2 * np.pi, 2 * np.pi, -2 * np.pi)
    mean_hue = np.where(chromatic, (mean_hue + over) / 2, mean_hue)

    mean_light = ((light1 + light2) / 2 - 50) ** 2
    mean_chroma = (chroma1 + chroma2) / 2
    scale_light = 1 + 0.015 * mean_light / np.sqrt(20 + mean_light)
    scale_chroma = 1 + 0.045 * mean_chroma
    scale_hue = 1 + 0.015 * mean_chroma * _hue_weight(mean_hue)
    light, chroma, hue = (
        (light2 - light1) / scale_light,
        (chroma2 - chroma1) / scale_chroma,
        delta_hue / scale_hue,
    )
    squared = light**2 + chroma**2 + hue**2 + _blue_rotation(mean_hue, mean_chroma) * chroma * hue
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))  # the rotation may leave a trace below 0


def _seventh(x: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = x * x
    return squared * squared * squared * x


def _hue_weight(hue: NDArray[np.float64]) -> NDArray[np.float64]:
    """T of the formula."""
    return np.asarray(
        1
        - 0.17 * np.cos(hue - np.radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.radians(6))
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )


def _blue_rotation(hue: NDArray[np.float64], chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """R_T of the formula."""
    from_blue = (np.degrees(hue) - 275) / 25
    chroma7 = _seventh(chroma)
    return np.asarray(-2 * np.sqrt(chroma7 / (chroma7 + FAR)) * np.sin(np.radians(60) * np.exp(-(from_blue**2))))
