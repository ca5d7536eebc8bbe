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

from serving.export import strips
from serving.export.decoding import decode, refuse_large, size_of
from serving.export.strips import PIXELS, PLANE
from zoo import pipeline
from zoo.blocks import resample
from zoo.colorizer import Parts, parts_of
from zoo.confidence import confidence

AT_ONCE = 4  # pictures of a batch that are decoded, joined and encoded side by side
# Between the two ends of the graph the network waits for the whole batch. The lightness of this many pixels, 200 MB,
# is kept until then; further pictures are decoded a second time, which takes a tenth of the time of a picture. Sixteen
# pictures of 50 megapixels would otherwise take 3.2 GB.
HELD_PIXELS = 50_000_000
JPEG_QUALITY = 95
PNG_COMPRESSION = 1  # of 9: a third of the time of the usual 6, for files a tenth larger


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
    pixels_of = _trace(lambda data: decode(data, max_pixels), TEXT)
    lightness_of = _trace(strips.lightness_of, PIXELS)
    frame_of = _trace(lambda plane: strips.frames_of(plane, size), PLANE)
    paint = _trace(strips.paint, PLANE, tf.TensorSpec((size, size, 2), tf.float32))

    def frames_of_bytes(image_bytes: tf.Tensor) -> tf.Tensor:
        return _each(lambda data: frame_of(lightness_of(pixels_of(data))), image_bytes, frame_spec)

    def prepare_all(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.TensorArray]:
        """Bytes (N) -> frames (N, size, size, 1), and of each picture the lightness (H, W), or (0, 0) if not held."""
        count = tf.shape(image_bytes)[0]

        def prepare(
            index: tf.Tensor, held: tf.Tensor, frames: tf.TensorArray, planes: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray, tf.TensorArray]:
            plane = lightness_of(pixels_of(image_bytes[index]))
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
            plane = tf.cond(tf.size(held) > 0, lambda: held, lambda: lightness_of(pixels_of(data)))
            return encode(paint(plane, ab))

        return _each(finish, (tf.range(tf.shape(image_bytes)[0]), image_bytes, colors(frames)), TEXT)

    def serving_default(image_bytes: tf.Tensor) -> tuple[tf.Tensor]:
        return (colorize_bytes(image_bytes, lambda rgb: tf.io.encode_png(rgb, PNG_COMPRESSION)),)

    def jpeg(image_bytes: tf.Tensor) -> tuple[tf.Tensor]:
        def encode(rgb: tf.Tensor) -> tf.Tensor:
            return tf.io.encode_jpeg(rgb, quality=JPEG_QUALITY, chroma_downsampling=False)

        return (colorize_bytes(image_bytes, encode),)

    def rgb(image: tf.Tensor) -> tuple[tf.Tensor]:
        refuse_large(tf.shape(image)[1], tf.shape(image)[2], max_pixels)
        planes = _each(lightness_of, image, PLANE)
        ab = colors(strips.frames_of(planes, size))
        return (_each(paint, (planes, ab), PIXELS),)

    def lightness(lightness: tf.Tensor) -> tuple[tf.Tensor]:
        height, width = tf.shape(lightness)[1], tf.shape(lightness)[2]
        refuse_large(height, width, max_pixels)
        ab = colors(strips.frames_of(lightness[..., 0], size))
        larger = strips.matrices_of(pipeline.from_frame, size, height, width)
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
        larger = strips.matrices_of(pipeline.from_frame, size, *size_of(data))
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
