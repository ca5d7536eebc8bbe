"""TIFF: entries of its directories that lead behind the end of the file.

At the first of these Pillow stops, so that it misses the entries behind it, which may be those of the picture.
"""

import io
import struct
from collections.abc import Iterator
from typing import IO, Any

from media import tags

# fmt: off
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
# fmt: on
"""Bytes of a value by the number of its type."""

_NO_TYPE = bytes(2)
_MAX_DIRECTORIES = 100_000


def repaired(file: IO[bytes]) -> IO[bytes]:
    """The file, in which such entries have no type, if they are not about the pixels: a decoder passes over them."""
    broken = dict.fromkeys(_broken_entries(file), _NO_TYPE)
    file.seek(0)
    return overlaid(file, broken) if broken else file


def overlaid(file: IO[bytes], patches: dict[int, bytes], tail: bytes = b"") -> IO[bytes]:
    """A file with some bytes replaced, by their place, and with something behind its end."""
    return io.BufferedReader(_Overlay(file, patches, tail))


def _broken_entries(file: IO[bytes]) -> Iterator[int]:
    """Where the types of these entries are in the file."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order, big = "<" if head.startswith(b"II") else ">", 43 in head[2:4]
    number, count, entry = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    width, step = struct.calcsize(f"={number}"), struct.calcsize(f"={entry}")
    (place,) = struct.unpack_from(f"{order}{number}", head, 8 if big else 4)
    seen: set[int] = set()
    while 0 < place < size and place not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(place)
        file.seek(place)
        counted = file.read(struct.calcsize(f"={count}"))
        if len(counted) < struct.calcsize(f"={count}"):
            return
        (entries,) = struct.unpack(f"{order}{count}", counted)
        content = file.read(min(entries, size // step) * step + width)
        for begin in range(0, min(entries * step, len(content) - step + 1), step):
            tag, kind, values, offset = struct.unpack_from(f"{order}{entry}", content, begin)
            needed = SIZES.get(kind, 0) * values
            if needed > width and offset + needed > size and tag not in tags.PIXELS:
                yield place + len(counted) + begin + 2
        end = content[entries * step : entries * step + width]
        place = struct.unpack(f"{order}{number}", end)[0] if len(end) == width else 0


class _Overlay(io.RawIOBase):
    def __init__(self, file: IO[bytes], patches: dict[int, bytes], tail: bytes) -> None:
        self._file, self._patches, self._tail = file, patches, tail
        self._size = file.seek(0, io.SEEK_END)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size + len(self._tail)}[whence]
        self._place = max(0, start + offset)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        place, length = self._place, len(buffer)
        if place < self._size:
            self._file.seek(place)
            content = bytearray(self._file.read(min(length, self._size - place)))
            for start, patch in self._patches.items():
                first, last = max(start, place), min(start + len(patch), place + len(content))
                if first < last:
                    content[first - place : last - place] = patch[first - start : last - start]
        else:
            content = bytearray(self._tail[place - self._size : place - self._size + length])
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)
