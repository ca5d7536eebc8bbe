"""One search for files: photographs and films to colorize, to train on and to evaluate on.

Hidden files and folders are left out, since tools keep copies and thumbnails there, and so are the contact sheets that
the commands write beside their results.
"""

import glob
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from zoo.errors import ArgumentError

SHEET = "sheet.jpg"
"""Name of the sheet that `colorzoo frames` and `colorzoo evaluate` write."""

FRAMES_REPORT, PER_IMAGE = "frames.json", "per_image.csv"
"""Files that they write beside it, by which it is recognized."""

COMPARISON = "-compare.jpg"
"""Suffix of the name of a sheet that `colorzoo colorize --compare` writes beside the result."""

_LONGEST_NAME = 255  # bytes, on nearly all file systems


@dataclass(frozen=True)
class Found:
    """One file that was found.

    Attributes:
        path: Where it is.
        relative: The path relative to the folder that was searched; only the name if the file itself was given.
        error: Why it cannot be used: it does not exist, or is a folder that cannot be searched; or None.
    """

    path: Path
    relative: Path
    error: str | None = None


def find(
    paths: Sequence[str | os.PathLike[str]],
    suffixes: Collection[str],
    *,
    without: str | os.PathLike[str] | None = None,
) -> list[Found]:
    """The files behind `paths`, each once, in the order of `paths`, sorted within a folder or a pattern.

    A file is taken whatever its suffix; a folder is searched as by `walk`; a pattern (`old/**/*.jpg`) is expanded where
    no file has that very name. What does not exist or cannot be searched is an entry with an error.

    Args:
        suffixes: See `walk`.
        without: See `walk`.

    Raises:
        ArgumentError: a folder to be searched is the one to be left out.
    """
    found: dict[str, Found] = {}
    for path in map(Path, paths):
        # Unlike Path.exists, os.path.exists returns False for a name that is too long.
        there = os.path.exists(path)
        matches = [path] if there else [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        if not matches:
            found.setdefault(os.path.abspath(path), Found(path, Path(path.name), "there is no such file or folder"))
        for match in matches:
            files = walk(match, suffixes, without=without) if match.is_dir() else [Found(match, Path(match.name))]
            for file in files:
                found.setdefault(os.path.abspath(file.path), file)
    return list(found.values())


def walk(folder: Path, suffixes: Collection[str], *, without: str | os.PathLike[str] | None = None) -> Iterator[Found]:
    """The files in a folder and its sub-folders: of each folder first its files, then its folders, both sorted.

    Args:
        suffixes: Ends of the wanted names, in lower case.
        without: A folder to leave out, such as that of the results.

    Raises:
        ArgumentError: the folder itself is the one to leave out.
    """
    kept_out = None if without is None else os.path.realpath(without)
    if os.path.realpath(folder) == kept_out:
        raise ArgumentError(f"{folder}: is the output folder too; choose another one for the results")
    errors: list[OSError] = []
    endings = tuple(suffixes)
    for root, folders, names in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (kept_out is None or os.path.realpath(os.path.join(root, name)) != kept_out)
        )
        wanted = sorted(name for name in names if not name.startswith(".") and name.lower().endswith(endings))
        sheets = _sheets(names) if wanted else set()
        for name in wanted:
            path = Path(root, name)
            # Neither pipes nor devices, which may never end; a broken link is reported by the reader.
            if name not in sheets and (path.is_file() or path.is_symlink()):
                yield Found(path, path.relative_to(folder))
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


def _sheets(names: Sequence[str]) -> set[str]:
    """Those of the names in one folder that are sheets of the others."""
    sheets = {name for name in names if name.endswith(COMPARISON)}
    if sheets:
        stems = {os.path.splitext(name)[0] for name in names}
        sheets = {name for name in sheets if name.removesuffix(COMPARISON) in stems}
    if SHEET in names and (FRAMES_REPORT in names or PER_IMAGE in names):
        sheets.add(SHEET)
    return sheets
