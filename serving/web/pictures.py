"""Photographs out of bytes, and pictures into bytes; nothing here touches the disk."""

import base64
from dataclasses import dataclass, field, replace
from urllib.parse import quote

import numpy as np

from media.formats import FORMATS, RESULTS
from media.photograph import Photograph, eight_bits
from media.provenance import Mark
from media.reader import PhotographFile
from media.writer import encode
from serving.web import filters
from serving.web.errors import WebError
from serving.web.settings import How
from zoo.errors import PhotographError

_NO_LIMIT = 1 << 62  # of the reader's own; a picture that is too large is refused here, with another code
_COLORED = 8  # levels that the channels of a photograph with colors differ by
_SAMPLED = 512  # longer side in pixels on which colors are looked for


@dataclass(frozen=True)
class Picture:
    """An encoded picture, as it is answered with.

    Attributes:
        data: The bytes of the file.
        format: Of RESULTS.
        width, height: In pixels.
        preset: That colored it, or "".
        warnings: What is to be said about it, in a few words each.
    """

    data: bytes = field(repr=False)
    format: str
    width: int
    height: int
    preset: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def media_type(self) -> str:
        """Of HTTP."""
        return f"image/{self.format}"

    @property
    def suffix(self) -> str:
        """Of file names, with its dot."""
        return RESULTS[self.format]

    @property
    def headers(self) -> dict[str, str]:
        """What is said beside the bytes."""
        found = {"Colorzoo-Width": str(self.width), "Colorzoo-Height": str(self.height)}
        if self.preset:
            found["Colorzoo-Preset"] = quote(self.preset)
        if self.warnings:
            found["Colorzoo-Warnings"] = quote("; ".join(self.warnings), safe=" ;,.()'")
        return found


@dataclass(frozen=True)
class Source:
    """A photograph that was read.

    Attributes:
        photograph: Its chosen page.
        pages: Number of pages, or of frames of an animation.
        warnings: What was wrong with the file, or is not used of it.
    """

    photograph: Photograph
    pages: int
    warnings: tuple[str, ...]


def read(data: bytes, max_pixels: int, page: int | None = None) -> Source:
    """Read a page of a photograph, counted from 1; without a number the first one, with a warning if there are more.

    Raises:
        WebError: it is no photograph, is damaged, has too many pixels or no such page.
    """
    try:
        with PhotographFile(data, max_pixels=_NO_LIMIT) as file:
            if page is not None and page > file.pages:
                raise WebError("invalid_parameter", f"page: there are {file.pages} of them, and no {page}")
            file.turn_to((page or 1) - 1)
            if file.width * file.height > max_pixels:
                raise WebError(
                    "too_many_pixels", f"is {file.width} x {file.height} pixels; the limit is {max_pixels:,} pixels"
                )
            photograph = file.read()
            warnings = photograph.warnings
            if page is None and file.pages > 1:
                what = "frames of the animation" if file.animated else "pages"
                warnings = (*warnings, f"only the first of its {file.pages} {what} is used")
            return Source(photograph, file.pages, warnings)
    except PhotographError as error:
        code = "too_many_pixels" if "too many pixels" in str(error) else "unreadable_image"
        raise WebError(code, str(error)) from error


def has_colors(pixels: np.ndarray) -> bool:
    """Whether a photograph (H, W) or (H, W, 3) is more than gray."""
    if pixels.ndim == 2:
        return False
    small = eight_bits(pixels[:: max(1, len(pixels) // _SAMPLED), :: max(1, pixels.shape[1] // _SAMPLED)])
    return bool(np.ptp(small.astype(np.int16), axis=2).max() > _COLORED)


def encode_result(source: Source, colorized: np.ndarray, how: How, mark: Mark, preset: str) -> Picture:
    """The file of a result: filtered, with the metadata of its source, and marked.

    Raises:
        WebError: the format cannot hold the picture.
    """
    photograph = replace(source.photograph, pixels=filters.apply(colorized, how.filters))
    format = photograph.format.lower() if how.format is None else how.format
    if format not in RESULTS:
        format = "png"
    try:
        data, lost = encode(photograph, format, quality=how.quality, mark=mark)
    except PhotographError as error:
        raise WebError("not_possible", str(error)) from error
    height, width = colorized.shape[:2]
    return Picture(data, format, width, height, preset, (*source.warnings, *lost))


def encode_preview(pixels: np.ndarray, format: str, quality: int, preset: str = "") -> Picture:
    """A picture (H, W) or (H, W, 3 or 4) for the screen, without metadata.

    Raises:
        WebError: the format cannot hold it.
    """
    height, width = pixels.shape[:2]
    row = FORMATS[format.upper()]
    alpha = pixels[..., 3] if pixels.ndim == 3 and pixels.shape[2] == 4 else None
    shown = pixels if alpha is None else pixels[..., :3]
    if not row.deep or pixels.ndim == 3:
        shown = eight_bits(shown)
    try:
        data, _ = encode(Photograph(shown, alpha, None, None, row.name), format, quality=quality)
    except PhotographError as error:
        raise WebError("not_possible", str(error)) from error
    return Picture(data, format, width, height, preset)


_UNSURE = (255, 128, 0)  # RGB of what covers places where the network is unsure
_MOST_OPAQUE = 0.75
_RANKS = 65
_LEAST_RANGE = 0.05  # of probabilities; smaller differences stay faint


def confidence_overlay(top: np.ndarray) -> np.ndarray:
    """Probabilities (H, W) of the best color -> RGBA (H, W, 4): orange where they are low.

    What is low and what is high is that of this photograph, by the ranks of its pixels: where classes are many, no
    probability is near 1, and most are alike.
    """
    shares = np.linspace(0, 1, _RANKS)
    values = np.quantile(top, shares)
    ranks = np.interp(top, values, shares)
    unsure = (1 - ranks) * min(1.0, float(values[-1] - values[0]) / _LEAST_RANGE)
    found = np.empty((*top.shape, 4), np.uint8)
    found[..., :3] = _UNSURE
    found[..., 3] = np.rint(255 * _MOST_OPAQUE * unsure)
    return found


def as_json(picture: Picture, seconds: float | None = None, **more: object) -> dict[str, object]:
    """The answer to who wants JSON."""
    found: dict[str, object] = {
        "image": base64.b64encode(picture.data).decode("ascii"),
        "type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "preset": picture.preset,
        "warnings": list(picture.warnings),
    }
    return found | ({} if seconds is None else {"seconds": round(seconds, 3)}) | more
