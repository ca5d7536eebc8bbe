"""One writer of photographs: the number of pixels and bits, transparency, resolution and metadata are kept.

A photograph that was colorized is marked as such, and then keeps its XMP as well.

What a format cannot hold is left out or converted; see `write`.
"""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from media import atomic, iptc
from media.encoders import Metadata
from media.formats import FORMATS, SUFFIXES, Format
from media.photograph import Photograph, eight_bits
from media.profiles import srgb_profile
from media.provenance import Mark
from media.reader import os_reason
from media.xmp import Properties
from zoo.errors import PhotographError


def write(
    photograph: Photograph,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    quality: int = 95,
    mark: Mark | None = None,
    times: tuple[int, int] | None = None,
) -> tuple[str, ...]:
    """Write one photograph under a temporary name in the same folder, then rename it to `path`.

    JPEG is written without chroma subsampling, since color is the product (WebP has no such choice). EXIF, DPI, IPTC,
    texts and a profile go with every format that has a place for them (BMP: DPI only; WebP: no IPTC). JPEG, WebP and
    BMP have 8 bits; JPEG and BMP have no transparency, so that it is flattened on white. TIFF and PNG keep everything
    and are lossless (16-bit gray with alpha becomes RGBA).

    Args:
        format: "JPEG", "PNG", "TIFF", "WEBP" or "BMP", in any case; by default what the suffix of `path`
            says, or else the format that the photograph was read from.
        quality: 1 to 100, of JPEG and WebP.
        mark: What the file says about how it was made: as XMP, together with the XMP of the photograph, as EXIF's
            Software, and as the comment of JPEG and PNG. None for a file without XMP. BMP holds nothing of this.
        times: Of the last access and the last change that the file is to have, in ns; by default now.

    Returns:
        What is to be said about the metadata that the file does not have, in a few words each.

    Raises:
        PhotographError: the format is unknown or cannot hold a picture of this size, or the file cannot be
            written.
    """
    path = Path(path)
    suffix = SUFFIXES.get(path.suffix.lower())
    name = (format or (suffix.name if suffix else photograph.format)).upper()
    row = FORMATS.get(name)
    if row is None or row.encode is None:
        *others, last = (each.name for each in FORMATS.values() if each.encode)
        raise PhotographError(f"{path}: {name} cannot be written; use {', '.join(others)} or {last}")
    height, width = photograph.pixels.shape[:2]
    if max(height, width) > row.max_side:
        raise PhotographError(
            f"{path}: is {width} x {height} pixels, and {name} holds at most {row.max_side} a side; use PNG or TIFF"
        )
    pixels = _fit_format(photograph, row)
    metadata, warnings = _fit_metadata(photograph, row, mark)
    try:
        data = row.encode(pixels, metadata, quality)
        with atomic.replacing(path) as partial:
            partial.write_bytes(data)
            if times is not None:
                try:
                    os.utime(partial, ns=times)
                except OSError as error:
                    warnings.append(f"the times of the original cannot be kept: {os_reason(error)}")
    except PhotographError as error:
        raise PhotographError(f"{path}: {error}") from error
    except OSError as error:
        raise PhotographError(f"{path}: cannot be written: {os_reason(error)}") from error
    return tuple(warnings)


def _fit_metadata(photograph: Photograph, format: Format, mark: Mark | None) -> tuple[Metadata, list[str]]:
    """What the format can hold, and what is to be said about the rest."""
    metadata, warnings = Metadata(dpi=photograph.dpi), list[str]()
    if not format.exif:
        return metadata, warnings
    if mark is not None:
        properties = Properties(photograph.xmp)
        metadata = replace(metadata, mark=mark.text, xmp=mark.to_xmp(properties))
        if properties.damaged:
            warnings.append("its XMP is damaged and is left out")
    exif, records = photograph.exif or b"", photograph.iptc
    sizes = {"EXIF": len(exif), "IPTC": len(iptc.HEADER + iptc.as_resource(records))}
    too_large = [what for what, size in sizes.items() if size > format.max_block]
    # The mark of an earlier result is not written twice.
    texts = [text for text in photograph.texts if mark is None or text[1] != mark.text]
    fitting = tuple(text for text in texts if len(text[1].encode()) <= format.max_block)
    if len(fitting) < len(texts):
        too_large.append("text")
    warnings += [f"its {what} is left out: it is larger than {format.name} can hold" for what in too_large]
    if records and not format.iptc:
        warnings.append(f"its IPTC is left out: {format.name} has no place for it")
    metadata = replace(
        metadata,
        exif=b"" if "EXIF" in too_large else exif,
        iptc=records if format.iptc and "IPTC" not in too_large else b"",
        texts=fitting,
        profile=srgb_profile() if photograph.profiled and photograph.pixels.ndim == 3 else b"",
    )
    return metadata, warnings


def _fit_format(photograph: Photograph, format: Format) -> np.ndarray:
    """Pixels and alpha, (H, W) or (H, W, 2 to 4), converted to what the format can hold."""
    pixels, alpha = photograph.pixels, photograph.alpha
    deep = pixels.dtype == np.uint16 and format.deep
    if not deep:
        pixels, alpha = eight_bits(pixels), None if alpha is None else eight_bits(alpha)
    if alpha is None:
        return pixels
    if not format.alpha:
        return _flatten_on_white(pixels, alpha)
    # OpenCV, which writes 16 bits, has no gray with alpha.
    color = pixels if pixels.ndim == 3 or not deep else np.repeat(pixels[..., None], 3, axis=2)
    return np.dstack([color, alpha])


def _flatten_on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = alpha.astype(np.float32) / 255
    if pixels.ndim == 3:
        weight = weight[..., None]
    return np.asarray(np.rint(pixels * weight + 255 * (1 - weight)).astype(np.uint8))
