"""The steps between a photograph and its network, each written once, for tensors of any backend.

    pixels -> lightness -> frame -> (network) -> ab of the frame -> ab of the photograph -> RGB -> whole levels

`zoo.create_colorizer` applies them to whole maps, in a Keras graph; `serving.local.tiled` to strips of rows, in
threads; `serving.export.strips` to strips of rows, in loops of TensorFlow's graph. Only these loops differ. Rows
and columns are resampled by `zoo.blocks.resample`, with the matrices that are made here.
"""

import numpy as np
from keras import ops

from zoo import color
from zoo.blocks import sampling_matrix
from zoo.color import Tensor


def linear_table(white: int) -> Tensor:
    """The linear light in [0, 1] of each sRGB-encoded level 0, 1, ..., white, (white + 1,).

    Photographs of integers look it up and go on with `color.lightness_of_linear`: powers are most of what lightness
    costs.
    """
    return color.srgb_to_linear(np.arange(white + 1, dtype=np.float32) / white)


def to_frame(places: Tensor, size: int, longest: Tensor) -> Tensor:
    """The matrix (..., size, N) that fits the N rows (or columns) of a photograph into its frame.

    The longer side fills the frame, and the border is repeated where the shorter one leaves it empty.

    Args:
        places: the indices 0, 1, ..., N - 1 of the rows, (..., N, 1).
        size: side of the frame in pixels.
        longest: the longer side of the photograph in pixels, which broadcasts with (..., size, N).
    """
    wanted = ops.expand_dims(np.arange(size, dtype=np.float32), -1)  # a tensor: NumPy cannot multiply symbolic ones
    return sampling_matrix(wanted, ops.swapaxes(places, -1, -2), longest * (1 / size))


def from_frame(places: Tensor, size: int, longest: Tensor) -> Tensor:
    """The matrix (..., N, size) that brings a map of the frame back to the N rows of the photograph; see `to_frame`."""
    return sampling_matrix(places, np.arange(size, dtype=np.float32)[None], 1 / (longest * (1 / size)))


def recompose(lightness: Tensor, ab: Tensor) -> Tensor:
    """L (..., 1) in [0, 100] and ab (..., 2) in Lab units -> RGB (..., 3) in [0, 1] of exactly that lightness.

    Colors outside sRGB lose chroma and keep lightness and hue.
    """
    return color.lab_to_rgb(color.fit_gamut(ops.concatenate([lightness, ab], axis=-1)))


def recompose_inside(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Lab (..., 3) -> RGB (..., 3) as `recompose` gives it, and (..., 1) whether sRGB has the color.

    It leaves out fitting, which costs as much as all the rest and which few colors of a photograph need: a loop that
    can gather pixels calls `recompose` for these only. L and ab are joined, as such loops have them.
    """
    return color.lab_to_rgb(lab), color.in_gamut(lab)


def to_levels(rgb: Tensor, white: Tensor | float, dtype: str) -> Tensor:
    """RGB in [0, 1] -> the nearest of the levels 0, 1, ..., white, of an integer type; any shape."""
    return ops.cast(ops.round(rgb * white), dtype)
