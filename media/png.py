"""PNG: damaged or huge chunks beside the picture are passed over; what cICP says is told like gAMA and cHRM.

W3C. Portable Network Graphics (PNG) Specification (Third Edition). 2025. https://www.w3.org/TR/png-3/
"""

import io
import zlib
from collections.abc import Iterator
from typing import IO

from PIL import PngImagePlugin

from media import code_points
from media.photograph import UnusableError

_SIGNATURE = 8
_MAX_TEXT = 2**20  # bytes of one text, as Pillow has it
_MAX_TEXTS = 2**22  # of all, far below Pillow's limit
_MAX_PROFILE = 2**24
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_SHORTEST = {b"gAMA": 4, b"cHRM": 32, b"pHYs": 9, b"sRGB": 1, b"tRNS": 1, b"tIME": 7}
_FRAMES = (b"acTL", b"fcTL", b"fdAT")  # not needed for the first picture, but they are pictures


class PngFile(PngImagePlugin.PngImageFile):
    """An opened PNG, without the chunks that Pillow would refuse the picture for.

    Attributes:
        source: The file, or its content without these chunks.
        deep: Whether it has several channels of 16 bits, of which Pillow keeps 8, and is not animated.
        reduced: Whether it has them and is animated.
        texts: Keyword and text of all that is written in it, XMP too.
        left_out: Names of kinds of chunks of which some are damaged or too large.
    """

    def _open(self) -> None:
        assert self.fp is not None  # it was opened just now
        self._profile: bytes | None = None
        self._code_points = b""
        self.texts: list[tuple[str, str]] = []
        self.left_out: set[str] = set()
        drop = list(self._unusable(self.fp))
        self.fp.seek(0)
        if drop:
            content, kept, end = self.fp.read(), b"", 0
            for start, stop in drop:
                kept += content[end:start]
                end = stop
            self.fp = io.BytesIO(kept + content[end:])
        self.source = self.fp
        super()._open()
        deep = self.mode != "I;16" and any(";16" in str(tile[3]) for tile in self.tile)
        self.deep, self.reduced = deep and not self.is_animated, deep and self.is_animated
        key = self.info.get("transparency")
        if isinstance(key, int) and self.tile:
            # Pillow spreads the samples over 8 bits, and leaves the transparent one as it is.
            self.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(str(self.tile[0][3]), 1)
        if self._profile is not None:
            self.info["icc_profile"] = self._profile
        if len(self._code_points) >= 4 and code_points.UNSPECIFIED not in self._code_points[:2]:
            self._follow(*self._code_points[:4])

    def _follow(self, primaries: int, curve: int, matrix: int, full_range: int) -> None:
        """Let cICP take the place of everything else that says what the colors are.

        Raises:
            UnusableError: they are not supported.
        """
        if matrix != 0 or full_range != 1:
            raise UnusableError("holds the levels of television (cICP), which are not supported; save it as sRGB")
        exponent, chromaticity = code_points.meaning(primaries, curve)
        for name in ("icc_profile", "srgb"):
            self.info.pop(name, None)
        self.info["gamma"], self.info["chromaticity"] = exponent, chromaticity

    def _unusable(self, file: IO[bytes]) -> Iterator[tuple[int, int]]:
        """Where the chunks begin and end that are to be passed over; notes what the others say."""
        size = file.seek(0, io.SEEK_END)
        start, texts = _SIGNATURE, 0
        while start + 8 <= size:
            file.seek(start)
            head = file.read(8)
            length, name = int.from_bytes(head[:4], "big"), head[4:]
            stop = start + 12 + length
            if not name.isalpha() or name == b"IEND":
                return
            if name[:1].islower() and name not in _FRAMES:
                usable = True
                data, check = file.read(length), file.read(4)
                if len(check) < 4 or zlib.crc32(name + data) != int.from_bytes(check, "big"):
                    usable = False
                elif name in _TEXTS:
                    text = _text(name, data) if texts <= _MAX_TEXTS else None
                    usable = text is not None
                    if text is not None:
                        texts += len(text[1])
                        self.texts.append(text)
                elif name == b"iCCP":
                    profile = _inflated(data.partition(b"\0")[2][1:], _MAX_PROFILE)
                    usable = profile is not None
                    if profile is not None and len(profile) > _MAX_TEXT:  # which Pillow takes for an attack
                        self._profile = profile
                        yield start, stop
                elif name == b"cICP":
                    self._code_points = data
                elif length < _SHORTEST.get(name, 0):
                    usable = False
                if not usable:
                    self.left_out.add(name.decode())
                    yield start, min(stop, size)
            start = stop


def _text(name: bytes, data: bytes) -> tuple[str, str] | None:
    """Keyword and text of a chunk, or None if it cannot be read or is longer than `_MAX_TEXT`."""
    keyword, _, rest = data.partition(b"\0")
    encoding = "latin-1"
    text: bytes | None = rest
    if name == b"zTXt":
        text = _inflated(rest[1:], _MAX_TEXT)
    elif name == b"iTXt":
        encoding = "utf-8"
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        if rest[:1] == b"\1":
            text = _inflated(text, _MAX_TEXT)
    if not keyword or text is None or len(text) > _MAX_TEXT:
        return None
    return keyword.decode("latin-1"), text.decode(encoding, errors="replace")


def _inflated(data: bytes, limit: int) -> bytes | None:
    """What was deflated, or None if it is damaged or longer than the limit."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, limit)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail or not content else content
