"""What is written in a photograph is in its copies, in each format that has a place for it, read by other means."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms, PngImagePlugin, TiffImagePlugin

from media import iptc
from media.photograph import Photograph
from media.provenance import Mark
from media.reader import read
from media.writer import write
from media.xmp import Properties
from tests.media.containers import jpeg_segments, png_chunks, riff_chunks
from tests.media.pictures import COLOR, photograph, swapped_profile
from tests.mutations import mutated

MARK = Mark("1.2.3", "color_unet_v1")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' + (
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:a="urn:a" tiff:Orientation="6" a:box="12"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
CAPTION = "A caption, é".encode()
RECORDS = b"\x1c\x01\x5a\0\3\x1b%G\x1c\x02\x78\0\x0d" + CAPTION + b"\x1c\x02\x19\0\7harbour"  # UTF-8, caption, keyword
SUFFIXES = (".jpg", ".png", ".tif", ".webp")


def catalogued(**options: object) -> bytes:
    """A JPEG as archives have them: turned by its EXIF, with all kinds of metadata and a profile."""
    exif = Image.Exif()
    exif[270], exif[274], exif[315] = "Hafen", 6, "Lange"
    exif.get_ifd(ExifTags.IFD.Exif).update({36867: "1936:03:06 12:00:00"})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 12.5)})
    content = iptc.as_resource(RECORDS)
    # Two segments, between other resources, as Photoshop divides what is long.
    parts = b"8BIM\x03\xed\0\0\0\0\0\x02\1\2" + content[:20], content[20:] + b"8BIM\x04\x25\0\0\0\0\0\x01\1\0"
    segments = [(0xED, b"Photoshop 3.0\0" + part) for part in parts] + [(0xFE, b"first, \xe9"), (0xFE, b"second")]
    buffer = io.BytesIO()
    Image.fromarray(COLOR).save(
        buffer, "JPEG", exif=exif, xmp=XMP, dpi=(600, 300), icc_profile=swapped_profile(),
        extra=b"".join(struct.pack(">BBH", 0xFF, name, 2 + len(part)) + part for name, part in segments), **options,
    )  # fmt: skip
    return buffer.getvalue()


def held(path: Path) -> dict[str, object]:
    """Profile, IPTC's records and texts of a file, as they lie there."""
    data = path.read_bytes()
    if path.suffix == ".jpg":
        segments = jpeg_segments(data)
        (resources,) = [content for name, content in segments if name == 0xED]
        assert resources.startswith(b"Photoshop 3.0\x008BIM\x04\x04\0\0")
        (length,) = struct.unpack(">I", resources[22:26])
        return {
            "profile": [content[14:] for name, content in segments if content.startswith(b"ICC_PROFILE\0")],
            "iptc": resources[26 : 26 + length],
            "texts": [content.decode() for name, content in segments if name == 0xFE],
        }
    if path.suffix == ".png":
        chunks = png_chunks(data)
        (profile,) = [zlib.decompress(content.split(b"\0\0", 1)[1]) for name, content in chunks if name == b"iCCP"]
        (digits,) = [zlib.decompress(content.split(b"\0\0", 1)[1]) for name, content in chunks if name == b"zTXt"]
        _, _, length, *lines = digits.split(b"\n")
        resource = bytes.fromhex(b"".join(lines).decode())
        assert len(resource) == int(length)
        return {
            "profile": [profile],
            "iptc": resource[12 : 12 + len(RECORDS)],
            "texts": [content.split(b"\0")[1].decode("latin-1") for name, content in chunks if name == b"tEXt"],
        }
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            fields = file.pages.first.tags
            return {
                "profile": [fields[34675].value],
                "iptc": fields[33723].value,
                "texts": fields[34665].value["UserComment"].split("\n"),
            }
    chunks = riff_chunks(data)
    exif = Image.Exif()
    exif.load(next(content for name, content in chunks if name == b"EXIF"))
    comment = exif.get_ifd(ExifTags.IFD.Exif)[37510]
    return {
        "profile": [content for name, content in chunks if name == b"ICCP"],
        "iptc": None,
        "texts": comment.removeprefix(b"UNICODE\0")
        .decode("utf-16-le" if exif.endian == "<" else "utf-16-be")
        .split("\n"),
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photograph_of_an_archive_keeps_all(tmp_path: Path, suffix: str) -> None:
    before = read(catalogued())
    assert before.warnings == () and before.pixels.shape == (COLOR.shape[1], COLOR.shape[0], 3)
    path = tmp_path / f"a{suffix}"
    warnings = write(before, path, mark=MARK)
    found = held(path)
    mark = [MARK.text] * (suffix in (".jpg", ".png"))
    assert found["texts"] == ["first, é", "second", *mark]
    assert found["iptc"] == (None if suffix == ".webp" else RECORDS)
    assert warnings == ()
    (profile,) = found["profile"]  # type: ignore[misc]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    after = read(path)
    assert after.warnings == () and after.profiled and after.dpi == pytest.approx((300, 600), abs=0.1)
    exif = Image.Exif()
    exif.load(after.exif or b"")
    assert (exif[270], exif.get(274, 1), exif[315]) == ("Hafen", 1, "Lange")
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == (52, 30, 12.5)
    assert b'box="12"' in after.xmp[0] and b"Orientation" not in after.xmp[0]
    # And once more, with the mark in its place only once.
    write(after, tmp_path / "again.jpg", mark=MARK)
    texts = [content.decode() for name, content in jpeg_segments((tmp_path / "again.jpg").read_bytes()) if name == 0xFE]
    assert texts[-1] == MARK.text and texts.count(MARK.text) == 1
    assert "\n".join(texts[:-1]).startswith("first, é\nsecond") or suffix in (".tif", ".webp")


def test_iptc_becomes_xmp_where_it_has_no_place(tmp_path: Path) -> None:
    def data_set(number: int, value: bytes) -> bytes:
        return struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value

    records = (
        RECORDS + data_set(0, b"\0\4") + data_set(25, b"ships") + data_set(80, b"Lange") + data_set(90, "Köln".encode())
    )
    records += data_set(55, b"19320501") + data_set(60, b"100000+0100") + data_set(5, b"a\x01title")
    packet = XMP.replace(b"a:box", b'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Bonn" a:box')
    source = replace(photograph(3, np.uint8, False), iptc=records)
    assert write(source, tmp_path / "a.webp", mark=MARK) == ()
    assert write(replace(source, xmp=(packet,)), tmp_path / "b.webp", mark=MARK) == ()
    for name, city in (("a", "Köln"), ("b", "Bonn")):
        (found,) = [
            content for kind, content in riff_chunks((tmp_path / f"{name}.webp").read_bytes()) if kind == b"XMP "
        ]
        root = ElementTree.fromstring(found.decode().partition("?>")[2].rpartition("<?")[0])
        space = {"dc": "http://purl.org/dc/elements/1.1/", "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#"}
        values = {
            kind: [item.text for item in root.findall(f".//dc:{kind}/*/rdf:li", space)]
            for kind in ("description", "subject", "creator", "title")
        }
        assert values == {
            **{"description": ["A caption, é"], "subject": ["harbour", "ships"], "creator": ["Lange"]},
            "title": ["a\ufffdtitle"],
        }
        photoshop = "{http://ns.adobe.com/photoshop/1.0/}"
        simple = {key: value for element in root.iter() for key, value in element.attrib.items() if photoshop in key}
        assert simple == {f"{photoshop}City": city, f"{photoshop}DateCreated": "1932-05-01T10:00:00+01:00"}
    unnamed = replace(source, iptc=data_set(90, b"K\xf6ln"))  # without the name of an encoding
    write(unnamed, tmp_path / "c.webp", mark=MARK)
    assert 'City="Köln"'.encode() in (tmp_path / "c.webp").read_bytes()
    lost = replace(source, iptc=records + data_set(10, b"5"))
    assert write(lost, tmp_path / "a.webp", mark=MARK) == ("its IPTC is left out in part: WEBP has no place for it",)
    assert write(source, tmp_path / "a.webp") == ("its IPTC is left out: WEBP has no place for it",)


@pytest.mark.parametrize(
    ("day", "expected"),
    [(b"19320501", "1932-05-01"), (b"19320500", "1932-05"), (b"19320000", "1932"), (b"00000000", None)],
)
def test_dates_that_are_known_in_part(day: bytes, expected: str | None) -> None:
    properties = Properties()
    assert iptc.supply(struct.pack(">BBBH", 0x1C, 2, 55, len(day)) + day, properties)
    assert properties.replace("{http://ns.adobe.com/photoshop/1.0/}DateCreated", "") == expected


def test_nothing_is_added_that_a_photograph_does_not_have(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        write(Photograph(COLOR, None, None, None, "PNG"), tmp_path / f"a{suffix}")
        with Image.open(tmp_path / f"a{suffix}") as image:
            image.load()
            assert not image.info.keys() & {"icc_profile", "exif", "xmp", "comment", "photoshop"}
            assert not getattr(image, "text", {})
    # A profile for color on a gray picture would be wrong.
    write(replace(photograph(1, np.uint8, False), profiled=True), tmp_path / "gray.png")
    with Image.open(tmp_path / "gray.png") as image:
        assert "icc_profile" not in image.info


def test_texts_of_a_png(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Hafen")
    texts.add_text("Title", "Hafen, zweite Seite")
    texts.add_text("Author", "Łódź", zip=True)
    texts.add_itxt("Comment", "a note")
    for pixels in (COLOR, COLOR.astype(np.uint16) * 257):
        if pixels.dtype == np.uint8:
            Image.fromarray(pixels).save(tmp_path / "a.png", pnginfo=texts)
        else:
            write(replace(read(tmp_path / "a.png"), pixels=pixels), tmp_path / "b.png")
        photograph = read(tmp_path / ("a.png" if pixels.dtype == np.uint8 else "b.png"))
        assert photograph.pixels.dtype == pixels.dtype
        assert sorted(photograph.texts) == sorted(
            [("Title", "Hafen"), ("Title", "Hafen, zweite Seite"), ("Author", "Łódź"), ("Comment", "a note")]
        )
    write(photograph, tmp_path / "a.jpg")
    assert {content.decode() for name, content in jpeg_segments((tmp_path / "a.jpg").read_bytes()) if name == 0xFE} == {
        "Title: Hafen", "Title: Hafen, zweite Seite", "Author: Łódź", "a note"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["bytes", "numbers", "big-endian numbers", "resources"])
def test_iptc_of_a_tiff(kind: str) -> None:
    order, resource = ">" if kind.startswith("big") else "<", iptc.as_resource(RECORDS)
    padded = RECORDS + bytes(-len(RECORDS) % 4)
    numbers = struct.unpack(f"{order}{len(padded) // 4}I", padded)
    tag = {
        "bytes": (33723, 1, len(RECORDS), RECORDS, True),
        "resources": (34377, 7, len(resource), resource, True),
    }.get(kind, (33723, 4, len(numbers), numbers, True))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, COLOR, byteorder=order, photometric="rgb", extratags=[tag], metadata=None)
    found = read(buffer.getvalue())
    assert (found.iptc, found.warnings) == (RECORDS, ())


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it cannot parse
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_a_damaged_tag_of_a_tiff_is_named(order: str, big: bool) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer, COLOR, byteorder=order, bigtiff=big, photometric="rgb", description="Hafen" * 9, metadata=None
    )  # type: ignore[call-overload]
    data = buffer.getvalue()
    entry = struct.pack(f"{order}HH{'Q' if big else 'I'}", 270, 2, 46)
    assert data.count(entry) == 1 and read(data).warnings == ()
    place = data.index(entry) + len(entry)
    for offset in (len(data), 2**31 - 1):
        offset_stored = struct.pack(f"{order}{'Q' if big else 'I'}", offset)
        found = read(data[:place] + offset_stored + data[place + len(offset_stored) :])
        np.testing.assert_array_equal(found.pixels, COLOR)
        assert found.warnings == ("its EXIF is damaged and is left out in part",)


def test_a_preview_among_the_records_is_left_out() -> None:
    preview = b"\x1c\x02\xca\x80\x04\0\1\0\0" + bytes(65536)
    assert iptc.checked(RECORDS + preview + b"\x1c\x08\x0a\0\1x" + bytes(3)) == RECORDS


def with_segment(data: bytes, name: int, content: bytes) -> bytes:
    return data[:2] + struct.pack(">BBH", 0xFF, name, 2 + len(content)) + content + data[2:]


def plain_jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(COLOR).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it cannot parse
def test_damaged_metadata_is_named(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(COLOR).save(png, "PNG")
    cut = b"tEXtTitle\0Hafen"
    chunk = struct.pack(">I", len(cut) - 4) + cut + bytes(4)
    exif = Image.Exif()
    exif[270], exif[315] = "Hafen", "Lange" * 20
    for data, words in (
        (plain_jpeg(exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xee" * 60), ["EXIF"]),
        (plain_jpeg(exif=exif.tobytes()[:60]), ["EXIF", "in part"]),
        (with_segment(plain_jpeg(), 0xED, iptc.HEADER + iptc.as_resource(RECORDS[:-3])), ["IPTC"]),
        (plain_jpeg(icc_profile=b"nothing"), ["ICC profile"]),
        (png.getvalue()[:33] + chunk + png.getvalue()[33:], ["tEXt"]),
        (plain_jpeg(xmp=b"<x"), []),
    ):
        found = read(data)
        assert found.pixels.shape == COLOR.shape and bool(found.warnings) == bool(words), words
        assert all(word in found.warnings[0] for word in words), found.warnings
        said = write(found, tmp_path / "a.jpg", mark=MARK)
        assert said == (() if words else ("its XMP is damaged and is left out",))


def test_what_a_segment_of_jpeg_cannot_hold_is_named(tmp_path: Path) -> None:
    long = "x" * 70_000
    exif = Image.Exif()
    exif[270] = long
    records = b"\x1c\x02\x78\x7f\xff" + b"x" * 0x7FFF
    large = replace(
        photograph(3, np.uint8, False),
        exif=exif.tobytes(),
        iptc=3 * records,
        texts=(("Title", long), ("Title", "short")),
    )
    said = write(large, tmp_path / "a.jpg")
    assert [text.split(" is left out")[0] for text in said] == ["its EXIF", "its IPTC", "its text"]
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["comment"] == b"Title: short"
    assert write(large, tmp_path / "a.png") == () == write(large, tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        found = read(tmp_path / name)
        assert found.iptc == 3 * records and len(found.exif or b"") > 70_000


def test_a_jpeg_without_its_end_is_read_with_a_warning() -> None:
    found = read(plain_jpeg()[:-2])
    assert found.warnings == ("ends too early; all of its rows are there",)
    assert read(plain_jpeg()).warnings == ()


def test_a_comment_is_added_to_one_that_is_there(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.endian = ">"
    exif.get_ifd(ExifTags.IFD.Exif)[37510] = b"ASCII\0\0\0from the box"
    source = replace(photograph(3, np.uint8, False), exif=exif.tobytes(), texts=(("Comment", "Łódź"),))
    for suffix in (".tif", ".webp"):
        write(source, tmp_path / f"a{suffix}")
        after = Image.Exif()
        after.load(read(tmp_path / f"a{suffix}").exif or b"")
        text = after.get_ifd(ExifTags.IFD.Exif)[37510]
        assert text[8:].decode("utf-16-le" if after.endian == "<" else "utf-16-be") == "from the box\nŁódź"


@pytest.mark.filterwarnings("ignore")  # as above
def test_mutated_metadata_never_costs_the_photograph(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[33723] = RECORDS
    whole = catalogued()
    start = whole.index(b"Photoshop")
    end = whole.rindex(b"second")
    for number, middle in enumerate(mutated([whole[start:end]], 40)):
        if len(middle) != end - start:  # the lengths of segments would no longer be right
            middle = (middle + bytes(end - start))[: end - start]
        try:
            found = read(whole[:start] + middle + whole[end:])
        except Exception as error:
            # The damage was to the marker of a segment.
            assert "\n" not in str(error) and type(error).__name__ == "PhotographError"
            continue
        write(found, tmp_path / f"a{SUFFIXES[number % 4]}", mark=MARK)
        assert read(tmp_path / f"a{SUFFIXES[number % 4]}").pixels.shape == found.pixels.shape
