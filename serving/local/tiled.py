"""A colorizer for photographs of any size in little memory: the steps of `zoo.pipeline`, a strip of rows at a time.

The graph of `zoo.create_colorizer` holds some thirty maps of the photograph at once, several gigabytes at 24
megapixels. Here strips are converted by compiled loops, in parallel threads, and the network runs on frames of one
size, so that photographs of different sizes share a batch.
"""

import copy
import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import keras
import numpy as np
import tensorflow as tf

from serving.local.pipeline import Prepared
from zoo import color, pipeline
from zoo.blocks import resample_columns, resample_rows
from zoo.colorizer import Parts, parts_of

# Pixels of a strip: enough to hide what a call costs, few enough to stay in the cache.
STRIP_PIXELS = 1 << 18
# Pixels that one call of a compiled loop converts. Fewer are padded, since XLA compiles for each length, and that takes
# a second; two lengths keep small photographs from paying for large ones.
LOOP_PIXELS = (1 << 16, 1 << 18)
FITTED_PIXELS = (1 << 11, 1 << 15)
BAND = 16  # rows of a matrix that are multiplied at a time
GAP = 16  # columns of a map that are painted in vain rather than a part of a strip begun anew
MATRICES = 32  # number of cached matrices, for the sides of the latest photographs, in each direction

Part = TypeVar("Part")
Result = TypeVar("Result")

# AutoGraph would translate each function of `zoo` that is reached, which takes longer than tracing it. None has control
# flow that depends on a tensor.
_graph = functools.partial(tf.function, autograph=False)
_compiled = functools.partial(tf.function, autograph=False, jit_compile=True)


