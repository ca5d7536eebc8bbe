"""Which photographs are meant, and what their results are called: the tasks that `tasks.py` carries out."""

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from media import files
from media.files import COMPARISON, Found, PassedOver
from media.formats import DEFAULT, RESULTS, SUFFIXES
from serving.local import index
from serving.local.index import Entry, Index, Kind, Stamp
from serving.local.tasks import FileTask
from zoo.errors import ArgumentError, PhotographError


def find(
    paths: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    format: str | None = None,
    compare: bool = False,
    overwrite: bool = False,
    page: int = 0,
) -> list[FileTask]:
    """The tasks that `search` finds."""
    return search(paths, output=output, format=format, compare=compare, overwrite=overwrite, page=page).tasks


def search(
    paths: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    format: str | None = None,
    compare: bool = False,
    overwrite: bool = False,
    page: int = 0,
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
        page: The page, or frame, that is to be colorized, counted from 1; its result is called `name-pageN`. 0 for all.

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
    sources, identities = _sources(found, page)
    tasks = _name_results(sources, known, format, compare, overwrite, page)
    return Search(_look_up(tasks, output, identities), passed_over.suffixes, known.damaged)


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


def _sources(found: Sequence[Found], page: int) -> tuple[list[_Source], set[tuple[int, int]]]:
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
        sources.setdefault(path, _Source(FileTask(file.path, file.relative, error=file.error, page=page), path, stamp))
    return list(sources.values()), identities


def _name_results(
    sources: Sequence[_Source], known: Index, format: str | None, compare: bool, overwrite: bool, page: int
) -> list[FileTask]:
    """The tasks with distinct names; a name goes to the first task that wants it, before any is numbered."""
    names = _Names(known)
    wanted = [
        source.task.output if source.task.error else _result_name(source.task.output, format, page)
        for source in sources
    ]
    named: list[FileTask | None] = [source.task if source.task.error else None for source in sources]
    former: dict[int, Entry] = {}  # of other photographs that had the path of this one
    kept = set()
    for position, source in enumerate(sources):
        if source.stamp is None or source.task.error:
            continue
        kind = _format(wanted[position]), page
        if entry := _entry_of(source, source.stamp, known, kind):
            own = replace(entry, source=source.path, stamp=source.stamp)
            named[position] = replace(_keep(source.task, entry, names, compare), known=own, recorded=own == entry)
            kept.add(entry.result)
        elif earlier := known.of_path(source.path, kind):
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


def _entry_of(source: _Source, stamp: Stamp, known: Index, kind: Kind) -> Entry | None:
    """What the index says about the result of a photograph."""
    entry = next((entry for entry in reversed(known.of_path(source.path, kind)) if entry.stamp == stamp), None)
    if entry is not None:
        return entry
    try:
        return known.of_content(source.path, stamp, kind, lambda: index.hash_of(source.task.source, stamp))
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


def _result_name(path: Path, format: str | None, page: int) -> Path:
    source = SUFFIXES.get(path.suffix.lower())
    if format is None:
        format = (source.name if source is not None and source.result else DEFAULT).lower()
    if source is None:
        path = path.with_name(path.name + RESULTS[format])
    elif source.name.lower() != format:
        path = path.with_suffix(RESULTS[format])
    return path.with_stem(f"{path.stem}-page{page}") if page else path


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
