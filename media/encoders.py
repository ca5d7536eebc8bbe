"""From pixels to the bytes of an image file, one function for each format.

Pillow encodes. It has no color with 16 bits per channel: OpenCV writes that as PNG, and TIFF is written here.
"""

import io
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from media.tags import EXIF_IFD, GPS_IFD, RESOLUTION_UNIT, SOFTWARE, X_RESOLUTION, XMP, Y_RESOLUTION
from media.xmp import extension_segments, split
from zoo.errors import PhotographError

Dpi = tuple[float, float] | None


@dataclass(frozen=True)
class Metadata:
    """What a file holds beside pixels.

    Attributes:
        exif: EXIF block, or b"".
        dpi: Horizontal and vertical pixels per inch, or None.
        text: How the picture was made, in a sentence, or "". It goes into the text field of the format, and behind
            the names of other programs into EXIF's Software.
        xmp: XMP packet that `media.xmp.Properties` gave, or b"".
    """

    exif: bytes = b""
    dpi: Dpi = None
    text: str = ""
    xmp: bytes = b""


Encoder = Callable[[np.ndarray, Metadata, int], bytes]
"""Pixels (H, W) or (H, W, 2 to 4) uint8 or uint16, what goes with them, quality 1 to 100 -> the file."""

_MAX_JPEG_EXIF = 65_527  # bytes: a JPEG segment holds no more
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MAX_JPEG_XMP = 65_533 - len(_JPEG_XMP)


def jpeg(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """JPEG without chroma subsampling, since color is the product."""
    options: dict[str, Any] = {}
    if metadata.text:
        options["comment"] = metadata.text.encode()
    if metadata.xmp:
        packet, extension = split(metadata.xmp, _MAX_JPEG_XMP)
        segments = [_JPEG_XMP + packet, *extension_segments(extension)]
        options["extra"] = b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(each)) + each for each in segments)
    blocks = (_exif_with_software(metadata), metadata.exif, b"")
    exif = next(block for block in blocks if len(block) <= _MAX_JPEG_EXIF)
    options |= {"quality": quality, "subsampling": "4:4:4", "optimize": False}
    return _save(pixels, "JPEG", exif, metadata.dpi, **options)


