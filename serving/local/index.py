"""Which result was made from which photograph: a hidden file of lines beside the results.

Each line is one result: its path in the folder, and the path, size, time of change and SHA-256 of its source. Lines are
only ever added; the last one about a result holds. The line of a new result is written before the result itself is put
in place, as a whole, so that a run may be killed at any moment: a result that exists is then complete, and its source
known. A line that cannot be read costs no more than the knowledge about its own result.

Holding the index takes about 0.7 KB of memory for each result.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from media.formats import SUFFIXES
from media.reader import os_reason
from zoo.errors import ArgumentError, PhotographError

INDEX = ".colorzoo-results.jsonl"
"""Name of the file in the folder of the results."""

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells without reading a file that it has changed: its size in bytes, and its time of change in ns.

    Attributes:
        atime_ns: Time of the last access, where the file itself was asked. It tells nothing.
    """

    size: int
    mtime_ns: int
    atime_ns: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index.

    Attributes:
        result: Path of the result in the output folder, with slashes.
        sheet: Of its side-by-side sheet, or "".
        source: Absolute path of the photograph; see `identify`.
        stamp: Of the photograph, when it was read.
        sha256: Of its content.
        page: The page of the photograph that was colorized, counted from 1; 0 for all.
    """

    result: str
    sheet: str
    source: str
    stamp: Stamp
    sha256: bytes
    page: int = 0


Kind = tuple[str, int]
"""Format of a result, such as "JPEG", and the page that it shows, or 0 for all."""


class Index:
    """What an index says about the photographs of a run.

    Args:
        entries: As they follow each other in the file.
        damaged: Number of lines that could not be read.
    """

    def __init__(self, entries: Iterable[Entry] = (), damaged: int = 0) -> None:
        self.damaged = damaged
        self.results = {entry.result: entry for entry in entries}
        self._by_source: dict[str, list[Entry]] = {}
        self._by_size: dict[int, list[Entry]] = {}
        for entry in self.results.values():
            self._by_source.setdefault(entry.source, []).append(entry)
            self._by_size.setdefault(entry.stamp.size, []).append(entry)
        self._orphans: dict[int, list[Entry]] = {}

    def of_path(self, source: str, kind: "Kind") -> list[Entry]:
        """Results of a kind, of what was once under the path `source`, the latest last."""
        return [entry for entry in self._by_source.get(source, ()) if _kind(entry) == kind]

    def of_content(self, source: str, stamp: Stamp, kind: "Kind", content: Callable[[], bytes]) -> Entry | None:
        """The result of a photograph that was moved, or touched; `content` is called for its SHA-256 where necessary.

        A photograph that is still in its place has not been moved, and its copies have results of their own.
        """
        orphans = self._orphans.get(stamp.size)
        if orphans is None:
            known = self._by_size.get(stamp.size, ())
            orphans = self._orphans[stamp.size] = [entry for entry in known if stamp_of(entry.source) != entry.stamp]
        candidates = [entry for entry in orphans if _kind(entry) == kind]
        if not candidates:
            return None
        sha256 = content()
        same = [entry for entry in candidates if entry.sha256 == sha256]
        found = next((entry for entry in same if entry.source == source), same[0] if same else None)
        if found is not None:
            orphans.remove(found)
        return found


class Journal:
    """Adds lines to the index of a folder, from any thread; a context manager.

    Args:
        output: The folder of the results, which must exist when the first line is added.
    """

    def __init__(self, output: Path) -> None:
        self._path = output / INDEX
        self._lock = threading.Lock()
        self._file: int | None = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    def add(self, entry: Entry) -> None:
        """Write one line, which is in the file when this returns.

        Raises:
            PhotographError: it cannot be written.
        """
        values = {
            "result": entry.result,
            "sheet": entry.sheet,
            "source": entry.source,
            "size": entry.stamp.size,
            "mtime_ns": entry.stamp.mtime_ns,
            "sha256": entry.sha256.hex(),
        }
        if entry.page:
            values["page"] = entry.page
        line = f"{json.dumps(values)}\n".encode("ascii")
        try:
            with self._lock:
                if self._file is None:
                    self._file = _open(self._path)
                written = os.write(self._file, line)
                if written < len(line):  # the disk is full
                    os.write(self._file, b"\n")
                    raise PhotographError(f"{self._path}: cannot be written as a whole")
        except OSError as error:
            raise PhotographError(f"{self._path}: cannot be written: {os_reason(error)}") from error


def load(output: Path) -> Index:
    """Read the index of a folder; one that does not exist is empty.

    Raises:
        ArgumentError: it cannot be read.
    """
    entries, damaged = [], 0
    try:
        with open(output / INDEX, "rb") as file:
            for line in file:
                try:
                    entries.append(_parse(line))
                except (ValueError, TypeError, KeyError, RecursionError):
                    damaged += line != b"\n"
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ArgumentError(
            f"{output / INDEX}: cannot be read: {os_reason(error)}; it records which results are made from what"
        ) from error
    return Index(entries, damaged)


def identify(source: str | os.PathLike[str], real: Callable[[str], str] = os.path.realpath) -> str:
    """The path under which the index knows a photograph: that of its folder without links, and its name.

    Args:
        real: A function that is called for the folder; for many photographs, one that remembers its answers.
    """
    folder, name = os.path.split(os.path.abspath(source))
    return os.path.join(real(folder), name)


def stamp_of(source: str | os.PathLike[str]) -> Stamp | None:
    """The stamp of a file, or None if there is none."""
    try:
        status = os.stat(source)
    except (OSError, ValueError):  # the latter for a name with a null character
        return None
    return Stamp(status.st_size, status.st_mtime_ns, status.st_atime_ns)


def hash_of(source: str | os.PathLike[str], stamp: Stamp | None) -> bytes:
    """SHA-256 of a file.

    Raises:
        PhotographError: it cannot be read, or its stamp is no longer `stamp`.
    """
    digest = hashlib.sha256()
    try:
        with open(source, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise PhotographError(f"{os.fspath(source)}: cannot be read: {os_reason(error)}") from error
    if stamp_of(source) != stamp:
        raise PhotographError(f"{os.fspath(source)}: has changed while it was read; try again")
    return digest.digest()


def _kind(entry: Entry) -> tuple[str | None, int]:
    row = SUFFIXES.get(os.path.splitext(entry.result)[1].lower())
    return None if row is None else row.name, entry.page


def _parse(line: bytes) -> Entry:
    values = json.loads(line)
    texts = values["result"], values["sheet"], values["source"]
    stamp = Stamp(values["size"], values["mtime_ns"])
    sha256 = bytes.fromhex(values["sha256"])
    page = values.get("page", 0)
    numbers = stamp.size, stamp.mtime_ns, page
    if len(sha256) != 32 or not all(isinstance(text, str) for text in texts) or not all(map(_is_int, numbers)):
        raise ValueError("not a line of the index")
    return Entry(*texts, stamp, sha256, page)


def _is_int(value: object) -> bool:
    return isinstance(value, int)


def _open(path: Path) -> int:
    """Open for adding; a line that was cut off is closed."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
    try:
        size = os.fstat(file).st_size
        if size:
            os.lseek(file, size - 1, os.SEEK_SET)
            if os.read(file, 1) != b"\n":
                os.write(file, b"\n")
    except BaseException:
        os.close(file)
        raise
    return file
