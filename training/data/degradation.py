"""What film, time and a scanner do to a photograph, done to the lightness that a network sees; in `keras.ops` alone.

In the order in which it happens: the emulsion weighs the light's colors, the lens blurs and darkens the corners, the
exposure and the characteristic curve set the tones, the film adds its grain, the print fades, often unevenly, and gets
dust and scratches, and the scan is stored as JPEG. Every function works on a batch whose pictures have their own
strengths, computes the same on every backend, and draws nothing by itself: random numbers are arguments, so that a
resumed run sees the same pictures again.

Emulsions of silver halide see blue and ultraviolet light only; the dyes of orthochromatic plates add green, those of
panchromatic ones, sold from 1906 on and common from the 1920s, red as well: T. H. James (ed.), The Theory of the
Photographic Process, 4th ed., Macmillan 1977, chapter 8. In sRGB's channels these are taken to be B, (G + B) / 2 and
the luminance Y.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from zoo.blocks import resample
from zoo.color import (
    XYZ_FROM_RGB,
    Tensor,
    lightness_of_linear,
    linear_to_srgb,
    srgb_to_linear,
)

SPOTS, SCRATCHES = 8, 2  # the most that a picture gets
PICTURE_DRAWS, SPOT_DRAWS, SCRATCH_DRAWS = 29, 7, 8
DRAWS = PICTURE_DRAWS + SPOTS * SPOT_DRAWS + SCRATCHES * SCRATCH_DRAWS  # uniform numbers that a picture needs

PANCHROMATIC = XYZ_FROM_RGB[1]
ORTHOCHROMATIC = np.array([0.0, 0.5, 0.5])
BLUE_SENSITIVE = np.array([0.0, 0.0, 1.0])

REFERENCE = 128.0  # lengths are in pixels of a picture of this side, and grow with the side
BLOCK = 8
# Quantization of luma, table K.1 of ITU-T T.81.
LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Degradation:
    """What happens to each picture of a batch. Gray values are sRGB-encoded, 0 black and 1 white."""

    applies: Tensor  # (B,) bool: the others stay as they are
    response: Tensor  # (B, 3): the emulsion's weights of linear R, G, B; their sum is 1
    blur: Tensor  # (B,): standard deviation, in pixels of a picture of 128 x 128
    falloff: Tensor  # (B,): share of the light that is lost at the distance of the corner; below 0 the edge is lighter
    center: Tensor  # (B, 2): of the vignette, down and across, in half sides from the middle
    exposure: Tensor  # (B,): factor on the light; what gets above 1 is white
    gamma: Tensor  # (B,): power of the gray values
    curve: Tensor  # (B,) in [-1, 1]: steepness of an S, 0 for a straight line
    grain: Tensor  # (B,): standard deviation in the midtones, in gray values
    grain_size: Tensor  # (B,): standard deviation of its blur, in pixels of a picture of 128 x 128
    black: Tensor  # (B,): gray value that black fades to
    white: Tensor  # (B,): gray value that white fades to
    slope: Tensor  # (B, 2): how the fading grows down and across, in gray values per half side
    # (B, SPOTS, 5): strength in [-1, 1] (above 0 white, below 0 black), position in [0, 1] down and across, height and
    # width in pixels of a picture of 128 x 128
    spots: Tensor
    # (B, SCRATCHES, 6): strength, position across, shift from top to bottom, half width in pixels, first and last row,
    # all but the width in sides of the picture
    scratches: Tensor
    quality: Tensor  # (B,) in [1, 100]: of the JPEG file; 0 for none


def degraded_lightness(rgb: Tensor, draws: Tensor, field: Tensor, share: float) -> Tensor:
    """RGB (B, S, S, 3) in [0, 1] -> L (B, S, S, 1) in [0, 100], of which a share is that of an old photograph.

    Args:
        rgb: the photographs.
        draws: uniform numbers (B, DRAWS) in [0, 1): they decide which pictures are degraded, by what and how much.
        field: normal numbers (B, S, S, 1): the grain.
        share: of the pictures that are degraded, in [0, 1].
    """
    return degrade(rgb, draw_degradation(draws, share), field)


def draw_degradation(draws: Tensor, share: float) -> Degradation:
    """Uniform numbers (B, DRAWS) in [0, 1) -> what happens to each picture.

    Most pictures are degraded mildly: all strengths are scaled by one number for the picture, which is seldom high.
    """
    split = PICTURE_DRAWS + SPOTS * SPOT_DRAWS
    u = iter(ops.unstack(draws[:, :PICTURE_DRAWS], PICTURE_DRAWS, axis=1))
    applies = next(u) < share
    level = 0.3 + 0.7 * next(u) ** 2

    def sometimes(probability: float, value: Tensor, neutral: float = 0.0) -> Tensor:
        return ops.where(next(u) < probability, value, neutral)

    # A filter before the lens, or an emulsion of another maker, lies between the pure cases.
    emulsion, purity = next(u), 0.6 + 0.4 * next(u)
    ortho = ops.where(ops.logical_and(emulsion >= 0.4, emulsion < 0.75), purity, 0.0)
    blue = ops.where(emulsion >= 0.75, purity, 0.0)
    response = [
        (1 - ortho - blue) * p + ortho * o + blue * b
        for p, o, b in zip(PANCHROMATIC.tolist(), ORTHOCHROMATIC.tolist(), BLUE_SENSITIVE.tolist(), strict=True)
    ]
    toned, faded, uneven = (sometimes(probability, level) for probability in (0.75, 0.6, 0.2))
    spots = _draw_spots(
        ops.reshape(draws[:, PICTURE_DRAWS:split], (-1, SPOTS, SPOT_DRAWS)), sometimes(0.4, next(u)), level
    )
    scratches = _draw_scratches(
        ops.reshape(draws[:, split:], (-1, SCRATCHES, SCRATCH_DRAWS)), sometimes(0.25, next(u)), level
    )
    return Degradation(
        applies=applies,
        response=ops.stack(response, axis=1),
        blur=sometimes(0.6, 0.25 + 1.1 * level * next(u)),
        falloff=sometimes(0.45, level * (1.1 * next(u) - 0.25)),
        center=ops.stack([0.4 * next(u) - 0.2, 0.4 * next(u) - 0.2], axis=1),
        exposure=ops.exp2(toned * (1.9 * next(u) - 0.7)),
        gamma=ops.exp2(toned * (1.8 * next(u) - 0.9)),
        curve=toned * (1.7 * next(u) - 0.7),
        grain=sometimes(0.8, 0.006 + 0.065 * level * next(u)),
        grain_size=0.25 + 0.75 * next(u) ** 2,
        black=0.35 * faded * next(u),
        white=1 - 0.35 * faded * next(u),
        slope=ops.stack([0.15 * uneven * (2 * next(u) - 1), 0.15 * uneven * (2 * next(u) - 1)], axis=1),
        spots=spots,
        scratches=scratches,
        quality=sometimes(0.4, 95 - 75 * level * next(u)),
    )


def _draw_spots(draws: Tensor, density: Tensor, level: Tensor) -> Tensor:
    """Uniform numbers (B, SPOTS, SPOT_DRAWS), share of the spots that are there (B,) -> `Degradation.spots`."""
    there, sign, strength, down, across, height, width = ops.unstack(draws, SPOT_DRAWS, axis=2)
    density, level = density[:, None], level[:, None]
    # Dust on the negative is white in the print; dirt on the print is dark.
    strength = ops.where(sign < 0.65, 1.0, -1.0) * (0.3 + 0.7 * level * strength)
    radii = [0.4 + 1.4 * level * size**2 for size in (height, width)]
    return ops.stack([ops.where(there < density, strength, 0.0), down, across, *radii], axis=2)


def _draw_scratches(draws: Tensor, density: Tensor, level: Tensor) -> Tensor:
    """Uniform numbers (B, SCRATCHES, SCRATCH_DRAWS), share of the scratches (B,) -> `Degradation.scratches`."""
    there, sign, strength, place, shift, width, first, length = ops.unstack(draws, SCRATCH_DRAWS, axis=2)
    density, level = density[:, None], level[:, None]
    strength = ops.where(sign < 0.7, 1.0, -1.0) * (0.15 + 0.6 * level * strength)
    first = 1.4 * first - 0.7
    return ops.stack(
        [
            ops.where(there < density, strength, 0.0),
            place,
            0.3 * (shift - 0.5),
            0.6 + 0.9 * level * width,
            first,
            first + 0.2 + length,
        ],
        axis=2,
    )


def degrade(rgb: Tensor, degradation: Degradation, field: Tensor) -> Tensor:
    """RGB (B, S, S, 3) in [0, 1], normal numbers (B, S, S, 1) for the grain -> L (B, S, S, 1) in [0, 100]."""
    d = degradation
    linear = srgb_to_linear(rgb)
    light = ops.sum(linear * d.response[:, None, None], axis=-1)
    light = vignette(blur(light, d.blur), d.falloff, d.center)
    gray = linear_to_srgb(ops.clip(light * _per_picture(d.exposure), 0.0, 1.0))
    gray = add_grain(tone(gray, d.gamma, d.curve), field[..., 0], d.grain, d.grain_size)
    gray = fade(gray, d.black, d.white, d.slope)
    gray = mark(mark(gray, spot_field(d.spots, gray.shape[1])), scratch_field(d.scratches, gray.shape[1]))
    gray = compress(ops.clip(gray, 0.0, 1.0), d.quality)
    luminance = ops.repeat(srgb_to_linear(gray)[..., None], 3, axis=-1)
    old = ops.clip(lightness_of_linear(luminance), 0.0, 100.0)
    return ops.where(d.applies[:, None, None, None], old, lightness_of_linear(linear))


def blur(picture: Tensor, deviation: Tensor) -> Tensor:
    """Pictures (B, S, S) through Gaussians of standard deviations (B,), in pixels of a picture of 128 x 128."""
    weights = _gaussians(deviation, picture.shape[1])
    weights = weights / ops.sum(weights, axis=2, keepdims=True)
    return resample(picture, weights, weights)


def vignette(light: Tensor, falloff: Tensor, center: Tensor) -> Tensor:
    """Light (B, S, S), less of it by falloff (B,) times the squared distance to center (B, 2); 1 is the corner's."""
    here = _half_sides(light.shape[1])
    # Of an index that takes a part of a stack and adds an axis, TensorFlow's graph optimizer loses the axis.
    down, across = (_per_picture(place) for place in ops.unstack(center, 2, axis=1))
    distance = ((here[:, None] - down) ** 2 + (here - across) ** 2) / 2
    return light * ops.maximum(1 - _per_picture(falloff) * distance, 0.0)


