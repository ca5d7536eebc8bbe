"""Photographs of every kind keep their pixels, bits, direction, transparency, resolution and EXIF."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin, TiffImagePlugin

from media.photograph import Photograph
from media.reader import PhotographFile, read
from media.writer import write
from zoo.errors import PhotographError

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 24, 40
GRAY = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
COLOR = np.dstack([GRAY, GRAY.T.reshape(HEIGHT, WIDTH), 255 - GRAY])


def exif_block(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[271] = "Graflex"
    exif[274] = orientation
    exif.get_ifd(0x8769).update({36867: "1936:03:06 12:00:00", 40961: 65535, 40962: 1, 40963: 1})
    return exif.tobytes()


def photograph(channels: int, dtype: type, alpha: bool, exif: bytes | None = None) -> Photograph:
    scale = 1 if dtype is np.uint8 else 257
    pixels = (GRAY if channels == 1 else COLOR).astype(dtype) * dtype(scale)
    if dtype is np.uint16:
        pixels = pixels - (pixels > 300) * np.uint16(3)  # values that 8 bits cannot hold
    opacity = (255 - GRAY).astype(dtype) * dtype(scale) if alpha else None
    return Photograph(pixels, opacity, exif or exif_block(), (300.0, 150.0), "PNG")


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_lossless_round_trip(tmp_path: Path, suffix: str, channels: int, dtype: type, alpha: bool) -> None:
    before = photograph(channels, dtype, alpha)
    write(before, tmp_path / f"a{suffix}")
    after = read(tmp_path / f"a{suffix}")
    assert after.pixels.dtype == dtype
    pixels = after.pixels
    if channels == 1 and pixels.ndim == 3:
        assert dtype is np.uint16 and alpha
        assert np.ptp(pixels, axis=2).max() == 0
        pixels = pixels[..., 0]
    np.testing.assert_array_equal(pixels, before.pixels)
    if alpha:
        np.testing.assert_array_equal(after.alpha, before.alpha)
    else:
        assert after.alpha is None
    assert after.dpi == pytest.approx((300, 150), abs=0.1)
    assert after.exif is not None
    carried = Image.Exif()
    carried.load(after.exif)
    assert carried[271] == "Graflex"
    assert carried.get_ifd(0x8769)[36867] == "1936:03:06 12:00:00"
    assert list(tmp_path.iterdir()) == [tmp_path / f"a{suffix}"]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_color_without_exif(tmp_path: Path, suffix: str) -> None:
    before = replace(photograph(3, np.uint16, False), exif=None, dpi=None)
    write(before, tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read(tmp_path / f"a{suffix}").pixels, before.pixels)


@pytest.mark.parametrize(("suffix", "tolerance"), [(".jpg", 14), (".webp", 20), (".bmp", 0)])
def test_8_bit_formats_round_trip(tmp_path: Path, suffix: str, tolerance: int) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    smooth = np.dstack([np.tile(ramp, (64, 1)), np.tile(ramp[:, None], (1, 64)), np.full((64, 64), 90, np.uint8)])
    before = Photograph(smooth.astype(np.uint16) * 257, None, exif_block(), (300.0, 300.0), "PNG")
    write(before, tmp_path / f"a{suffix}")
    after = read(tmp_path / f"a{suffix}")
    assert after.pixels.dtype == np.uint8
    assert np.abs(after.pixels.astype(int) - smooth).max() <= tolerance
    assert after.dpi == pytest.approx((300, 300), abs=0.1)
    assert (after.exif is None) == (suffix == ".bmp")


def test_jpeg_keeps_full_chroma(tmp_path: Path) -> None:
    write(photograph(3, np.uint8, False), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
        assert image.quantization[0][0] <= 2


def test_transparency_is_flattened_on_white_where_there_is_none(tmp_path: Path) -> None:
    clear = Photograph(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8), None, None, "PNG")
    write(clear, tmp_path / "a.jpg")
    assert read(tmp_path / "a.jpg").pixels.min() >= 253
    write(clear, tmp_path / "a.webp")
    kept = read(tmp_path / "a.webp")
    assert kept.alpha is not None and kept.alpha.max() == 0


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


def swapped_profile() -> bytes:
    """sRGB with its red and green primaries exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = bytearray(bytes(data).replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ"))
    return bytes(data).replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be")).replace(b"sRGB b", b"Swap b")


def gray_profile(gamma: float) -> bytes:
    """A version 2 gray profile with one power curve."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + struct.pack(">iii", 63190, 65536, 54061)
    name = b"Gray gamma\0"
    text = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(79)
    text += bytes(-len(text) % 4)
    offset = 128 + 4 + 3 * 12
    table, body = struct.pack(">I", 3), b""
    for tag, data in ((b"kTRC", curve), (b"wtpt", white), (b"desc", text)):
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += data
    total = offset + len(body)
    head = struct.pack(">I4sI4s4s4s", total, b"lcms", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_an_embedded_profile_becomes_srgb(tmp_path: Path, suffix: str) -> None:
    red = Image.new("RGB", (16, 16), (255, 0, 0))
    red.save(tmp_path / f"a{suffix}", icc_profile=swapped_profile())
    after = read(tmp_path / f"a{suffix}")
    assert np.abs(after.pixels.astype(int) - (0, 255, 0)).max() <= 3
    write(after, tmp_path / f"b{suffix}")
    again = read(tmp_path / f"b{suffix}")
    assert np.abs(again.pixels.astype(int) - (0, 255, 0)).max() <= 4


def test_a_gray_profile_is_a_curve_for_8_and_16_bits(tmp_path: Path) -> None:
    profile = gray_profile(1.0)
    Image.new("L", (16, 16), 128).save(tmp_path / "a.png", icc_profile=profile)
    Image.fromarray(np.full((16, 16), 128 * 257, np.uint16)).save(tmp_path / "b.png", icc_profile=profile)
    eight, deep = read(tmp_path / "a.png").pixels, read(tmp_path / "b.png").pixels
    assert abs(int(eight[0, 0]) - 188) <= 1
    assert deep.dtype == np.uint16
    assert abs(int(deep[0, 0]) - 188 * 257) <= 257


def test_a_profile_that_does_not_fit_is_ignored(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (10, 200, 30)).save(tmp_path / "a.png", icc_profile=gray_profile(1.0))
    Image.new("RGB", (16, 16), (10, 200, 30)).save(tmp_path / "b.png", icc_profile=b"not a profile" * 20)
    for name in ("a.png", "b.png"):
        assert (read(tmp_path / name).pixels == (10, 200, 30)).all()


def test_deep_color_with_a_profile_comes_out_with_8_bits(tmp_path: Path) -> None:
    deep = np.full((16, 16, 3), (65535, 0, 0), np.uint16)
    opaque = np.full((16, 16), 65535, np.uint16)
    write(Photograph(deep, opaque, None, None, "PNG"), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    body = b"swap\0\0" + zlib.compress(swapped_profile())
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    after = read(tmp_path / "a.png")
    assert after.pixels.dtype == np.uint8
    assert np.abs(after.pixels.astype(int) - (0, 255, 0)).max() <= 3
    assert after.alpha is not None and after.alpha.dtype == np.uint8 and after.alpha.min() == 255


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


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_cost_the_photograph(tmp_path: Path) -> None:
    Image.fromarray(COLOR).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xee" * 60)
    assert read(tmp_path / "a.jpg").pixels.shape == COLOR.shape


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


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise failure

    (tmp_path / "a.png").write_bytes(b"before")
    monkeypatch.setattr("os.replace", fail)
    expected = PhotographError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        write(photograph(3, np.uint8, False), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"before"


def test_what_a_format_cannot_hold(tmp_path: Path) -> None:
    wide = Photograph(np.zeros((1, 16_384), np.uint8), None, None, None, "PNG")
    with pytest.raises(PhotographError, match="16383 a side"):
        write(wide, tmp_path / "a.webp")
    with pytest.raises(PhotographError, match="HEIC cannot be written"):
        write(wide, tmp_path / "a.heic", format="heic")
    assert list(tmp_path.iterdir()) == []
