"""Color spaces as pure functions of tensors, in `keras.ops`.

Every function takes arrays or (Keras) tensors whose last axis holds the three channels, in float32, and returns
the same shape. RGB is sRGB-encoded, in [0, 1]; callers divide 8-bit values by 255.

* sRGB: IEC 61966-2-1.
* Lab: CIE 1976 L*a*b*, D65, 2 degree observer: L in [0, 100], a and b in about [-110, 110]. The RGB -> XYZ matrix is
  that of the Rec. 709 primaries with six digits, and the white point the tabulated one, as in scikit-image.
* YUV: the analog form of BT.601: Y in [0, 1], U in [-0.436, 0.436], V in [-0.615, 0.615].
* HCL: hue, chroma and lightness as Larsson et al. (ECCV 2016) define them for learning, all in [0, 1].
"""

from typing import Any

import numpy as np
from keras import ops

Tensor = Any  # a numpy array, a backend tensor or a symbolic KerasTensor

XYZ_FROM_RGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65, 2 degree observer
# Rows give linear R, G, B from X/Xn, Y/Yn, Z/Zn.
RGB_FROM_WHITENED_XYZ = np.linalg.inv(XYZ_FROM_RGB) * WHITE
DELTA = 6 / 29  # where the cube root of Lab turns into a straight line

# A photograph is gray if neither |a| nor |b| of any pixel is above this, in Lab units (as in the code of Zhang et al.).
GRAY_LIMIT = 5.0

# Linear light may leave [0, 1] by this much before a color counts as outside sRGB: above float32 noise, and below
# a tenth of an 8-bit step.
GAMUT_TOLERANCE = 1e-5
GAMUT_STEPS = 9  # halvings of the chroma interval: ends within 1/512 of the largest chroma that fits