def tone(gray: Tensor, gamma: Tensor, curve: Tensor) -> Tensor:
    """Gray values (B, S, S) through a power (B,) and an S of steepness (B,) in [-1, 1]; both keep black and white."""
    gray = ops.exp(ops.log(ops.maximum(gray, 1e-6)) * _per_picture(gamma))
    return gray + _per_picture(curve) * gray * (1 - gray) * (2 * gray - 1)


def add_grain(gray: Tensor, field: Tensor, strength: Tensor, size: Tensor) -> Tensor:
    """Gray values (B, S, S) with grain of the standard deviation `strength` (B,) in the midtones, and half at the ends.

    Args:
        gray: of the picture.
        field: normal numbers (B, S, S).
        strength: standard deviation (B,).
        size: standard deviation (B,) of the grain's blur, in pixels of a picture of 128 x 128.
    """
    weights = _gaussians(size, gray.shape[1])
    # The squares of a row add up to 1, so that the field keeps its variance.
    weights = weights / ops.sqrt(ops.sum(weights * weights, axis=2, keepdims=True))
    return gray + resample(field, weights, weights) * _per_picture(strength) * (0.5 + 2 * gray * (1 - gray))


def fade(gray: Tensor, black: Tensor, white: Tensor, slope: Tensor) -> Tensor:
    """Gray values (B, S, S) with black and white (B,) moved, and by slope (B, 2) more for each half side."""
    here = _half_sides(gray.shape[1])
    down, across = (_per_picture(part) for part in ops.unstack(slope, 2, axis=1))
    return _per_picture(black) + gray * _per_picture(white - black) + down * here[:, None] + across * here


