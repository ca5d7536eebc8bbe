"""JPEGs that Pillow does not read, or takes for damaged."""

import io
import re
from typing import IO

import numpy as np
from PIL import ImageFile, JpegImagePlugin

from media.photograph import UnusableError

_END = b"\xff\xd9"
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

    They are replaced by two different fillings: if both give the same picture, all its rows are there. Nothing is
    known of a progressive one, which a missing part blurs.
    """
    file.seek(0)
    content = file.read().rstrip(b"\xff")
    pictures = []
    for filling in _FILLINGS:
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(content + filling + _END))
        if "progressive" in image.info:
            return None
        image.load()
        pictures.append(image)
    same = np.array_equal(np.asarray(pictures[0]), np.asarray(pictures[1]))
    return pictures[0] if same else None
