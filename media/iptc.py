"""Captions and keywords as IPTC's records, the places where JPEG and PNG hold them, and the same in XMP.

IPTC. Information Interchange Model, version 4.2. 2014. https://www.iptc.org/std/IIM/4.2/specification/IIMV4.2.pdf
IPTC. Photo Metadata Standard 2023.2, with the properties of XMP that stand for data sets. https://iptc.org/std/photometadata
Adobe. Photoshop File Formats Specification: image resource blocks. ImageMagick writes the same into texts of PNG.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from media.xmp import DUBLIN_CORE, IPTC_CORE, PHOTOSHOP, Properties

HEADER = b"Photoshop 3.0\0"
"""Begins the segments of JPEG that hold Photoshop's resources."""

RAW_PROFILE = "Raw profile type iptc"
"""Keyword of a text of PNG."""

_RESOURCE = b"8BIM\x04\x04"
_ENVELOPE, _APPLICATION = 1, 2
_CHARACTERS, _UTF_8 = 90, b"\x1b%G"  # data set of the first record that names the encoding, and its usual value
_VERSION = 0  # data set of each record
_DATE, _TIME = 55, 60
# Data set of the second record -> property of XMP, and what holds several values of it.
_PROPERTIES = {
    5: (f"{DUBLIN_CORE}title", "Alt"),
    25: (f"{DUBLIN_CORE}subject", "Bag"),
    40: (f"{PHOTOSHOP}Instructions", ""),
    80: (f"{DUBLIN_CORE}creator", "Seq"),
    85: (f"{PHOTOSHOP}AuthorsPosition", ""),
    90: (f"{PHOTOSHOP}City", ""),
    92: (f"{IPTC_CORE}Location", ""),
    95: (f"{PHOTOSHOP}State", ""),
    100: (f"{IPTC_CORE}CountryCode", ""),
    101: (f"{PHOTOSHOP}Country", ""),
    103: (f"{PHOTOSHOP}TransmissionReference", ""),
    105: (f"{PHOTOSHOP}Headline", ""),
    110: (f"{PHOTOSHOP}Credit", ""),
    115: (f"{PHOTOSHOP}Source", ""),
    116: (f"{DUBLIN_CORE}rights", "Alt"),
    120: (f"{DUBLIN_CORE}description", "Alt"),
    122: (f"{PHOTOSHOP}CaptionWriter", ""),
}
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


def supply(records: bytes, properties: Properties) -> bool:
    """Tell XMP what records that were checked say, where it does not say it. Returns whether it has a place for all."""
    values: dict[int, list[bytes]] = {}
    encoding = ""
    for each in _data_sets(records):
        if each.record == _APPLICATION:
            values.setdefault(each.number, []).append(each.value)
        elif each.number == _CHARACTERS and each.value == _UTF_8:
            encoding = "utf-8"
    date = _date(values.pop(_DATE, [b""])[0], values.pop(_TIME, [b""])[0])
    if date:
        properties.supply(f"{PHOTOSHOP}DateCreated", [date])
    values.pop(_VERSION, None)
    for number in _PROPERTIES.keys() & values.keys():
        name, kind = _PROPERTIES[number]
        texts = [_decoded(value, encoding) for value in values.pop(number)]
        properties.supply(name, texts if kind in ("Bag", "Seq") else texts[:1], kind)
    return not values


def _date(day: bytes, time: bytes) -> str:
    """`19320501` and `100000+0100` as ISO 8601 has them; of a date that is known in part that part."""
    found = re.fullmatch(rb"(\d{4})(\d\d)(\d\d)", day)
    if found is None or found[1] == b"0000":
        return ""
    known = [part.decode() for part in found.groups()]
    for place in (1, 2):
        if known[place] == "00":
            return "-".join(known[:place])
    clock = re.fullmatch(rb"(\d\d)(\d\d)(\d\d)([+-]\d\d)(\d\d)", time)
    written = "-".join(known)
    return (
        f"{written}T{':'.join(part.decode() for part in clock.groups()).replace(':+', '+').replace(':-', '-')}"
        if clock
        else written
    )


def _decoded(value: bytes, encoding: str) -> str:
    """Where no encoding is named, it is that of the computer it was written on."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode(errors="replace") if encoding else value.decode("latin-1")


class _DataSet(NamedTuple):
    record: int
    number: int
    content: bytes  # with its header
    value: bytes


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
        yield _DataSet(record, number, data[place : start + length], data[start : start + length])
        place = start + length