def mark(gray: Tensor, strength: Tensor) -> Tensor:
    """Gray values (B, S, S), drawn to white by strengths (B, S, S) in [0, 1], and to black by those in [-1, 0]."""
    return gray + ops.relu(strength) * (1 - gray) - ops.relu(-strength) * gray


def spot_field(spots: Tensor, size: int) -> Tensor:
    """`Degradation.spots` -> strengths (B, size, size) in [-1, 1] of soft spots."""
    strength, *places = ops.unstack(spots, 5, axis=2)
    here = np.arange(size, dtype=np.float32)
    # A spot is a column of one factor times a row of the other, and a product of matrices adds them all.
    rows, columns = (
        ops.exp(-0.5 * ((here - place[..., None] * (size - 1)) / (radius[..., None] * (size / REFERENCE))) ** 2)
        for place, radius in zip(places[:2], places[2:], strict=True)
    )
    return ops.clip(ops.matmul(ops.swapaxes(rows * strength[..., None], 1, 2), columns), -1.0, 1.0)


def scratch_field(scratches: Tensor, size: int) -> Tensor:
    """`Degradation.scratches` -> strengths (B, size, size) in [-1, 1] of straight lines from top to bottom."""
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    across = np.arange(size, dtype=np.float32)
    field = 0.0
    for scratch in ops.unstack(scratches, SCRATCHES, axis=1):
        strength, place, shift, width, first, last = map(_per_picture, ops.unstack(scratch, 6, axis=1))
        distance = across - (place + (down - 0.5) * shift) * (size - 1)
        profile = ops.relu(1 - ops.absolute(distance) / (width * (size / REFERENCE)))
        # Both ends taper off over a twentieth of the height.
        ends = ops.clip(ops.minimum(down - first, last - down) * 20.0, 0.0, 1.0)
        field = field + strength * profile * ends
    return ops.clip(field, -1.0, 1.0)


