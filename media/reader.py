"""One reader of photographs, for the command line, training, evaluation and the checks of servers.

All kinds of files are normalized here, and only here: everything that is read, from a path or from bytes, is upright,
in gray or sRGB, with 8 or 16 bits, together with its transparency, its resolution and its EXIF.

Pillow opens and decodes. It has no color with 16 bits per channel: OpenCV decodes that of PNG, and `media.tiff` what
TIFF has of it and of all else.
"""

import io
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageFile

from media import metadata, profiles
from media.formats import DEFAULT, FORMATS, recognize
from media.jpeg import completed
from media.photograph import Photograph, UnusableError, eight_bits
from media.png import PngFile
from media.sequences import Pictures, duration_of, pictures_of
from media.tiff import TiffFile
from zoo.errors import PhotographError

MAX_PIXELS = 180_000_000  # of one photograph: a full-frame scan of a large-format negative, and 540 MB in memory

# Pillow warns about damaged metadata, which is ignored here, as viewers do.
_PILLOW_WARNINGS: Any = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)  # as `warnings.filters` holds it

Source = str | os.PathLike[str] | bytes
"""A path, or the content of a file."""


def read(source: Source, *, max_pixels: int = MAX_PIXELS) -> Photograph:
    """Read one photograph, of any format in `media.formats`, as upright gray or sRGB.

    The EXIF orientation is applied and its tag reset. An embedded ICC profile (gray, RGB or CMYK), or cICP, gAMA and
    cHRM of a PNG, become sRGB; color with 16 bits per channel and a profile of tables, not of curves and a matrix, gets
    8. CMYK without a profile, palettes and bilevel pictures are expanded. Of a multi-picture JPEG (MPO) the
    first is read. Metadata or a profile that is damaged is ignored with a warning, and so is a missing end behind the
    last row of a JPEG.
    TIFF is described in `media.tiff`.

    Args:
        source: A path or the bytes of a file.
        max_pixels: Largest width x height; it is compared with the header, before anything is decoded.

    Raises:
        PhotographError: the file cannot be opened, is empty, damaged or truncated, has several pages or is
            animated, has more than `max_pixels` or floating-point samples, or has none of the formats. The text
            begins with the path, if that was given.
    """
    with PhotographFile(source, max_pixels=max_pixels) as file:
        return file.read()


