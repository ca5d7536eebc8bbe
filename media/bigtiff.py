"""BigTIFF with big-endian numbers, shown as the TIFF of 1992 that it would be: Pillow takes its header for damaged.

Adobe. TIFF, Revision 6.0. 1992. AWare Systems. The BigTIFF File Format. https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

import io
import struct
from typing import IO

from media import tags
from media.photograph import UnusableError
from media.tiff_repairs import SIZES, overlaid

HEADER = b"MM\0+"

_SHORTER = {16: (4, "Q", "I"), 17: (9, "q", "i"), 18: (4, "Q", "I")}  # type with 4 bytes, and how both are stored
_INNER = (tags.EXIF_IFD, tags.GPS_IFD)
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_VALUES = 100_000, 1_000, 2**24


def as_classic(file: IO[bytes]) -> IO[bytes]:
    """The file with other directories behind its end, in which all numbers have 32 bits.

    Raises:
        UnusableError: 32 bits are too few.
        ValueError, struct.error: it is damaged.
    """
    size = file.seek(0, io.SEEK_END)
    directories = _Directories(file, size + size % 2)
    file.seek(8)
    (first,) = struct.unpack(">Q", file.read(8))
    head = b"MM\0*" + directories.add_all(first)
    return overlaid(file, {0: head}, bytes(size % 2) + bytes(directories.content))


class _Directories:
    """Directories with numbers of 32 bits.

    Attributes:
        content: They and their values.
        begin: Where the content is placed in the file.
    """

    def __init__(self, file: IO[bytes], begin: int) -> None:
        self._file, self.begin = file, begin
        self.content = bytearray()

    def add_all(self, first: int) -> bytes:
        """Those that begin at `first` and follow each other. Returns where the first one is now."""
        seen: set[int] = set()
        head = bytes(4)
        place, link = first, None
        while place and place not in seen and len(seen) < _MAX_DIRECTORIES:
            seen.add(place)
            start, link_of_this, following = self._add(place, inner=True)
            if link is None:
                head = self._number(start)
            else:
                self.content[link : link + 4] = self._number(start)
            place, link = following, link_of_this
        return head

    def _add(self, place: int, *, inner: bool) -> tuple[int, int, int]:
        """One of them. Where it is, where its link to the next one is in the content, and where that is in the file."""
        (count,) = struct.unpack(">Q", self._read(place, 8))
        if count > _MAX_ENTRIES:
            raise ValueError("a directory is too large")
        entries = b""
        for number in range(count):
            at = place + 8 + 20 * number
            entries += self._entry(at, self._read(at, 20), inner)
        following = self._read(place + 8 + 20 * count, 8)
        self.content += bytes(len(self.content) % 2)
        start = len(self.content)
        self.content += struct.pack(">H", len(entries) // 12) + entries + bytes(4)
        return self.begin + start, len(self.content) - 4, int.from_bytes(following.ljust(8, b"\0"), "big")

    def _entry(self, at: int, stored: bytes, inner: bool) -> bytes:
        tag, kind, count, value = struct.unpack(">HHQ8s", stored)
        size = SIZES.get(kind, 0) * count
        if not size:  # of a type that is not known
            return struct.pack(">HHII", tag, 0, 0, 0)
        place = int.from_bytes(value, "big") if size > 8 else at + 12
        if tag in _INNER and inner and count == 1:
            offset = struct.unpack(">Q", value)[0] if kind in _SHORTER else struct.unpack(">I", value[:4])[0]
            return struct.pack(">HHI", tag, 4, 1) + self._number(self._add(offset, inner=False)[0])
        if kind in _SHORTER:
            if count > _MAX_VALUES:
                raise ValueError("a tag is too large")
            kind, long, short = _SHORTER[kind]
            numbers = struct.unpack(f">{count}{long}", self._read(place, size))
            content = b"".join(self._number(number, short) for number in numbers)
            if count == 1:
                return struct.pack(">HHI", tag, kind, count) + content
            self.content += bytes(len(self.content) % 2)
            place = self.begin + len(self.content)
            self.content += content
        elif size <= 4:
            return struct.pack(">HHI", tag, kind, count) + value[:4]
        return struct.pack(">HH", tag, kind) + self._number(count) + self._number(place)

    def _number(self, value: int, kind: str = "I") -> bytes:
        try:
            return struct.pack(f">{kind}", value)
        except struct.error:
            raise UnusableError(
                "is a BigTIFF with big-endian numbers above 4 GB; save it with little-endian ones"
            ) from None

    def _read(self, place: int, size: int) -> bytes:
        self._file.seek(min(place, 2**62))
        return self._file.read(size)
