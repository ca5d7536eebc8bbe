"""The table of image formats: what each can hold, and what reads and writes it.

A new format is a new row. Suffixes, the recognition of files, the formats of results and those that training reads
all follow from the table.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    Jpeg2KImagePlugin,
    WebPImagePlugin,
)

from media import encoders, jpeg
from media.assemblers import AnimatedPng, AnimatedWebp, StartAssembler, TiffPages
from media.encoders import Encoder
from media.heif import open_heif
from media.png import PngFile
from media.tiff import TiffFile

DEFAULT = "PNG"  # for sources whose format is not written: it is lossless and keeps everything


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        name: The name in Pillow and in options.
        suffixes: Of file names, in small letters; results get the first.
        magic: Matches the first bytes of such a file.
        open: From an open file to Pillow's image, whose header is read. Used instead of Image.open, so that only tested
            formats are read, and with our size limit; Pillow's own is a warning and holds for the whole process.
        encode: From pixels to the bytes of a file; None if the format is only read.
        max_side: Longest side in pixels that it can hold.
        alpha: Whether it holds transparency.
        deep: Whether it holds 16 bits per channel.
        exif: Whether it holds EXIF, XMP, texts and profiles.
        iptc: Whether it holds IPTC's records.
        max_block: Largest block of metadata in bytes, other than XMP, which can be divided.
        pages: Writes several pages; None if it holds one.
        frames: Writes an animation; None if it holds none.
        training: Whether such files are looked for in folders of training photographs.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: re.Pattern[bytes]
    open: Callable[[IO[bytes]], ImageFile.ImageFile]
    encode: Encoder | None
    max_side: int = 2**31 - 1
    alpha: bool = False
    deep: bool = False
    exif: bool = False
    iptc: bool = False
    max_block: int = 2**31 - 1
    pages: StartAssembler | None = None
    frames: StartAssembler | None = None
    training: bool = True

    @property
    def result(self) -> bool:
        """Whether colorized photographs are written in it. A BMP loses nothing as PNG."""
        return self.encode is not None and self.exif


def _open_bitmap(file: IO[bytes]) -> BmpImagePlugin.BmpImageFile:
    has_header = file.read(2) == b"BM"
    file.seek(0)
    return BmpImagePlugin.BmpImageFile(file) if has_header else BmpImagePlugin.DibImageFile(file)


def _magic(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format(
            "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg"), _magic(rb"\xff\xd8\xff"), jpeg.open_jpeg,
            encoders.jpeg, max_side=65_500, exif=True, iptc=True, max_block=encoders.MAX_BLOCK,
        ),
        Format(
            "PNG", (".png",), _magic(rb"\x89PNG\r\n\x1a\n"), PngFile, encoders.png,
            alpha=True, deep=True, exif=True, iptc=True, frames=AnimatedPng,
        ),
        Format(
            "TIFF", (".tif", ".tiff"), _magic(rb"II[*+]\0|MM\0[*+]"), TiffFile, encoders.tiff,
            alpha=True, deep=True, exif=True, iptc=True, pages=TiffPages,
        ),
        Format(
            "WEBP", (".webp",), _magic(rb"RIFF....WEBP"), WebPImagePlugin.WebPImageFile, encoders.webp,
            max_side=16_383, alpha=True, exif=True, frames=AnimatedWebp,
        ),
        # The second is what a .dib has, without the header of a file: size of the next one, of the picture, one plane.
        Format("BMP", (".bmp", ".dib"), _magic(rb"BM|[\x28\x6c\x7c]\0\0\0.{8}\x01\0"), _open_bitmap, encoders.bmp),
        Format(
            "JPEG2000", (".jp2", ".j2k", ".jpx", ".jpf"), _magic(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
            Jpeg2KImagePlugin.Jpeg2KImageFile, None, training=False,
        ),
        Format(
            "AVIF", (".avif",), _magic(rb"....ftypavi[fs]"), AvifImagePlugin.AvifImageFile, None, training=False,
        ),
        # Beside their own names, those of the structure that they share with AVIF.
        Format(
            "HEIF", (".heic", ".heif", ".hif"), _magic(rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)"), open_heif, None,
            training=False,
        ),
        # 256 colors are too few to learn from.
        Format("GIF", (".gif",), _magic(rb"GIF8"), GifImagePlugin.GifImageFile, None, training=False),
    )
}  # fmt: skip
"""Name -> row."""

SUFFIXES = {suffix: row for row in FORMATS.values() for suffix in row.suffixes}
"""Suffix of a file name, in small letters -> row."""

TRAINING_SUFFIXES = frozenset(suffix for suffix, row in SUFFIXES.items() if row.training)
"""Suffixes of the files that are looked for in folders of training photographs."""

RESULTS = {row.name.lower(): row.suffixes[0] for row in FORMATS.values() if row.result}
"""Format that colorized photographs can be written in, in small letters -> suffix of their files."""


def recognize(head: bytes) -> Format | None:
    """The format of a file by its first 16 bytes."""
    return next((row for row in FORMATS.values() if row.magic.match(head)), None)
