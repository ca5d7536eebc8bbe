"""Reading and writing photographs without losing what belongs to them.

A colorized photograph should be the same document as the gray one: as many pixels, as many bits, upright,
with its transparency, its resolution and its EXIF. What the many kinds of files mean is settled here, once:
everything that is read arrives upright, in gray or sRGB, with 8 or 16 bits.

Pillow opens and decodes. It has no color with 16 bits per channel: OpenCV decodes that and writes it as PNG,
and TIFF is written here.
"""

import io
import os
import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.Image import core  # type: ignore[attr-defined]

from zoo.errors import PhotographError

SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
}
"""Suffix of a file name, in small letters -> format."""

_FORMATS = {"MPO": "JPEG", "GIF": "PNG"}
_MAX_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
_MAX_JPEG_EXIF = 65_527

_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 274, 282, 283, 296
_EXIF_IFD, _GPS_IFD = 34665, 34853
_COLOR_SPACE, _PIXEL_WIDTH, _PIXEL_HEIGHT = 40961, 40962, 40963
# Tags of the first directory that describe how a TIFF stores its pixels, not the photograph; the resolution
# is carried as Photograph.dpi. 700 is XMP, 33723 IPTC, 34377 Photoshop's, 34675 the ICC profile.
_STORAGE_TAGS = {
    *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 296, 301, 317, 318, 319),
    *(320, 321, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513, 514, 529, 530, 531, 532),
    *(700, 33723, 34377, 34675),
}


def size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height in pixels as stored, from the header alone.

    Raises:
        PhotographError: the file cannot be opened, is empty, or is none of the formats that `read` reads.
    """
    with _opened(path) as image:
        return image.size


def read(path: str | os.PathLike[str], *, max_pixels: int = 180_000_000) -> "Photograph":
    """Read one JPEG, PNG, TIFF, WebP, BMP or still GIF as an upright gray or sRGB photograph.

    The EXIF orientation is applied and its tag reset. An embedded ICC profile (gray, RGB or CMYK) becomes
    sRGB; color with 16 bits per channel and a profile other than sRGB comes out with 8. CMYK without a
    profile, palettes and bilevel pictures are expanded. Of a multi-picture JPEG (MPO) the first is read.

    Args:
        max_pixels: Largest width x height; it is compared with the header, before anything is decoded.

    Raises:
        PhotographError: the file cannot be opened, is empty, damaged or truncated, has several pages or is
            animated, has more than `max_pixels`, has floating-point samples, or is none of these formats.
    """
    with _opened(path) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise PhotographError(f"{path}: is {width} x {height} pixels; the limit is {max_pixels} pixels")
        try:
            _refuse_sequences(path, image)
            # First, since asking for the orientation loads a PNG without EXIF, and what is loaded has no tiles.
            deep = image.mode in ("RGB", "RGBA", "RGBX", "LA") and any(";16" in str(tile[3]) for tile in image.tile)
            lying = _orientation(image) >= 5
            image.load()
            # Pillow turns a TIFF upright while it loads, and no other format.
            orientation = _orientation(image)
            dpi = _dpi(image)
            pixels, alpha = _deep_samples(path) if deep else _samples(path, image)
            pixels = _to_srgb(pixels, image)
            if alpha is not None and pixels.dtype == np.uint8:
                alpha = eight_bits(alpha)
        except PhotographError:
            raise
        except MemoryError:
            raise PhotographError(f"{path}: {width} x {height} pixels do not fit into memory") from None
        except Exception as error:  # a damaged file makes Pillow's decoders raise nearly anything
            raise PhotographError(f"{path}: is damaged or truncated ({_first_line(error)})") from error
        turned = 1 if deep and image.format == "TIFF" else orientation
        upright = _upright(pixels, turned)
        if dpi is not None and lying:
            dpi = (dpi[1], dpi[0])
        return Photograph(
            pixels=upright,
            alpha=None if alpha is None else _upright(alpha, turned),
            exif=_carried_exif(image, upright.shape[1], upright.shape[0]),
            dpi=dpi,
            format=_FORMATS.get(str(image.format), str(image.format)),
        )


def write(
    photograph: "Photograph", path: str | os.PathLike[str], *, format: str | None = None, quality: int = 95
) -> None:
    """Write one photograph under a temporary name in the same folder, then rename it to `path`.

    JPEG is written without chroma subsampling, since color is the product (WebP has no such choice). EXIF and
    DPI go with every format that has a place for them (BMP: DPI only). JPEG, WebP and BMP have 8 bits; JPEG
    and BMP have no transparency, so that it is flattened on white. TIFF and PNG keep everything and are
    lossless (16-bit gray with alpha becomes RGBA).

    Args:
        format: "JPEG", "PNG", "TIFF", "WEBP" or "BMP", in any case; by default what the suffix of `path`
            says, or else the format that the photograph was read from.
        quality: 1 to 100, of JPEG and WebP.

    Raises:
        PhotographError: the format is unknown or cannot hold a picture of this size, or the file cannot be
            written.
    """
    path = Path(path)
    name = (format or SUFFIXES.get(path.suffix.lower()) or photograph.format).upper()
    if name not in ("JPEG", "PNG", "TIFF", "WEBP", "BMP"):
        raise PhotographError(f"{path}: {name} cannot be written; use JPEG, PNG, TIFF, WEBP or BMP")
    height, width = photograph.pixels.shape[:2]
    if max(height, width) > _MAX_SIDE.get(name, 2**31):
        raise PhotographError(
            f"{path}: is {width} x {height} pixels, and {name} holds at most {_MAX_SIDE[name]} a side; use PNG or TIFF"
        )
    data = _encoded(photograph, name, quality)
    partial = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with open(partial, "xb") as file:
            file.write(data)
        os.replace(partial, path)
    except OSError as error:
        raise PhotographError(f"{path}: cannot be written: {_os_reason(error)}") from error
    finally:
        partial.unlink(missing_ok=True)


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Samples of 8 or 16 bits, rounded to 8."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    return np.asarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


@dataclass(frozen=True)
class Photograph:
    """One upright photograph and what is carried with it.

    Attributes:
        pixels: (H, W) gray or (H, W, 3) sRGB, uint8 or uint16.
        alpha: (H, W) opacity of the same dtype, or None.
        exif: EXIF block starting with b"Exif\\0\\0", or None.
        dpi: Horizontal and vertical pixels per inch, or None.
        format: "JPEG", "PNG", "TIFF", "WEBP" or "BMP", that of the source; a GIF counts as PNG.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    format: str


