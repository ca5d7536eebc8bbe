"""Files of several pictures, written one picture at a time: pages of TIFF, frames of animated PNG and WebP.

Each encodes its pictures as files of their own, and takes these apart; so what is in memory does not grow with their
number. Metadata of an animation are those of its first frame; pages have their own.

W3C. Portable Network Graphics (PNG) Specification (Third Edition). 2025. https://www.w3.org/TR/png-3/
Google. WebP Container Specification. https://developers.google.com/speed/webp/docs/riff_container
"""

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import IO, Protocol

import numpy as np

from media import encoders
from media.encoders import Metadata
from zoo.errors import PhotographError

_MAX_SIZE = 2**32 - 2  # bytes of a RIFF file
_MAX_SHORT = 2**16 - 1


class Assembler(Protocol):
    """Writes one file."""

    def add(self, pixels: np.ndarray, metadata: Metadata, quality: int, duration: float) -> None:
        """Append (H, W) or (H, W, 2 to 4) pixels, which are shown for so many milliseconds.

        Raises:
            PhotographError: the format cannot hold it.
        """

    def finish(self) -> None:
        """Write what the file says of all of them."""


StartAssembler = Callable[[IO[bytes], int, int], Assembler]
"""An empty file that is written and read, the number of pictures, and how often they are played (0 without end)."""


class TiffPages:
    """Pages, each a directory with its strips."""

    def __init__(self, file: IO[bytes], count: int, plays: int) -> None:
        self._file = file
        self._link = file.write(b"II*\0")  # where the next directory's offset is to be written
        file.write(bytes(4))

    def add(self, pixels: np.ndarray, metadata: Metadata, quality: int, duration: float) -> None:
        """See `Assembler`."""
        start = self._file.seek(0, 2)
        start += self._file.write(bytes(start % 2))
        page = encoders.tiff_page(pixels, metadata, start, one_of_several=True)
        self._file.write(page)
        self._file.seek(self._link)
        self._file.write(struct.pack("<I", start))
        (entries,) = struct.unpack_from("<H", page)
        self._link = start + 2 + 12 * entries

    def finish(self) -> None:
        """See `Assembler`."""


class AnimatedPng:
    """Frames of one size, each whole, with the color type of the first one."""

    def __init__(self, file: IO[bytes], count: int, plays: int) -> None:
        self._file = file
        self._control = encoders.png_chunk(b"acTL", struct.pack(">II", count, plays))
        self._header = b""
        self._sequence = 0

    def add(self, pixels: np.ndarray, metadata: Metadata, quality: int, duration: float) -> None:
        """See `Assembler`."""
        first = not self._header
        data = encoders.png(pixels, metadata if first else Metadata(), quality)
        chunks = list(_png_chunks(data))
        header = chunks[0][1]
        if first:
            self._header = header
            self._file.write(data[:33] + self._control)
            for name, content in chunks[1:]:
                if name not in (b"IDAT", b"IEND"):
                    self._file.write(encoders.png_chunk(name, content))
        elif header != self._header:
            raise PhotographError("its frames differ in size or kind of pixels")
        delay = Fraction(duration / 1000).limit_denominator(1000)
        if delay.numerator > _MAX_SHORT:
            delay = Fraction(min(round(duration / 1000), _MAX_SHORT))
        self._write(b"fcTL", header[:8] + struct.pack(">IIHHBB", 0, 0, delay.numerator, delay.denominator, 0, 0))
        for name, content in chunks:
            if name == b"IDAT" and first:
                self._file.write(encoders.png_chunk(name, content))
            elif name == b"IDAT":
                self._write(b"fdAT", content)

    def finish(self) -> None:
        """See `Assembler`."""
        self._file.write(encoders.png_chunk(b"IEND", b""))

    def _write(self, name: bytes, content: bytes) -> None:
        """A chunk of the sequence that makes the animation."""
        self._file.write(encoders.png_chunk(name, struct.pack(">I", self._sequence) + content))
        self._sequence += 1


class AnimatedWebp:
    """Frames of one size, each whole."""

    def __init__(self, file: IO[bytes], count: int, plays: int) -> None:
        self._file = file
        self._plays = min(plays, _MAX_SHORT)
        self._behind = b""  # chunks that follow the frames
        self._size: tuple[int, ...] = ()

    def add(self, pixels: np.ndarray, metadata: Metadata, quality: int, duration: float) -> None:
        """See `Assembler`."""
        height, width = pixels.shape[:2]
        first = not self._size
        chunks = dict(_riff_chunks(encoders.webp(pixels, metadata if first else Metadata(), quality)))
        size = _three_bytes(width - 1) + _three_bytes(height - 1)
        if first:
            self._size = pixels.shape
            flags = 0x02 | 0x10 * (pixels.ndim == 3 and pixels.shape[2] in (2, 4))
            for name, flag in ((b"ICCP", 0x20), (b"EXIF", 0x08), (b"XMP ", 0x04)):
                flags |= flag * (name in chunks)
            self._file.write(b"RIFF\0\0\0\0WEBP" + _riff_chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size))
            if b"ICCP" in chunks:
                self._file.write(_riff_chunk(b"ICCP", chunks[b"ICCP"]))
            self._file.write(_riff_chunk(b"ANIM", struct.pack("<IH", 0, self._plays)))
            self._behind = b"".join(_riff_chunk(name, chunks[name]) for name in (b"EXIF", b"XMP ") if name in chunks)
        elif pixels.shape != self._size:
            raise PhotographError("its frames differ in size or kind of pixels")
        alone = b"\x02"  # not blended with what is below it, which stays
        frame = bytes(6) + size + _three_bytes(round(duration)) + alone
        frame += b"".join(_riff_chunk(name, chunks[name]) for name in (b"ALPH", b"VP8 ", b"VP8L") if name in chunks)
        self._file.write(_riff_chunk(b"ANMF", frame))

    def finish(self) -> None:
        """See `Assembler`."""
        self._file.write(self._behind)
        size = self._file.tell() - 8
        if size > _MAX_SIZE:
            raise PhotographError("its frames need more than 4 GB, which WebP cannot hold; use PNG")
        self._file.seek(4)
        self._file.write(struct.pack("<I", size))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        yield data[place : place + 4], data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _three_bytes(value: int) -> bytes:
    return struct.pack("<I", value)[:3]
