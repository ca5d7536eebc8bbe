"""What is done with each file: which photographs are meant, what their results are called, and what became of them.

`pipeline.py` colorizes the photographs of a list of tasks here, and `remote.py` with a server.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from media import files
from media.files import COMPARISON, Found, PassedOver
from media.formats import DEFAULT, RESULTS, SUFFIXES
from media.photograph import Photograph, gray_of
from media.provenance import Mark
from media.sheets import contact_sheet, fit_cell
from media.writer import write
from serving.local import index
from serving.local.index import Entry, Index, Journal, Stamp
from zoo.errors import ArgumentError, ColorzooError, PhotographError

_SHEET_CELL = 512  # pixels

Finish = Callable[[int, "FileResult"], None]  # takes the number of a task, and its result


def find(
    paths: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    format: str | None = None,
    compare: bool = False,
    overwrite: bool = False,
) -> list["FileTask"]:
    """The tasks that `search` finds."""
    return search(paths, output=output, format=format, compare=compare, overwrite=overwrite).tasks


def search(
    paths: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    format: str | None = None,
    compare: bool = False,
    overwrite: bool = False,
) -> "Search":
    """List the photographs behind `paths`, each with the name of its result.

    `media.files.find` says which these are; the sub-folders of a folder are kept, and `output` is left out. A file
    that is named twice is taken once.

    A photograph that has a result keeps it, under the name that the index in `output` says: it is recognized by path,
    size and time of change, and where these differ by its content; see `serving.local.index`.

    Any other result has the name of the source, with the suffix of `format` if given; what is not written (BMP,
    GIF, no suffix) becomes PNG. Where two results would have the same name, small and capital letters being
    equal, the first keeps it and the next are called `name-2`, `name-3` and so on, in the order of `paths`. Names of
    results from earlier runs are not given away.

    Args:
        format: "jpeg", "png", "tiff" or "webp"; by default the format of each source.
        compare: Whether side-by-side sheets are to be written too.
        overwrite: Whether a photograph that has changed replaces its former result, instead of getting another name.

    Returns:
        Tasks in the order of `paths`, sorted within a folder or pattern; a path that does not exist or a
        folder that cannot be read is a task with an error.

    Raises:
        ArgumentError: an unknown format, an `output` that cannot be a folder, an index that cannot be read, or a result
            that would overwrite a source.
    """
    if format is not None and format not in RESULTS:
        raise ArgumentError(f"format: {format!r} is not one of {', '.join(RESULTS)}")
    files.check_folder(output)
    output = Path(output)
    passed_over = PassedOver()
    found = files.find(paths, SUFFIXES, without=output, passed_over=passed_over)
    known = index.load(output)
    sources, identities = _sources(found)
    tasks = _name_results(sources, known, format, compare, overwrite)
    return Search(_look_up(tasks, output, identities), passed_over.suffixes, known.damaged)


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
    return Entry(task.output.as_posix(), sheet, index.identify(task.source), stamp, sha256)


def write_result(
    task: "FileTask", destination: "Destination", photograph: Photograph, pixels: np.ndarray, entry: Entry
) -> "FileResult":
    """Write the colorized `pixels` (H, W, 3) of a photograph, and the sheet if the task wants one, both marked.

    Raises:
        PhotographError: the format cannot hold the picture, something else has the name of the result, or a file cannot
            be written.
        OSError: a folder cannot be made.
    """
    refuse_existing(task, destination)
    path = destination.output / task.output
    path.parent.mkdir(parents=True, exist_ok=True)
    # First, so that the result of a run that is killed is known. What is replaced is not yet that of this photograph.
    replaced = os.path.lexists(path)
    recorded = task.recorded and task.known == entry
    if not replaced and not recorded:
        destination.journal.add(entry)
    quality, mark = destination.quality, destination.mark
    if task.sheet is not None:
        sheet = Photograph(_comparison(photograph.pixels, pixels), None, None, None, "JPEG")
        write(sheet, destination.output / task.sheet, quality=quality, mark=mark)
    # Last, since a photograph whose result is there is skipped by the next run.
    write(replace(photograph, pixels=pixels), path, quality=quality, mark=mark)
    if replaced and not recorded:
        destination.journal.add(entry)
    return FileResult(task.source, path, "done", warnings=(task.warning,) if task.warning else ())


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
    """

    source: Path
    output: Path
    sheet: Path | None = None
    error: str | None = None
    known: Entry | None = None
    recorded: bool = False
    done: bool = False
    warning: str = ""


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        tasks: One for each photograph.
        passed_over: Suffix in lower case, or "" -> number of files in folders that were left out because of it.
        damaged: Number of lines of the index that cannot be read.
    """

    tasks: list[FileTask]
    passed_over: Counter[str]
    damaged: int


@dataclass(frozen=True)
class Destination:
    """Where results go, and how they are written.

    Attributes:
        output: The folder.
        journal: Of the index of this folder.
        quality: 1 to 100, of JPEG and WebP.
        overwrite: Whether files that exist are replaced.
        mark: What results and sheets say about how they were made, if anything.
    """

    output: Path
    journal: Journal
    quality: int
    overwrite: bool
    mark: Mark | None


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


@dataclass(frozen=True, slots=True)
class _Source:
    """A task without the name of its result, and how the index knows its photograph."""

    task: FileTask
    path: str
    stamp: Stamp | None


class _Names:
    """The names in the output folder that are taken, small and capital letters being equal."""

    def __init__(self, known: Index) -> None:
        entries = known.results.values()
        self._taken = {name.casefold() for entry in entries for name in (entry.result, entry.sheet) if name}
        self._numbers: dict[str, int] = {}

    def claim(self, name: Path, compare: bool, number: int = 1) -> tuple[Path, Path | None] | None:
        """The name with this number, and that of its sheet, unless one of them is taken."""
        if number > 1:
            name = name.with_stem(f"{name.stem}-{number}")
        sheet = _sheet_name(name) if compare else None
        keys = {path.as_posix().casefold() for path in (name, sheet) if path is not None}
        if keys & self._taken:
            return None
        self._taken.update(keys)
        return name, sheet

    def claim_numbered(self, name: Path, compare: bool) -> tuple[Path, Path | None]:
        """The name with the lowest number, from 2, with which it is free."""
        key = name.as_posix().casefold()
        number = self._numbers.get(key, 2)
        while (claimed := self.claim(name, compare, number)) is None:
            number += 1
        self._numbers[key] = number + 1
        return claimed

    def claim_sheet(self, name: Path) -> Path:
        """The name of the sheet of a result that has its name."""
        sheet, number = _sheet_name(name), 2
        while (key := sheet.as_posix().casefold()) in self._taken:
            sheet, number = _sheet_name(name.with_stem(f"{name.stem}-{number}")), number + 1
        self._taken.add(key)
        return sheet


def _sources(found: Sequence[Found]) -> tuple[list[_Source], set[tuple[int, int]]]:
    """What was found, each photograph once however it was reached, and what identifies their files on their disks."""
    sources: dict[str, _Source] = {}
    identities = set()
    real = cache(os.path.realpath)
    for file in found:
        path = index.identify(file.path, real)
        stamp = None
        if file.error is None:
            try:
                status = os.stat(file.path)
                stamp = Stamp(status.st_size, status.st_mtime_ns)
                identities.add((status.st_dev, status.st_ino))
            except OSError:  # the reader will say why
                pass
        sources.setdefault(path, _Source(FileTask(file.path, file.relative, error=file.error), path, stamp))
    return list(sources.values()), identities


def _name_results(
    sources: Sequence[_Source], known: Index, format: str | None, compare: bool, overwrite: bool
) -> list[FileTask]:
    """The tasks with distinct names; a name goes to the first task that wants it, before any is numbered."""
    names = _Names(known)
    wanted = [
        source.task.output if source.task.error else _result_name(source.task.output, format) for source in sources
    ]
    named: list[FileTask | None] = [source.task if source.task.error else None for source in sources]
    former: dict[int, Entry] = {}  # of other photographs that had the path of this one
    kept = set()
    for position, source in enumerate(sources):
        if source.stamp is None or source.task.error:
            continue
        row = _format(wanted[position])
        if entry := _entry_of(source, source.stamp, known, row):
            own = replace(entry, source=source.path, stamp=source.stamp)
            named[position] = replace(_keep(source.task, entry, names, compare), known=own, recorded=own == entry)
            kept.add(entry.result)
        elif earlier := known.of_path(source.path, row):
            former[position] = earlier[-1]
    for position, entry in former.items():
        if overwrite and entry.result not in kept:
            named[position] = _keep(sources[position].task, entry, names, compare)
            kept.add(entry.result)

    def claimed(position: int, claim: tuple[Path, Path | None] | None) -> FileTask | None:
        if claim is None:
            return None
        warning = ""
        if position in former:
            warning = (
                f"its path was that of another photograph before, whose result, {former[position].result}, is kept"
            )
        return replace(sources[position].task, output=claim[0], sheet=claim[1], warning=warning)

    for position, task in enumerate(named):
        named[position] = task or claimed(position, names.claim(wanted[position], compare))
    for position, task in enumerate(named):
        named[position] = task or claimed(position, names.claim_numbered(wanted[position], compare))
    return [task for task in named if task is not None]


def _entry_of(source: _Source, stamp: Stamp, known: Index, format: str) -> Entry | None:
    """What the index says about the result of a photograph."""
    entry = next((entry for entry in reversed(known.of_path(source.path, format)) if entry.stamp == stamp), None)
    if entry is not None:
        return entry
    try:
        return known.of_content(source.path, stamp, format, lambda: index.hash_of(source.task.source, stamp))
    except PhotographError:  # the reader will say why
        return None


def _keep(task: FileTask, entry: Entry, names: _Names, compare: bool) -> FileTask:
    """The task with the names of an earlier result."""
    output = Path(entry.result)
    if not compare:
        return replace(task, output=output)
    return replace(task, output=output, sheet=Path(entry.sheet) if entry.sheet else names.claim_sheet(output))


def _sheet_name(result: Path) -> Path:
    return result.with_name(f"{result.stem}{COMPARISON}")


def _format(result: Path) -> str:
    return SUFFIXES[result.suffix.lower()].name


def _result_name(path: Path, format: str | None) -> Path:
    source = SUFFIXES.get(path.suffix.lower())
    if format is None:
        format = (source.name if source is not None and source.result else DEFAULT).lower()
    if source is not None and source.name.lower() == format:
        return path
    return path.with_suffix(RESULTS[format]) if source else path.with_name(path.name + RESULTS[format])


def _look_up(tasks: Sequence[FileTask], output: Path, originals: Collection[tuple[int, int]]) -> list[FileTask]:
    """The tasks, done if their results exist; no result may be one of the originals, by whatever name or link."""
    folder = os.path.realpath(output)  # new/../old, too, where there is no new yet
    return [task if task.error is not None else _looked_up(task, folder, originals) for task in tasks]


def _looked_up(task: FileTask, folder: str, originals: Collection[tuple[int, int]]) -> FileTask:
    there = False
    for name in (task.sheet, task.output):
        if name is None:
            continue
        path = os.path.join(folder, name)
        try:
            status = os.stat(path)
            there = True
        except OSError:  # writing it will say why, if it is not just new
            there = False
            continue
        if (status.st_dev, status.st_ino) in originals:
            raise ArgumentError(f"{path}: the result would overwrite an original; choose another folder")
    return replace(task, done=True) if there and task.known is not None else task


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