def _opened(path: str | os.PathLike[str]) -> ImageFile.ImageFile:
    """The image with its header read and its pixels not, or a PhotographError."""
    try:
        file = open(path, "rb")
    except OSError as error:
        raise PhotographError(f"{path}: cannot be opened: {_os_reason(error)}") from error
    try:
        head = file.read(16)
        file.seek(0)
        if not head:
            raise PhotographError(f"{path}: is empty")
        opener = next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)
        if opener is None or (head.startswith(b"RIFF") and head[8:12] != b"WEBP"):
            raise PhotographError(f"{path}: is not a JPEG, PNG, TIFF, WebP, BMP or GIF")
        image = opener(file)
        # Pillow closes only the files that it opened; this one now belongs to the image.
        image._exclusive_fp = True
        return image
    except PhotographError:
        file.close()
        raise
    except Image.DecompressionBombError as error:
        file.close()
        raise PhotographError(f"{path}: has too many pixels ({_first_line(error)})") from error
    except Exception as error:  # as in read
        file.close()
        raise PhotographError(f"{path}: its header is damaged ({_first_line(error)})") from error


def _refuse_sequences(path: str | os.PathLike[str], image: ImageFile.ImageFile) -> None:
    frames = int(getattr(image, "n_frames", 1))
    if frames == 1 or image.format == "MPO":
        return
    if image.format == "TIFF":
        raise PhotographError(f"{path}: has {frames} pages; split it into one file per page")
    raise PhotographError(f"{path}: is animated, with {frames} frames; only still pictures are read")


