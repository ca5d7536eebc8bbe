"""One search for files: photographs and films to colorize, to train on and to evaluate on.

Hidden files and folders are left out, since tools keep copies and thumbnails there, and so are the contact sheets that
the commands write beside their results.
"""

import glob
import os
import stat
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from zoo.errors import ArgumentError

SHEET = "sheet.jpg"
"""Name of the sheet that `colorzoo frames` and `colorzoo evaluate` write."""

FRAMES_REPORT, PER_IMAGE = "frames.json", "per_image.csv"
"""Files that they write beside it, by which it is recognized."""

COMPARISON = "-compare.jpg"
"""Suffix of the name of a sheet that `colorzoo colorize --compare` writes beside the result."""

_LONGEST_NAME = 255  # bytes, on nearly all file systems

# What has a name like a file, and may never end when it is read.
_SPECIAL = ((stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))


@dataclass(frozen=True)
class Found:
    """One file that was found.

    Attributes:
        path: Where it is.
        relative: The path relative to the folder that was searched; only the name if the file itself was given.
        error: Why it cannot be used: it does not exist, is a folder that cannot be searched, or is a pipe, a socket or
            a device; or None.
    """

    path: Path
    relative: Path
    error: str | None = None


@dataclass(frozen=True)
class PassedOver:
    """What searches of folders did not take.

    Attributes:
        suffixes: Suffix in lower case, with its dot, or "" -> number of files that were left out because of it. Hidden
            files and sheets are not counted.
        special: Pipes, sockets and devices under a wanted name, each with an error.
    """

    suffixes: Counter[str] = field(default_factory=Counter)
    special: list[Found] = field(default_factory=list)


def find(
    paths: Sequence[str | os.PathLike[str]],
    suffixes: Collection[str],
    *,
    without: str | os.PathLike[str] | None = None,
    passed_over: PassedOver | None = None,
) -> list[Found]:
    """The files behind `paths`, each once, in the order of `paths`, sorted within a folder or a pattern.

    A file is taken whatever its suffix; a folder is searched as by `walk`; a pattern (`old/**/*.jpg`) is expanded where
    no file has that very name. What does not exist or cannot be searched is an entry with an error, and so is a pipe, a
    socket or a device, which is never opened.

    Args:
        suffixes: See `walk`.
        without: See `walk`.
        passed_over: See `walk`.

    Raises:
        ArgumentError: a folder to be searched is the one to be left out.
    """
    found: dict[str, Found] = {}
    passed_over = PassedOver() if passed_over is None else passed_over
    for path in map(Path, paths):
        # Unlike Path.exists, os.path.exists returns False for a name that is too long.
        there = os.path.exists(path)
        matches = [path] if there else [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        if not matches:
            found.setdefault(os.path.abspath(path), Found(path, Path(path.name), "there is no such file or folder"))
        for match in matches:
            known = len(passed_over.special)
            if match.is_dir():
                files = list(walk(match, suffixes, without=without, passed_over=passed_over))
            else:
                files = [Found(match, Path(match.name), _special(match))]
            for file in (*files, *passed_over.special[known:]):
                found.setdefault(os.path.abspath(file.path), file)
    return list(found.values())


def walk(
    folder: Path,
    suffixes: Collection[str],
    *,
    without: str | os.PathLike[str] | None = None,
    passed_over: PassedOver | None = None,
) -> Iterator[Found]:
    """The files in a folder and its sub-folders: of each folder first its files, then its folders, both sorted.

    Links to folders come last and are followed, unless the search has been in that folder before; so it ends even where
    links form a circle.

    Args:
        suffixes: Ends of the wanted names, in lower case.
        without: A folder to leave out, such as that of the results.
        passed_over: Takes note of what is left out.

    Raises:
        ArgumentError: the folder itself is the one to leave out.
    """
    visited: set[tuple[int, int]] = set()
    if without is not None:
        with suppress(OSError):  # what does not exist need not be left out
            visited.add(_identity(os.path.realpath(without)))  # new/../old, too, where there is no new yet
    with suppress(OSError):  # reported below
        if _identity(folder) in visited:
            raise ArgumentError(f"{folder}: is the output folder too; choose another one for the results")
    errors: list[OSError] = []
    endings = tuple(suffixes)
    waiting, links = [str(folder)], deque[str]()
    while waiting or links:
        place = waiting.pop() if waiting else links.popleft()
        try:
            identity = _identity(place)
            if identity in visited:
                continue
            visited.add(identity)
            with os.scandir(place) as listing:
                entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=_name)
        except OSError as refusal:
            errors.append(refusal)
            continue
        folders = [entry for entry in entries if _is(entry.is_dir)]
        links.extend(entry.path for entry in folders if entry.is_symlink())
        waiting.extend(entry.path for entry in reversed(folders) if not entry.is_symlink())
        yield from _wanted(entries, {entry.name for entry in folders}, Path(folder), endings, passed_over)
    for error in errors:
        path = Path(os.fsdecode(error.filename or folder))
        yield Found(path, Path(path.name), f"the folder cannot be read: {error.strerror or error}")


