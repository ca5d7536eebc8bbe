"""From pixels to the bytes of an image file, one function for each format.

Pillow encodes. It has no color with 16 bits per channel: OpenCV writes that as PNG, and TIFF is written here.
"""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from media import exif, iptc
from media.photograph import COMMENT
from media.tags import (
    EXIF_IFD,
    GPS_IFD,
    ICC_PROFILE,
    IPTC,
    NEW_SUBFILE_TYPE,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    XMP,
    Y_RESOLUTION,
)
from media.xmp import extension_segments, split
from zoo.errors import PhotographError

Dpi = tuple[float, float] | None


@dataclass(frozen=True)
class Metadata:
    """What a file holds beside pixels.

    Attributes:
        exif: EXIF block, or b"".
        dpi: Horizontal and vertical pixels per inch, or None.
        mark: How the picture was made, in a sentence, or "". It goes into the text field of the format, and behind
            the names of other programs into EXIF's Software.
        xmp: XMP packet that `media.xmp.Properties` gave, or b"".
        iptc: IPTC's records, or b"". WebP has no place for them.
        texts: Keyword and text of what else is written in it. JPEG has comments without keywords; TIFF and WebP have
            EXIF's UserComment.
        profile: ICC profile, or b"".
    """

    exif: bytes = b""
    dpi: Dpi = None
    mark: str = ""
    xmp: bytes = b""
    iptc: bytes = b""
    texts: tuple[tuple[str, str], ...] = ()
    profile: bytes = b""

    @property
    def comments(self) -> list[str]:
        """The texts, together with their keywords unless these say no more than that they are texts."""
        return [text if keyword == COMMENT else f"{keyword}: {text}" for keyword, text in self.texts]


Encoder = Callable[[np.ndarray, Metadata, int], bytes]
"""Pixels (H, W) or (H, W, 2 to 4) uint8 or uint16, what goes with them, quality 1 to 100 -> the file."""

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
MAX_BLOCK = 65_527
"""Bytes of a block of metadata, with its header, that Pillow makes a segment of JPEG of."""

_MAX_TIFF = 2**32 - 2**24  # bytes, with room for a directory
_MAX_JPEG_XMP = 65_533 - len(_JPEG_XMP)


