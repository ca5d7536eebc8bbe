"""Captions and keywords as IPTC's records, and the places where JPEG and PNG hold them.

IPTC. Information Interchange Model, version 4.2. 2014. https://www.iptc.org/std/IIM/4.2/specification/IIMV4.2.pdf
Adobe. Photoshop File Formats Specification: image resource blocks. ImageMagick writes the same into texts of PNG.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = b"Photoshop 3.0\0"
"""Begins the segments of JPEG that hold Photoshop's resources."""

RAW_PROFILE = "Raw profile type iptc"
"""Keyword of a text of PNG."""

_RESOURCE = b"8BIM\x04\x04"
_ENVELOPE, _APPLICATION = 1, 2
_PREVIEW = range(200, 203)  # data sets of the second record: a thumbnail of the gray original
_MARKER = 0x1C


def checked(data: bytes) -> bytes | None:
    """The records about the picture, without those about its file and without a preview; None if they are damaged."""
    kept = b""
    try:
        for each in _data_sets(data):
            if each.record in (_ENVELOPE, _APPLICATION) and not (each.record == 2 and each.number in _PREVIEW):
                kept += each.content
    except (ValueError, struct.error):
        return None
    return kept


def in_resources(resources: bytes) -> bytes:
    """The records among Photoshop's resources; b"" if there are none, or none before the place of a damage."""
    place = 0
    while resources[place : place + 4] == b"8BIM" and place + 12 <= len(resources):
        name = resources[place + 6]
        start = place + 6 + (name + 2 & ~1)
        if start + 4 > len(resources):
            break
        (length,) = struct.unpack_from(">I", resources, start)
        if resources[place : place + 6] == _RESOURCE:
            return resources[start + 4 : start + 4 + length]
        place = start + 4 + (length + 1 & ~1)
    return b""


def as_resource(records: bytes) -> bytes:
    """Photoshop's resource that holds them."""
    return _RESOURCE + b"\0\0" + struct.pack(">I", len(records)) + records + bytes(len(records) % 2)


def as_raw_profile(records: bytes) -> str:
    """The text of PNG that holds them."""
    content = as_resource(records)
    lines = (content[start : start + 36].hex() for start in range(0, len(content), 36))
    return "\n".join(("", "iptc", f"{len(content):8}", *lines, ""))


def of_raw_profile(text: str) -> bytes:
    """The records in such a text; b"" if it is damaged."""
    try:
        _, _, digits = text.split(maxsplit=2)  # what it is, and its length
        content = bytes.fromhex(digits)
    except ValueError:
        return b""
    return in_resources(content) if content.startswith(b"8BIM") else content


class _DataSet(NamedTuple):
    record: int
    number: int
    content: bytes  # with its header


def _data_sets(data: bytes) -> Iterator[_DataSet]:
    """The data sets one after the other; zeros may follow.

    Raises:
        ValueError, struct.error: the data are something else, or end too early.
    """
    place = 0
    while place < len(data):
        if data[place] != _MARKER:
            if any(data[place:]):
                raise ValueError("no data set")
            return
        record, number, length = struct.unpack_from(">BBH", data, place + 1)
        start = place + 5
        if length & 0x8000:  # of the length, which follows
            width = length & 0x7FFF
            if width > 4:
                raise ValueError("too long")
            length = int.from_bytes(data[start : start + width], "big")
            start += width
        if start + length > len(data):
            raise ValueError("cut off")
        yield _DataSet(record, number, data[place : start + length])
        place = start + length
