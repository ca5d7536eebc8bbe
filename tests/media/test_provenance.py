"""What colorized files say about how they were made, read by other means than those that wrote it."""

import hashlib
import io
import re
import struct
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest
import tifffile
from PIL import Image

from media import encoders
from media.photograph import Photograph
from media.provenance import DIGITAL_SOURCE_TYPE, Mark
from media.reader import read
from media.writer import write
from media.xmp import MAX_DEPTH, MAX_PACKET, Properties
from tests.media.containers import jpeg_segments, png_chunks, riff_chunks
from tests.media.pictures import COLOR, exif_block, photograph
from tests.mutations import mutated

MARK = Mark("1.2.3", "color_unet_v1")
TEXT = "Colorized by colorzoo 1.2.3 with color_unet_v1"
SUFFIXES = (".jpg", ".png", ".tif", ".webp")

# As a scanner and Lightroom leave it: properties as attributes and as elements.
SOURCE = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.6">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="uuid:7" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:archive="http://example.org/?a=1&amp;b=2"
    xmp:CreatorTool="VueScan 9" tiff:Orientation="6" tiff:ImageWidth="7" xmpMM:InstanceID="xmp.iid:1" xmp:Rating="4"
    Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm">
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">Harbour &amp; "crane", Köln</rdf:li></rdf:Alt></dc:description>
   <xmpMM:History><rdf:Seq><rdf:li stEvt:action="created" stEvt:softwareAgent="VueScan 9"/></rdf:Seq></xmpMM:History>
   <archive:box>12</archive:box>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()


