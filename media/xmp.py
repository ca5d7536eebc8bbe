"""XMP packets: reading, changing and writing the properties of a picture.

ISO 16684-1 describes the format, Adobe's XMP Specification, part 3, its place in files. Packets come from unknown
files: one with a document type, which alone can define entities that grow, is refused, as the standard does.
"""

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

MAX_PACKET = 4 * 2**20  # bytes of a packet that is read; most have a few thousand
MAX_DEPTH = 100  # of elements in a packet; few have ten

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC_EXTENSION = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
IPTC_CORE = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}"
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
MEDIA_MANAGEMENT = "{http://ns.adobe.com/xap/1.0/mm/}"
EVENT = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_META = "{adobe:ns:meta/}"
_EXTENDED = "{http://ns.adobe.com/xmp/note/}HasExtendedXMP"
_ABOUT = f"{RDF}about"
_HISTORY = f"{MEDIA_MANAGEMENT}History"

_PREFIXES = {
    RDF: "rdf",
    IPTC_EXTENSION: "Iptc4xmpExt",
    IPTC_CORE: "Iptc4xmpCore",
    DUBLIN_CORE: "dc",
    PHOTOSHOP: "photoshop",
    MEDIA_MANAGEMENT: "xmpMM",
    EVENT: "stEvt",
    _META: "x",
    "{http://ns.adobe.com/xmp/note/}": "xmpNote",
    _XML: "xml",
}

_STORAGE = {
    *(f"{_TIFF}{name}" for name in ("ImageWidth", "ImageLength", "BitsPerSample", "Compression", "Orientation")),
    *(f"{_TIFF}{name}" for name in ("PhotometricInterpretation", "SamplesPerPixel", "PlanarConfiguration")),
    *(f"{_TIFF}{name}" for name in ("YCbCrSubSampling", "YCbCrPositioning", "YCbCrCoefficients", "NativeDigest")),
    *(f"{_TIFF}{name}" for name in ("XResolution", "YResolution", "ResolutionUnit", "TransferFunction")),
    *(f"{_TIFF}{name}" for name in ("WhitePoint", "PrimaryChromaticities", "ReferenceBlackWhite")),
    *(f"{_EXIF}{name}" for name in ("PixelXDimension", "PixelYDimension", "ColorSpace", "NativeDigest")),
    *(f"{PHOTOSHOP}{name}" for name in ("ColorMode", "ICCProfile")),
    f"{DUBLIN_CORE}format",
    "{http://ns.adobe.com/xap/1.0/}Thumbnails",
    f"{MEDIA_MANAGEMENT}InstanceID",
    _EXTENDED,
}
"""Properties of the stored file, not of the photograph: the counterpart of `media.tags.STORAGE`.

The orientation is among them, since pixels are written upright. Thumbnails show the gray original, and InstanceID is
the identity of that file alone.
"""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what no XML can hold

_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_END = '\n<?xpacket end="w"?>'

# Of an extension in JPEG: what it is, the MD5 of the whole in hexadecimal, its length, and where this part begins.
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXTENSION_HEAD = struct.Struct(">32sII")
_EXTENSION_PART = 65_000  # bytes


class Properties:
    """The properties of a picture, as the top-level descriptions of its packets hold them.

    Those that describe the storage of the file that the packets come from are left out. So is a packet that cannot be
    parsed, or is larger than `MAX_PACKET`.

    Attributes:
        damaged: Whether a packet was left out.
    """

    def __init__(self, packets: Sequence[bytes] = ()) -> None:
        self._prefixes: dict[str, str] = {}
        self._descriptions: list[Element] = []
        self.damaged = False
        for packet in packets:
            try:
                self._descriptions += _parse(packet, self._prefixes)
            except (ValueError, ElementTree.ParseError):
                self.damaged = True
        about = next((about for each in self._descriptions if (about := each.get(_ABOUT))), "")
        self._own = Element(f"{RDF}Description")
        for description in (*self._descriptions, self._own):
            description.set(_ABOUT, about)
            _remove(description, _STORAGE)

    def replace(self, name: str, value: str) -> str | None:
        """Give a simple property (`{namespace}name`) a value. Returns the former one, None if there is none."""
        former = None
        for description in (*self._descriptions, self._own):
            element = description.find(name)
            former = former or description.get(name) or (None if element is None else element.text)
            _remove(description, {name})
        self._own.set(name, value)
        return former

    def supply(self, name: str, values: Sequence[str], kind: str = "") -> None:
        """Give a property values unless it has some: as "Alt", "Bag" or "Seq", or a single one without any of these."""
        for description in (*self._descriptions, self._own):
            if description.get(name) is not None or description.find(name) is not None:
                return
        values = [_NO_XML.sub("\ufffd", value) for value in values]
        if not kind:
            self._own.set(name, values[0])
            return
        container = Element(f"{RDF}{kind}")
        for value in values:
            item = Element(f"{RDF}li", {f"{_XML}lang": "x-default"} if kind == "Alt" else {})
            item.text = value
            container.append(item)
        element = Element(name)
        element.append(container)
        self._own.append(element)

    def add_event(self, fields: dict[str, str]) -> None:
        """Append an entry, with fields of `EVENT` and their values, to the history."""
        event = Element(f"{RDF}li", {f"{EVENT}{name}": value for name, value in fields.items()})
        for description in self._descriptions:
            history = description.find(f"{_HISTORY}/{RDF}Seq")
            if history is not None:
                history.append(event)
                return
        for description in self._descriptions:
            _remove(description, {_HISTORY})  # in another form than the one it must have
        sequence = Element(f"{RDF}Seq")
        sequence.append(event)
        history = Element(_HISTORY)
        history.append(sequence)
        self._own.append(history)

    def to_packet(self) -> bytes:
        """One packet in UTF-8. What was added comes last, see `split`."""
        body = _serialize([*self._descriptions, self._own], self._prefixes)
        return f"{_BEGIN}{body}{_END}".encode()