def _samples(path: str | os.PathLike[str], image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Gray (H, W) or RGB (H, W, 3) as stored, CMYK and Lab converted, and the alpha."""
    mode = image.mode
    if mode == "F":
        raise PhotographError(f"{path}: holds floating-point samples, which have no fixed white; save it with 16 bits")
    if mode.startswith("I"):
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise PhotographError(f"{path}: holds samples of 32 bits; save it with 16 bits")
        transparent = image.info.get("transparency")
        alpha = np.where(deep == transparent, 0, 65535).astype(np.uint16) if isinstance(transparent, int) else None
        return deep.astype(np.uint16), alpha
    if mode == "CMYK":
        profile = _profile(image)
        image = (profile and _through_profile(image, profile)) or image.convert("RGB")
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


def _deep_samples(path: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray | None]:
    """The same of a file with several channels of 16 bits; a TIFF arrives upright."""
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        raise PhotographError(f"{path}: its 16-bit samples cannot be decoded; save it with 8 bits")
    if values.ndim == 2:
        return values, None
    alpha = values[..., 3] if values.shape[2] == 4 else None
    return values[..., 2::-1], alpha


def _to_srgb(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Apply the embedded profile to gray (H, W) or RGB (H, W, 3); one that does not fit is ignored."""
    profile = _profile(image)
    if profile is None or image.mode in ("CMYK", "LAB"):
        return pixels
    if pixels.ndim == 3:
        converted = _through_profile(Image.fromarray(eight_bits(pixels)), profile)
        return pixels if converted is None else np.asarray(converted)
    # A gray profile is one curve, so that 256 points of it serve 16 bits too.
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    converted = _through_profile(ramp, profile) or _through_profile(ramp.convert("RGB"), profile)
    if converted is None:
        return pixels
    curve = np.asarray(converted)[0, :, 1]
    if pixels.dtype == np.uint8:
        return np.asarray(curve[pixels])
    levels = np.interp(np.arange(65536), np.arange(256) * 257, curve.astype(np.float64) * 257)
    return np.asarray(np.rint(levels).astype(np.uint16)[pixels])


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The embedded profile, if it can be parsed and is not sRGB itself."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
    except OSError:
        return None
    return None if "sRGB" in str(profile.profile.profile_description) else profile


def _through_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image | None:
    """`image` (mode L, RGB or CMYK) in sRGB, or None if the profile is for another kind of picture."""
    spaces = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
    if str(profile.profile.xcolor_space).strip() != spaces[image.mode]:
        return None
    try:
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        return ImageCms.applyTransform(image, transform)
    except ImageCms.PyCMSError:
        return None


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block must not cost the photograph
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


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


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch, from the file's header or else from EXIF."""
    values: Any = image.info.get("dpi")
    try:
        if values is None:
            exif = image.getexif()
            inches = 2.54 if exif.get(_RESOLUTION_UNIT, 2) == 3 else 1.0
            values = (float(exif[_X_RESOLUTION]) * inches, float(exif[_Y_RESOLUTION]) * inches)
        dpi = (float(values[0]), float(values[1]))
    except Exception:  # absent, or damaged, which must not cost the photograph
        return None
    return dpi if all(0 < value < 1e6 for value in dpi) else None


def _carried_exif(image: Image.Image, width: int, height: int) -> bytes | None:
    """EXIF for an upright sRGB picture, without what describes the storage of this one; None if empty."""
    try:
        exif = image.getexif()
        for tag in _STORAGE_TAGS & set(exif):
            del exif[tag]
        if _ORIENTATION in exif:
            exif[_ORIENTATION] = 1
        if not exif:
            return None
        details = exif.get_ifd(_EXIF_IFD) if _EXIF_IFD in exif else {}
        if _COLOR_SPACE in details:
            details[_COLOR_SPACE] = 1
        if _PIXEL_WIDTH in details:
            details[_PIXEL_WIDTH], details[_PIXEL_HEIGHT] = width, height
        block = exif.tobytes()
        return block if block.startswith(b"Exif\0\0") else b"Exif\0\0" + block
    except Exception:  # a damaged EXIF block must not cost the photograph
        return None


def _encoded(photograph: Photograph, format: str, quality: int) -> bytes:
    pixels, alpha, exif = photograph.pixels, photograph.alpha, photograph.exif or b""
    deep = pixels.dtype == np.uint16 and format in ("PNG", "TIFF")
    if not deep:
        pixels, alpha = eight_bits(pixels), None if alpha is None else eight_bits(alpha)
    if alpha is not None and format in ("JPEG", "BMP"):
        pixels, alpha = _on_white(pixels, alpha), None
    if alpha is not None:
        color = pixels if pixels.ndim == 3 or not deep else np.repeat(pixels[..., None], 3, axis=2)
        pixels = np.dstack([color, alpha])
    if deep:
        return (_deep_png if format == "PNG" else _tiff)(pixels, exif, photograph.dpi)
    if format == "TIFF":
        return _tiff(pixels, exif, photograph.dpi)

    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2] if pixels.ndim == 3 else 1]
    settings: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": "4:4:4", "optimize": False},
        "PNG": {"compress_level": 3},
        "WEBP": {"quality": quality, "use_sharp_yuv": True},
        "BMP": {},
    }
    options = settings[format]
    if photograph.dpi is not None:
        options["dpi"] = photograph.dpi
    if format == "WEBP":
        exif = _with_resolution(exif, photograph.dpi)
    if exif and not (format == "JPEG" and len(exif) > _MAX_JPEG_EXIF):
        options["exif"] = exif
    target = io.BytesIO()
    Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), np.ascontiguousarray(pixels).tobytes()).save(
        target, format, **options
    )
    return target.getvalue()


