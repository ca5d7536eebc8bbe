"""Atomic writing: a file or folder is replaced as a whole, or stays as it was.

What is being written has a hidden name, `.colorzoo-HEX.part` and the suffix of the file, in the same folder, since a
rename works only within a file system. Where a process is killed, that is what remains; `remove_leftovers` deletes it.
"""

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTIAL = re.compile(r"\.colorzoo-[0-9a-f]+\.part(\.\w+)?")
_LEFTOVER_AGE = 24 * 3600  # seconds without a change, after which no process is still writing


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[Path]:
    """A temporary file to write to, which replaces `path` at the end, or is deleted if anything is raised.

    Args:
        durable: Whether the content must be on the disk before the file is renamed, so that not even a power cut
            leaves a file with its name and without its content.
    """
    partial = partial_name(path)
    try:
        yield partial
        put_in_place(partial, path, durable=durable)
    finally:
        partial.unlink(missing_ok=True)


def partial_name(path: str | os.PathLike[str]) -> Path:
    """The name of a temporary file, for one that is written in steps and passed to `put_in_place` at the end."""
    path = Path(path)
    return path.with_name(f"{_hidden_name()}{path.suffix}")


def put_in_place(partial: Path, path: str | os.PathLike[str], *, durable: bool = False) -> None:
    """Rename a complete temporary file to `path`; for `durable` see `replacing`."""
    if durable:
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
    os.replace(partial, path)


def write_bytes(path: str | os.PathLike[str], data: bytes, *, durable: bool = False) -> None:
    """Write a whole file; see `replacing`."""
    with replacing(path, durable=durable) as partial:
        partial.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = False) -> None:
    """Write a whole file in UTF-8 with the line ends that `text` has; see `replacing`.

    Surrogates for undecodable bytes, as in file names, are written as these bytes.
    """
    write_bytes(path, text.encode(errors="surrogateescape"), durable=durable)


@contextmanager
def building(parent: Path) -> Iterator[Path]:
    """A temporary folder in `parent`, to be filled and renamed; it is deleted at the end if it was not renamed."""
    partial = parent / _hidden_name()
    try:
        partial.mkdir(parents=True)
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left in a folder, if it is a day old: a younger one may still be written to."""
    latest = time.time() - _LEFTOVER_AGE
    with suppress(OSError):  # no such folder, or not ours to delete in
        for path in folder.iterdir():
            if is_partial(path.name) and path.stat().st_mtime < latest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_partial(name: str) -> bool:
    """Whether a file or folder of this name is a temporary one, of a process that runs or was killed."""
    return _PARTIAL.fullmatch(name) is not None


def _hidden_name() -> str:
    return f".colorzoo-{uuid.uuid4().hex}.part"
