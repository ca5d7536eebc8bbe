"""A SavedModel with the signatures of an exported colorizer and next to no arithmetic, written in a moment."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.client import messages

RED = 40  # what the model adds to red, so that a colorized picture differs from its source


class Tiny(tf.Module):
    """Gray pictures get a touch of red; `RED` is a variable, so that a version without variables cannot be loaded."""

    def __init__(self, red: int) -> None:
        self.tint = tf.Variable([red, 0, 0], dtype=tf.int32)

    def colorized(self, image: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.clip_by_value(tf.cast(image, tf.int32) + self.tint, 0, 255), tf.uint8)

    def decoded(self, image_bytes: tf.Tensor) -> tf.Tensor:
        return self.colorized(tf.io.decode_image(image_bytes, channels=3, expand_animations=False))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def png(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def one(picture: tf.Tensor) -> tf.Tensor:
            return tf.io.encode_png(self.decoded(picture))

        return {"png_bytes": tf.map_fn(one, image_bytes, fn_output_signature=tf.string)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def jpeg(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def one(picture: tf.Tensor) -> tf.Tensor:
            return tf.io.encode_jpeg(self.decoded(picture))

        return {"jpeg_bytes": tf.map_fn(one, image_bytes, fn_output_signature=tf.string)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def confidence(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def one(picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            gray = tf.cast(tf.io.decode_image(picture, channels=1, expand_animations=False), tf.uint16) * 257
            return tf.io.encode_png(gray), tf.reduce_mean(tf.cast(gray, tf.float32)) / 65535.0

        encoded, mean = tf.map_fn(one, image_bytes, fn_output_signature=(tf.string, tf.float32))
        return {"confidence_bytes": encoded, "mean_confidence": mean}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")])
    def rgb(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"colorized": self.colorized(image)}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32, name="lightness")])
    def lightness(self, lightness: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"ab": tf.concat([lightness / 2, -lightness], axis=-1)}


def write(folder: Path, red: int = RED, only: str | None = None) -> Path:
    """Write the model to `folder`, which is NAME/VERSION, with a record of warm-up for each signature.

    Args:
        only: The one signature that it is to have, which makes it quicker to load; by default all.
    """
    model = Tiny(red)
    signatures = {
        "serving_default": model.png,
        "jpeg": model.jpeg,
        "confidence": model.confidence,
        "rgb": model.rgb,
        "lightness": model.lightness,
    }
    if only is not None:
        signatures = {only: signatures[only]}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    inputs: dict[str, messages.Message] = {
        "rgb": ("image", messages.tensor(np.zeros((1, 4, 4, 3), np.uint8))),
        "lightness": ("lightness", messages.tensor(np.zeros((1, 4, 4, 1), np.float32))),
    }
    extra = folder / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for name in signatures:
            record = messages.PredictionLog()
            record.predict_log.request.model_spec.name = folder.parent.name
            record.predict_log.request.model_spec.signature_name = name
            key, value = inputs.get(name, ("image_bytes", messages.tensor([picture(0)])))
            record.predict_log.request.inputs[key].CopyFrom(value)
            writer.write(record.SerializeToString())
    return folder


def picture(gray: int, height: int = 4, width: int = 4) -> bytes:
    """A PNG of one gray."""
    return tf.io.encode_png(tf.fill([height, width, 3], tf.cast(gray, tf.uint8))).numpy()


def red_of(png: bytes) -> int:
    """What the picture at the upper left has of red."""
    return int(tf.io.decode_png(png)[0, 0, 0])