def read_rgb(source: Source, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read one photograph as `read` does, as an upright sRGB picture of Pillow's mode RGB, without its alpha.

    For training, evaluation and the check of exports, which need nothing else. The first two read many small files,
    where each copy costs time.
    """
    with PhotographFile(source, max_pixels=max_pixels) as file:
        return file.read_rgb()


class PhotographFile:
    """An opened photograph, whose size is known and which is not decoded yet; a context manager.

    Attributes:
        width, height: In pixels, as the header has them; of the page that `turn_to` selected last.
        pages: Number of its pages, or of the frames of an animation.
        animated: Whether they are frames.
        plays: How often these are played; 0 without end.

    Raises:
        PhotographError: as `read`.
    """

    def __init__(self, source: Source, *, max_pixels: int = MAX_PIXELS) -> None:
        self._prefix = "" if isinstance(source, bytes) else f"{os.fspath(source)}: "
        try:
            self._page: int | None = None
            self._file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")
        except (OSError, ValueError) as error:  # the latter for a name with a null character
            raise PhotographError(f"{self._prefix}cannot be opened: {os_reason(error)}") from error
        try:
            self._image, self._pictures = self._open_image()
            self.pages, self.animated = len(self._pictures.places), self._pictures.animated
            self.plays = self._pictures.plays
            self._page = None if self.pages > 1 else 0
            self._max_pixels = max_pixels
            self._measure()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "PhotographFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def close(self) -> None:
        """Close the file; it cannot be read any more."""
        self._file.close()

    def turn_to(self, page: int) -> None:
        """Select a page, counted from 0. Those of an animation are found fastest in their order.

        Raises:
            PhotographError: it is damaged, or has too many pixels.
        """
        self._page = page
        if self.pages > 1:
            with self._named_errors():
                self._image.seek(self._pictures.places[page])
            self._measure()

    def read(self) -> Photograph:
        """Decode it, or the page that was selected, once.

        Raises:
            PhotographError: as the function `read`; it has several pages, and none was selected.
        """
        with self._named_errors():
            self._refuse_sequence()
            photograph = _decode(self._image, self._file)
            if not self.animated:
                return photograph
            if photograph.alpha is None and self._image.format == "GIF":  # of which later frames may be transparent
                photograph = replace(photograph, alpha=np.full(photograph.pixels.shape[:2], 255, np.uint8))
            return replace(photograph, duration=duration_of(self._image))

    def read_rgb(self) -> Image.Image:
        """Decode it, once; see the function `read_rgb`."""
        with self._named_errors():
            self._refuse_sequence()
            return _decode_rgb(self._image, self._file)

    def _refuse_sequence(self) -> None:
        if self._page is not None:
            return
        if self.animated:
            raise UnusableError(f"is animated, with {self.pages} frames; only still pictures are read")
        raise UnusableError(f"has {self.pages} pages; split it into one file per page")

    def _measure(self) -> None:
        self.width, self.height = self._image.size
        if self.width * self.height > self._max_pixels:
            raise self._error(f"is {self.width} x {self.height} pixels; the limit is {self._max_pixels} pixels")

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Turn what decoders raise into one line with the name of the file."""
        try:
            _ignore_pillow_warnings()
            yield
        except UnusableError as error:
            raise self._error(str(error)) from error
        except MemoryError:
            raise self._error(f"{self.width} x {self.height} pixels do not fit into memory") from None
        except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
            raise self._error(f"is damaged or truncated ({_first_line(error)})") from error

    def _open_image(self) -> tuple[ImageFile.ImageFile, Pictures]:
        try:
            head = self._file.read(16)
            self._file.seek(0)
        except OSError as error:
            raise self._error(f"cannot be read: {os_reason(error)}") from error
        if not head:
            raise self._error("is empty")
        format = recognize(head)
        if format is None:
            *names, last = FORMATS
            raise self._error(f"is not a {', '.join(names)} or {last}")
        _ignore_pillow_warnings()
        try:
            image = format.open(self._file)
            return image, pictures_of(image)
        except UnusableError as error:
            raise self._error(str(error)) from error
        except Image.DecompressionBombError as error:
            raise self._error(f"has too many pixels ({_first_line(error)})") from error
        except Exception as error:  # as in read
            raise self._error(f"its header is damaged ({_first_line(error)})") from error

    def _error(self, reason: str) -> PhotographError:
        page = (
            ""
            if self._page is None or self.pages == 1
            else f"{'frame' if self.animated else 'page'} {self._page + 1}: "
        )
        return PhotographError(f"{self._prefix}{page}{reason}")


def _ignore_pillow_warnings() -> None:
    """Put the filter in front, where it may be behind others by now.

    It stays there. `warnings.catch_warnings` is not for threads: one would restore the filters of another.
    """
    if warnings.filters[:1] != [_PILLOW_WARNINGS]:
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def _decode(image: ImageFile.ImageFile, file: IO[bytes]) -> Photograph:
    warnings = []
    if isinstance(image, TiffFile) and image.layout is not None:
        pixels, alpha = _tiff_samples(image)
    elif isinstance(image, PngFile) and image.deep:
        source = image.source
        image = _loaded(image, file)  # the text behind the samples
        pixels, alpha = _deep_samples(source)
    else:
        whole = _loaded(image, file)
        if whole is not image:
            warnings.append("ends too early; all of its rows are there")
        image = whole
        pixels, alpha = _samples(image)
        if isinstance(image, PngFile) and image.reduced:
            warnings.append("its 16 bits become 8, since it is animated")
        if (depth := image.info.get("bit_depth", 8)) != 8:  # of HEIC
            warnings.append(f"its {depth} bits become 8")
    deep = pixels.dtype == np.uint16
    pixels, profiled = profiles.to_srgb(pixels, image)
    if deep and pixels.dtype == np.uint8:
        warnings.append("its 16 bits become 8, since its ICC profile consists of tables")
    if "icc_profile" in image.info and not profiled:
        warnings.append("its ICC profile is damaged or of other colors, and is ignored")
    if alpha is not None and pixels.dtype == np.uint8:
        alpha = eight_bits(alpha)
    orientation, dpi = metadata.orientation(image), metadata.dpi(image)
    upright = _upright(pixels, orientation)
    if dpi is not None and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    format = {"MPO": "JPEG", "DIB": "BMP"}.get(str(image.format), str(image.format))
    carried = metadata.carried(image, upright.shape[1], upright.shape[0])
    return Photograph(
        pixels=upright,
        alpha=None if alpha is None else _upright(alpha, orientation),
        exif=carried.exif,
        dpi=dpi,
        format=format if FORMATS[format].encode else DEFAULT,
        xmp=carried.xmp,
        iptc=carried.iptc,
        texts=carried.texts,
        profiled=profiled,
        warnings=(*warnings, *carried.warnings),
    )


def _decode_rgb(image: ImageFile.ImageFile, file: IO[bytes]) -> Image.Image:
    if image.mode == "RGB" and _suits_pillow(image) and "transparency" not in image.info and profiles.is_srgb(image):
        image = _loaded(image, file)
        if metadata.orientation(image) == 1:
            return image.convert("RGB")  # a copy, which holds no file
    return _decode(image, file).to_rgb()


def _suits_pillow(image: ImageFile.ImageFile) -> bool:
    if isinstance(image, TiffFile):
        return image.layout is None
    return not (isinstance(image, PngFile) and image.deep)


def _loaded(image: ImageFile.ImageFile, file: IO[bytes]) -> ImageFile.ImageFile:
    """The image, decoded; of a JPEG without its end another one, if no row is missing."""
    try:
        image.load()
    except OSError:
        if image.format != "JPEG" or (whole := completed(file)) is None:
            raise
        return whole
    return image


def _samples(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Gray (H, W) or RGB (H, W, 3) as stored, CMYK and Lab converted, and the alpha."""
    mode = image.mode
    if mode == "F":
        raise UnusableError("holds floating-point samples, which have no fixed white; save it with 16 bits")
    if mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise UnusableError("holds samples of 32 bits; save it with 16 bits")
        transparent = image.info.get("transparency")
        alpha = np.where(deep == transparent, 0, 65535).astype(np.uint16) if isinstance(transparent, int) else None
        return deep.astype(np.uint16), alpha
    if mode == "CMYK":
        profile = profiles.profile_of(image)
        image = (profile and profiles.through_profile(image, profile)) or image.convert("RGB")
    elif mode == "LAB":
        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        image = ImageCms.applyTransform(image, to_rgb) or image
    elif mode in ("PA", "RGBa") or (mode in ("P", "RGB") and "transparency" in image.info):
        image = image.convert("RGBA")
    elif mode == "La" or (mode in ("1", "L") and "transparency" in image.info):
        image = image.convert("LA")
    elif mode == "1":
        image = image.convert("L")
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    values = np.asarray(image)
    if image.mode == "LA":
        return values[..., 0], values[..., 1]
    if image.mode == "RGBA":
        return values[..., :3], values[..., 3]
    return values, None


def _tiff_samples(image: TiffFile) -> tuple[np.ndarray, np.ndarray | None]:
    """`_samples` of a TIFF that Pillow does not decode."""
    pixels, alpha = image.decode()
    if image.mode != "CMYK":
        return pixels, alpha
    inks = Image.fromarray(eight_bits(pixels), "CMYK")
    inks.info["icc_profile"] = image.info.get("icc_profile")
    return _samples(inks)[0], None if alpha is None else eight_bits(alpha)


def _deep_samples(file: IO[bytes]) -> tuple[np.ndarray, np.ndarray | None]:
    """`_samples` of a PNG with several channels of 16 bits."""
    file.seek(0)
    values = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise UnusableError("its 16-bit samples cannot be decoded; save it with 8 bits")
    if values.ndim == 2:
        return values, None
    alpha = values[..., 3] if values.shape[2] == 4 else None
    return values[..., 2::-1], alpha


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W[, 3]) turned as EXIF orientation 1 to 8 asks for."""
    if orientation == 2:
        pixels = pixels[:, ::-1]
    elif orientation in (4, 5, 7):
        pixels = pixels[::-1]
    if orientation >= 5:
        pixels = np.rot90(pixels, 1 if orientation in (7, 8) else -1)
    elif orientation == 3:
        pixels = pixels[::-1, ::-1]
    return np.ascontiguousarray(pixels)


def os_reason(error: Exception) -> str:
    """Why a file cannot be opened or written, in a few words."""
    if isinstance(error, PermissionError):
        return "no permission"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    return getattr(error, "strerror", None) or _first_line(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
