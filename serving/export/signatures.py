"""A colorizer as the signatures of a SavedModel: picture bytes in, picture bytes out, in TensorFlow's graph alone.

Pictures of one call may differ in size. Each is decoded and fitted into the network's frame, all frames go through the
network in one batch, and each picture is joined with its colors at its own resolution. That is done a strip of rows at
a time: what `zoo.create_colorizer` computes on whole maps takes gigabytes at twelve megapixels. A picture is decoded
twice, once for either end, so that few of a large batch are in memory at once.

Nothing is compiled by XLA: TensorFlow Serving refuses such graphs on CPUs unless told otherwise.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from zoo import color
from zoo.blocks import resample, sampling_matrix
from zoo.colorizer import frame_colors, frame_size, network_of
from zoo.confidence import confidence

STRIP_PIXELS = 1 << 16  # a plane of them stays in a core's cache
AT_ONCE = 4  # pictures of a batch that are decoded, joined and encoded side by side
JPEG_QUALITY = 95
PNG_COMPRESSION = 1  # of 9: a third of the time of the usual 6, for files a tenth larger
READ = "JPEG, PNG, WebP or BMP"
HEADER = 30  # bytes that hold the size of a picture in all formats but JPEG

Signature = tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]
PIXELS = tf.TensorSpec((None, None, 3), tf.uint8)
TEXT = tf.TensorSpec((), tf.string)
BYTES = [tf.TensorSpec((None,), tf.string, "image_bytes")]


def signatures(model: keras.Model, max_pixels: int) -> dict[str, Signature]:
    """The signatures of a colorizer, each with the specifications of its inputs.

    * serving_default: image_bytes (N) -> png_bytes (N), PNGs of the same sizes.
    * jpeg: image_bytes (N) -> jpeg_bytes (N), of quality 95, without chroma subsampling.
    * rgb: image (N, H, W, 3) uint8 -> colorized (N, H, W, 3) uint8.
    * lightness: lightness (N, H, W, 1) in [0, 100] -> ab (N, H, W, 2) in Lab units, saturation applied.
    * confidence, where the network scores classes: image_bytes (N) -> confidence_bytes (N), 16-bit gray PNGs of the
      same sizes in which 65535 is a probability of 1 of the most probable class, and mean_confidence (N), their means.

    image_bytes are JPEG, PNG, WebP or BMP with 8 or 16 bits; transparency and the EXIF orientation are ignored. Bytes
    that are no such picture, and pictures of more than `max_pixels`, are an InvalidArgumentError; the size is taken
    from the header, before anything is decoded.

    Raises:
        ArgumentError: the model is not a colorizer.
    """
    size = frame_size(model)
    colors = _network(frame_colors(model), size)

    decoded = _traced(lambda data: _decoded(data, max_pixels), TEXT)
    frame = _traced(lambda pixels: _frame(pixels, size), PIXELS)
    painted = _traced(_painted, PIXELS, tf.TensorSpec((size, size, 2), tf.float32))

    def frames_of_bytes(image_bytes: tf.Tensor) -> tf.Tensor:
        return _each(lambda data: frame(decoded(data)), image_bytes, _frame_spec(size))

    def encoded(image_bytes: tf.Tensor, encode: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        ab = colors(frames_of_bytes(image_bytes))
        return _each(lambda data, own: encode(painted(decoded(data), own)), (image_bytes, ab), TEXT)

    def serving_default(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"png_bytes": encoded(image_bytes, lambda rgb: tf.io.encode_png(rgb, PNG_COMPRESSION))}

    def jpeg(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def encode(rgb: tf.Tensor) -> tf.Tensor:
            return tf.io.encode_jpeg(rgb, quality=JPEG_QUALITY, chroma_downsampling=False)

        return {"jpeg_bytes": encoded(image_bytes, encode)}

    def rgb(image: tf.Tensor) -> dict[str, tf.Tensor]:
        _refuse_large(tf.shape(image)[1], tf.shape(image)[2], max_pixels)
        ab = colors(_each(frame, image, _frame_spec(size)))
        return {"colorized": _each(painted, (image, ab), PIXELS)}

    def lightness(lightness: tf.Tensor) -> dict[str, tf.Tensor]:
        height, width = tf.shape(lightness)[1], tf.shape(lightness)[2]
        _refuse_large(height, width, max_pixels)
        smaller = _matrices((size, size), (height, width), _longest(height, width) / size)
        ab = colors(resample(lightness[..., 0], *smaller)[..., None])
        larger = _matrices((height, width), (size, size), size / _longest(height, width))
        return {"ab": tf.stack([resample(ab[..., i], *larger) for i in range(2)], axis=-1)}

    found: dict[str, Signature] = {
        "serving_default": (serving_default, BYTES),
        "jpeg": (jpeg, BYTES),
        "rgb": (rgb, [tf.TensorSpec((None, None, None, 3), tf.uint8, "image")]),
        "lightness": (lightness, [tf.TensorSpec((None, None, None, 1), tf.float32, "lightness")]),
    }
    if "scores" in {layer.name for layer in network_of(model).layers}:
        found["confidence"] = (_confidence(model, frames_of_bytes), BYTES)
    return found


def _network(network: keras.Model, size: int) -> Callable[[tf.Tensor], Any]:
    """Frames (N, size, size, 1) -> what the network makes of them."""

    def run(frames: tf.Tensor) -> Any:
        # Of no pictures, some convolutions are an error that says nothing of that.
        tf.debugging.Assert(tf.shape(frames)[0] > 0, ["The batch is empty"])
        return network(frames, training=False)

    return _traced(run, tf.TensorSpec((None, size, size, 1), tf.float32))


def _traced(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Callable[..., Any]:
    """The function as a graph that all signatures share: tracing takes most of the time of an export."""
    return tf.function(function, inputs, autograph=False).get_concrete_function()


def _confidence(model: keras.Model, frames_of_bytes: Callable[[tf.Tensor], tf.Tensor]) -> Callable[..., Any]:
    size = frame_size(model)
    certainty = _network(confidence(network_of(model)), size)

    def drawn(data: tf.Tensor, top: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        height, width = _size(data)
        larger = _matrices((height, width), (size, size), size / _longest(height, width))
        enlarged = resample(top[..., 0], *larger)
        return tf.io.encode_png(tf.cast(tf.round(enlarged * 65535.0), tf.uint16)[..., None]), tf.reduce_mean(enlarged)

    def confidence_of(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        top = certainty(frames_of_bytes(image_bytes))["top"]
        maps, means = _each(drawn, (image_bytes, top), (TEXT, tf.TensorSpec((), tf.float32)))
        return {"confidence_bytes": maps, "mean_confidence": means}

    return confidence_of


def _each(function: Callable[..., Any], elements: Any, result: Any) -> Any:
    """What a function makes of each element of the first axis; of tuples of elements if there are several."""
    several = isinstance(elements, tuple)
    return tf.map_fn(
        (lambda own: function(*own)) if several else function,
        elements,
        fn_output_signature=result,
        parallel_iterations=AT_ONCE,
    )


def _frame_spec(size: int) -> tf.TensorSpec:
    return tf.TensorSpec((size, size, 1), tf.float32)


# === Bytes ===


def _decoded(data: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """Bytes () -> RGB (H, W, 3) uint8."""
    height, width = _size(data)
    with tf.control_dependencies(_refuse_large(height, width, max_pixels)):
        pixels = tf.cond(
            tf.strings.substr(data, 0, 4) == b"RIFF",
            # TensorFlow drops the transparency of all formats but WebP.
            lambda: tf.io.decode_image(data, expand_animations=False)[..., :3],
            lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
        )
    return tf.ensure_shape(pixels, (None, None, 3))


def _refuse_large(height: tf.Tensor, width: tf.Tensor, max_pixels: int) -> list[tf.Operation]:
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    text = f"The picture has too many pixels, the limit being {max_pixels}: it has (width, height)"
    return [tf.debugging.Assert(pixels <= max_pixels, [text, width, height])]


def _size(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Bytes () of a picture -> its height and width, from the header alone."""
    padded = tf.concat([tf.io.decode_raw(tf.strings.substr(data, 0, HEADER), tf.uint8), tf.zeros(HEADER, tf.uint8)], 0)
    head = tf.cast(padded, tf.int64)

    def number(*places: int) -> tf.Tensor:
        """The bytes at these places, the least significant first."""
        return tf.add_n([head[place] * 256**power for power, place in enumerate(places)])

    def begins(start: int, text: bytes) -> tf.Tensor:
        return tf.reduce_all(head[start : start + len(text)] == list(text))

    def webp() -> tuple[tf.Tensor, tf.Tensor]:
        lossless = number(21, 22, 23, 24)  # two fields of 14 bits
        return tf.case(
            [
                (begins(12, b"VP8X"), lambda: (number(27, 28, 29) + 1, number(24, 25, 26) + 1)),
                (begins(12, b"VP8L"), lambda: (lossless // 2**14 % 2**14 + 1, lossless % 2**14 + 1)),
            ],
            default=lambda: (number(28, 29) % 2**14, number(26, 27) % 2**14),
        )

    def jpeg() -> tuple[tf.Tensor, tf.Tensor]:
        shape = tf.cast(tf.image.extract_jpeg_shape(data), tf.int64)
        return shape[0], shape[1]

    def bmp() -> tuple[tf.Tensor, tf.Tensor]:
        height = number(22, 23, 24, 25)
        # Stored from the top, the height is negative.
        return tf.where(height < 2**31, height, 2**32 - height), number(18, 19, 20, 21)

    is_webp = begins(0, b"RIFF") & begins(8, b"WEBP")
    is_png, is_jpeg, is_bmp = begins(0, b"\x89PNG\r\n\x1a\n"), begins(0, b"\xff\xd8\xff"), begins(0, b"BM")
    known = tf.debugging.Assert(
        is_webp | is_png | is_jpeg | is_bmp,
        [f"The bytes are no picture: {READ} is needed; bytes", tf.strings.length(data)],
    )
    with tf.control_dependencies([known]):
        height, width = tf.case(
            [(is_jpeg, jpeg), (is_webp, webp), (is_bmp, bmp)],
            default=lambda: (number(23, 22, 21, 20), number(19, 18, 17, 16)),
        )
    return tf.ensure_shape(height, ()), tf.ensure_shape(width, ())


# === Pixels ===


def _frame(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """RGB (H, W, 3) uint8 -> the lightness that the network sees, (size, size, 1) in [0, 100]."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    rows, columns = _matrices((size, size), (height, width), _longest(height, width) / size)

    def add(start: tf.Tensor, frame: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        end = tf.minimum(start + _strip(width), height)
        return end, frame + resample(_lightness(pixels[start:end]), rows[:, start:end], columns)

    zeros = tf.zeros((size, size))
    _, frame = tf.while_loop(lambda start, _: start < height, add, (0, zeros), parallel_iterations=AT_ONCE)
    return frame[..., None]


def _painted(pixels: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
    """RGB (H, W, 3) uint8 and the ab (size, size, 2) of its frame -> the picture in these colors, (H, W, 3) uint8."""
    height, width = tf.shape(pixels)[0], tf.shape(pixels)[1]
    size = ab.shape[0]
    rows, columns = _matrices((height, width), (size, size), size / _longest(height, width))
    wide = tf.concat([tf.matmul(ab[..., i], columns, transpose_b=True) for i in range(2)], axis=1)
    strip = _strip(width)
    count = (height + strip - 1) // strip

    def paint(index: tf.Tensor, strips: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        start = index * strip
        end = tf.minimum(start + strip, height)
        a, b = tf.split(rows[start:end] @ wide, 2, axis=1)
        lab = tf.reshape(tf.stack([_lightness(pixels[start:end]), a, b], axis=-1), (-1, 3))
        return index + 1, strips.write(index, tf.reshape(_rgb(lab), (end - start, width, 3)))

    strips = tf.TensorArray(tf.uint8, count, infer_shape=False, element_shape=(None, None, 3))
    _, strips = tf.while_loop(lambda index, _: index < count, paint, (0, strips), parallel_iterations=AT_ONCE)
    return strips.concat()


def _rgb(lab: tf.Tensor) -> tf.Tensor:
    """Lab (N, 3) -> sRGB (N, 3) uint8, chroma reduced where sRGB lacks the color."""
    rgb = _integers(color.lab_to_rgb(lab))
    # Fitting costs as much as all the rest, and few colors of a photograph need it.
    wild = tf.where(~color.in_gamut(lab)[:, 0])
    fitted = color.lab_to_rgb(color.fit_gamut(tf.gather_nd(lab, wild)))
    return tf.tensor_scatter_nd_update(rgb, wild, _integers(fitted))


def _integers(rgb: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(rgb * 255.0), tf.uint8)


def _lightness(pixels: tf.Tensor) -> tf.Tensor:
    """RGB (h, W, 3) uint8 -> L (h, W) in [0, 100]. Integers allow a table in place of powers."""
    table = color.srgb_to_linear(tf.range(256.0) / 255)  # TensorFlow keeps it as a constant
    linear = tf.gather(table, tf.cast(pixels, tf.int32))
    return color.lightness_of_linear(linear)[..., 0]


def _strip(width: tf.Tensor) -> tf.Tensor:
    return tf.maximum(1, STRIP_PIXELS // width)


def _longest(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.maximum(height, width), tf.float32)


def _matrices(wanted: tuple[Any, Any], available: tuple[Any, Any], step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Sampling matrices of rows and of columns between two sizes (height, width); see `zoo.blocks`."""

    def axis(new: Any, old: Any) -> tf.Tensor:
        there, here = (tf.range(tf.cast(count, tf.float32)) for count in (new, old))
        return sampling_matrix(there[:, None], here[None], step)

    return axis(wanted[0], available[0]), axis(wanted[1], available[1])