def jpeg(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """JPEG without chroma subsampling, since color is the product."""
    segments: list[tuple[int, bytes]] = []
    if metadata.xmp:
        packet, extension = split(metadata.xmp, _MAX_JPEG_XMP)
        segments += [(0xE1, _JPEG_XMP + packet), *((0xE1, part) for part in extension_segments(extension))]
    if metadata.iptc:
        segments.append((0xED, iptc.HEADER + iptc.as_resource(metadata.iptc)))
    segments += [(0xFE, comment.encode()) for comment in (*metadata.comments, metadata.mark) if comment]
    block = exif.with_software(metadata.exif, metadata.mark)
    if len(block) > MAX_BLOCK:
        block = metadata.exif
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4", "optimize": False}
    options["extra"] = b"".join(struct.pack(">BBH", 0xFF, name, 2 + len(each)) + each for name, each in segments)
    return _save(pixels, "JPEG", metadata, block, **options)


def png(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """PNG with low compression, which is much faster and hardly larger."""
    texts = PngImagePlugin.PngInfo()
    for keyword, text in (*metadata.texts, (COMMENT, metadata.mark)):
        if text:
            texts.add_text(keyword, text.replace("\0", " "))
    if metadata.iptc:
        texts.add_text(iptc.RAW_PROFILE, iptc.as_raw_profile(metadata.iptc), zip=True)
    if metadata.xmp:
        texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    block = exif.with_software(metadata.exif, metadata.mark)
    if pixels.dtype == np.uint16:
        return _deep_png(pixels, texts, block, metadata)
    return _save(pixels, "PNG", metadata, block, compress_level=3, pnginfo=texts)


def webp(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """WebP; it has no field for the resolution or for a text, so that they go into EXIF."""
    block = exif.with_comment(exif.with_software(metadata.exif, metadata.mark), metadata.comments)
    block = exif.with_resolution(block, metadata.dpi)
    return _save(pixels, "WEBP", metadata, block, quality=quality, use_sharp_yuv=True, xmp=metadata.xmp)


def bmp(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """BMP, which has no place for EXIF, XMP or a text."""
    return _save(pixels, "BMP", metadata, b"")


def tiff(pixels: np.ndarray, metadata: Metadata, quality: int) -> bytes:
    """TIFF of one page."""
    head = b"II*\0\x08\0\0\0"
    return head + tiff_page(pixels, metadata, len(head))


def tiff_page(pixels: np.ndarray, metadata: Metadata, offset: int, *, one_of_several: bool = False) -> bytes:
    """(H, W) or (H, W, 2 to 4) as a directory of TIFF, to be written at `offset`: deflated strips, with differences.

    Pillow can write neither color with 16 bits, nor EXIF together with compression.

    Raises:
        PhotographError: it would end beyond the size that a TIFF can have.
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
    if block := exif.with_comment(exif.with_software(metadata.exif, metadata.mark), metadata.comments, order="<"):
        carried.load(block)
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
    if offset + sum(lengths) + len(metadata.exif) + len(metadata.xmp) > _MAX_TIFF:
        raise PhotographError("needs more than 4 GB, which TIFF cannot hold; --page takes one page, PNG has no limit")
    directory[TiffImagePlugin.STRIPOFFSETS] = tuple(accumulate(lengths[:-1], initial=0))
    directory[TiffImagePlugin.STRIPBYTECOUNTS] = tuple(lengths)
    directory.tagtype[TiffImagePlugin.STRIPOFFSETS] = 4
    directory.tagtype[TiffImagePlugin.STRIPBYTECOUNTS] = 4
    for tag, content in ((XMP, metadata.xmp), (IPTC, metadata.iptc), (ICC_PROFILE, metadata.profile)):
        if content:
            directory[tag] = content
            directory.tagtype[tag] = 1 if tag == XMP else 7
    if (dpi := metadata.dpi) is not None:
        directory[X_RESOLUTION], directory[Y_RESOLUTION], directory[RESOLUTION_UNIT] = dpi[0], dpi[1], 2
    if one_of_several:
        directory[NEW_SUBFILE_TYPE] = 2
    return directory.tobytes(offset) + b"".join(strips)


def _save(pixels: np.ndarray, format: str, metadata: Metadata, exif_block: bytes, **options: Any) -> bytes:
    """What Pillow writes of (H, W) or (H, W, 2 to 4) uint8."""
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    if exif_block:
        options["exif"] = exif_block
    if metadata.profile:
        options["icc_profile"] = metadata.profile
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2] if pixels.ndim == 3 else 1]
    target = io.BytesIO()
    Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes()).save(
        target, format, **options
    )
    return target.getvalue()


def _deep_png(pixels: np.ndarray, texts: PngImagePlugin.PngInfo, exif_block: bytes, metadata: Metadata) -> bytes:
    """(H, W) or (H, W, 3 or 4) uint16 as PNG, with the chunks that OpenCV does not write."""
    order = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(".png", np.ascontiguousarray(order), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise PhotographError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be encoded as PNG")
    chunks = b""
    if metadata.profile:
        chunks += png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.profile))
    chunks += b"".join(png_chunk(name, content) for name, content, *_ in texts.chunks)
    if (dpi := metadata.dpi) is not None:
        chunks += png_chunk(b"pHYs", struct.pack(">IIB", round(dpi[0] / 0.0254), round(dpi[1] / 0.0254), 1))
    if exif_block:
        chunks += png_chunk(b"eXIf", exif_block.removeprefix(b"Exif\0\0"))
    encoded = data.tobytes()
    header = 8 + 25  # the signature and IHDR
    return encoded[:header] + chunks + encoded[header:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
