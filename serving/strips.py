"""A colorizer for photographs of any size in little memory: the same steps as the model's graph, a strip at a time.

The graph of `zoo.colorizer` holds some thirty maps of the photograph at once, several gigabytes at 24 megapixels. Here
a strip of rows runs through color conversion as one compiled loop, and the network runs on frames of one size, so that
photographs of different sizes share a batch.
"""

import functools
from collections.abc import Iterator

import cv2
import keras
import numpy as np
import tensorflow as tf

from zoo import color
from zoo.colorizer import frame_size, network_of, sampling_matrix, saturation_of

# Pixels that one call of a compiled loop converts: large enough to hide the call, small enough to stay in the cache.
# Shorter strips are padded, since XLA compiles for each length, and that takes a second.
STRIP_PIXELS = 1 << 16
FITTED_PIXELS = 1 << 13


class Painter:
    """The parts of a colorizer, for a pipeline that runs them beside each other; safe to use from several threads.

    Photographs are gray (H, W) or sRGB (H, W, 3), uint8 or uint16, any H and W >= 1.
    """

    def __init__(self, colorizer: keras.Model) -> None:
        """Takes a colorizer apart.

        Raises:
            ArgumentError: the model is not a colorizer.
        """
        network = network_of(colorizer)
        self.size = frame_size(colorizer)
        self._saturation = saturation_of(colorizer)
        # Batches of any number share one trace.
        frames = tf.TensorSpec((None, self.size, self.size, 1), tf.float32)
        self._network = tf.function(lambda frames: network(frames, training=False), input_signature=[frames])

    def shrink(self, pixels: np.ndarray) -> np.ndarray:
        """A photograph -> the lightness that the network sees, (size, size, 1) float32 in [0, 100]."""
        height, width = pixels.shape[:2]
        frame, step = np.arange(self.size), max(height, width) / self.size
        rows = _matrix(frame, np.arange(height), step)
        columns = tf.transpose(_matrix(frame, np.arange(width), step))
        seen = np.zeros((self.size, self.size), np.float32)
        for part in _strips(height, width):
            seen += (rows[:, part] @ (_lightness(pixels[part]) @ columns)).numpy()
        return seen[..., None]

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """Frames (B, size, size, 1), L in [0, 100] -> ab (B, size, size, 2) in Lab units, saturation applied."""
        return np.asarray(self._network(frames)) * np.float32(self._saturation)

    def paint(self, pixels: np.ndarray, ab: np.ndarray) -> np.ndarray:
        """A photograph and the ab (size, size, 2) of its frame -> sRGB (H, W, 3), of the photograph's integer type."""
        height, width = pixels.shape[:2]
        frame, step = np.arange(self.size), self.size / max(height, width)
        rows = _matrix(np.arange(height), frame, step)
        columns = tf.transpose(_matrix(np.arange(width), frame, step))
        wide = tf.transpose(ab, (2, 0, 1)) @ columns  # (2, size, W)
        white = np.float32(np.iinfo(pixels.dtype).max)
        painted = np.empty((height, width, 3), pixels.dtype)
        for part in _strips(height, width):
            a, b = (rows[part] @ wide).numpy()
            lab = np.stack([_lightness(pixels[part]), a, b], axis=-1).reshape(-1, 3)
            rgb, outside = (out.numpy()[: len(lab)] for out in _plain(_padded(lab, STRIP_PIXELS), white))
            strip = painted[part].reshape(-1, 3)
            strip[:] = rgb
            # Fitting costs as much as all the rest, and few colors of a photograph need it.
            wild = np.flatnonzero(outside)
            for start in range(0, len(wild), FITTED_PIXELS):
                some = wild[start : start + FITTED_PIXELS]
                strip[some] = _fitted(_padded(lab[some], FITTED_PIXELS), white).numpy()[: len(some)]
        return painted


def _lightness(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, W) or (h, W, 3), uint8 or uint16 -> L (h, W) float32. Integers allow tables in place of powers."""
    linear, lightness = _tables(pixels.dtype)
    if pixels.ndim == 2:
        return _look_up(pixels, lightness)
    flat = _look_up(pixels, linear).reshape(-1, 3)
    return _lightness_of_linear(_padded(flat, STRIP_PIXELS)).numpy()[: len(flat)].reshape(pixels.shape[:2])


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
def _lightness_of_linear(linear: tf.Tensor) -> tf.Tensor:
    return color.lightness_of_linear(linear)[:, 0]


@functools.partial(tf.function, jit_compile=True)
def _plain(lab: tf.Tensor, white: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lab (N, 3) -> RGB (N, 3) as integers, and (N,) where sRGB lacks the color."""
    return _integers(color.lab_to_rgb(lab), white), ~color.in_gamut(lab)[:, 0]


@functools.partial(tf.function, jit_compile=True)
def _fitted(lab: tf.Tensor, white: tf.Tensor) -> tf.Tensor:
    return _integers(color.lab_to_rgb(color.fit_gamut(lab)), white)


def _integers(rgb: tf.Tensor, white: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(rgb * white), tf.uint16)


def _matrix(wanted: np.ndarray, available: np.ndarray, step: float) -> tf.Tensor:
    here, there = wanted.astype(np.float32)[:, None], available.astype(np.float32)[None]
    return sampling_matrix(here, there, np.float32(step))


def _strips(height: int, width: int) -> Iterator[slice]:
    rows = max(1, STRIP_PIXELS // width)
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def _padded(rows: np.ndarray, unit: int) -> np.ndarray:
    """Rows (N, 3) with zeros below, up to a multiple of unit."""
    padded = np.zeros((-(-len(rows) // unit) * unit, 3), np.float32)
    padded[: len(rows)] = rows
    return padded