class TiledColorizer:
    """A colorizer as steps for a pipeline that runs them in parallel; safe to use from several threads."""

    def __init__(self, colorizer: keras.Model | Parts) -> None:
        """Take a colorizer apart.

        Raises:
            ArgumentError: the model is not a colorizer.
        """
        parts = colorizer if isinstance(colorizer, Parts) else parts_of(colorizer)
        self.size = parts.size
        self.parts = parts
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="strip")
        # Batches of any number share one trace.
        frames = tf.TensorSpec((None, self.size, self.size, 1), tf.float32)
        self._network: Callable[[np.ndarray], tf.Tensor | np.ndarray] = _graph(parts.colors, input_signature=[frames])
        self._to_frame = _matrices(pipeline.to_frame, self.size)
        self._from_frame = _matrices(pipeline.from_frame, self.size)

    def with_colors_of(self, network: Callable[[np.ndarray], tf.Tensor | np.ndarray]) -> "TiledColorizer":
        """The same steps around another network: frames (B, size, size, 1) -> ab (B, size, size, 2)."""
        other = copy.copy(self)
        other._network = network
        return other

    def prepare(self, pixels: np.ndarray, aspect: float = 1.0) -> Prepared:
        """A photograph, gray (H, W) or sRGB (H, W, 3), uint8 or uint16, any H and W >= 1 -> its lightness and frame.

        Args:
            pixels: of the photograph.
            aspect: width of a pixel over its height. The network sees the photograph in its true proportions.
        """
        height, width = pixels.shape[:2]
        longest = max(height, width * aspect)
        rows, columns = self._to_frame(height, longest), self._to_frame(width, longest / aspect)
        lightness = np.empty((height, width), np.float32)

        def prepare_strip(part: slice) -> np.ndarray:
            _write_lightness(pixels[part], lightness[part])
            return _shrink(lightness[part], rows[:, part], columns)

        frame = np.zeros((self.size, self.size), np.float32)
        for contribution in self._each(prepare_strip, _strips(height, width)):
            frame += contribution
        return Prepared(lightness, frame[..., None], pixels.dtype, aspect)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Frames (B, size, size, 1), L in [0, 100] -> ab (B, size, size, 2) in Lab units, saturation applied."""
        return np.asarray(self._network(frames))

    def paint(self, photograph: Prepared, ab: np.ndarray, change: np.ndarray | None = None) -> np.ndarray:
        """A photograph and the ab (size, size, 2) of its frame -> sRGB (H, W, 3), of the photograph's integer type.

        Args:
            change: what is added to its ab, in Lab units: (h, w, 2) of any size, stretched over the photograph.
        """
        painted = np.empty((*photograph.lightness.shape, 3), photograph.dtype)
        self.repaint(painted, photograph, ab, change)
        return painted

    def repaint(
        self,
        painted: np.ndarray,
        photograph: Prepared,
        ab: np.ndarray,
        change: np.ndarray | None = None,
        stale: np.ndarray | None = None,
    ) -> None:
        """Write what `paint` gives into `painted` (H, W, 3), at least where it is `stale`.

        Args:
            stale: (h, w) bool, which pixels of `change` differ from those that it was painted with; by default all.
        """
        height, width = photograph.lightness.shape
        longest = max(height, width * photograph.aspect)
        rows = self._from_frame(height, longest)
        columns = self._from_frame(width, longest / photograph.aspect)
        planes = _resample_columns(np.ascontiguousarray(ab.transpose(2, 0, 1)), columns)
        changes = None if change is None else _Stretched(change, height, width)

        def paint_part(part: tuple[slice, slice]) -> None:
            down, across = part
            colors = _resample_rows(planes[:, :, across], rows[down]).numpy()
            if changes is not None:
                colors += changes.part(down, across)
            lab = np.stack([photograph.lightness[part], *colors], axis=-1).reshape(-1, 3)
            painted[part] = _levels(lab, photograph.dtype).reshape(*colors.shape[1:], 3)

        parts = [(strip, slice(0, width)) for strip in _strips(height, width)]
        if stale is not None:
            parts = [part for strip, _ in parts for part in _stale_parts(strip, stale, height, width)]
        if parts:
            self._each(paint_part, parts)

    def _each(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """The results of all parts, in their order, computed in parallel."""
        return [work(parts[0])] if len(parts) == 1 else list(self._pool.map(work, parts))


def _strips(height: int, width: int) -> list[slice]:
    rows = max(1, STRIP_PIXELS // width)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]


def _stale_parts(strip: slice, stale: np.ndarray, height: int, width: int) -> list[tuple[slice, slice]]:
    """The parts of a strip that depend on stale pixels of a map which is stretched over the photograph."""
    down, across = height / stale.shape[0], width / stale.shape[1]
    # A pixel of the map reaches as far as the centers of its neighbors.
    first, last = int(strip.start / down - 1), int(strip.stop / down + 2)
    columns = np.flatnonzero(stale[max(0, first) : last].any(axis=0))
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > GAP) + 1) if columns.size else []
    bounds = [(int((run[0] - 1) * across) - 1, int((run[-1] + 2) * across) + 1) for run in runs]
    return [(strip, slice(max(0, start), min(width, stop))) for start, stop in bounds]


class _Stretched:
    """A map (h, w, C) stretched over (height, width), part by part: linear between the centers of its pixels."""

    def __init__(self, values: np.ndarray, height: int, width: int) -> None:
        self._rows = _neighbors(values.shape[0], height)
        first, second, share = _neighbors(values.shape[1], width)
        planes = np.ascontiguousarray(values.transpose(2, 0, 1), np.float32)
        self._planes = planes[..., first] * (1 - share) + planes[..., second] * share

    def part(self, down: slice, across: slice) -> np.ndarray:
        """The part (C, rows, columns) float32."""
        first, second, share = (line[down] for line in self._rows)
        planes = self._planes[..., across]
        return planes[:, first] * (1 - share[:, None]) + planes[:, second] * share[:, None]


def _neighbors(count: int, longer: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `longer` samples the two of `count` that it lies between, and the share of the second."""
    place = np.clip((np.arange(longer) + 0.5) * (count / longer) - 0.5, 0, count - 1)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, count - 1), (place - first).astype(np.float32)


# === Lightness ===


def _write_lightness(pixels: np.ndarray, lightness: np.ndarray) -> None:
    """Pixels (h, W) or (h, W, 3), uint8 or uint16 -> their L, into (h, W) float32."""
    to_linear, to_lightness = _tables(pixels.dtype)
    if pixels.ndim == 2:
        _look_up(pixels, to_lightness, lightness)
        return
    red = pixels[..., 0]
    if np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]):
        _look_up(np.ascontiguousarray(red), to_lightness, lightness)  # a gray photograph stored in color
        return
    linear = np.empty(pixels.shape, np.float32)
    _look_up(pixels, to_linear, linear)
    (values,) = _run_in_parts(_lightness_of_linear, linear.reshape(-1, 3), LOOP_PIXELS)
    lightness[:] = values.reshape(lightness.shape)


