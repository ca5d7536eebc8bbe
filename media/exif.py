"""EXIF blocks with something added. What cannot be read stays as it is."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from PIL import Image

from media.tags import EXIF_IFD, RESOLUTION_UNIT, SOFTWARE, USER_COMMENT, X_RESOLUTION, Y_RESOLUTION

_ASCII, _UNICODE = b"ASCII\0\0\0", b"UNICODE\0"


def with_software(block: bytes, name: str) -> bytes:
    """Software names what was named, then `name`."""

    def add(tags: Image.Exif) -> None:
        former = tags.get(SOFTWARE)
        former = former.strip("\0 ") if isinstance(former, str) else ""
        if name not in former:
            tags[SOFTWARE] = f"{former}; {name}" if former else name

    return _changed(block, add) if name else block


def with_comment(block: bytes, comments: Sequence[str], order: str | None = None) -> bytes:
    """UserComment is what it was, then the comments, a line each.

    Args:
        order: "<" or ">", of the bytes of the file that the tags go into; by default that of the block.
    """

    def add(tags: Image.Exif) -> None:
        details = tags.get_ifd(EXIF_IFD)
        former = _comment(details.get(USER_COMMENT), tags.endian)
        text = "\n".join([former] * bool(former) + [comment for comment in comments if comment not in former])
        encoding = "utf-16-le" if (order or tags.endian) == "<" else "utf-16-be"
        details[USER_COMMENT] = _ASCII + text.encode() if text.isascii() else _UNICODE + text.encode(encoding)

    return _changed(block, add) if comments else block


def with_resolution(block: bytes, dpi: tuple[float, float] | None) -> bytes:
    """Resolution in pixels per inch."""

    def add(tags: Image.Exif) -> None:
        assert dpi is not None, "there is something to add"
        tags[X_RESOLUTION], tags[Y_RESOLUTION], tags[RESOLUTION_UNIT] = dpi[0], dpi[1], 2

    return block if dpi is None else _changed(block, add)


def _comment(value: object, order: str | None) -> str:
    """The text of a UserComment; "" if it is none."""
    if not isinstance(value, bytes):
        return ""
    kind, text = value[:8], value[8:]
    if kind == _UNICODE:
        return text.decode("utf-16-le" if order == "<" else "utf-16-be", errors="replace").strip("\0 ")
    return text.decode(errors="replace").strip("\0 ") if kind in (_ASCII, bytes(8)) else ""


def _changed(block: bytes, change: Callable[[Image.Exif], None]) -> bytes:
    with suppress(Exception):  # a damaged block must not cost the photograph
        tags = Image.Exif()
        if block:
            tags.load(block)
        change(tags)
        return tags.tobytes()
    return block
