"""Colorizers as files for other runtimes, checked with these runtimes before they are put in place.

Each format is a module beside this one with `write` and `load`, which import its packages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import keras
import numpy as np

import zoo
from media import atomic, files
from media.formats import TRAINING_SUFFIXES
from media.reader import read_rgb
from serving.export.check import ExportError
from serving.export.examples import picture
from serving.export.graph import trace
from zoo import color
from zoo.color_difference import ciede2000
from zoo.errors import ArgumentError

PRECISIONS = ("float32", "float16", "int8")
SIZES = ((1, 1), (33, 47), (256, 256), (320, 480))  # of the pictures that a file for any size is checked with
# Steps of 8 bits; float16 loses 13 of 24 bits of each weight. What int8 costs is reported, in CIEDE2000, and refused
# where it is as far as gray is.
LARGEST_DIFFERENCE = {"float32": 1, "float16": 24}
LARGEST_MEAN_DIFFERENCE = {"float32": 0.01, "float16": 1.0}
LARGEST_CIEDE2000 = 5.0
MOST_IMAGES = 128  # of a folder for calibration: more hardly change the ranges
LONGEST_SIDE = 512  # to which these are reduced, as the network sees them smaller still


@dataclass(frozen=True)
class FileFormat:
    """suffix: of its files, the first of which the others lie beside. packages: imported by its module, or by int8."""

    suffixes: tuple[str, ...]
    packages: tuple[str, ...]
    for_int8: tuple[str, ...] = ()


FORMATS = {
    "onnx": FileFormat((".onnx",), ("tf2onnx", "onnx", "onnxruntime")),
    "litert": FileFormat((".tflite",), ("ai_edge_litert",), ("ai_edge_quantizer",)),
    "openvino": FileFormat((".xml", ".bin"), ("openvino",), ("nncf",)),
}


@dataclass(frozen=True)
class ExportedFile:
    """One finished file.

    largest, mean: absolute differences of its pictures from those of the .keras file, in steps of 8 bits.
    ciede2000: their mean color difference.
    """

    path: Path
    largest: int
    mean: float
    ciede2000: float


def export_file(
    preset: str | Path,
    folder: Path,
    format: str,
    *,
    size: tuple[int, int] | None = None,
    precision: str = "float32",
    calibration: Path | None = None,
) -> ExportedFile:
    """Write a preset for another runtime, as folder/NAME[-HxW][-PRECISION].SUFFIX.

    The file takes image (1, H, W, 3) uint8, RGB, and gives colorized (1, H, W, 3) uint8. Nothing that exists is
    overwritten, and nothing is left behind if the export fails.

    Args:
        preset: a preset's name, or a .keras file that holds a colorizer.
        folder: made if it does not exist.
        format: "onnx", "litert" or "openvino".
        size: H and W in pixels, at least 1; by default any.
        precision: "float32"; "float16", of the weights, which CPUs compute with in float32; or "int8", of the
            convolutions, their weights and their inputs.
        calibration: a folder of photographs that int8 needs. Every second one sets the ranges, and the others are
            what its error is measured on.

    Raises:
        UnknownNameError, PresetError: as `zoo.load`.
        ArgumentError: an argument outside its range, or a file that exists.
        ExportError: a package is missing, or the file does not compute what the preset does or cannot be written.
    """
    _check_arguments(format, size, precision, calibration)
    row = FORMATS[format]
    name = Path(preset).stem if Path(preset).suffix == ".keras" else str(preset)
    parts = [name, *(["x".join(map(str, size))] if size else []), *([precision] if precision != "float32" else [])]
    paths = [folder / f"{'-'.join(parts)}{suffix}" for suffix in row.suffixes]
    files.check_folder(folder)
    if found := [path for path in paths if path.exists()]:
        raise ArgumentError(f"{found[0]} exists: choose another folder, or remove it")
    _check_packages(format, precision)
    original = zoo.load(preset)
    calibrating, measured = _images(calibration, size) if calibration else ([], [])
    module = import_module(f"serving.export.{format}")
    atomic.remove_leftovers(folder)
    try:
        with atomic.building(folder) as partial:
            written = partial / paths[0].name
            try:
                module.write(trace(original, size), written, precision, calibrating)
                run = module.load(written)
                examples = measured or [picture(*sides)[None] for sides in ((size,) if size else SIZES)]
                difference = _compare(original, run, examples)
            except OSError:
                raise
            except Exception as error:  # converters and runtimes raise whatever they meet
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise ExportError(f"{name} does not become a file for {format}: {reason}") from error
            _check(name, format, precision, *difference)
            for path in reversed(paths):  # the one that names the others at the end
                (partial / path.name).rename(path)
    except OSError as error:
        raise ExportError(f"{paths[0]} cannot be written: {error.strerror or error}") from error
    return ExportedFile(paths[0], *difference)


def _check_arguments(format: str, size: tuple[int, int] | None, precision: str, calibration: Path | None) -> None:
    if format not in FORMATS:
        raise ArgumentError(f"format is {format!r}: it must be one of {', '.join(FORMATS)}")
    if precision not in PRECISIONS:
        raise ArgumentError(f"precision is {precision!r}: {format} has {', '.join(PRECISIONS)}")
    if size is not None and min(size) < 1:
        raise ArgumentError(f"size is {size[0]} x {size[1]}: both sides must be at least 1")
    if (precision == "int8") != (calibration is not None):
        raise ArgumentError("int8 needs a folder of photographs for calibration, and no other precision takes one")


def _check_packages(format: str, precision: str) -> None:
    row = FORMATS[format]
    packages = (*row.packages, *(row.for_int8 if precision == "int8" else ()))
    if missing := [package for package in packages if find_spec(package) is None]:
        raise ExportError(f"{format} needs {', '.join(missing)}: install with  pip install 'colorzoo[{format}]'")


def _images(folder: Path, size: tuple[int, int] | None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The photographs of a folder, (1, H, W, 3) uint8 each: those to calibrate with, and those to measure on."""
    images = []
    for found in islice(files.find([folder], TRAINING_SUFFIXES), MOST_IMAGES):
        image = read_rgb(found.path)
        if size:
            image = image.resize((size[1], size[0]))
        else:
            image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        images.append(np.asarray(image)[None])
    if len(images) < 2:
        raise ArgumentError(f"{folder} holds {len(images)} photographs: at least 2 are needed for calibration")
    return images[::2], images[1::2]