def compress(gray: Tensor, quality: Tensor) -> Tensor:
    """Gray values (B, S, S) in [0, 1] after JPEG of a quality (B,) in [1, 100], as libjpeg scales it; 0 for none."""
    size = gray.shape[1]
    blocks = -(-size // BLOCK)
    margin = blocks * BLOCK - size
    whole = ops.pad(gray, ((0, 0), (0, margin), (0, margin)), mode="symmetric") if margin else gray
    whole = ops.reshape(whole * 255 - 128, (-1, blocks, BLOCK, blocks, BLOCK))
    whole = ops.reshape(ops.transpose(whole, (0, 1, 3, 2, 4)), (-1, blocks * blocks, BLOCK * BLOCK))
    rate = ops.maximum(quality, 1.0)[:, None]
    scale = ops.where(rate < 50, 5000 / rate, 200 - 2 * rate)
    steps = ops.clip(ops.floor((LUMA_TABLE.reshape(1, -1) * scale + 50) / 100), 1.0, 255.0)[:, None]
    transform = cosine_transform()
    coefficients = ops.round(ops.matmul(whole, transform.T) / steps) * steps
    whole = ops.reshape(ops.matmul(coefficients, transform), (-1, blocks, blocks, BLOCK, BLOCK))
    whole = ops.reshape(ops.transpose(whole, (0, 1, 3, 2, 4)), (-1, blocks * BLOCK, blocks * BLOCK))
    coded = ops.clip((whole[:, :size, :size] + 128) / 255, 0.0, 1.0)
    return ops.where(_per_picture(quality) > 0, coded, gray)


def cosine_transform() -> np.ndarray:
    """The orthonormal two-dimensional DCT-II of blocks of 8 x 8 as a matrix (64, 64) of flat blocks."""
    k, n = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None]
    line = np.cos((2 * n + 1) * k * np.pi / (2 * BLOCK)) * np.sqrt(np.where(k == 0, 1, 2) / BLOCK)
    return np.kron(line, line).astype(np.float32)


def _gaussians(deviation: Tensor, size: int) -> Tensor:
    """Standard deviations (B,), in pixels of a picture of 128 x 128 -> weights (B, size, size), 1 on the diagonal."""
    here = np.arange(size, dtype=np.float32)
    squares = (here[:, None] - here) ** 2
    # Of 0 the smallest that is safe to divide by, which leaves the picture as it is.
    width = ops.maximum(deviation * (size / REFERENCE), 0.05)
    return ops.exp(squares * (-0.5 / _per_picture(width * width)))


def _half_sides(size: int) -> np.ndarray:
    """The places of pixels along a side, from -1 to 1."""
    return np.linspace(-1, 1, size, dtype=np.float32)


def _per_picture(value: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1)."""
    return value[:, None, None]
