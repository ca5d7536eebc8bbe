"""What an opened file holds beside its pixels, for a copy of them that is upright and in sRGB.

What is damaged is left out with a warning, and never costs the photograph.
"""

import io
import struct
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image, ImageFile, JpegImagePlugin

from media import iptc, tags
from media.photograph import COMMENT
from media.png import PngFile
from media.tiff import TiffFile
from media.xmp import join_extension

_XMP_KEYWORD = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "
_MAX_ENTRIES = 1_000  # of a directory of EXIF that are looked at; most have some thirty
_HEADER = b"Exif\0\0"


@dataclass(frozen=True)
class Carried:
    """The fields of `media.photograph.Photograph` of these names."""

    exif: bytes | None
    xmp: tuple[bytes, ...]
    iptc: bytes
    texts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def carried(image: ImageFile.ImageFile, width: int, height: int) -> Carried:
    """What goes with the picture, whose upright size is given."""
    exif, missing = _exif(image, width, height)
    kept = iptc.checked(_iptc(image))
    warnings = []
    if missing:
        warnings.append(f"its EXIF is damaged and is left out{' in part' if exif else ''}")
    if kept is None:
        warnings.append("its IPTC is damaged and is left out")
    if isinstance(image, PngFile) and image.left_out:
        warnings.append(f"damaged or too large, and left out: {', '.join(sorted(image.left_out))}")
    return Carried(exif, _xmp(image), kept or b"", _texts(image), tuple(warnings))


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        value = image.getexif().get(tags.ORIENTATION, 1)
    except Exception:  # a damaged EXIF block must not cost the photograph
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def dpi(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch, from the file's header or else from EXIF."""
    values: Any = image.info.get("dpi")
    try:
        if values is None:
            exif = image.getexif()
            inches = 2.54 if exif.get(tags.RESOLUTION_UNIT, 2) == 3 else 1.0
            values = (float(exif[tags.X_RESOLUTION]) * inches, float(exif[tags.Y_RESOLUTION]) * inches)
        found = (float(values[0]), float(values[1]))
    except Exception:  # absent, or damaged, which must not cost the photograph
        return None
    return found if all(0 < value < 1e6 for value in found) else None


def _exif(image: ImageFile.ImageFile, width: int, height: int) -> tuple[bytes | None, bool]:
    """EXIF without what describes the storage of the file, None if empty; and whether something of it is damaged."""
    try:
        exif = image.getexif()
        damaged = _is_damaged(image, exif)
        for tag in tags.STORAGE & set(exif):
            del exif[tag]
        if tags.ORIENTATION in exif:
            exif[tags.ORIENTATION] = 1
        if not exif:
            return None, damaged
        details = exif.get_ifd(tags.EXIF_IFD) if tags.EXIF_IFD in exif else {}
        if tags.COLOR_SPACE in details:
            details[tags.COLOR_SPACE] = 1
        if tags.PIXEL_WIDTH in details:
            details[tags.PIXEL_WIDTH], details[tags.PIXEL_HEIGHT] = width, height
        exif.bigtiff = False  # as that of a BigTIFF would be, which no other format takes
        block = exif.tobytes()
        return block if block.startswith(_HEADER) else _HEADER + block, damaged
    except Exception:  # of whatever kind a damaged block makes it
        return None, True


def _is_damaged(image: ImageFile.ImageFile, exif: Image.Exif) -> bool:
    """Whether a directory says that it has more entries than were read; Pillow passes over those that it cannot read.

    Raises:
        struct.error: the block ends too early.
    """
    if isinstance(image, TiffFile):
        file, order, first = image.source, image.tag_v2.prefix, image.tag_v2.offset or 0
    else:
        block = image.info.get("exif")
        if not isinstance(block, bytes) or not block:
            return False
        block = block.removeprefix(_HEADER).removeprefix(_HEADER)
        file, order = io.BytesIO(block), block[:2]
        if block[2:4] not in (b"*\0", b"\0*"):
            return True
        (first,) = struct.unpack_from("<I" if order == b"II" else ">I", block, 4)

    byte_order: Literal["little", "big"] = "little" if order == b"II" else "big"
    width, step = (8, 20) if exif.bigtiff else (2, 12)  # bytes of the number of entries, and of an entry

    def stored(offset: int) -> set[int]:
        file.seek(offset)
        count = min(int.from_bytes(file.read(width), byte_order), _MAX_ENTRIES)
        entries = file.read(count * step)
        return {int.from_bytes(entries[place : place + 2], byte_order) for place in range(0, len(entries), step)}

    directories = [(first, set(exif))]
    for tag in (tags.EXIF_IFD, tags.GPS_IFD):
        if isinstance(place := exif.get(tag), int):
            directories.append((place, set(exif.get_ifd(tag))))
    return any(stored(place) - found for place, found in directories)


def _xmp(image: ImageFile.ImageFile) -> tuple[bytes, ...]:
    packet = image.info.get("xmp")
    if not isinstance(packet, bytes):  # absent, or a tag of another type in a damaged TIFF
        return ()
    extension = b""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        extension = join_extension(packet, [content for name, content in image.applist if name == "APP1"])
    return (packet, extension) if extension else (packet,)


def _iptc(image: ImageFile.ImageFile) -> bytes:
    """IPTC's records, unchecked."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        parts = [content for name, content in image.applist if name == "APP13" and content.startswith(iptc.HEADER)]
        return iptc.in_resources(b"".join(part.removeprefix(iptc.HEADER) for part in parts))
    if isinstance(image, TiffFile):
        # As the bytes of the file: many writers declare them as numbers. So does Pillow's own reader of IPTC.
        stored = image.tag_v2._tagdata
        return stored.get(tags.IPTC, b"") or iptc.in_resources(stored.get(tags.PHOTOSHOP, b""))
    if isinstance(image, PngFile):
        return next((iptc.of_raw_profile(text) for keyword, text in image.texts if keyword == iptc.RAW_PROFILE), b"")
    return b""


def _texts(image: ImageFile.ImageFile) -> tuple[tuple[str, str], ...]:
    if isinstance(image, PngFile):
        return tuple(
            (keyword, text)
            for keyword, text in image.texts
            if keyword != _XMP_KEYWORD and not keyword.startswith(_RAW_PROFILE)
        )
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        comments: list[Any] = [content for name, content in image.applist if name == "COM"]
    else:
        comments = [image.info.get("comment")]
    return tuple((COMMENT, _decoded(comment)) for comment in comments if isinstance(comment, bytes) and comment)


def _decoded(text: bytes) -> str:
    """No format says in which encoding its comments are."""
    text = text.rstrip(b"\0")
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
