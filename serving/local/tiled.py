"""A colorizer for photographs of any size in little memory: the same steps as the model's graph, a strip at a time.

The graph of `zoo.create_colorizer` holds some thirty maps of the photograph at once, several gigabytes at 24
megapixels. Here a strip of rows runs through color conversion as one compiled loop, and the network runs on frames of
one size, so that photographs of different sizes share a batch.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import keras
import numpy as np
import tensorflow as tf

from zoo import color
from zoo.blocks import resample, sampling_matrix
from zoo.colorizer import frame_colors, frame_size

# Pixels of a strip: enough to hide what a call costs, few enough to stay in the cache.
STRIP_PIXELS = 1 << 18
# Pixels that one call of a compiled loop converts. Fewer are padded, since XLA compiles for each length, and that takes
# a second; two lengths keep small photographs from paying for large ones.
LOOP_PIXELS = (1 << 16, 1 << 18)
FITTED_PIXELS = (1 << 11, 1 << 15)

Result = TypeVar("Result")


class Painter:
    """The parts of a colorizer, for a pipeline that runs them beside each other; safe to use from several threads.

    Photographs are gray (H, W) or sRGB (H, W, 3), uint8 or uint16, any H and W >= 1.
    """

    def __init__(self, colorizer: keras.Model) -> None:
        """Takes a colorizer apart.

        Raises:
            ArgumentError: the model is not a colorizer.
        """
        colors = frame_colors(colorizer)
        self.size = frame_size(colorizer)
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="strip")
        # Batches of any number share one trace.
        frames = tf.TensorSpec((None, self.size, self.size, 1), tf.float32)
        self._network = tf.function(lambda frames: colors(frames, training=False), input_signature=[frames])

    def shrink(self, pixels: np.ndarray) -> np.ndarray:
        """A photograph -> the lightness that the network sees, (size, size, 1) float32 in [0, 100]."""
        height, width = pixels.shape[:2]
        step = max(height, width) / self.size
        rows, columns = _matrix(self.size, height, step), _matrix(self.size, width, step)

        def seen(part: slice) -> np.ndarray:
            return _resampled(_lightness(pixels[part]), rows[:, part], columns).numpy()

        frame = np.zeros((self.size, self.size), np.float32)
        for contribution in self._each(seen, _strips(height, width)):
            frame += contribution
        return frame[..., None]

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Frames (B, size, size, 1), L in [0, 100] -> ab (B, size, size, 2) in Lab units, saturation applied."""
        return np.asarray(self._network(frames))

    def paint(self, pixels: np.ndarray, ab: np.ndarray) -> np.ndarray:
        """A photograph and the ab (size, size, 2) of its frame -> sRGB (H, W, 3), of the photograph's integer type."""
        height, width = pixels.shape[:2]
        step = self.size / max(height, width)
        rows, columns = _matrix(height, self.size, step), _matrix(width, self.size, step)
        # The planes beside each other, (size, 2 W), so that one product for each strip enlarges both.
        wide = _enlarged_rows(ab, columns)
        painted = np.empty((height, width, 3), pixels.dtype)

        def paint_strip(part: slice) -> None:
            a, b = np.split(_product(rows[part], wide).numpy(), 2, axis=1)
            lab = np.stack([_lightness(pixels[part]), a, b], axis=-1).reshape(-1, 3)
            painted[part] = _rgb(lab, pixels.dtype).reshape(*a.shape, 3)

        self._each(paint_strip, _strips(height, width))
        return painted

    def _each(self, work: Callable[[slice], Result], strips: list[slice]) -> list[Result]:
        """The results of all strips, in their order; several of them are worked on side by side."""
        return [work(strips[0])] if len(strips) == 1 else list(self._pool.map(work, strips))


def _rgb(lab: np.ndarray, kind: np.dtype) -> np.ndarray:
    """Lab (N, 3) -> sRGB (N, 3) of an integer type, chroma reduced where sRGB lacks the color."""
    white = np.float32(np.iinfo(kind).max)
    rgb, outside = _looped(_plain, lab, LOOP_PIXELS, white)
    rgb = rgb.astype(kind)
    # Fitting costs as much as all the rest, and few colors of a photograph need it.
    wild = np.flatnonzero(outside)
    if wild.size:
        (rgb[wild],) = _looped(_fitted, lab[wild], FITTED_PIXELS, white)
    return rgb


