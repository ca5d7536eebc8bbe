"""Photographs of every kind arrive upright, in gray or sRGB, and what cannot be read is refused with one line."""

import io
import itertools
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from media import encoders
from media.formats import FORMATS, SUFFIXES
from media.photograph import Photograph, gray_of
from media.reader import PhotographFile, read, read_rgb
from media.writer import write
from tests.media.pictures import COLOR, GRAY, HEIGHT, WIDTH, exif_block, photograph, swapped_profile
from tests.mutations import mutated
from zoo.errors import PhotographError

RNG = np.random.default_rng(0)


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "zip.tif", "png16", "tif16"])
def test_every_orientation_comes_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
    upright = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    upright[: HEIGHT // 2, : WIDTH // 2] = (250, 40, 40)
    upright[HEIGHT // 2 :, : WIDTH // 2] = (40, 250, 40)
    stored = Image.fromarray(upright)
    if undo != 1:
        stored = stored.transpose(Image.Transpose(turns[undo]))
    path = tmp_path / f"a.{kind.removesuffix('16')}"
    block = exif_block(orientation)
    if kind.endswith("16") or kind == "zip.tif":
        levels = np.asarray(stored) if kind == "zip.tif" else np.asarray(stored).astype(np.uint16) * 257
        write(Photograph(levels, None, block, (300, 150), "PNG"), path)
    else:
        format = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}.get(kind, "TIFF")
        stored.save(path, format, exif=block, dpi=(300, 150))
    after = read(path)
    assert after.pixels.shape == upright.shape
    level = after.pixels.astype(float) / (257 if kind.endswith("16") else 1)
    assert np.abs(level - upright).mean() < 6
    if kind != "webp":
        assert after.dpi == pytest.approx((300, 150) if orientation < 5 else (150, 300), abs=0.1)
    assert after.exif is not None
    carried = Image.Exif()
    carried.load(after.exif)
    assert carried.get(274, 1) == 1
    details = carried.get_ifd(0x8769)
    assert details[40961] == 1
    assert (details[40962], details[40963]) == (WIDTH, HEIGHT)
    write(after, tmp_path / f"again-{path.name}")
    assert read(tmp_path / f"again-{path.name}").pixels.shape == upright.shape


def test_every_mode_of_pillow(tmp_path: Path) -> None:
    wide = GRAY.astype(np.uint16) * 257
    palette = Image.fromarray(COLOR).quantize(16)
    lab = ImageCms.profileToProfile(
        Image.fromarray(COLOR),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    cases = {
        "bilevel.png": (Image.fromarray(GRAY).convert("1"), (HEIGHT, WIDTH), np.uint8),
        "bilevel.tif": (Image.fromarray(GRAY).convert("1"), (HEIGHT, WIDTH), np.uint8),
        "gray.webp": (Image.fromarray(GRAY), (HEIGHT, WIDTH, 3), np.uint8),
        "deep.png": (Image.fromarray(wide), (HEIGHT, WIDTH), np.uint16),
        "deep.tif": (Image.fromarray(wide), (HEIGHT, WIDTH), np.uint16),
        "int32.tif": (Image.fromarray(wide.astype(np.int32)), (HEIGHT, WIDTH), np.uint16),
        "palette.png": (palette, (HEIGHT, WIDTH, 3), np.uint8),
        "still.gif": (palette, (HEIGHT, WIDTH, 3), np.uint8),
        "palette.bmp": (palette, (HEIGHT, WIDTH, 3), np.uint8),
        "cmyk.jpg": (Image.fromarray(COLOR).convert("CMYK"), (HEIGHT, WIDTH, 3), np.uint8),
        "cmyk.tif": (Image.fromarray(COLOR).convert("CMYK"), (HEIGHT, WIDTH, 3), np.uint8),
        "ycbcr.tif": (Image.fromarray(COLOR).convert("YCbCr"), (HEIGHT, WIDTH, 3), np.uint8),
        "lab.tif": (lab, (HEIGHT, WIDTH, 3), np.uint8),
    }
    for name, (image, shape, dtype) in cases.items():
        image.save(tmp_path / name)
        after = read(tmp_path / name)
        assert after.pixels.shape == shape, name
        assert after.pixels.dtype == dtype, name
        assert after.alpha is None, name
        expected = (
            COLOR.mean(axis=(0, 1)) if after.pixels.ndim == 3 else GRAY.mean() * (257 if dtype is np.uint16 else 1)
        )
        if name == "gray.webp":
            expected = np.full(3, GRAY.mean())
        tolerance = 25 if name != "bilevel.png" else 30
        np.testing.assert_allclose(
            after.pixels.mean(axis=(0, 1)), expected, atol=tolerance * (257 if dtype is np.uint16 else 1)
        )
    assert read(tmp_path / "still.gif").format == "PNG"


def test_transparent_palettes_and_colors(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOR).quantize(16)
    palette.save(tmp_path / "palette.png", transparency=3)
    index = np.asarray(palette)
    after = read(tmp_path / "palette.png")
    assert after.alpha is not None
    np.testing.assert_array_equal(after.alpha == 0, index == 3)
    Image.fromarray(GRAY).save(tmp_path / "gray.png", transparency=int(GRAY[5, 5]))
    gray = read(tmp_path / "gray.png")
    assert gray.alpha is not None and gray.pixels.ndim == 2
    np.testing.assert_array_equal(gray.alpha == 0, GRAY == GRAY[5, 5])
    deep = Image.fromarray(GRAY.astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png", transparency=int(GRAY[5, 5]) * 257)
    alpha = read(tmp_path / "deep.png").alpha
    assert alpha is not None and alpha.dtype == np.uint16
    np.testing.assert_array_equal(alpha == 0, GRAY == GRAY[5, 5])


def bad_files(folder: Path) -> dict[str, str]:
    """Write unusable files; name -> words that the error must contain."""
    (folder / "empty.jpg").write_bytes(b"")
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (200, 300, 3), np.uint8)).save(buffer, "JPEG")
    (folder / "truncated.jpg").write_bytes(buffer.getvalue()[:9000])
    (folder / "header.jpg").write_bytes(buffer.getvalue()[:40])
    deep = io.BytesIO()
    Image.fromarray(RNG.integers(0, 65536, (90, 90)).astype(np.uint16)).save(deep, "PNG")
    (folder / "truncated.png").write_bytes(deep.getvalue()[:5000])
    write(
        Photograph(RNG.integers(0, 65536, (90, 90, 3)).astype(np.uint16), None, None, None, "PNG"),
        folder / "truncated16.png",
    )
    (folder / "truncated16.png").write_bytes((folder / "truncated16.png").read_bytes()[:20000])
    (folder / "text.jpg").write_text("Dear archive, here are the photographs.\n")
    (folder / "riff.webp").write_bytes(b"RIFF\x10\0\0\0WAVEfmt \0\0\0\0")
    (folder / "bomb.png").write_bytes(png_header(20_000, 20_000))
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 90, 180)]
    for name in ("animated.gif", "animated.webp", "animated.png", "pages.tif"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    Image.fromarray(np.zeros((8, 8), np.float32)).save(folder / "float.tif")
    (folder / "folder.jpg").mkdir()
    return {
        "empty.jpg": "is empty",
        "truncated.jpg": "truncated",
        "header.jpg": "damaged",
        "truncated.png": "truncated",
        "truncated16.png": "truncated",
        "text.jpg": "is not a JPEG",
        "riff.webp": "is not a JPEG",
        "bomb.png": "20000 x 20000 pixels; the limit is 180000000",
        "animated.gif": "animated, with 3 frames",
        "animated.webp": "animated, with 3 frames",
        "animated.png": "animated, with 3 frames",
        "pages.tif": "3 pages",
        "float.tif": "floating-point",
        "folder.jpg": "folder",
        "nothing.jpg": "no such file",
    }


def test_unusable_files_are_named_with_a_reason_on_one_line(tmp_path: Path) -> None:
    for name, words in bad_files(tmp_path).items():
        with pytest.raises(PhotographError) as caught:
            read(tmp_path / name)
        text = str(caught.value)
        assert text.startswith(f"{tmp_path / name}: "), name
        assert words in text, (name, text)
        assert "\n" not in text


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    write(photograph(1, np.uint8, False), tmp_path / "a.png")
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(PhotographError, match="no permission"):
        read(tmp_path / "a.png")
    with pytest.raises(PhotographError, match="cannot be written: no permission"):
        write(photograph(1, np.uint8, False), tmp_path / "b.png")


def test_a_limit_of_ones_own(tmp_path: Path) -> None:
    write(photograph(1, np.uint8, False), tmp_path / "a.png")
    with PhotographFile(tmp_path / "a.png") as file:
        assert (file.width, file.height) == (WIDTH, HEIGHT)
    assert read(tmp_path / "a.png", max_pixels=WIDTH * HEIGHT).pixels.shape == (HEIGHT, WIDTH)
    with pytest.raises(PhotographError, match=f"{WIDTH} x {HEIGHT} pixels; the limit is 100 pixels"):
        read(tmp_path / "a.png", max_pixels=100)


@pytest.mark.parametrize("compression", ["raw", "packbits"])
def test_a_tiff_above_the_limit_of_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.tif", compression=compression)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, COLOR)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_damaged_exif_does_not_cost_the_photograph(tmp_path: Path, suffix: str) -> None:
    # Warnings are errors in tests, so that none is given, in whatever thread.
    path = tmp_path / f"a{suffix}"
    Image.fromarray(COLOR).save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xee" * 60)
    with ThreadPoolExecutor(2) as pool:
        for after in pool.map(read, [path] * 4):
            assert after.pixels.shape == COLOR.shape
    warnings.simplefilter("error")  # as others do between two photographs
    assert read(path).pixels.shape == COLOR.shape
    assert read_rgb(path).size == COLOR.shape[1::-1]


def test_a_tiff_does_not_carry_its_storage_into_exif(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[315] = "Lange"
    Image.fromarray(COLOR).save(tmp_path / "a.tif", tiffinfo=tags)
    exif = Image.Exif()
    exif.load(read(tmp_path / "a.tif").exif or b"")
    assert dict(exif) == {315: "Lange"}


def test_first_picture_of_a_multi_picture_jpeg(tmp_path: Path) -> None:
    first, second = Image.fromarray(COLOR), Image.new("RGB", (8, 8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    after = read(tmp_path / "a.jpg")
    assert (after.format, after.pixels.shape) == ("JPEG", COLOR.shape)


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"HEIF"}))  # which Pillow does not write
def test_bytes_are_read_as_their_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a{FORMATS[name].suffixes[0]}"
    Image.fromarray(COLOR).save(path)
    of_file, of_bytes = read(path), read(path.read_bytes())
    np.testing.assert_array_equal(of_file.pixels, of_bytes.pixels)
    assert of_file.format == of_bytes.format
    for source, prefix in ((path.read_bytes()[:30], ""), (b"", ""), (tmp_path / "gone", f"{tmp_path / 'gone'}: ")):
        with pytest.raises(PhotographError) as caught:
            read(source)
        assert str(caught.value).startswith(prefix) and str(tmp_path) not in str(caught.value).removeprefix(prefix)


def test_white_is_zero_with_16_bits(tmp_path: Path) -> None:
    deep = GRAY.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.tif")
    data = (tmp_path / "a.tif").read_bytes()
    entry = struct.pack("<HHIHH", 262, 3, 1, 1, 0)
    assert data.count(entry) == 1
    np.testing.assert_array_equal(read(data).pixels, deep)
    np.testing.assert_array_equal(read(data.replace(entry, entry[:8] + bytes(4))).pixels, 65535 - deep)


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it cannot parse
def test_exif_that_cannot_be_parsed_never_costs_the_photograph() -> None:
    blocks = list(mutated([exif_block()], 150, seed=1))
    for block, format in zip(blocks, itertools.cycle(("JPEG", "PNG", "WEBP"))):
        buffer = io.BytesIO()
        Image.fromarray(COLOR).save(buffer, format, exif=b"Exif\0\0" + block.removeprefix(b"Exif\0\0"))
        pixels = read(buffer.getvalue()).pixels
        assert pixels.shape in ((HEIGHT, WIDTH, 3), (WIDTH, HEIGHT, 3)), (format, block)


@pytest.mark.filterwarnings("ignore")  # as above
def test_exif_of_a_tiff_that_leads_nowhere() -> None:
    data = encoders.tiff(COLOR, encoders.Metadata(exif_block()), 95)
    entry = struct.pack("<HHI", 0x8769, 4, 1)
    assert data.count(entry) == 1
    place = data.index(entry) + len(entry)
    for offset in (0, 3, len(data) - 1, len(data) + 5, 2**32 - 1):
        damaged = data[:place] + struct.pack("<I", offset) + data[place + 4 :]
        np.testing.assert_array_equal(read(damaged).pixels, COLOR)


@pytest.mark.filterwarnings("ignore")  # as above
def test_damaged_files_are_read_or_refused() -> None:
    """Whatever a disk or an attacker makes of a file: a photograph, or a PhotographError of one line."""
    originals = []
    palette = Image.fromarray(COLOR).quantize(16)
    for name, picture, options in (
        ("JPEG", Image.fromarray(COLOR), {"exif": exif_block(6), "icc_profile": swapped_profile()}),
        ("JPEG", Image.fromarray(COLOR).convert("CMYK"), {}),
        ("PNG", Image.fromarray(COLOR), {"exif": exif_block(6), "icc_profile": swapped_profile()}),
        ("PNG", palette, {"transparency": 3}),
        ("TIFF", Image.fromarray(COLOR), {"exif": exif_block(6), "icc_profile": swapped_profile()}),
        ("TIFF", Image.fromarray(GRAY.astype(np.uint16) * 257), {"compression": "tiff_lzw"}),
        ("WEBP", Image.fromarray(COLOR), {"exif": exif_block(6), "icc_profile": swapped_profile()}),
        ("BMP", palette, {}),
        ("GIF", palette, {}),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, name, **options)
        originals.append(buffer.getvalue())
    count = {True: 0, False: 0}
    for data in mutated(originals, 900):
        try:
            found = read(data, max_pixels=10**6)
        except PhotographError as error:
            assert "\n" not in str(error)
            count[False] += 1
            continue
        assert found.pixels.dtype in (np.uint8, np.uint16) and found.pixels.ndim in (2, 3)
        np.testing.assert_array_equal(np.asarray(read_rgb(data)), np.asarray(found.to_rgb()))
        count[True] += 1
    assert min(count.values()) > 100


def test_gray_of_is_cie_lightness() -> None:
    from skimage.color import lab2rgb, rgb2lab

    colors = RNG.integers(0, 256, (40, 50, 3), np.uint8)
    lab = rgb2lab(colors)
    lab[..., 1:] = 0
    expected = np.rint(255 * lab2rgb(lab))
    gray = gray_of(colors)
    assert gray.dtype == np.uint8 and np.ptp(gray, axis=2).max() == 0
    assert np.abs(gray - expected).max() <= 1 and (gray != expected).mean() < 0.01


def test_other_suffixes_and_formats(tmp_path: Path) -> None:
    picture = Image.fromarray(GRAY).convert("RGB")
    for name, written, format in (
        ("a.jfif", "JPEG", "JPEG"),
        ("a.pjpeg", "JPEG", "JPEG"),
        ("a.dib", "DIB", "BMP"),
        ("b.dib", "BMP", "BMP"),
        ("a.jp2", "JPEG2000", "PNG"),
        ("a.avif", "AVIF", "PNG"),
    ):
        picture.save(tmp_path / name, written)
        assert Path(name).suffix in SUFFIXES
        after = read(tmp_path / name)
        assert after.format == format, name
        assert np.abs(after.pixels.reshape(HEIGHT, WIDTH, -1).astype(int) - GRAY[..., None]).max() < 12, name
    deep = GRAY.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "b.jp2")
    np.testing.assert_array_equal(read(tmp_path / "b.jp2").pixels, deep)
