"""Presets in other runtimes: the size of each file, how far its pictures are off, and its speed beside Keras.

    python -m benchmarks.exports PRESET ... [--format onnx] [--precision int8 --calibration photographs/] [--out a.csv]

Keras, as a graph of TensorFlow, and the other runtime colorize one picture of 256 x 256 in turns in one process, and
the median turn of each counts. A row is written as soon as it is known.
"""

import csv
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Annotated

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import typer

import zoo
from serving.export.examples import picture
from serving.export.files import FORMATS, export_file
from zoo.errors import ColorzooError

TURNS = 15
SIDE = 256


def speed(preset: str, format: str, path: Path) -> float:
    """How many times as fast as Keras the file is."""
    image = picture(SIDE, SIDE)[None]
    keras_model = zoo.load(preset)
    other = import_module(f"serving.export.{format}").load(path)
    works = [lambda: keras_model.predict_on_batch(image), lambda: other(image)]
    seconds: list[list[float]] = [[], []]
    for turn in range(TURNS + 2):
        for work, times in zip(works, seconds, strict=True):
            began = time.perf_counter()
            np.asarray(work())
            if turn > 1:  # the first ones compile
                times.append(time.perf_counter() - began)
    return median(seconds[0]) / median(seconds[1])


def main(
    presets: list[str],
    format: Annotated[list[str] | None, typer.Option(help="One or several; by default all.")] = None,
    precision: Annotated[str, typer.Option()] = "float32",
    calibration: Annotated[Path | None, typer.Option(help="Folder of photographs, for int8.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also append the rows to this file.")] = None,
) -> None:
    """Print a row of CSV for each preset and format."""
    targets = [sys.stdout, *([out.open("a", encoding="utf-8")] if out else [])]
    for preset in presets:
        for each in format or FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                row: list[object] = [preset, each, precision]
                try:
                    made = export_file(preset, Path(folder), each, precision=precision, calibration=calibration)
                    size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
                    row += [f"{size:.2f} MB", made.largest, f"{made.mean:.4f}", f"{made.ciede2000:.4f}"]
                    row.append(f"{speed(preset, each, made.path):.2f}")
                except ColorzooError as error:
                    row.append(str(error))
            for target in targets:
                csv.writer(target).writerow(row)
                target.flush()


if __name__ == "__main__":
    typer.run(main)