def _compare(
    original: keras.Model, run: Callable[[np.ndarray], np.ndarray], images: Sequence[np.ndarray]
) -> tuple[int, float, float]:
    """Of all values of the pictures: the largest and the mean difference, and the mean CIEDE2000."""
    largest, means, colors = 0, [], []
    for image in images:
        expected, found = np.asarray(original(image)), run(image)
        difference = np.abs(found.astype(np.int32) - expected)
        largest = max(largest, int(difference.max()))
        means.append(float(difference.mean()))
        labs = (np.asarray(color.rgb_to_lab(value.astype(np.float32) / 255)) for value in (expected, found))
        colors.append(float(ciede2000(*labs).mean()))
    return largest, float(np.mean(means)), float(np.mean(colors))


def _check(name: str, format: str, precision: str, largest: int, mean: float, difference: float) -> None:
    if precision == "int8":
        wrong = difference > LARGEST_CIEDE2000
    else:
        wrong = largest > LARGEST_DIFFERENCE[precision] or mean > LARGEST_MEAN_DIFFERENCE[precision]
    if wrong or not np.isfinite(difference):
        raise ExportError(
            f"the {format} file of {name} does not compute what the .keras file does in {precision}: they differ by "
            f"{largest} of 255 at most, by {mean:.2f} on average, and by {difference:.2f} in CIEDE2000"
        )