def split(packet: bytes, size: int) -> tuple[bytes, bytes]:
    """Divide what `Properties.to_packet` gave into a packet of at most `size` bytes and its extension, maybe b"".

    The last description, with what was added to the properties of the source, stays in the packet.
    """
    if len(packet) <= size:
        return packet, b""
    prefixes: dict[str, str] = {}
    *others, own = _parse(packet, prefixes, len(packet))
    extension = _serialize(others, prefixes).encode()
    own.set(_EXTENDED, hashlib.md5(extension, usedforsecurity=False).hexdigest().upper())
    return f"{_BEGIN}{_serialize([own], prefixes)}{_END}".encode(), extension


def extension_segments(extension: bytes) -> Iterator[bytes]:
    """The contents of the APP1 segments that hold an extension in JPEG."""
    digest = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper().encode()
    for start in range(0, len(extension), _EXTENSION_PART):
        head = _EXTENSION + _EXTENSION_HEAD.pack(digest, len(extension), start)
        yield head + extension[start : start + _EXTENSION_PART]


def join_extension(packet: bytes, segments: Sequence[bytes]) -> bytes:
    """The extension that a packet names, from the contents of the APP1 segments of its file; b"" if incomplete."""
    parts: dict[int, bytes] = {}
    whole = 0
    start = len(_EXTENSION) + _EXTENSION_HEAD.size
    for segment in segments:
        if segment.startswith(_EXTENSION) and len(segment) > start:
            digest, length, offset = _EXTENSION_HEAD.unpack(segment[len(_EXTENSION) : start])
            if digest in packet:
                parts[offset], whole = segment[start:], length
    joined = bytearray()
    for offset in sorted(parts):
        if offset != len(joined):
            return b""
        joined += parts[offset]
    return bytes(joined) if len(joined) == whole else b""


class _Builder(ElementTree.TreeBuilder):
    """Keeps the prefixes of namespaces as well, which have no meaning, but which some readers search for."""

    def __init__(self, prefixes: dict[str, str]) -> None:
        super().__init__()
        self._prefixes = prefixes

    def start_ns(self, prefix: str, uri: str) -> None:
        self._prefixes.setdefault(f"{{{uri}}}", prefix)


def _parse(packet: bytes, prefixes: dict[str, str], size: int = MAX_PACKET) -> list[Element]:
    """The top-level descriptions of a packet; adds the prefixes of its namespaces.

    Raises:
        ValueError: it is too large or nested too deeply, not in UTF-8, has a document type or holds no RDF.
        ElementTree.ParseError: it is not well-formed.
    """
    if len(packet) > size:
        raise ValueError("too large")
    text = packet.rstrip(b"\0").decode("utf-8-sig").strip()
    if "<!DOCTYPE" in text:
        raise ValueError("a document type")
    parser = ElementTree.XMLParser(target=_Builder(prefixes))
    parser.feed(text)
    root: Element = parser.close()
    rdf = root if root.tag == f"{RDF}RDF" else root.find(f"{RDF}RDF")
    if rdf is None:
        raise ValueError("no RDF")
    level = list(rdf)
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return list(rdf)
    raise ValueError("nested too deeply")


def _remove(description: Element, names: set[str]) -> None:
    """Remove properties, in the form of attributes and of elements."""
    for name in names & description.attrib.keys():
        del description.attrib[name]
    description[:] = [element for element in description if element.tag not in names]


def _serialize(descriptions: Sequence[Element], prefixes: dict[str, str]) -> str:
    root = Element(f"{_META}xmpmeta")
    rdf = Element(f"{RDF}RDF")
    root.append(rdf)
    rdf.extend(descriptions)
    declared: dict[str, str] = {}
    taken = set(_PREFIXES.values())

    def prefixed(name: str) -> str:
        namespace, brace, local = name.rpartition("}")
        if not brace:
            return name
        namespace += brace
        if namespace not in declared:
            prefix = _PREFIXES.get(namespace)
            if prefix is None:
                prefix = prefixes.get(namespace, "")
                # nsN is for those that have none, or whose prefix means several namespaces.
                if not prefix or prefix in taken or re.fullmatch(r"ns\d+", prefix):
                    prefix = f"ns{len(declared)}"
                taken.add(prefix)
            declared[namespace] = prefix
        return f"{declared[namespace]}:{local}"

    for element in root.iter():
        element.tag = prefixed(element.tag)
        if element.attrib:
            element.attrib = {prefixed(name): value for name, value in element.attrib.items()}
    for namespace, prefix in declared.items():
        if prefix != "xml":
            root.set(f"xmlns:{prefix}", namespace[1:-1])
    return ElementTree.tostring(root, encoding="unicode")
