"""Checks of a SavedModel: every signature, called as TensorFlow Serving calls it, must compute what the preset does."""

import functools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from media.reader import read, read_rgb
from serving.client import messages
from serving.export.signatures import JPEG_QUALITY, SIGNATURES
from serving.model_folder import read_signatures, read_warm_up_requests
from zoo import color, pipeline
from zoo.blocks import resample
from zoo.colorizer import frame_size, network_of
from zoo.confidence import confidence
from zoo.errors import ColorzooError, PhotographError

# Bounds in steps of 8 bits. bfloat16 has 8 bits of precision, which the network's sums lose first.
LARGEST_DIFFERENCE = {"float32": 1.0, "bfloat16": 255.0}
LARGEST_MEAN_DIFFERENCE = {"float32": 0.1, "bfloat16": 3.0}
LARGEST_OF_JPEG = 16.0  # one step before the compression may turn one of its coefficients, which 64 pixels share
PICTURES = ("serving_default", "rgb")  # whose differences are reported: without loss

Tensors = dict[str, np.ndarray]


class ExportError(ColorzooError):
    """A SavedModel cannot be written, or does not compute what its preset does."""


def check(folder: Path, original: keras.Model, precision: str) -> tuple[float, float]:
    """Run the warm-up requests in TensorFlow Serving's session, and one more with `saved_model_cli`.

    Args:
        folder: of the SavedModel, NAME/VERSION or what will be that.
        original: the colorizer of the .keras file.
        precision: "float32" or "bfloat16", which sets the bounds.

    Returns:
        The largest and the largest mean difference of its pictures, in steps of 8 bits.

    Raises:
        ExportError: a signature has other tensors than `SIGNATURES` says, no request calls it, it cannot be run, or
            its outputs differ from what the original's graph computes.
    """
    _check_definitions(folder, original.name)
    differences = []
    try:
        replayed = _replay(folder)
        uncalled = signatures_of(folder).keys() - {signature for signature, _, _ in replayed}
        if uncalled:
            raise ExportError(f"the warm-up requests of {original.name} leave out {', '.join(sorted(uncalled))}")
        reference = _Reference(original)
        for signature, inputs, outputs in replayed:
            differences.append((signature, reference.difference(signature, inputs, outputs)))
        inputs = next(inputs for signature, inputs, _ in replayed if signature == "rgb")
        with tempfile.TemporaryDirectory() as scratch:
            commanded = _from_command(folder, Path(scratch), *next(iter(inputs.items())))
        differences.append(("rgb", reference.difference("rgb", inputs, commanded)))
    except tf.errors.OpError as error:
        reason = next(iter(str(error.message).splitlines()), type(error).__name__)
        raise ExportError(f"the SavedModel of {original.name} does not run: {reason}") from error
    for signature, found in differences:
        bound = LARGEST_DIFFERENCE[precision]
        largest, mean = float(found.max()), float(found.mean())
        if largest > (max(bound, LARGEST_OF_JPEG) if signature == "jpeg" else bound) or (
            mean > LARGEST_MEAN_DIFFERENCE[precision]
        ):
            raise ExportError(
                f"the signature {signature} of the SavedModel of {original.name} does not compute what the .keras file "
                f"does: they differ by {largest:g} of 255 at most and {mean:.2f} on average"
            )
    pictures = [found for signature, found in differences if signature in PICTURES]
    return float(max(found.max() for found in pictures)), float(max(found.mean() for found in pictures))


def signatures_of(folder: Path) -> dict[str, Any]:
    """The signatures of a SavedModel, by name, as SignatureDef messages.

    Raises:
        OSError: there is no SavedModel in the folder.
    """
    found = read_signatures(folder).signature_def
    return {name: found[name] for name in sorted(found) if name != "__saved_model_init_op"}


def _check_definitions(folder: Path, name: str) -> None:
    for signature, definition in signatures_of(folder).items():
        if signature not in SIGNATURES:
            raise ExportError(f"the SavedModel of {name} has the unknown signature {signature}")
        row = SIGNATURES[signature]
        for specs, found in (([row.input], definition.inputs), (row.outputs, definition.outputs)):
            wanted = {spec.name: (spec.dtype.as_datatype_enum, [size or -1 for size in spec.shape]) for spec in specs}
            there = {key: (info.dtype, [dim.size for dim in info.tensor_shape.dim]) for key, info in found.items()}
            if wanted != there:
                raise ExportError(f"the signature {signature} of the SavedModel of {name} has other tensors: {there}")


def _replay(folder: Path) -> list[tuple[str, Tensors, Tensors]]:
    """Signature, inputs and outputs of every warm-up request, through the session that TensorFlow Serving uses."""
    found, replayed = signatures_of(folder), []
    requests = read_warm_up_requests(folder)  # read outside of the session, whose graph would take the reading in
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tf.compat.v1.saved_model.loader.load(session, ["serve"], str(folder))
        for request in requests:
            definition = found[request.model_spec.signature_name]
            inputs = {name: messages.array(value) for name, value in request.inputs.items()}
            feed = {definition.inputs[name].name: value for name, value in inputs.items()}
            outputs = session.run({name: info.name for name, info in definition.outputs.items()}, feed)
            replayed.append((request.model_spec.signature_name, inputs, outputs))
    return replayed


