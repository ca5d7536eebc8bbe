"""PNG: damaged or huge chunks beside the picture are passed over; gAMA and cHRM are understood.

W3C. Portable Network Graphics (PNG) Specification (Third Edition). 2025. https://www.w3.org/TR/png-3/
"""

import io
import zlib
from collections.abc import Iterator
from typing import IO

from PIL import PngImagePlugin

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
        deep: Whether it has several channels of 16 bits, of which Pillow keeps 8.
    """

    def _open(self) -> None:
        assert self.fp is not None  # it was opened just now
        self._profile: bytes | None = None
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
        self.deep = self.mode != "I;16" and any(";16" in str(tile[3]) for tile in self.tile)
        key = self.info.get("transparency")
        if isinstance(key, int) and self.tile:
            # Pillow spreads the samples over 8 bits, and leaves the transparent one as it is.
            self.info["transparency"] = key * {"L;2": 85, "L;4": 17}.get(str(self.tile[0][3]), 1)
        if self._profile is not None:
            self.info["icc_profile"] = self._profile

    def _unusable(self, file: IO[bytes]) -> Iterator[tuple[int, int]]:
        """Where the chunks begin and end that are to be passed over."""
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
                data, check = file.read(length), file.read(4)
                if len(check) < 4 or zlib.crc32(name + data) != int.from_bytes(check, "big"):
                    yield start, min(stop, size)
                elif name in _TEXTS:
                    text = _MAX_TEXT + 1 if texts > _MAX_TEXTS else _text_length(name, data)
                    texts += text
                    if text > _MAX_TEXT:
                        yield start, stop
                elif name == b"iCCP":
                    if (profile := _inflated(data.partition(b"\0")[2][1:], _MAX_PROFILE)) is None:
                        yield start, stop
                    elif len(profile) > _MAX_TEXT:  # which Pillow takes for an attack
                        self._profile = profile
                        yield start, stop
                elif length < _SHORTEST.get(name, 0):
                    yield start, stop
            start = stop


def _text_length(name: bytes, data: bytes) -> int:
    """Bytes of a text; more than `_MAX_TEXT` if it cannot be read."""
    keyword, _, rest = data.partition(b"\0")
    if name == b"zTXt":
        compressed: bytes | None = rest[1:]
    elif name == b"iTXt" and rest[:1] == b"\1":
        compressed = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        return len(data)
    text = _inflated(compressed or b"", _MAX_TEXT)
    return _MAX_TEXT + 1 if text is None or not keyword else len(text)


def _inflated(data: bytes, limit: int) -> bytes | None:
    """What was deflated, or None if it is damaged or longer than the limit."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, limit)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail or not content else content