def _channels(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x[..., 0:1], x[..., 1:2], x[..., 2:3]


def _power(x: Tensor, exponent: float) -> Tensor:
    """Positive x to a power: three times as fast as `ops.power` on CPUs, and equal to float32 rounding."""
    return ops.exp(ops.log(x) * exponent)


def srgb_to_linear(rgb: Tensor) -> Tensor:
    """SRGB-encoded values in [0, 1] -> linear light in [0, 1]; any shape."""
    return ops.where(rgb <= 0.04045, rgb / 12.92, _power((ops.maximum(rgb, 0.04045) + 0.055) / 1.055, 2.4))


def linear_to_srgb(linear: Tensor) -> Tensor:
    """Linear light -> sRGB-encoded values; any shape. Negative light continues the straight part."""
    bent = 1.055 * _power(ops.maximum(linear, 0.0031308), 1 / 2.4) - 0.055
    return ops.where(linear <= 0.0031308, linear * 12.92, bent)


def _lab_f(t: Tensor) -> Tensor:
    return ops.where(t > DELTA**3, _power(ops.maximum(t, DELTA**3), 1 / 3), t * (1 / (3 * DELTA**2)) + 4 / 29)


def _lab_f_inverse(f: Tensor) -> Tensor:
    return ops.where(f > DELTA, f * f * f, f * (3 * DELTA**2) - 12 / 29 * DELTA**2)


def lightness(rgb: Tensor) -> Tensor:
    """RGB (..., 3) in [0, 1] -> CIE lightness L (..., 1) in [0, 100]."""
    return lightness_of_linear(srgb_to_linear(rgb))


def lightness_of_linear(linear: Tensor) -> Tensor:
    """Linear light R, G, B (..., 3) in [0, 1] -> CIE lightness L (..., 1) in [0, 100]."""
    r, g, b = _channels(linear)
    mr, mg, mb = XYZ_FROM_RGB[1].tolist()
    return _lab_f(r * mr + g * mg + b * mb) * 116 - 16


def gray_of_lightness(light: Tensor) -> Tensor:
    """L (..., 1) in [0, 100] -> the sRGB-encoded gray (..., 1) in [0, 1] of that lightness: R = G = B."""
    return linear_to_srgb(_lab_f_inverse((light + 16) * (1 / 116)))


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """RGB (..., 3) in [0, 1] -> Lab (..., 3): L in [0, 100], a and b in about [-110, 110]."""
    r, g, b = _channels(srgb_to_linear(rgb))
    fx, fy, fz = (_lab_f(r * mr + g * mg + b * mb) for mr, mg, mb in (XYZ_FROM_RGB / WHITE[:, None]).tolist())
    return ops.concatenate([fy * 116 - 16, (fx - fy) * 500, (fy - fz) * 200], axis=-1)


def _linear_from_f(fx: Tensor, fy: Tensor, fz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, y, z = _lab_f_inverse(fx), _lab_f_inverse(fy), _lab_f_inverse(fz)
    r, g, b = (x * mx + y * my + z * mz for mx, my, mz in RGB_FROM_WHITENED_XYZ.tolist())
    return r, g, b


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Lab (..., 3) -> RGB (..., 3) in [0, 1]. Colors outside sRGB are clipped by channel: see `fit_gamut`."""
    light, a, b = _channels(lab)
    fy = (light + 16) * (1 / 116)
    linear = ops.concatenate(_linear_from_f(fy + a * (1 / 500), fy, fy - b * (1 / 200)), axis=-1)
    return linear_to_srgb(ops.clip(linear, 0.0, 1.0))


def in_gamut(lab: Tensor) -> Tensor:
    """Lab (..., 3) -> whether the color lies inside sRGB, (..., 1) bool."""
    light, a, b = _channels(lab)
    return _fits((light + 16) * (1 / 116), a * (1 / 500), b * (1 / 200))


def _fits(fy: Tensor, da: Tensor, db: Tensor) -> Tensor:
    r, g, b = _linear_from_f(fy + da, fy, fy - db)
    low = ops.minimum(ops.minimum(r, g), b)
    high = ops.maximum(ops.maximum(r, g), b)
    # One comparison for both bounds: 1 is as far from white as 0 is from black.
    return ops.minimum(low, 1 - high) >= -GAMUT_TOLERANCE


def fit_gamut(lab: Tensor) -> Tensor:
    """Lab (..., 3) -> Lab (..., 3) inside sRGB, by less chroma at the same lightness and hue.

    Colors inside sRGB come back unchanged. For the others the largest chroma that fits is found by bisection along
    the line to the gray of the same lightness; clipping by channel would change lightness and hue as well.
    """
    light, a, b = _channels(lab)
    fy, da, db = (light + 16) * (1 / 116), a * (1 / 500), b * (1 / 200)
    scale = ops.zeros_like(light)
    for step in range(1, GAMUT_STEPS + 1):
        larger = scale + 0.5**step
        scale = ops.where(_fits(fy, da * larger, db * larger), larger, scale)
    scale = ops.where(in_gamut(lab), 1.0, scale)
    return ops.concatenate([light, a * scale, b * scale], axis=-1)


def rgb_to_yuv(rgb: Tensor) -> Tensor:
    """RGB (..., 3) in [0, 1] -> YUV (..., 3): Y in [0, 1], U in [-0.436, 0.436], V in [-0.615, 0.615]."""
    r, g, b = _channels(rgb)
    y = r * 0.299 + g * 0.587 + b * 0.114
    return ops.concatenate([y, (b - y) * (0.436 / 0.886), (r - y) * (0.615 / 0.701)], axis=-1)


def yuv_to_rgb(yuv: Tensor) -> Tensor:
    """YUV (..., 3) -> RGB (..., 3), in [0, 1] where the color exists; not clipped."""
    y, u, v = _channels(yuv)
    r = y + v * (0.701 / 0.615)
    b = y + u * (0.886 / 0.436)
    return ops.concatenate([r, (y - r * 0.299 - b * 0.114) * (1 / 0.587), b], axis=-1)


def rgb_to_hcl(rgb: Tensor) -> Tensor:
    """RGB (..., 3) in [0, 1] -> hue in [0, 1), chroma in [0, 1], lightness in [0, 1], as (..., 3).

    Hexagonal hue (that of HSV; 0 for grays), chroma = max - min, lightness = (R + G + B) / 3.
    Source: Larsson et al., Learning Representations for Automatic Colorization, ECCV 2016, section 3.
    """
    r, g, b = _channels(rgb)
    high = ops.maximum(ops.maximum(r, g), b)
    chroma = high - ops.minimum(ops.minimum(r, g), b)
    unit = ops.where(chroma > 0, chroma, 1.0)
    sector = ops.where(high == r, (g - b) / unit, ops.where(high == g, (b - r) / unit + 2.0, (r - g) / unit + 4.0))
    hue = sector * (1 / 6)
    hue = hue - ops.floor(hue)
    # The hue of a red with a trace of blue is so close to 1 that float32 rounds it up.
    hue = ops.where(ops.logical_and(chroma > 0, hue < 1), hue, 0.0)
    return ops.concatenate([hue, chroma, (r + g + b) * (1 / 3)], axis=-1)


def hcl_to_rgb(hcl: Tensor) -> Tensor:
    """Hue, chroma, lightness (..., 3) in [0, 1] -> RGB (..., 3), exact inverse of `rgb_to_hcl`; not clipped.

    The three channels are first drawn with the hue and chroma, then shifted together to the lightness.
    """
    hue, chroma, light = _channels(hcl)
    sector = hue * 6

    def channel(offset: float) -> Tensor:
        place = sector + offset
        place = place - 6 * ops.floor(place * (1 / 6))
        return chroma * ops.clip(ops.absolute(place - 3) - 1, 0.0, 1.0)

    r, g, b = channel(0.0), channel(4.0), channel(2.0)
    shift = light - (r + g + b) * (1 / 3)
    return ops.concatenate([r + shift, g + shift, b + shift], axis=-1)
