"""One writer of photographs: the number of pixels and bits, transparency, resolution and metadata are kept.

A photograph that was colorized is marked as such, and then keeps its XMP as well.

What a format cannot hold is left out or converted; see `write`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from media import atomic, iptc
from media.encoders import Metadata
from media.formats import FORMATS, RESULTS, SUFFIXES, Format
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
    name = format or (suffix.name if suffix else photograph.format)
    try:
        data, warnings = encode(photograph, name, quality=quality, mark=mark)
        with atomic.replacing(path) as partial:
            partial.write_bytes(data)
            untimely = _keep_times(partial, times)
    except PhotographError as error:
        raise PhotographError(f"{path}: {error}") from error
    except OSError as error:
        raise PhotographError(f"{path}: cannot be written: {os_reason(error)}") from error
    return (*warnings, *untimely)


def encode(
    photograph: Photograph, format: str, *, quality: int = 95, mark: Mark | None = None
) -> tuple[bytes, tuple[str, ...]]:
    """The content of the file that `write` writes, and what it returns; arguments and errors are those of `write`."""
    row = FORMATS.get(format.upper())
    if row is None or row.encode is None:
        *others, last = (each.name for each in FORMATS.values() if each.encode)
        raise PhotographError(f"{format.upper()} cannot be written; use {', '.join(others)} or {last}")
    _refuse_size(photograph, row)
    metadata, warnings = _fit_metadata(photograph, row, mark)
    return row.encode(_fit_format(photograph, row), metadata, quality), tuple(warnings)


class SequenceWriter:
    """Writes pages, or frames of an animation, one after the other; all or none are there at the end.

    Attributes:
        warnings: As `write` returns them.

    Args:
        path: Whose suffix says the format.
        count: Number of pages or frames.
        animated: Whether they are frames.
        plays: How often these are played; 0 without end.
        quality, mark: See `write`.

    Raises:
        PhotographError: the format does not hold several, or the file cannot be written.
    """

    def __init__(
        self, path: Path, count: int, *, animated: bool, plays: int = 0, quality: int = 95, mark: Mark | None = None
    ) -> None:
        self.warnings: list[str] = []
        self._path, self._quality, self._mark = path, quality, mark
        self._row = SUFFIXES[path.suffix.lower()]
        self._alpha: bool | None = None if animated else False
        start = self._row.frames if animated else self._row.pages
        if start is None:
            kind = "frames" if animated else "pages"
            others = " or ".join(name for name in RESULTS if getattr(FORMATS[name.upper()], kind) is not None)
            what = f"{self._row.name} does not hold {count} {kind}"
            raise PhotographError(f"{path}: {what}; choose --format {others}, or one of them with --page")
        self._partial = atomic.partial_name(path)
        with self._named_errors():
            self._file = self._partial.open("w+b")
            self._assembler = start(self._file, count, plays)

    def add(self, photograph: Photograph) -> None:
        """Append a page, or a frame, which keeps its `duration`.

        Raises:
            PhotographError: the format cannot hold it, or the file cannot be written.
        """
        metadata, warnings = _fit_metadata(photograph, self._row, self._mark)
        self.warnings += [warning for warning in warnings if warning not in self.warnings]
        pixels = _fit_format(self._with_alpha(photograph), self._row)
        with self._named_errors():
            _refuse_size(photograph, self._row)
            self._assembler.add(pixels, metadata, self._quality, photograph.duration)

    def finish(self, times: tuple[int, int] | None = None) -> None:
        """Put the file in its place; for `times` see `write`.

        Raises:
            PhotographError: it cannot be written.
        """
        with self._named_errors():
            self._assembler.finish()
            self._file.close()
            self.warnings += _keep_times(self._partial, times)
            atomic.put_in_place(self._partial, self._path)

    def close(self) -> None:
        """Leave nothing behind that is not finished."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _with_alpha(self, photograph: Photograph) -> Photograph:
        """The frames of an animation all have an alpha, or none has."""
        if self._alpha is None:
            self._alpha = photograph.alpha is not None
        if self._alpha and photograph.alpha is None:
            white = np.iinfo(photograph.pixels.dtype).max
            return replace(photograph, alpha=np.full(photograph.pixels.shape[:2], white, photograph.pixels.dtype))
        return photograph

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except PhotographError as error:
            raise PhotographError(f"{self._path}: {error}") from error
        except OSError as error:
            raise PhotographError(f"{self._path}: cannot be written: {os_reason(error)}") from error


def _refuse_size(photograph: Photograph, format: Format) -> None:
    height, width = photograph.pixels.shape[:2]
    if max(height, width) > format.max_side:
        raise PhotographError(
            f"is {width} x {height} pixels, and {format.name} holds at most {format.max_side} a side; use PNG or TIFF"
        )


def _keep_times(partial: Path, times: tuple[int, int] | None) -> list[str]:
    """What is to be said if a file cannot have these times."""
    try:
        if times is not None:
            os.utime(partial, ns=times)
    except OSError as error:
        return [f"the times of the original cannot be kept: {os_reason(error)}"]
    return []


def _fit_metadata(photograph: Photograph, format: Format, mark: Mark | None) -> tuple[Metadata, list[str]]:
    """What the format can hold, and what is to be said about the rest."""
    metadata, warnings, records = Metadata(dpi=photograph.dpi), list[str](), photograph.iptc
    if not format.exif:
        return metadata, warnings
    if mark is not None:
        properties = Properties(photograph.xmp)
        if not format.iptc and iptc.supply(photograph.iptc, properties):
            records = b""
        metadata = replace(metadata, mark=mark.text, xmp=mark.to_xmp(properties))
        if properties.damaged:
            warnings.append("its XMP is damaged and is left out")
    exif = photograph.exif or b""
    sizes = {"EXIF": len(exif), "IPTC": len(iptc.HEADER + iptc.as_resource(records))}
    too_large = [what for what, size in sizes.items() if size > format.max_block]
    # The mark of an earlier result is not written twice.
    texts = [text for text in photograph.texts if mark is None or text[1] != mark.text]
    fitting = tuple(text for text in texts if len(text[1].encode()) <= format.max_block)
    if len(fitting) < len(texts):
        too_large.append("text")
    warnings += [f"its {what} is left out: it is larger than {format.name} can hold" for what in too_large]
    if records and not format.iptc:
        part = " in part" if mark is not None else ""
        warnings.append(f"its IPTC is left out{part}: {format.name} has no place for it")
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
