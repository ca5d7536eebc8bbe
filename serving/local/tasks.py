"""What is done with each file: which photographs are meant, what their results are called, and what became of them.

`pipeline.py` colorizes the photographs of a list of tasks here, and `remote.py` with a server.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from media import files
from media.files import COMPARISON
from media.formats import DEFAULT, RESULTS, SUFFIXES
from media.photograph import Photograph, gray_of
from media.provenance import Mark
from media.sheets import contact_sheet, fit_cell
from media.writer import write
from zoo.errors import ArgumentError, ColorzooError

_SHEET_CELL = 512  # pixels


def find(
    paths: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    format: str | None = None,
    compare: bool = False,
) -> list["FileTask"]:
    """List the photographs behind `paths`, each with the name of its result.

    `media.files.find` says which these are; the sub-folders of a folder are kept, and `output` is left out. A file
    that is named twice is taken once.

    The result has the name of the source, with the suffix of `format` if given; what is not written (BMP,
    GIF, no suffix) becomes PNG. Where two results would have the same name, small and capital letters being
    equal, the first keeps it and the next are called `name-2`, `name-3` and so on, in the order of `paths`.

    Args:
        format: "jpeg", "png", "tiff" or "webp"; by default the format of each source.
        compare: Whether side-by-side sheets are to be written too.

    Returns:
        Tasks in the order of `paths`, sorted within a folder or pattern; a path that does not exist or a
        folder that cannot be read is a task with an error.

    Raises:
        ArgumentError: an unknown format, an `output` that cannot be a folder, or a result that would overwrite a
            source.
    """
    if format is not None and format not in RESULTS:
        raise ArgumentError(f"format: {format!r} is not one of {', '.join(RESULTS)}")
    files.check_folder(output)
    output = Path(output)
    found = files.find(paths, SUFFIXES, without=output)
    tasks = _name_results([FileTask(file.path, file.relative, error=file.error) for file in found], format, compare)
    _refuse_overwriting(tasks, output)
    return tasks


def early_result(task: "FileTask", output: Path, overwrite: bool) -> "FileResult | None":
    """The result of a task that is not to be colorized: it has an error, or its result exists and is to stay."""
    path = output / task.output
    if task.error is not None:
        return FileResult(task.source, path, "failed", task.error)
    if not overwrite and path.exists():
        return FileResult(task.source, path, "skipped")
    return None


def write_result(
    task: "FileTask", output: Path, photograph: Photograph, pixels: np.ndarray, quality: int, mark: Mark | None
) -> "FileResult":
    """Write the colorized `pixels` (H, W, 3) of a photograph, and the sheet if the task wants one, both marked.

    Raises:
        PhotographError: the format cannot hold the picture, or a file cannot be written.
        OSError: a folder cannot be made.
    """
    path = output / task.output
    path.parent.mkdir(parents=True, exist_ok=True)
    if task.sheet is not None:
        sheet = Photograph(_comparison(photograph.pixels, pixels), None, None, None, "JPEG")
        write(sheet, output / task.sheet, quality=quality, mark=mark)
    # Last, since a photograph whose result is there is skipped by the next run.
    write(replace(photograph, pixels=pixels), path, quality=quality, mark=mark)
    return FileResult(task.source, path, "done")


def failure(task: "FileTask", output: Path, error: BaseException) -> "FileResult":
    """The result of a task for which something was raised; the name of the file is not part of the reason."""
    text = " ".join(str(error).split())
    if isinstance(error, ColorzooError):
        reason = text.removeprefix(f"{task.source}: ")
    else:
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return FileResult(task.source, output / task.output, "failed", reason)


@dataclass(frozen=True)
class FileTask:
    """One photograph to colorize.

    Attributes:
        source: Its path.
        output: Path of its result, relative to the output folder.
        sheet: Path of its side-by-side sheet, relative to the output folder, or None if none is wanted.
        error: Why it cannot be colorized, or None.
    """

    source: Path
    output: Path
    sheet: Path | None = None
    error: str | None = None


@dataclass(frozen=True)
class FileResult:
    """What became of one task: `output` is the path of the result, `reason` is empty unless it failed."""

    source: Path
    output: Path
    status: Literal["done", "skipped", "failed"]
    reason: str = ""


def _name_results(tasks: list[FileTask], format: str | None, compare: bool) -> list[FileTask]:
    """The tasks with distinct names; a name goes to the first task that wants it, before any is numbered."""
    taken: set[str] = set()

    def claim(task: FileTask, number: int) -> FileTask | None:
        name = _result_name(task.output, format)
        if number > 1:
            name = name.with_stem(f"{name.stem}-{number}")
        sheet = name.with_name(f"{name.stem}{COMPARISON}") if compare else None
        keys = {str(path).casefold() for path in (name, sheet) if path is not None}
        if keys & taken:
            return None
        taken.update(keys)
        return replace(task, output=name, sheet=sheet)

    named = [task if task.error else claim(task, 1) for task in tasks]
    for index, task in enumerate(tasks):
        number = 2
        while named[index] is None:
            named[index] = claim(task, number)
            number += 1
    return [task for task in named if task is not None]


def _result_name(path: Path, format: str | None) -> Path:
    source = SUFFIXES.get(path.suffix.lower())
    if format is None:
        format = (source.name if source is not None and source.result else DEFAULT).lower()
    if source is not None and source.name.lower() == format:
        return path
    return path.with_suffix(RESULTS[format]) if source else path.with_name(path.name + RESULTS[format])


def _refuse_overwriting(tasks: list[FileTask], output: Path) -> None:
    sources = {os.path.realpath(task.source) for task in tasks}
    for task in tasks:
        for name in (task.output, task.sheet):
            if task.error is None and name is not None and os.path.realpath(output / name) in sources:
                raise ArgumentError(f"{output / name}: the result would overwrite an original; choose another folder")


def _comparison(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Gray, colorized and, where the source had color, the source, side by side."""
    titles = ["gray", "colorized"]
    if before.ndim == 2:
        return contact_sheet([[before, after]], titles=titles, cell=_SHEET_CELL)
    small = before[:: max(1, before.shape[0] // 256), :: max(1, before.shape[1] // 256)].astype(np.int32)
    colored = bool(np.ptp(small, axis=2).max() > (8 if before.dtype == np.uint8 else 8 * 257))
    shown = np.asarray(fit_cell(before, _SHEET_CELL))
    if not colored:
        return contact_sheet([[gray_of(shown), after]], titles=titles, cell=_SHEET_CELL)
    return contact_sheet([[gray_of(shown), after, shown]], titles=[*titles, "original"], cell=_SHEET_CELL)
