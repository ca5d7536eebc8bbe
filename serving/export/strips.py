"""The steps of `zoo.pipeline` on the pixels of a picture, a strip of rows at a time, in loops of TensorFlow's graph."""

from collections.abc import Callable

import tensorflow as tf

from zoo import color, pipeline
from zoo.blocks import resample, resample_columns, resample_rows

STRIP_PIXELS = 1 << 16  # a plane of them stays in a core's cache
AT_ONCE = 4  # strips of a picture that are computed side by side
PIXELS = tf.TensorSpec((None, None, 3), tf.uint8)
PLANE = tf.TensorSpec((None, None), tf.float32)


def lightness_of(pixels: tf.Tensor) -> tf.Tensor:
    """RGB (H, W, 3) uint8 -> L (H, W) in [0, 100]."""
    table = pipeline.linear_table(255)  # TensorFlow keeps it as a constant

    def of_strip(part: tf.Tensor) -> tf.Tensor:
        return color.lightness_of_linear(tf.gather(table, tf.cast(part, tf.int32)))[..., 0]

    return _by_strips(lambda start, end: of_strip(pixels[start:end]), tf.shape(pixels), PLANE)


def frames_of(planes: tf.Tensor, size: int) -> tf.Tensor:
    """L (..., H, W) -> the lightness that the network sees, (..., size, size, 1)."""
    height, width = tf.unstack(tf.shape(planes)[-2:])
    return resample(planes, *matrices_of(pipeline.to_frame, size, height, width))[..., None]


def paint(lightness: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
    """L (H, W) in [0, 100] and the ab (size, size, 2) of its frame -> the colorized picture (H, W, 3) uint8."""
    height, width = tf.unstack(tf.shape(lightness))
    rows, columns = matrices_of(pipeline.from_frame, ab.shape[0], height, width)
    planes = resample_columns(tf.transpose(ab, (2, 0, 1)), columns)

    def paint_strip(start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        a, b = tf.unstack(resample_rows(planes, rows[start:end]))
        lab = tf.reshape(tf.stack([lightness[start:end], a, b], axis=-1), (-1, 3))
        return tf.reshape(_levels(lab), (end - start, width, 3))

    return _by_strips(paint_strip, tf.shape(lightness), PIXELS)


def _levels(lab: tf.Tensor) -> tf.Tensor:
    """Lab (N, 3) -> sRGB (N, 3) uint8, chroma reduced where the color lies outside sRGB."""
    rgb, inside = pipeline.recompose_inside(lab)
    outside = tf.where(~inside[:, 0])
    lacking = tf.gather_nd(lab, outside)
    fitted = pipeline.to_levels(pipeline.recompose(lacking[:, :1], lacking[:, 1:]), 255.0, "uint8")
    return tf.tensor_scatter_nd_update(pipeline.to_levels(rgb, 255.0, "uint8"), outside, fitted)


def _by_strips(work: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], shape: tf.Tensor, result: tf.TensorSpec) -> tf.Tensor:
    """The results of `work` for strips of rows, from start to end, of a picture of shape (H, W, ...), concatenated."""
    height, width = shape[0], shape[1]
    strip = tf.maximum(1, STRIP_PIXELS // width)
    count = (height + strip - 1) // strip

    def step(index: tf.Tensor, strips: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        start = index * strip
        return index + 1, strips.write(index, work(start, tf.minimum(start + strip, height)))

    strips = tf.TensorArray(result.dtype, count, infer_shape=False, element_shape=result.shape)
    _, strips = tf.while_loop(lambda index, _: index < count, step, (0, strips), parallel_iterations=AT_ONCE)
    return strips.concat()


def matrices_of(
    matrix: Callable[..., tf.Tensor], size: int, height: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """`pipeline.to_frame` or `from_frame` -> its matrices of the rows and of the columns of a picture."""
    longest = tf.cast(tf.maximum(height, width), tf.float32)
    rows, columns = (matrix(tf.range(tf.cast(count, tf.float32))[:, None], size, longest) for count in (height, width))
    return rows, columns