def _deep_png(pixels: np.ndarray, exif: bytes, dpi: tuple[float, float] | None) -> bytes:
    """(H, W) or (H, W, 3 or 4) uint16 as PNG, with the two chunks that OpenCV does not write."""
    order = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(".png", np.ascontiguousarray(order), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise PhotographError(f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be encoded as PNG")
    chunks = b""
    if dpi is not None:
        chunks += _png_chunk(b"pHYs", struct.pack(">IIB", round(dpi[0] / 0.0254), round(dpi[1] / 0.0254), 1))
    if exif:
        chunks += _png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    encoded = data.tobytes()
    header = 8 + 25  # the signature and IHDR
    return encoded[:header] + chunks + encoded[header:]


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _tiff(pixels: np.ndarray, exif: bytes, dpi: tuple[float, float] | None) -> bytes:
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
    if exif:
        carried.load(exif)
    for tag in carried:
        directory[tag] = carried.get_ifd(tag) if tag in (_EXIF_IFD, _GPS_IFD) else carried[tag]
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
    if dpi is not None:
        directory[_X_RESOLUTION], directory[_Y_RESOLUTION], directory[_RESOLUTION_UNIT] = dpi[0], dpi[1], 2
    target = io.BytesIO()
    directory.save(target)
    return target.getvalue() + b"".join(strips)


def _with_resolution(exif: bytes, dpi: tuple[float, float] | None) -> bytes:
    """WebP has no field for the resolution, so that it goes into EXIF."""
    if dpi is None:
        return exif
    tags = Image.Exif()
    if exif:
        tags.load(exif)
    tags[_X_RESOLUTION], tags[_Y_RESOLUTION], tags[_RESOLUTION_UNIT] = dpi[0], dpi[1], 2
    return tags.tobytes()


def _on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = alpha.astype(np.float32) / 255
    if pixels.ndim == 3:
        weight = weight[..., None]
    return np.asarray(np.rint(pixels * weight + 255 * (1 - weight)).astype(np.uint8))


def _os_reason(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no permission"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    return error.strerror or type(error).__name__


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF without Pillow's size limit, which warns at half of ours."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = core.new(self.mode, self._tile_size)
        super().load_prepare()


# Opening by the first bytes, rather than with Image.open, limits the formats to those that are tested, and
# leaves the size limit to us: Pillow's own is a warning, and belongs to the whole process.
_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"II*\0", _Tiff),
    (b"MM\0*", _Tiff),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
)