def _from_command(folder: Path, scratch: Path, key: str, image: np.ndarray) -> Tensors:
    """What the command `saved_model_cli run` makes of a picture."""
    np.save(scratch / "image.npy", image)
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "run", "--dir", str(folder)]
    command += ["--tag_set", "serve", "--signature_def", "rgb", "--inputs", f"{key}={scratch / 'image.npy'}"]
    done = subprocess.run([*command, "--outdir", str(scratch)], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise ExportError(f"saved_model_cli does not run the SavedModel: {last}")
    return {"colorized": np.load(scratch / "colorized.npy")}


class _Reference:
    """What the graph in the .keras file, which does not work in strips, computes for the requests of each signature."""

    def __init__(self, original: keras.Model) -> None:
        self._original = original
        self._pictures: dict[bytes, np.ndarray] = {}
        self._compare: dict[str, Callable[[Tensors, Tensors], np.ndarray]] = {
            "serving_default": self._png,
            "jpeg": self._jpeg,
            "rgb": self._rgb,
            "lightness": self._lightness,
            "confidence": self._confidence,
        }

    def difference(self, signature: str, inputs: Tensors, outputs: Tensors) -> np.ndarray:
        """Absolute differences of the outputs, in steps of 8 bits: 255 are the range of RGB, of L and of certainty."""
        try:
            return np.abs(self._compare[signature](inputs, outputs))
        except PhotographError as error:
            name = self._original.name
            raise ExportError(
                f"the signature {signature} of the SavedModel of {name} answers with a picture that {error}"
            ) from error

    def _rgb(self, inputs: Tensors, outputs: Tensors) -> np.ndarray:
        return outputs["colorized"].astype(np.int32) - self._colorize(inputs["image"])

    def _png(self, inputs: Tensors, outputs: Tensors) -> np.ndarray:
        (answer,) = outputs["png_bytes"]
        return np.asarray(read_rgb(answer), np.int32) - self._colorize(_pixels(*inputs["image_bytes"]))

    def _jpeg(self, inputs: Tensors, outputs: Tensors) -> np.ndarray:
        colorized = self._colorize(_pixels(*inputs["image_bytes"]))[0]
        expected = tf.io.encode_jpeg(colorized, quality=JPEG_QUALITY, chroma_downsampling=False).numpy()
        return _pixels(*outputs["jpeg_bytes"]).astype(np.int32) - _pixels(expected)

    def _lightness(self, inputs: Tensors, outputs: Tensors) -> np.ndarray:
        lightness = inputs["lightness"]
        size = frame_size(self._original)
        rows, columns = _matrices(pipeline.to_frame, size, lightness)
        frames = np.asarray(resample(lightness[..., 0], rows, columns))[..., None]
        planes = np.transpose(np.asarray(self._colors(frames)), (0, 3, 1, 2))
        expected = resample(planes, *_matrices(pipeline.from_frame, size, lightness))
        return (outputs["ab"] - np.transpose(np.asarray(expected), (0, 2, 3, 1))) * (255 / 100)

    def _confidence(self, inputs: Tensors, outputs: Tensors) -> np.ndarray:
        image = _pixels(*inputs["image_bytes"])
        size = frame_size(self._original)
        lightness = np.asarray(color.lightness(image.astype(np.float32) / 255))
        frames = np.asarray(resample(lightness[..., 0], *_matrices(pipeline.to_frame, size, image)))[..., None]
        top = np.asarray(self._certainty(frames)["top"])[..., 0]
        expected = np.asarray(resample(top, *_matrices(pipeline.from_frame, size, image)))
        (answer,) = outputs["confidence_bytes"]
        found = read(answer).pixels / 65535
        mean = outputs["mean_confidence"][:, None, None] - expected.mean()
        return np.maximum(np.abs(found - expected), np.abs(mean)) * 255

    @functools.cached_property
    def _colors(self) -> keras.Model:
        layer = self._original.get_layer
        return keras.Model(layer("frame").output, layer("saturation").output)

    @functools.cached_property
    def _certainty(self) -> keras.Model:
        return confidence(network_of(self._original))

    def _colorize(self, image: np.ndarray) -> np.ndarray:
        """The original's picture (1, H, W, 3), computed once for each image that signatures share."""
        key = repr(image.shape).encode() + image.tobytes()
        if key not in self._pictures:
            self._pictures[key] = np.asarray(self._original(image))
        return self._pictures[key]


def _pixels(encoded: bytes) -> np.ndarray:
    """The bytes of a picture -> (1, H, W, 3) uint8."""
    return np.asarray(read_rgb(encoded))[None]


def _matrices(matrix: Callable[..., Any], size: int, images: np.ndarray) -> list[Any]:
    """`pipeline.to_frame` or `from_frame` -> its matrices of the rows and of the columns of images (N, H, W, C)."""
    sides = images.shape[1:3]
    return [matrix(np.arange(side, dtype=np.float32)[:, None], size, np.float32(max(sides))) for side in sides]
