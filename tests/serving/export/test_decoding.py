"""The pixels of pictures in TensorFlow's graph against those that the reader of the command line gives."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from media.reader import read_rgb
from serving.export.decoding import decode
from tests.photographs import color_field

QUALITIES = range(1, 101)
SIZES = [(1, 1), (8, 9), (33, 47), (64, 64)]
# Pillow writes the first ones, OpenCV those that Pillow has no word for.
SAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]
CV2_SAMPLINGS = {"4:4:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440, "4:1:1": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411}


def noisy(height: int, width: int) -> Image.Image:
    """A picture of which every coefficient of a JPEG has something."""
    noise = np.random.default_rng(height).normal(0, 25, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(color_field(1, height, width)) + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, sampling: str, quality: int, progressive: bool = False) -> bytes:
    if sampling in CV2_SAMPLINGS:
        settings = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CV2_SAMPLINGS[sampling], cv2.IMWRITE_JPEG_QUALITY, quality]
        settings += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
        return cv2.imencode(".jpg", np.asarray(image)[..., ::-1], settings)[1].tobytes()
    target = io.BytesIO()
    if sampling == "gray":
        image.convert("L").save(target, "JPEG", quality=quality, progressive=progressive)
    else:
        image.save(target, "JPEG", quality=quality, progressive=progressive, subsampling=sampling)
    return target.getvalue()


@pytest.fixture(scope="module")
def decoded() -> tf.types.experimental.ConcreteFunction:
    spec = tf.TensorSpec((), tf.string)
    return tf.function(lambda data: decode(data, 10_000), [spec], autograph=False).get_concrete_function()


@pytest.mark.parametrize("sampling", [*SAMPLINGS, *CV2_SAMPLINGS, "gray"])
def test_jpegs_have_the_pixels_of_the_reader(sampling: str, decoded: tf.types.experimental.ConcreteFunction) -> None:
    odd = noisy(33, 47)
    files = {f"quality {quality}": jpeg(odd, sampling, quality) for quality in QUALITIES}
    for size in SIZES:
        for quality in (5, 75, 98):
            files[f"{size}, {quality}, progressive"] = jpeg(noisy(*size), sampling, quality, progressive=True)
            files[f"{size}, {quality}"] = jpeg(noisy(*size), sampling, quality)
    for name, data in files.items():
        np.testing.assert_array_equal(decoded(data).numpy(), np.asarray(read_rgb(data)), err_msg=name)