@functools.cache
def _tables(kind: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """For each value of an integer type, the linear light and the lightness of the gray."""
    linear = np.asarray(pipeline.linear_table(np.iinfo(kind).max))
    lightness = color.lightness_of_linear(np.repeat(linear[:, None], 3, axis=-1))
    return linear, np.asarray(lightness)[:, 0].copy()


def _look_up(pixels: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """The entries of a table at `pixels`, written into a contiguous array `out` of the same shape."""
    # cv2 is three times as fast, but takes only tables of 256 entries.
    if pixels.dtype == np.uint8:
        cv2.LUT(pixels, table, dst=out)
    else:
        np.take(table, pixels, out=out, mode="clip")  # any other mode copies; no level is beyond the table


# === Colors ===


def _levels(lab: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Lab (N, 3) -> sRGB (N, 3) of an integer type, chroma reduced where the color lies outside sRGB."""
    white = np.float32(np.iinfo(kind).max)
    rgb, inside = _run_in_parts(_recompose_inside, lab, LOOP_PIXELS, white)
    rgb = rgb.astype(kind)
    outside = np.flatnonzero(~inside)
    if outside.size:
        (rgb[outside],) = _run_in_parts(_recompose, lab[outside], FITTED_PIXELS, white)
    return rgb


def _run_in_parts(
    loop: Callable[..., tuple[tf.Tensor, ...]], rows: np.ndarray, lengths: tuple[int, int], *arguments: np.float32
) -> list[np.ndarray]:
    """The results of a compiled loop for rows (N, 3), N > 0, in parts of one of two lengths, the last one padded."""
    length = lengths[len(rows) > lengths[0]]
    parts = []
    for start in range(0, len(rows), length):
        part = rows[start : start + length]
        padded = np.zeros((length, 3), np.float32)
        padded[: len(part)] = part
        parts.append([output.numpy()[: len(part)] for output in loop(padded, *arguments)])
    return [np.concatenate(outputs) if len(parts) > 1 else outputs[0] for outputs in zip(*parts, strict=True)]


@_compiled
def _lightness_of_linear(linear: tf.Tensor) -> tuple[tf.Tensor]:
    return (color.lightness_of_linear(linear)[:, 0],)


@_compiled
def _recompose_inside(lab: tf.Tensor, white: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lab (N, 3) -> levels of RGB (N, 3), and (N,) whether the color lies inside sRGB."""
    rgb, inside = pipeline.recompose_inside(lab)
    return pipeline.to_levels(rgb, white, "uint16"), inside[:, 0]


@_compiled
def _recompose(lab: tf.Tensor, white: tf.Tensor) -> tuple[tf.Tensor]:
    return (pipeline.to_levels(pipeline.recompose(lab[:, :1], lab[:, 1:]), white, "uint16"),)


# === Resampling ===


def _matrices(matrix: Callable[..., tf.Tensor], size: int) -> Callable[[int, float], np.ndarray]:
    """Number of rows, longer side -> the matrix of these rows, kept for the next photograph of this size."""
    traced = _graph(
        lambda places, longest: matrix(places, size, longest),
        input_signature=[tf.TensorSpec((None, 1), tf.float32), tf.TensorSpec((), tf.float32)],
    )

    @functools.lru_cache(maxsize=MATRICES)
    def of(count: int, longest: float) -> np.ndarray:
        return np.asarray(traced(np.arange(count, dtype=np.float32)[:, None], np.float32(longest)))

    return of


def _shrink(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`zoo.blocks.resample` of a plane (H, W) by matrices (M, H) and (N, W) -> (M, N)."""
    return _multiply(rows, _multiply(columns, plane.T).T)


def _multiply(matrix: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Matrix (M, H) by plane (H, W) -> (M, W), in bands: a pixel of the frame is the mean of few neighboring ones."""
    out = np.zeros((len(matrix), plane.shape[1]), np.float32)
    for start in range(0, len(matrix), BAND):
        band = matrix[start : start + BAND]
        used = np.flatnonzero(band.any(axis=0))
        if used.size:
            near = slice(used[0], used[-1] + 1)
            np.matmul(band[:, near], plane[near], out=out[start : start + BAND])
    return out


# One graph for all sizes: calling the operations one by one costs more than they do on a small photograph.
_ANY = tf.TensorSpec((None, None), tf.float32)
_PLANES = tf.TensorSpec((2, None, None), tf.float32)
_resample_columns = _graph(resample_columns, input_signature=[_PLANES, _ANY])
_resample_rows = _graph(resample_rows, input_signature=[_PLANES, _ANY])
