"""A figure of each photograph that shows where a preset is unsure; the body of `colorzoo confidence`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops

import zoo
from media.files import find
from media.formats import SUFFIXES
from media.reader import os_reason, read_rgb
from training.evaluation.confidence_maps import map_confidence
from training.evaluation.study.figures import drawing
from training.evaluation.study.figures.confidence import draw_maps
from training.evaluation.tables import Pixels
from zoo.colorizer import parts_of
from zoo.errors import DataError, PhotographError

LONGEST = 768  # side in pixels, to which larger photographs are reduced
SUFFIX = "-confidence"


@dataclass(frozen=True)
class Sheet:
    """What became of a photograph.

    Attributes:
        source: its file.
        error: why there is no figure of it, if there is none.
        name: of the figure, without a suffix.
        top: mean probability of the best bin over its pixels.
        ratio: median ratio of the best to the second.
    """

    source: Path
    error: str = ""
    name: str = ""
    top: float = 0.0
    ratio: float = 0.0


def main(
    photographs: Sequence[str], preset: str, out: Path, progress: Callable[[int, int | None], None]
) -> list[Sheet]:
    """Write NAME-confidence.png and .svg for each photograph: original, prediction, best score, ratio to the second.

    Args:
        photographs: files, folders and patterns.
        preset: what `zoo.load` takes.
        out: the folder to write to, made if need be.
        progress: called with how many are done, of all of them.

    Raises:
        ArgumentError: the preset scores no classes.
        DataError: there is no photograph.
    """
    found = find(photographs, SUFFIXES, without=out)
    if not found:
        raise DataError("there is no photograph among these files and folders")
    model = zoo.load(preset)
    map_ = map_confidence(parts_of(model))
    title = Path(preset).stem
    sheets = []
    names = _names([each.path for each in found])
    for done, (each, name) in enumerate(zip(found, names, strict=True)):
        progress(done, len(found))
        if each.error:
            sheets.append(Sheet(each.path, each.error))
            continue
        try:
            rgb = _read(each.path)
        except PhotographError as error:
            sheets.append(Sheet(each.path, str(error)))
            continue
        predicted = ops.convert_to_numpy(model(rgb[None], training=False))[0]
        confidence = map_(rgb)
        with drawing.style():
            drawing.save(draw_maps(name, title, [rgb], [predicted], [confidence]), out)
        sheets.append(Sheet(each.path, "", name, float(confidence.top.mean()), float(np.median(confidence.ratio))))
    return sheets


def _read(path: Path) -> Pixels:
    try:
        image = read_rgb(path)
    except OSError as error:
        raise PhotographError(f"cannot be opened: {os_reason(error)}") from error
    image.thumbnail((LONGEST, LONGEST))
    return np.asarray(image)


def _names(paths: Sequence[Path]) -> Iterator[str]:
    """A name for the figure of each file; those of equal names are numbered."""
    taken: set[str] = set()
    for path in paths:
        stem = name = f"{path.stem}{SUFFIX}"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        yield name