def _looped(
    loop: Callable[..., tuple[tf.Tensor, ...]], rows: np.ndarray, lengths: tuple[int, int], *arguments: np.float32
) -> list[np.ndarray]:
    """What a compiled loop makes of rows (N, 3), N > 0, in parts of one of two lengths, the last one padded."""
    length = lengths[len(rows) > lengths[0]]
    parts = []
    for start in range(0, len(rows), length):
        part = rows[start : start + length]
        padded = np.zeros((length, 3), np.float32)
        padded[: len(part)] = part
        parts.append([output.numpy()[: len(part)] for output in loop(padded, *arguments)])
    return [np.concatenate(outputs) if len(parts) > 1 else outputs[0] for outputs in zip(*parts, strict=True)]


def _lightness(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, W) or (h, W, 3), uint8 or uint16 -> L (h, W) float32. Integers allow tables in place of powers."""
    linear, lightness = _tables(pixels.dtype)
    if pixels.ndim == 2:
        return _look_up(pixels, lightness)
    red = pixels[..., 0]
    if np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2]):
        return _look_up(np.ascontiguousarray(red), lightness)  # a gray photograph stored in color
    flat = _look_up(pixels, linear).reshape(-1, 3)
    (values,) = _looped(_lightness_of_linear, flat, LOOP_PIXELS)
    return values.reshape(pixels.shape[:2])


@functools.cache
def _tables(kind: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """For each value of an integer type, the linear light and the lightness of the gray."""
    values = np.arange(np.iinfo(kind).max + 1, dtype=np.float32)[:, None] / np.iinfo(kind).max
    linear = color.srgb_to_linear(np.repeat(values, 3, axis=-1))
    lightness = color.lightness_of_linear(linear)
    return np.asarray(linear)[:, 0].copy(), np.asarray(lightness)[:, 0].copy()


def _look_up(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
    # cv2 is three times as fast, and knows tables of 256 entries only.
    return cv2.LUT(pixels, table) if pixels.dtype == np.uint8 else np.take(table, pixels)


@functools.partial(tf.function, jit_compile=True)
def _lightness_of_linear(linear: tf.Tensor) -> tuple[tf.Tensor]:
    return (color.lightness_of_linear(linear)[:, 0],)


@functools.partial(tf.function, jit_compile=True)
def _plain(lab: tf.Tensor, white: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lab (N, 3) -> RGB (N, 3) as integers, and (N,) where sRGB lacks the color."""
    return _integers(color.lab_to_rgb(lab), white), ~color.in_gamut(lab)[:, 0]


@functools.partial(tf.function, jit_compile=True)
def _fitted(lab: tf.Tensor, white: tf.Tensor) -> tuple[tf.Tensor]:
    return (_integers(color.lab_to_rgb(color.fit_gamut(lab)), white),)


def _integers(rgb: tf.Tensor, white: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(rgb * white), tf.uint16)


@functools.lru_cache(maxsize=16)
def _matrix(wanted: int, available: int, step: float) -> np.ndarray:
    """The sampling matrix (wanted, available), kept for the next photograph of this size."""
    here, there = np.arange(wanted, dtype=np.float32)[:, None], np.arange(available, dtype=np.float32)[None]
    return np.asarray(_sampling_matrix(here, there, np.float32(step)))


@functools.partial(
    tf.function,
    input_signature=[tf.TensorSpec((None, 1)), tf.TensorSpec((1, None)), tf.TensorSpec(())],
)
def _sampling_matrix(wanted: tf.Tensor, available: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    return sampling_matrix(wanted, available, step)


# One graph for all sizes: calling the operations one by one costs more than they do on a small photograph.
_ANY = tf.TensorSpec((None, None), tf.float32)


@functools.partial(tf.function, input_signature=[_ANY, _ANY, _ANY])
def _resampled(plane: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return resample(plane, rows, columns)


@functools.partial(tf.function, input_signature=[tf.TensorSpec((None, None, 2), tf.float32), _ANY])
def _enlarged_rows(ab: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.matmul(ab[..., i], columns, transpose_b=True) for i in range(2)], axis=1)


@functools.partial(tf.function, input_signature=[_ANY, _ANY])
def _product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    return left @ right


def _strips(height: int, width: int) -> list[slice]:
    rows = max(1, STRIP_PIXELS // width)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]
