"""JPEGs that Pillow does not read, or takes for damaged."""

import io
import re
from typing import IO

import numpy as np
from PIL import ImageFile, JpegImagePlugin

from media.photograph import UnusableError

_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\0\x01\xd0-\xd8\xff]", re.DOTALL)  # of a segment; others are inside scans
_SCAN, _PROGRESSIVE = 0xDA, (0xC2, 0xCA)
_ALL_BITS = 16
_FILLINGS = (bytes(256), b"\x5a" * 256)  # neither holds a marker


def open_jpeg(file: IO[bytes]) -> ImageFile.ImageFile:
    """Read the header of a JPEG, or of the first of several in one file (MPO).

    Raises:
        UnusableError: its samples have other than 8 bits.
    """
    try:
        return JpegImagePlugin.jpeg_factory(file)
    except SyntaxError as error:
        if bits := re.search(r"(\d+)-bit layers", str(error)):
            raise UnusableError(f"is a JPEG with {bits[1]} bits per sample; save it with 8 bits or as PNG") from error
        raise


def completed(file: IO[bytes]) -> ImageFile.ImageFile | None:
    """The decoded picture of a JPEG that ends too early, if the missing bytes tell nothing of it.

    They are replaced by two different fillings: if both give the same picture, all rows of its last scan are there. A
    progressive one, which a missing scan blurs, must have all scans as well.
    """
    file.seek(0)
    content = file.read().rstrip(b"\xff")
    pictures = []
    for filling in _FILLINGS:
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(content + filling + _END))
        if "progressive" in image.info and not _has_all_scans(content):
            return None
        image.load()
        pictures.append(image)
    same = np.array_equal(np.asarray(pictures[0]), np.asarray(pictures[1]))
    return pictures[0] if same else None


def _has_all_scans(content: bytes) -> bool:
    """Whether the scans of a progressive JPEG give all bits of all coefficients."""
    missing: dict[int, list[int]] = {}  # component -> bits that are still missing, of each of the 64 coefficients
    place = 2
    while found := _MARKER.search(content, place):
        name, start = content[found.end() - 1], found.end()
        segment = content[start + 2 : start + int.from_bytes(content[start : start + 2], "big")]
        place = start + 2 + len(segment)
        if name in _PROGRESSIVE:
            missing = {component: [_ALL_BITS] * 64 for component in segment[6::3]}
        elif name == _SCAN and segment:
            count = segment[0]
            if len(segment) < 4 + 2 * count or not missing.keys() >= {*segment[1 : 1 + 2 * count : 2]}:
                return False
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            for component in segment[1 : 1 + 2 * count : 2]:
                missing[component][first : last + 1] = [bits & 15] * (last + 1 - first)
    return bool(missing) and not any(map(any, missing.values()))
