"""Colorizers as SavedModels for TensorFlow Serving: models/NAME/VERSION/, checked before they are put there.

A server loads a version as soon as its folder appears. So a version is written under a name that servers ignore,
loaded as TensorFlow Serving loads it, given the requests that it will be warmed up with, and renamed at the end.
"""

import contextlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import zoo
from media import atomic, files
from serving.client import messages
from serving.export.check import ExportError, check, signatures_of
from serving.export.examples import picture, rough_field
from serving.export.signatures import SIGNATURES, signatures
from serving.model_folder import WARM_UP, version_folders
from zoo.colorizer import colorizer_of, parts_of
from zoo.errors import ArgumentError
from zoo.presets.metadata import find_metadata, sha256
from zoo.weights import copy_weights

MAX_PIXELS = 50_000_000  # the largest sensors of common cameras
PRECISIONS = ("float32", "bfloat16")
# Height and width of the pictures that a server is warmed up with: a thumbnail, a web picture and a portrait scan.
WARM_UP_SIZES = ((256, 256), (480, 640), (1600, 1200))
FACTS = "assets.extra/colorzoo.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # what the REST paths of TensorFlow Serving take


@dataclass(frozen=True)
class Exported:
    """One finished version.

    folder: folder/NAME/VERSION. signatures: their names.
    largest, mean: absolute differences of its pictures from those of the .keras file, in steps of 8 bits.
    """

    folder: Path
    signatures: list[str]
    largest: float
    mean: float


def export(
    preset: str | Path,
    folder: Path,
    *,
    version: int | None = None,
    precision: str = "float32",
    max_pixels: int = MAX_PIXELS,
) -> Exported:
    """Write a preset as the SavedModel folder/NAME/VERSION; `signatures` says what it takes and gives.

    Nothing that exists is overwritten, and nothing is left behind if the export fails.

    Args:
        preset: a preset's name, or a .keras file that holds a colorizer; it gives NAME.
        folder: of all models; made if it does not exist.
        version: at least 1; by default one more than the highest existing one.
        precision: "float32" or "bfloat16": of the network's convolutions. All else is float32.
        max_pixels: of one picture, at least 1; larger ones are refused.

    Raises:
        UnknownNameError, PresetError: as `zoo.load`.
        ArgumentError: an argument outside its range, or a version that exists.
        ExportError: the SavedModel does not compute what the preset does, or cannot be written.
    """
    name = Path(preset).stem if Path(preset).suffix == ".keras" else str(preset)
    if not NAME.fullmatch(name):
        raise ArgumentError(f"the model would be called {name!r}: letters, digits, '.', '_' and '-' are needed")
    if precision not in PRECISIONS:
        raise ArgumentError(f"precision is {precision!r}: it must be one of {', '.join(PRECISIONS)}")
    if max_pixels < 1:
        raise ArgumentError(f"max_pixels is {max_pixels}: it must be at least 1")
    if version is not None and (version < 1 or (folder / name / str(version)).exists()):
        there = f"; {folder / name} has {', '.join(map(str, versions(folder / name)))}" if version > 0 else ""
        raise ArgumentError(f"version is {version}: it must be a new one and at least 1{there}")
    files.check_folder(folder / name)
    original = zoo.load(preset)
    model = original if precision == "float32" else _in_bfloat16(original, preset)
    atomic.remove_leftovers(folder / name)
    try:
        with atomic.building(folder / name) as partial:
            _write(model, partial, max_pixels)
            _write_warm_up(partial, name)
            facts = {"preset": name, "precision": precision, "max_pixels": max_pixels, **_origin(preset)}
            largest, mean = check(partial, original, precision)
            facts["difference"] = {"largest": largest, "mean": round(mean, 4)}
            (partial / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            placed = _rename_to_version(partial, folder / name, version)
    except OSError as error:
        raise ExportError(f"{folder / name} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            (folder / name).rmdir()  # only if it is empty
    return Exported(placed, list(signatures_of(placed)), largest, mean)


def versions(folder: Path) -> list[int]:
    """The versions in a model's folder, ascending."""
    return list(version_folders(folder))


def _rename_to_version(partial: Path, folder: Path, version: int | None) -> Path:
    """Rename a folder to its version, by default the next: of two exports at a time, the second gets the number after.

    Raises:
        ArgumentError: the version exists by now.
    """
    while True:
        chosen = version or max(versions(folder), default=0) + 1
        try:
            return partial.rename(folder / str(chosen))
        except OSError as error:
            if not (folder / str(chosen)).exists():
                raise
            if version:
                raise ArgumentError(f"version is {version}: {folder / str(version)} exists by now") from error


def _in_bfloat16(model: keras.Model, preset: str | Path) -> keras.Model:
    """The same colorizer with its network built for bfloat16, except for the last layers."""
    row = find_metadata(preset)
    if row is None:
        wanted = Path(preset).with_suffix(".json")
        raise ArgumentError(
            f"precision is bfloat16, which needs the metadata that `colorzoo pack` writes beside the model: {wanted}"
        )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = zoo.create_model(row.architecture, **row.arguments)
    finally:
        keras.config.set_dtype_policy(before)
    parts = parts_of(model)
    copy_weights(parts.network, network)
    return colorizer_of(replace(parts, network=network))


def _origin(preset: str | Path) -> dict[str, str]:
    row = find_metadata(preset)
    path = row.path if row is not None and not Path(preset).is_file() else Path(preset)
    return {"sha256": sha256(path), "keras": keras.__version__, "tensorflow": tf.__version__}


# === Writing ===


def _write(model: keras.Model, folder: Path, max_pixels: int) -> None:
    found = {
        name: tf.function(function, inputs, autograph=False).get_concrete_function()
        for name, (function, inputs) in signatures(model, max_pixels).items()
    }
    module = tf.Module()
    # Not the Keras model itself: its variables would be saved under names by which servers do not find them.
    module.kept = [variable.value for variable in model.variables]
    tf.saved_model.save(module, str(folder), found)


def _write_warm_up(folder: Path, name: str) -> None:
    """One request for each signature and size: a server is slow on the first picture of a new size."""
    path = folder / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature in signatures_of(folder):
            for size in WARM_UP_SIZES if signature == "serving_default" else WARM_UP_SIZES[:2]:
                record = messages.PredictionLog()
                record.log_metadata.model_spec.name = name
                request = record.predict_log.request
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                request.inputs[SIGNATURES[signature].input.name].CopyFrom(messages.tensor(_example(signature, size)))
                writer.write(record.SerializeToString())


def _example(signature: str, size: tuple[int, int]) -> Any:
    """What a signature takes."""
    kind = SIGNATURES[signature].input.dtype
    if kind == tf.uint8:
        return picture(*size)[None]
    if kind == tf.float32:
        return rough_field(*size)[None, ..., :1] * (100 / 255)
    return [tf.io.encode_jpeg(picture(*size), quality=90).numpy()]
