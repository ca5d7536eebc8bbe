"""What is done with each file that `search.py` finds: its result is written, and noted in the index of its folder.

`pipeline.py` colorizes the photographs of a list of tasks on this machine, and `remote.py` with a server.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from media.photograph import Photograph, gray_of
from media.provenance import Mark
from media.reader import PhotographFile
from media.sheets import contact_sheet, fit_cell
from media.writer import SequenceWriter, write
from serving.local import index
from serving.local.index import Entry, Journal, Stamp
from zoo.errors import ColorzooError, PhotographError

_SHEET_CELL = 512  # pixels

Finish = Callable[[int, "FileResult"], None]  # takes the number of a task, and its result


def is_settled(task: "FileTask", overwrite: bool) -> bool:
    """Whether a task is not to be colorized: it has an error, or has its result, which is to stay."""
    return task.error is not None or (task.done and not overwrite)


def settle(task: "FileTask", destination: "Destination") -> "FileResult":
    """The result of a task that is settled.

    Raises:
        PhotographError: the index cannot be written.
    """
    path = destination.output / task.output
    if task.error is not None:
        return FileResult(task.source, path, "failed", task.error)
    if task.known is not None and not task.recorded:
        destination.journal.add(task.known)
    return FileResult(task.source, path, "skipped")


def carry_out(
    tasks: Sequence["FileTask"],
    destination: "Destination",
    work: Callable[[Sequence[tuple[int, "FileTask"]], "Finish"], None],
    progress: Callable[["FileResult"], object] | None = None,
) -> list["FileResult"]:
    """Settle the tasks that need no colors, and have the others done.

    Args:
        work: Gets the other tasks with their numbers, and what is to be called with the number and the result of each.
        progress: Called in this thread with each result, as it comes.

    Returns:
        One result per task, in their order.
    """
    results: dict[int, FileResult] = {}

    def finish(number: int, result: FileResult) -> None:
        results[number] = result
        if progress is not None:
            progress(result)

    for number, task in enumerate(tasks):
        if is_settled(task, destination.overwrite):
            finish(number, settle(task, destination))
    work([task for task in enumerate(tasks) if task[0] not in results], finish)
    return [results[number] for number in range(len(tasks))]


def refuse_existing(task: "FileTask", destination: "Destination") -> None:
    """Refuse to write over what was not made from this photograph.

    Raises:
        PhotographError: the result exists.
    """
    for name in (task.output, None if task.known else task.sheet):
        if name is not None and not destination.overwrite and os.path.lexists(destination.output / name):
            raise PhotographError(
                f"{destination.output / name} is there already, and no record says that it was made from this "
                "photograph; --overwrite replaces it, another folder keeps both"
            )


def describe(task: "FileTask", stamp: Stamp | None) -> Entry:
    """What the index is to say about the result of a photograph that was read; its stamp is from before.

    Raises:
        PhotographError: it cannot be read, or has changed since.
    """
    sha256 = index.hash_of(task.source, stamp)
    assert stamp is not None, "a file without a stamp cannot be read"
    sheet = task.sheet.as_posix() if task.sheet is not None else task.known.sheet if task.known is not None else ""
    return Entry(task.output.as_posix(), sheet, index.identify(task.source), stamp, sha256, task.page)


class ResultFile:
    """The result of one photograph, to which its pages, or the frames of an animation, are added one by one.

    Args:
        source: What is colorized.
        count: Number of pages or frames that will be added.

    Raises:
        PhotographError: the format cannot hold so many, something else has the name of the result, or a file cannot
            be written.
        OSError: a folder cannot be made.
    """

    def __init__(self, task: "FileTask", destination: "Destination", source: PhotographFile, count: int) -> None:
        refuse_existing(task, destination)
        self._task, self._destination = task, destination
        self._path = destination.output / task.output
        self._first: Photograph | None = None
        self._sheet: Photograph | None = None
        self._warnings: list[str] = [task.warning] if task.warning else []
        self._several: SequenceWriter | None = None
        if count > 1:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            quality, mark = destination.quality, destination.mark
            self._several = SequenceWriter(
                self._path, count, animated=source.animated, plays=source.plays, quality=quality, mark=mark
            )

    def add(self, photograph: Photograph, pixels: np.ndarray) -> None:
        """Append the colorized `pixels` (H, W, 3) of a page. The sheet shows the first one.

        Raises:
            PhotographError: the format cannot hold the picture, or the file cannot be written.
        """
        colorized = replace(photograph, pixels=pixels)
        if self._task.sheet is not None and self._sheet is None:
            self._sheet = Photograph(_comparison(photograph.pixels, pixels), None, None, None, "JPEG")
        self._warnings += [warning for warning in photograph.warnings if warning not in self._warnings]
        if self._several is None:
            self._first = colorized
        else:
            self._several.add(colorized)

    def finish(self, entry: Entry) -> "FileResult":
        """Put the result in its place, marked, and the sheet if the task wants one.

        Raises:
            PhotographError: something else has the name of the result, or a file cannot be written.
            OSError: a folder cannot be made.
        """
        task, destination, path = self._task, self._destination, self._path
        refuse_existing(task, destination)
        path.parent.mkdir(parents=True, exist_ok=True)
        # First, so that the result of a run that is killed is known. What is replaced is not yet that of this
        # photograph.
        replaced = os.path.lexists(path)
        recorded = task.recorded and task.known == entry
        if not replaced and not recorded:
            destination.journal.add(entry)
        quality, mark = destination.quality, destination.mark
        if task.sheet is not None and self._sheet is not None:
            write(self._sheet, destination.output / task.sheet, quality=quality, mark=mark)
        times = (entry.stamp.atime_ns, entry.stamp.mtime_ns) if destination.keep_times else None
        # Last, since a photograph whose result is there is skipped by the next run.
        if self._several is not None:
            self._several.finish(times)
            self._warnings += self._several.warnings
        elif self._first is not None:
            self._warnings += write(self._first, path, quality=quality, mark=mark, times=times)
        if replaced and not recorded:
            destination.journal.add(entry)
        return FileResult(task.source, path, "done", warnings=tuple(self._warnings))

    def close(self) -> None:
        """Leave nothing behind that is not finished."""
        if self._several is not None:
            self._several.close()


def chosen_pages(task: "FileTask", source: PhotographFile) -> Sequence[int]:
    """The pages, or frames, of a photograph that are to be colorized, counted from 0.

    Raises:
        PhotographError: it does not have the page that the task asks for.
    """
    if not task.page:
        return range(source.pages)
    if task.page > source.pages:
        kind = "frame" if source.animated else "page"
        raise PhotographError(
            f"{task.source}: has {source.pages} {kind}{'s' * (source.pages > 1)}, and no {kind} {task.page}"
        )
    return (task.page - 1,)


def failure(task: "FileTask", output: Path, error: BaseException) -> "FileResult":
    """The result of a task for which something was raised; the name of the file is not part of the reason."""
    text = " ".join(str(error).split())
    if isinstance(error, ColorzooError):
        reason = text.removeprefix(f"{task.source}: ")
    else:
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return FileResult(task.source, output / task.output, "failed", reason)


@dataclass(frozen=True, slots=True)
class FileTask:
    """One photograph to colorize.

    Attributes:
        source: Its path.
        output: Path of its result, relative to the output folder.
        sheet: Path of its side-by-side sheet, relative to the output folder, or None if none is wanted.
        error: Why it cannot be colorized, or None.
        known: What the index is to say of the result, if it was made, or begun, from this photograph in an earlier run.
        recorded: Whether the index says so, or still has the photograph under another path or time of change.
        done: Whether that result exists.
        warning: What is to be said about its result, or "".
        page: The page, or frame, that is to be colorized, counted from 1; 0 for all.
    """

    source: Path
    output: Path
    sheet: Path | None = None
    error: str | None = None
    known: Entry | None = None
    recorded: bool = False
    done: bool = False
    warning: str = ""
    page: int = 0


@dataclass(frozen=True)
class Destination:
    """Where results go, and how they are written.

    Attributes:
        output: The folder.
        journal: Of the index of this folder.
        quality: 1 to 100, of JPEG and WebP.
        overwrite: Whether files that exist are replaced.
        mark: What results and sheets say about how they were made, if anything.
        keep_times: Whether results have the times of the last access and the last change of their originals.
    """

    output: Path
    journal: Journal
    quality: int
    overwrite: bool
    mark: Mark | None
    keep_times: bool = False


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one task.

    Attributes:
        source: Path of the photograph.
        output: Path of the result, whether it was written or not.
        status: "skipped" if the result was there.
        reason: Why it failed; otherwise "".
        seconds: Work on it, without the time that it waited.
        warnings: What is to be said about a result that was written.
    """

    source: Path
    output: Path
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


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