def found_in(path: Path) -> tuple[list[bytes], list[str]]:
    """The XMP packets of a file, and what its own text field says."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        head = b"http://ns.adobe.com/xap/1.0/\0"
        segments = jpeg_segments(data)
        packets = [content.removeprefix(head) for name, content in segments if name == 0xE1 and content[:29] == head]
        return packets, [content.decode() for name, content in segments if name == 0xFE]
    if path.suffix == ".png":
        chunks = png_chunks(data)
        assert [name for name, _ in chunks].index(b"IDAT") > max(
            (index for index, (name, _) in enumerate(chunks) if name in (b"iTXt", b"tEXt", b"eXIf")), default=0
        )
        head = b"XML:com.adobe.xmp\0\0\0\0\0"
        packets = [content.removeprefix(head) for name, content in chunks if name == b"iTXt" and content[:22] == head]
        return packets, [content.split(b"\0")[1].decode() for name, content in chunks if name == b"tEXt"]
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            fields = file.pages.first.tags
            assert 700 not in fields or fields[700].dtype == tifffile.DATATYPE.BYTE
            return [fields[700].value] if 700 in fields else [], [fields[305].value] if 305 in fields else []
    chunks = riff_chunks(data)
    return [content for name, content in chunks if name == b"XMP "], [
        software for name, content in chunks if name == b"EXIF" if (software := software_of(content))
    ]


def software_of(block: bytes) -> str | None:
    exif = Image.Exif()
    exif.load(block)
    value = exif.get(305)
    return value if value is None else str(value)


def properties(packet: bytes) -> dict[str, list[str]]:
    """Names of simple properties and fields, with their prefixes -> values, whether attributes or elements."""
    found: dict[str, list[str]] = {}
    for element in minidom.parseString(packet).getElementsByTagName("*"):
        for name, value in element.attributes.items():
            found.setdefault(name, []).append(value)
        if element.firstChild is not None and isinstance(element.firstChild, minidom.Text):
            if text := element.firstChild.data.strip():
                found.setdefault(element.tagName, []).append(text)
    return found


def marked(path: Path, **changes: object) -> dict[str, list[str]]:
    """Write a marked photograph; the properties of the one packet in it."""
    write(replace(photograph(3, np.uint8, False), **changes), path, mark=MARK)  # type: ignore[arg-type]
    ((packet,), _) = found_in(path)
    return properties(packet)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_format_carries_the_mark(tmp_path: Path, suffix: str, dtype: type) -> None:
    path = tmp_path / f"a{suffix}"
    write(replace(photograph(3, dtype, suffix != ".jpg"), exif=None, dpi=None), path, mark=MARK)
    (packet,), texts = found_in(path)
    assert texts == [TEXT]
    found = properties(packet)
    assert found["Iptc4xmpExt:DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]
    assert found["Iptc4xmpExt:AISystemUsed"] == ["colorzoo: color_unet_v1"]
    assert found["Iptc4xmpExt:AISystemVersionUsed"] == ["1.2.3"]
    assert found["stEvt:softwareAgent"] == ["colorzoo 1.2.3"]
    assert found["stEvt:parameters"] == [TEXT]
    assert found["xmlns:Iptc4xmpExt"] == ["http://iptc.org/std/Iptc4xmpExt/2008-02-29/"]
    assert packet.startswith(b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>')
    with Image.open(path) as image:
        image.load()
        assert image.info["xmp"] == packet
        assert image.getexif()[305] == TEXT
    plain = tmp_path / f"plain{suffix}"
    write(replace(photograph(3, dtype, suffix != ".jpg"), exif=None, dpi=None), plain)
    np.testing.assert_array_equal(read(path).pixels, read(plain).pixels)
    assert found_in(plain) == ([], [])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_properties_of_the_source_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    found = marked(path, xmp=(SOURCE,))
    assert found["xmp:CreatorTool"] == ["VueScan 9"] and found["xmp:Rating"] == ["4"]
    assert found["rdf:li"] == ['Harbour & "crane", Köln'] and found["xml:lang"] == ["x-default"]
    assert found["archive:box"] == ["12"] and found["xmlns:archive"] == ["http://example.org/?a=1&b=2"]
    assert found["stEvt:action"] == ["created", "edited"]
    assert set(found["rdf:about"]) == {"uuid:7"}
    # One value each, and nothing about how the source is stored.
    assert found["Iptc4xmpExt:DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]
    assert found["stEvt:parameters"] == [
        f"{TEXT}; digital source type of the original: http://cv.iptc.org/newscodes/digitalsourcetype/negativeFilm"
    ]
    assert not found.keys() & {"tiff:Orientation", "tiff:ImageWidth", "xmpMM:InstanceID"}
    assert read(path).pixels.shape == COLOR.shape


def test_exif_keeps_the_software_and_the_description(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags.load(exif_block())
    tags[270], tags[305] = "The harbor", "SilverFast 8"
    for suffix in SUFFIXES:
        path = tmp_path / f"a{suffix}"
        write(replace(photograph(1, np.uint8, False), exif=tags.tobytes()), path, mark=MARK)
        with Image.open(path) as image:
            exif = image.getexif()
            assert (exif[270], exif[271]) == ("The harbor", "Graflex")
            assert exif[305] == f"SilverFast 8; {TEXT}"
            assert exif.get_ifd(0x8769)[36867] == "1936:03:06 12:00:00"
    # Once more, as when a result is colorized again.
    again = read(tmp_path / "a.png")
    write(again, tmp_path / "b.png", mark=MARK)
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif()[305] == f"SilverFast 8; {TEXT}"
    (packet,), _ = found_in(tmp_path / "b.png")
    assert properties(packet)["stEvt:parameters"] == [TEXT, TEXT]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_reader_carries_xmp_and_writes_it_only_with_a_mark(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"source{suffix}"
    if suffix == ".tif":
        packet = (700, 1, len(SOURCE), SOURCE, True)
        tifffile.imwrite(source, COLOR, photometric="rgb", software=False, extratags=[packet])
    elif suffix == ".png":
        texts = encoders.PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", SOURCE.decode())
        Image.fromarray(COLOR).save(source, pnginfo=texts)
    else:
        Image.fromarray(COLOR).save(source, xmp=SOURCE)
    before = source.read_bytes()
    found = read(source)
    assert found.xmp == (SOURCE,)
    # Its tiff:Orientation is 6, which Pillow heeds.
    assert found.pixels.shape == COLOR.transpose(1, 0, 2).shape
    write(found, tmp_path / f"a{suffix}")
    assert found_in(tmp_path / f"a{suffix}") == ([], [])
    write(found, tmp_path / f"b{suffix}", mark=MARK)
    ((packet,), _) = found_in(tmp_path / f"b{suffix}")
    assert properties(packet)["xmp:CreatorTool"] == ["VueScan 9"]
    assert read(tmp_path / f"b{suffix}").pixels.shape == found.pixels.shape
    assert source.read_bytes() == before


def test_without_a_mark_files_are_what_pillow_writes(tmp_path: Path) -> None:
    block = exif_block()
    picture = Photograph(COLOR, None, block, (300.0, 300.0), "PNG", xmp=(SOURCE,))
    for suffix, options in (
        (".jpg", {"quality": 95, "subsampling": "4:4:4"}),
        (".png", {"compress_level": 3}),
        (".bmp", {}),
    ):
        path = tmp_path / f"a{suffix}"
        write(picture, path)
        Image.fromarray(COLOR).save(tmp_path / f"b{suffix}", exif=block, dpi=(300, 300), **options)
        assert path.read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_xmp_larger_than_a_segment_of_jpeg_is_extended(tmp_path: Path) -> None:
    notes = "".join(f"{number}, " for number in range(30_000))
    large = SOURCE.replace(b"12</archive", f"{notes}</archive".encode())
    assert len(large) > 2 * 65_536
    path = tmp_path / "a.jpg"
    found = marked(path, xmp=(large,))
    assert found["Iptc4xmpExt:DigitalSourceType"] == [DIGITAL_SOURCE_TYPE] and "archive:box" not in found
    (guid,) = found["xmpNote:HasExtendedXMP"]
    head = b"http://ns.adobe.com/xmp/extension/\0"
    parts = [content for name, content in jpeg_segments(path.read_bytes()) if content.startswith(head)]
    extension = b""
    for part in parts:
        digest, length, offset = struct.unpack(">32sII", part[35:75])
        assert digest.decode() == guid and offset == len(extension)
        extension += part[75:]
    assert len(extension) == length and hashlib.md5(extension).hexdigest().upper() == guid
    assert properties(extension)["archive:box"] == [notes.strip()]
    # And read again: both parts, which a format without such a limit holds as one, and JPEG as two again.
    again = read(path)
    assert again.xmp[1:] == (extension,)
    assert again.pixels.shape == COLOR.shape
    for suffix in (".png", ".tif", ".webp"):
        found = marked(tmp_path / f"b{suffix}", xmp=again.xmp)
        assert found["archive:box"] == [notes.strip()] and found["xmp:CreatorTool"] == ["VueScan 9"]
        assert found["Iptc4xmpExt:AISystemUsed"] == ["colorzoo: color_unet_v1"]
        assert "xmpNote:HasExtendedXMP" not in found
    write(again, tmp_path / "c.jpg", mark=MARK)
    assert b"VueScan 9" in read(tmp_path / "c.jpg").xmp[1]


def test_an_extension_that_is_not_complete_is_left_out(tmp_path: Path) -> None:
    large = SOURCE.replace(b"12</archive", b"0" * 200_000 + b"</archive")
    marked(tmp_path / "a.jpg", xmp=(large,))
    data = (tmp_path / "a.jpg").read_bytes()
    place = data.index(b"http://ns.adobe.com/xmp/extension/")
    for damaged in (
        data[: place + 10] + b"?" + data[place + 11 :],  # one part is none any more
        data[: place + 70] + b"\xff\xff" + data[place + 72 :],  # a part is elsewhere, and the whole is larger
        data.replace(b'HasExtendedXMP="', b'HasExtendedXMP="0'),
    ):
        assert len(read(damaged).xmp) <= (2 if b'XMP="0' in damaged else 1)
        write(read(damaged), tmp_path / "b.jpg", mark=MARK)
        assert len(found_in(tmp_path / "b.jpg")[0]) == 1


def packet_of(body: str) -> bytes:
    rdf = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}{body}</rdf:RDF></x:xmpmeta>'.encode()


def hostile() -> dict[str, bytes]:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    kept = '<rdf:Description rdf:about="" xmlns:t="urn:t" t:kept="yes"/>'
    return {
        "laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'.encode() + packet_of(f"{kept}<t>&l11;</t>"),
        "quadratic": b'<!DOCTYPE x [<!ENTITY l "' + b"ha" * 50_000 + b'">]>' + packet_of(f"<t>{'&l;' * 50_000}</t>"),
        # Expat has limits of its own for those above; this one is within them.
        "entity": b'<!DOCTYPE x [<!ENTITY l "yes">]>' + packet_of(kept.replace("yes", "&l;")),
        "external": b'<!DOCTYPE x [<!ENTITY l SYSTEM "file:///etc/passwd">]>' + packet_of("<t>&l;</t>"),
        "utf-16": packet_of(kept).decode().encode("utf-16"),
        "deep": packet_of(kept + "<t>" * (MAX_DEPTH + 5) + "</t>" * (MAX_DEPTH + 5)),
        "deeper": packet_of("<t>" * 50_000 + "</t>" * 50_000),
        "huge": packet_of(kept + " " * MAX_PACKET),
        "cut": SOURCE[:900],
        "no rdf": b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        "empty": b"",
        "binary": bytes(range(256)),
    }


@pytest.mark.parametrize("name", hostile())
def test_xmp_that_is_damaged_or_hostile_is_replaced(tmp_path: Path, name: str) -> None:
    for suffix in (".jpg", ".tif"):
        found = marked(tmp_path / f"a{suffix}", xmp=(hostile()[name],))
        assert found["Iptc4xmpExt:DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]
        assert "t:kept" not in found and len(str(found)) < 2000
    # One that is good is kept beside it.
    assert marked(tmp_path / "b.png", xmp=(SOURCE, hostile()[name]))["xmp:Rating"] == ["4"]


def test_large_packets_of_small_pieces_are_merged(tmp_path: Path) -> None:
    """Where a step is done for every piece and looks at all of them, this takes minutes."""
    tiff = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
    for body in (
        f"<rdf:Description {tiff}>{'<tiff:ImageWidth/>' * 60_000}<tiff:Make>Leica</tiff:Make></rdf:Description>",
        f"<rdf:Description {tiff} tiff:Make='Leica'/>{'<rdf:Description/>' * 20_000}",
        "".join(f'<rdf:Description xmlns="urn:{n}"><p/></rdf:Description>' for n in range(5_000))
        + f"<rdf:Description {tiff} tiff:Make='Leica'/>",
    ):
        assert len(packet_of(body)) < MAX_PACKET
        packet = MARK.to_xmp(Properties([packet_of(body)]))
        assert re.search(rb"<tiff:Make>Leica<|tiff:Make=\"Leica\"", packet)
        assert packet.count(b"DigitalSourceType=") == 1


@pytest.mark.filterwarnings("ignore")  # of Pillow, about EXIF that it cannot parse
def test_damaged_metadata_never_costs_the_photograph(tmp_path: Path) -> None:
    for number, (packet, block) in enumerate(
        zip(mutated([SOURCE], 60), mutated([exif_block()], 60, seed=1), strict=True)
    ):
        suffix = SUFFIXES[number % 4]
        buffer = io.BytesIO()
        Image.fromarray(COLOR).save(buffer, "JPEG", exif=b"Exif\0\0" + block.removeprefix(b"Exif\0\0"), xmp=packet)
        write(read(buffer.getvalue()), tmp_path / f"a{suffix}", mark=MARK)
        ((result,), _) = found_in(tmp_path / f"a{suffix}")
        assert properties(result)["Iptc4xmpExt:DigitalSourceType"] == [DIGITAL_SOURCE_TYPE]


def test_prefixes_that_mean_several_namespaces() -> None:
    source = Properties(
        [
            packet_of('<rdf:Description xmlns:a="urn:1" a:p="1"/><rdf:Description xmlns:a="urn:2" a:p="2"/>'),
            packet_of('<rdf:Description xmlns:rdf2="urn:3" xmlns="urn:4" rdf2:p="3"><p>4</p></rdf:Description>'),
            packet_of('<rdf:Description xmlns:xmpMM="urn:5" xmlns:ns9="urn:6" xmpMM:p="5" ns9:p="6"/>'),
        ]
    )
    packet = MARK.to_xmp(source)
    found = {
        (node.namespaceURI, node.nodeValue)
        for element in minidom.parseString(packet).getElementsByTagName("*")
        for node in element.attributes.values()
    }
    assert {("urn:1", "1"), ("urn:2", "2"), ("urn:3", "3"), ("urn:5", "5"), ("urn:6", "6")} <= found
    (own,) = [each for each in minidom.parseString(packet).getElementsByTagNameNS("urn:4", "p")]
    assert own.firstChild is not None and own.firstChild.nodeValue == "4"


def test_a_history_of_another_form_is_replaced() -> None:
    mm = 'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"'
    for history in (f"<rdf:Description {mm}><xmpMM:History>a</xmpMM:History></rdf:Description>",
                    f'<rdf:Description {mm} xmpMM:History="a"/>'):  # fmt: skip
        packet = MARK.to_xmp(Properties([packet_of(history)]))
        assert len(re.findall(rb"<xmpMM:History>", packet)) == 1 and b"History=" not in packet
        assert properties(packet)["stEvt:action"] == ["edited"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_name_of_a_file_can_be_written(tmp_path: Path, suffix: str) -> None:
    mark = Mark("1.2.3", "k\u00f6ln\n\x01<\udc80\u4e2d>&.keras" + "x" * 70_000)
    write(photograph(3, np.uint8, False), tmp_path / f"a{suffix}", mark=mark)
    ((packet,), _) = found_in(tmp_path / f"a{suffix}")
    (model,) = properties(packet)["Iptc4xmpExt:AISystemUsed"]
    assert model.startswith("colorzoo: köln\ufffd\ufffd<\ufffd中>&.kerasxxx") and len(model) < 400


def test_exif_as_large_as_jpeg_can_hold_is_kept(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[270] = "x" * 65_480
    block = tags.tobytes()
    assert 65_527 - len(TEXT) < len(block) <= 65_527
    write(replace(photograph(3, np.uint8, False), exif=block), tmp_path / "a.jpg", mark=MARK)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif()[270] == tags[270] and 305 not in image.getexif()
        assert image.info["comment"] == TEXT.encode()
