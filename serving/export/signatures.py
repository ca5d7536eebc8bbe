"""A colorizer as the signatures of a SavedModel: picture bytes in, picture bytes out, in TensorFlow's graph alone.

Pictures of one call may differ in size. Each is decoded and fitted into the network's frame, all frames go through the
network in one batch, and each picture is joined with its colors at its own resolution. These are the steps of
`zoo.pipeline`, taken a strip of rows at a time: what `zoo.create_colorizer` computes on whole maps takes gigabytes at
twelve megapixels.

Nothing is compiled by XLA: TensorFlow Serving refuses such graphs on CPUs unless told otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from zoo import color, pipeline
from zoo.blocks import resample, resample_columns, resample_rows
from zoo.colorizer import Parts, parts_of
from zoo.confidence import confidence

STRIP_PIXELS = 1 << 16  # a plane of them stays in a core's cache
AT_ONCE = 4  # pictures of a batch that are decoded, joined and encoded side by side
# Between the two ends of the graph the network waits for the whole batch. The lightness of this many pixels, 200 MB,
# is kept until then; further pictures are decoded a second time, which takes a tenth of the time of a picture. Sixteen
# pictures of 50 megapixels would otherwise take 3.2 GB.
HELD_PIXELS = 50_000_000
JPEG_QUALITY = 95
PNG_COMPRESSION = 1  # of 9: a third of the time of the usual 6, for files a tenth larger
READ = "JPEG, PNG, WebP or BMP"
HEADER = 30  # bytes that hold the size of a picture in all formats but JPEG


@dataclass(frozen=True)
class SignatureSpec:
    """The tensors of one signature: name, type and shape, None standing for any size."""

    input: tf.TensorSpec
    outputs: tuple[tf.TensorSpec, ...]


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None,), tf.string, name)


def _maps(channels: int, dtype: tf.DType, name: str) -> tf.TensorSpec:
    return tf.TensorSpec((None, None, None, channels), dtype, name)


# What `signatures` exports; its docstring describes the values. `serving.client`, which imports nothing of ours,
# repeats the names that it uses.
SIGNATURES = {
    "serving_default": SignatureSpec(_strings("image_bytes"), (_strings("png_bytes"),)),
    "jpeg": SignatureSpec(_strings("image_bytes"), (_strings("jpeg_bytes"),)),
    "rgb": SignatureSpec(_maps(3, tf.uint8, "image"), (_maps(3, tf.uint8, "colorized"),)),
    "lightness": SignatureSpec(_maps(1, tf.float32, "lightness"), (_maps(2, tf.float32, "ab"),)),
    "confidence": SignatureSpec(
        _strings("image_bytes"),
        (_strings("confidence_bytes"), tf.TensorSpec((None,), tf.float32, "mean_confidence")),
    ),
}

ExportedSignature = tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], list[tf.TensorSpec]]
PIXELS = tf.TensorSpec((None, None, 3), tf.uint8)
PLANE = tf.TensorSpec((None, None), tf.float32)
TEXT = tf.TensorSpec((), tf.string)


def signatures(model: keras.Model, max_pixels: int) -> dict[str, ExportedSignature]:
    """Those of `SIGNATURES` that a colorizer has, each with the specification of its input.

    * serving_default: image_bytes (N) -> png_bytes (N), PNGs of the same sizes.
    * jpeg: image_bytes (N) -> jpeg_bytes (N), of quality 95, without chroma subsampling.
    * rgb: image (N, H, W, 3) uint8 -> colorized (N, H, W, 3) uint8.
    * lightness: lightness (N, H, W, 1) in [0, 100] -> ab (N, H, W, 2) in Lab units, saturation applied.
    * confidence, where the network scores classes: image_bytes (N) -> confidence_bytes (N), 16-bit gray PNGs of the
      same sizes in which 65535 is a probability of 1 of the most probable class, and mean_confidence (N), their means.

    image_bytes are JPEG, PNG, WebP or BMP with 8 or 16 bits; transparency and the EXIF orientation are ignored. Bytes
    that are not such a picture, and pictures of more than `max_pixels`, are an InvalidArgumentError; the size is taken
    from the header, before anything is decoded.

    Raises:
        ArgumentError: the model is not a colorizer.
    """
    parts = parts_of(model)
    size = parts.size
    frame_spec = tf.TensorSpec((size, size, 1), tf.float32)

    # One graph of each step, which all signatures share: tracing takes most of the time of an export.
    colors = _trace(_refuse_empty(parts.colors), tf.TensorSpec((None, size, size, 1), tf.float32))
    decode = _trace(lambda data: _decode(data, max_pixels), TEXT)
    lightness_of = _trace(_lightness, PIXELS)
    frame_of = _trace(lambda plane: _frames(plane, size), PLANE)
    paint = _trace(_paint, PLANE, tf.TensorSpec((size, size, 2), tf.float32))

    def frames_of_bytes(image_bytes: tf.Tensor) -> tf.Tensor:
        return _each(lambda data: frame_of(lightness_of(decode(data))), image_bytes, frame_spec)

    def prepare_all(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.TensorArray]:
        """Bytes (N) -> frames (N, size, size, 1), and of each picture the lightness (H, W), or (0, 0) if not held."""
        count = tf.shape(image_bytes)[0]

        def prepare(
            index: tf.Tensor, held: tf.Tensor, frames: tf.TensorArray, planes: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray, tf.TensorArray]:
            plane = lightness_of(decode(image_bytes[index]))
            total = held + tf.size(plane, tf.int64)
            holds = total <= HELD_PIXELS
            # Not a slice of no rows, which would keep all of it in memory.
            kept = tf.cond(holds, lambda: plane, lambda: tf.zeros((0, 0)))
            return (
                index + 1,
                tf.where(holds, total, held),
                frames.write(index, frame_of(plane)),
                planes.write(index, kept),
            )

        initial = (
            0,
            tf.constant(0, tf.int64),
            tf.TensorArray(tf.float32, count, element_shape=frame_spec.shape),
            tf.TensorArray(tf.float32, count, infer_shape=False, element_shape=PLANE.shape),
        )
        _, _, frames, planes = tf.while_loop(
            lambda index, *_: index < count, prepare, initial, parallel_iterations=AT_ONCE
        )
        return frames.stack(), planes

    def colorize_bytes(image_bytes: tf.Tensor, encode: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        frames, planes = prepare_all(image_bytes)

        def finish(index: tf.Tensor, data: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
            held = planes.read(index)
            plane = tf.cond(tf.size(held) > 0, lambda: held, lambda: lightness_of(decode(data)))
            return encode(paint(plane, ab))

        return _each(finish, (tf.range(tf.shape(image_bytes)[0]), image_bytes, colors(frames)), TEXT)

    def serving_default(image_bytes: tf.Tensor) -> tuple[tf.Tensor]:
        return (colorize_bytes(image_bytes, lambda rgb: tf.io.encode_png(rgb, PNG_COMPRESSION)),)

    def jpeg(image_bytes: tf.Tensor) -> tuple[tf.Tensor]:
        def encode(rgb: tf.Tensor) -> tf.Tensor:
            return tf.io.encode_jpeg(rgb, quality=JPEG_QUALITY, chroma_downsampling=False)

        return (colorize_bytes(image_bytes, encode),)

    def rgb(image: tf.Tensor) -> tuple[tf.Tensor]:
        _refuse_large(tf.shape(image)[1], tf.shape(image)[2], max_pixels)
        planes = _each(lightness_of, image, PLANE)
        ab = colors(_frames(planes, size))
        return (_each(paint, (planes, ab), PIXELS),)

    def lightness(lightness: tf.Tensor) -> tuple[tf.Tensor]:
        height, width = tf.shape(lightness)[1], tf.shape(lightness)[2]
        _refuse_large(height, width, max_pixels)
        ab = colors(_frames(lightness[..., 0], size))
        larger = _matrices(pipeline.from_frame, size, height, width)
        return (tf.stack([resample(ab[..., i], *larger) for i in range(2)], axis=-1),)

    made: dict[str, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]] = {
        "serving_default": serving_default,
        "jpeg": jpeg,
        "rgb": rgb,
        "lightness": lightness,
    }
    if "scores" in {layer.name for layer in parts.network.layers}:
        made["confidence"] = _confidence(parts, frames_of_bytes)
    return {
        name: (_name_outputs(function, SIGNATURES[name].outputs), [SIGNATURES[name].input])
        for name, function in made.items()
    }


def _name_outputs(
    function: Callable[[tf.Tensor], tuple[tf.Tensor, ...]], outputs: Sequence[tf.TensorSpec]
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """The function with its outputs by name."""
    return lambda value: {spec.name: found for spec, found in zip(outputs, function(value), strict=True)}


def _refuse_empty(network: Callable[[tf.Tensor], Any]) -> Callable[[tf.Tensor], Any]:
    """A network of frames (N, size, size, 1) that fails with a clear message if N is 0."""

    def run(frames: tf.Tensor) -> Any:
        # On an empty batch some convolutions fail with an error that does not mention it.
        tf.debugging.Assert(tf.shape(frames)[0] > 0, ["The batch is empty"])
        return network(frames)

    return run


def _trace(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Callable[..., Any]:
    return tf.function(function, inputs, autograph=False).get_concrete_function()


def _confidence(
    parts: Parts, frames_of_bytes: Callable[[tf.Tensor], tf.Tensor]
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    size, certainty = parts.size, confidence(parts.network)
    run = _trace(
        _refuse_empty(lambda frames: certainty(frames, training=False)["top"]),
        tf.TensorSpec((None, size, size, 1), tf.float32),
    )

    def draw(data: tf.Tensor, top: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        larger = _matrices(pipeline.from_frame, size, *_size(data))
        enlarged = resample(top[..., 0], *larger)
        return tf.io.encode_png(pipeline.to_levels(enlarged, 65535.0, "uint16")[..., None]), tf.reduce_mean(enlarged)

    def confidence_of(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        top = run(frames_of_bytes(image_bytes))
        maps, means = _each(draw, (image_bytes, top), (TEXT, tf.TensorSpec((), tf.float32)))
        return maps, means

    return confidence_of


def _each(function: Callable[..., Any], elements: Any, result: Any) -> Any:
    """The results of a function for each element of the first axis, or for each tuple of elements."""
    several = isinstance(elements, tuple)
    return tf.map_fn(
        (lambda own: function(*own)) if several else function,
        elements,
        fn_output_signature=result,
        parallel_iterations=AT_ONCE,
    )


# === Bytes ===


def _decode(data: tf.Tensor, max_pixels: int) -> tf.Tensor:
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
        [f"The bytes are not a picture: {READ} is needed; bytes", tf.strings.length(data)],
    )
    with tf.control_dependencies([known]):
        height, width = tf.case(
            [(is_jpeg, jpeg), (is_webp, webp), (is_bmp, bmp)],
            default=lambda: (number(23, 22, 21, 20), number(19, 18, 17, 16)),
        )
    return tf.ensure_shape(height, ()), tf.ensure_shape(width, ())


# === Pixels ===


def _lightness(pixels: tf.Tensor) -> tf.Tensor:
    """RGB (H, W, 3) uint8 -> L (H, W) in [0, 100]."""
    table = pipeline.linear_table(255)  # TensorFlow keeps it as a constant

    def of_strip(part: tf.Tensor) -> tf.Tensor:
        return color.lightness_of_linear(tf.gather(table, tf.cast(part, tf.int32)))[..., 0]

    return _by_strips(lambda start, end: of_strip(pixels[start:end]), tf.shape(pixels), PLANE)


def _frames(planes: tf.Tensor, size: int) -> tf.Tensor:
    """L (..., H, W) -> the lightness that the network sees, (..., size, size, 1)."""
    height, width = tf.unstack(tf.shape(planes)[-2:])
    return resample(planes, *_matrices(pipeline.to_frame, size, height, width))[..., None]


def _paint(lightness: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
    """L (H, W) in [0, 100] and the ab (size, size, 2) of its frame -> the colorized picture (H, W, 3) uint8."""
    height, width = tf.unstack(tf.shape(lightness))
    rows, columns = _matrices(pipeline.from_frame, ab.shape[0], height, width)
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


def _matrices(
    matrix: Callable[..., tf.Tensor], size: int, height: tf.Tensor, width: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """`pipeline.to_frame` or `from_frame` -> its matrices of the rows and of the columns of a picture."""
    longest = tf.cast(tf.maximum(height, width), tf.float32)
    rows, columns = (matrix(tf.range(tf.cast(count, tf.float32))[:, None], size, longest) for count in (height, width))
    return rows, columns
