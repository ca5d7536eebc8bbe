"""A photograph in memory: upright pixels, and what belongs to them."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

COMMENT = "Comment"
"""Keyword of a text from a format that has none."""


class UnusableError(Exception):
    """A file is whole, but is not a photograph that can be used."""


@dataclass(frozen=True)
class Photograph:
    """One upright photograph and what is carried with it.

    Attributes:
        pixels: (H, W) gray or (H, W, 3) sRGB, uint8 or uint16.
        alpha: (H, W) opacity of the same dtype, or None.
        exif: EXIF block starting with b"Exif\\0\\0", or None.
        dpi: Horizontal and vertical pixels per inch, or None.
        format: Name of the format to write it in by default: that of the source, or PNG if that is only read.
        xmp: XMP packets as the source has them, unchecked; in JPEG a second one may be the extension of the first.
        iptc: IPTC's records about it, or b"".
        texts: Keyword and text of what is written beside it, such as ("Comment", "scanned at 1200 dpi").
        profiled: Whether the source had an ICC profile that was followed, so that its copies should have one too.
        duration: Milliseconds that it is shown, of a frame of an animation.
        warnings: What was wrong with the source, in a few words each.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    format: str
    xmp: tuple[bytes, ...] = ()
    iptc: bytes = b""
    texts: tuple[tuple[str, str], ...] = ()
    profiled: bool = False
    duration: float = 0.0
    warnings: tuple[str, ...] = ()

    def to_rgb(self) -> Image.Image:
        """The picture with 8 bits, as Pillow's mode RGB; its alpha is dropped."""
        return Image.fromarray(eight_bits(self.pixels)).convert("RGB")


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Samples of 8 or 16 bits, rounded to 8."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    return np.asarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def gray_of(rgb: np.ndarray) -> np.ndarray:
    """The gray uint8 (..., 3), of equal channels, whose CIE lightness is nearest to that of sRGB uint8 (..., 3)."""
    from zoo import color  # brings Keras, which reading and writing do without

    gray = color.gray_of_lightness(color.lightness(rgb.astype(np.float32) / 255))
    level = np.rint(np.asarray(gray) * 255).astype(np.uint8)
    return np.repeat(level, 3, axis=-1)