def png(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """PNG with low compression, which is much faster and hardly larger."""
    texts = PngImagePlugin.PngInfo()
    if metadata.text:
        texts.add_text("Comment", metadata.text)
    if metadata.xmp:
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    exif = _exif_with_software(metadata)
    if pixels.dtype == np.uint16:
        return _deep_png(pixels, texts, exif, metadata.dpi)
    return _save(pixels, "PNG", exif, metadata.dpi, compress_level=3, pnginfo=texts)


def webp(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """WebP; it has no field for the resolution or for a text, so that they go into EXIF."""
    exif = _add_resolution(_exif_with_software(metadata), metadata.dpi)
    return _save(pixels, "WEBP", exif, metadata.dpi, quality=quality, use_sharp_yuv=True, xmp=metadata.xmp)


def bmp(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """BMP, which has no place for EXIF, XMP or a text."""
    return _save(pixels, "BMP", b"", metadata.dpi)


def tiff(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """(H, W) or (H, W, 2 to 4) as TIFF: deflated strips with horizontal differences.

    Pillow can write neither color with 16 bits, nor EXIF together with compression.
    """
    height, width = pixels.shape[:2]
    samples = pixels.reshape(height, width, -1).astype(pixels.dtype.newbyteorder("<"), copy=False)
    channels, bits = samples.shape[2], 8 * pixels.dtype.itemsize
    rows = max(1, 2**20 // (width * channels * bits // 8))
    strips = []
    for top in range(0, height, rows):
        strip = samples[top : top + rows].copy()
        strip[:, 1:] -= samples[top : top + rows, :-1]
        strips.append(zlib.compress(strip.tobytes(), 3))

    directory = TiffImagePlugin.ImageFileDirectory_v2()
    carried = Image.Exif()
    if exif := _exif_with_software(metadata):
        carried.load(exif)
    for tag in carried:
        directory[tag] = carried.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else carried[tag]
    directory[TiffImagePlugin.IMAGEWIDTH] = width
    directory[TiffImagePlugin.IMAGELENGTH] = height
    directory[TiffImagePlugin.BITSPERSAMPLE] = (bits,) * channels
    directory[TiffImagePlugin.COMPRESSION] = 8
    directory[TiffImagePlugin.PREDICTOR] = 2
    directory[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 2 if channels >= 3 else 1
    directory[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    if channels in (2, 4):
        directory[TiffImagePlugin.EXTRASAMPLES] = 2
    directory[TiffImagePlugin.ROWSPERSTRIP] = rows
    # Pillow moves the offsets behind the directory.
    lengths = [len(strip) for strip in strips]
    directory[TiffImagePlugin.STRIPOFFSETS] = tuple(accumulate(lengths[:-1], initial=0))
    directory[TiffImagePlugin.STRIPBYTECOUNTS] = tuple(lengths)
    directory.tagtype[TiffImagePlugin.STRIPOFFSETS] = 4
    directory.tagtype[TiffImagePlugin.STRIPBYTECOUNTS] = 4
    if metadata.xmp:
        directory[XMP] = metadata.xmp
    if (dpi := metadata.dpi) is not None:
        directory[X_RESOLUTION], directory[Y_RESOLUTION], directory[RESOLUTION_UNIT] = dpi[0], dpi[1], 2
    target = io.BytesIO()
    directory.save(target)
    return target.getvalue() + b"".join(strips)


def _save(pixels: np.ndarray, format: str, exif: bytes, dpi: Dpi, **options: Any) -> bytes:
    """What Pillow writes of (H, W) or (H, W, 2 to 4) uint8."""
    if dpi is not None:
        options["dpi"] = dpi
    if exif:
        options["exif"] = exif
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2] if pixels.ndim == 3 else 1]
    target = io.BytesIO()
    Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes()).save(
        target, format, **options
    )
    return target.getvalue()


def _deep_png(pixels: np.ndarray, texts: PngImagePlugin.PngInfo, exif: bytes, dpi: Dpi) -> bytes:
    """(H, W) or (H, W, 3 or 4) uint16 as PNG, with the chunks that OpenCV does not write."""
    order = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(".png", np.ascontiguousarray(order), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise PhotographError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be encoded as PNG")
    chunks = b"".join(_png_chunk(name, content) for name, content, *_ in texts.chunks)
    if dpi is not None:
        chunks += _png_chunk(b"pHYs", struct.pack(">IIB", round(dpi[0] / 0.0254), round(dpi[1] / 0.0254), 1))
    if exif:
        chunks += _png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    encoded = data.tobytes()
    header = 8 + 25  # the signature and IHDR
    return encoded[:header] + chunks + encoded[header:]


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _exif_with_software(metadata: Metadata) -> bytes:
    """EXIF whose Software names what was named, then the text; `metadata.exif` if there is no text."""
    if not metadata.text:
        return metadata.exif
    with suppress(Exception):  # a damaged EXIF block must not cost the photograph
        tags = Image.Exif()
        if metadata.exif:
            tags.load(metadata.exif)
        former = tags.get(SOFTWARE)
        former = former.strip("\0 ") if isinstance(former, str) else ""
        if metadata.text not in former:
            tags[SOFTWARE] = f"{former}; {metadata.text}" if former else metadata.text
        return tags.tobytes()
    return metadata.exif


def _add_resolution(exif: bytes, dpi: Dpi) -> bytes:
    if dpi is None:
        return exif
    tags = Image.Exif()
    if exif:
        tags.load(exif)
    tags[X_RESOLUTION], tags[Y_RESOLUTION], tags[RESOLUTION_UNIT] = dpi[0], dpi[1], 2
    return tags.tobytes()