def is_wanted(name: str, suffixes: Collection[str]) -> bool:
    """Whether `walk` would take a member of an archive, by its path there."""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") and part not in (".", "..") or part == "__MACOSX" for part in parts)
    return not hidden and name.lower().endswith(tuple(suffixes))


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot become a folder for results, before any work.

    Raises:
        ArgumentError: it is a file or would be inside one, or a part of its name is too long.
    """
    path = Path(path)
    _check_names(path)
    if there := _file_among(path, *path.parents):
        raise ArgumentError(f"{there} is a file: choose a folder for the results")


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot become a file for results, before any work.

    Raises:
        ArgumentError: it is a folder or would be inside a file, or a part of its name is too long.
    """
    path = Path(path)
    _check_names(path)
    if path.is_dir():
        raise ArgumentError(f"{path} is a folder: name a file for the result")
    if there := _file_among(*path.parents):
        raise ArgumentError(f"{path} cannot be written, since {there} is a file")


def _check_names(path: Path) -> None:
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise ArgumentError(f"{path}: the name is too long; at most {_LONGEST_NAME} bytes are possible")


def _file_among(*folders: Path) -> Path | None:
    """The first that exists, of a path and its parents, if it is not a folder."""
    there = next((folder for folder in folders if os.path.lexists(folder)), None)
    return None if there is None or there.is_dir() else there


def _wanted(
    entries: "Sequence[os.DirEntry[str]]",
    folders: Collection[str],
    root: Path,
    endings: tuple[str, ...],
    passed_over: PassedOver | None,
) -> Iterator[Found]:
    """The wanted files among the sorted entries of one folder, without the sheets that belong to others."""
    sheets = _sheets([entry.name for entry in entries])
    for entry in entries:
        if entry.name in folders or entry.name in sheets:
            continue
        if not entry.name.lower().endswith(endings):
            if passed_over is not None:
                passed_over.suffixes[os.path.splitext(entry.name)[1].lower()] += 1
            continue
        path = Path(entry.path)
        found = Found(path, path.relative_to(root), None if _is(entry.is_file) else _special(path))
        if found.error is None:  # a broken link, too, which the reader reports
            yield found
        elif passed_over is not None:
            passed_over.special.append(found)


def _special(path: Path) -> str | None:
    """Why a path must not be opened: it is a pipe, a socket or a device; None for anything else."""
    try:
        mode = path.stat().st_mode
    except OSError:  # whoever opens it reports this
        return None
    kind = next((kind for test, kind in _SPECIAL if test(mode)), None)
    return None if kind is None else f"is not a file but a {kind}"


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """What is equal for two paths of the same folder."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _is(test: Callable[[], bool]) -> bool:
    """The answer of an entry of a folder, and no for a link that leads nowhere."""
    try:
        return test()
    except OSError:
        return False


def _name(entry: "os.DirEntry[str]") -> str:
    return entry.name


def _sheets(names: Sequence[str]) -> set[str]:
    """Those of the names in one folder that are sheets of the others."""
    sheets = {name for name in names if name.endswith(COMPARISON)}
    if sheets:
        stems = {os.path.splitext(name)[0] for name in names}
        sheets = {name for name in sheets if name.removesuffix(COMPARISON) in stems}
    if SHEET in names and (FRAMES_REPORT in names or PER_IMAGE in names):
        sheets.add(SHEET)
    return sheets
