"""Pictures with a color profile become sRGB, whatever the profile is called."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from media.photograph import Photograph
from media.reader import read, read_rgb
from media.writer import write
from tests.media.pictures import COLOR, profile_of, swapped_profile
from tests.mutations import mutated


def curve(*values: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)


def formula(kind: int, *values: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(f">HH{len(values)}i", kind, 0, *(round(65536 * value) for value in values))


def gray_profile(gamma: float) -> bytes:
    return profile_of(b"GRAY", {b"kTRC": curve(round(gamma * 256))})


# Adobe RGB (1998)
COLUMNS = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}
CURVES = {
    "gamma": curve(563),
    "straight": curve(),
    "table": curve(*(round(65535 * (place / 99) ** 1.8) for place in range(100))),
    "formula 0": formula(0, 1.8),
    "formula 1": formula(1, 2.4, 0.9, 0.1),
    "formula 2": formula(2, 2.4, 0.8789, 0.1, 0.05),
    "formula 3": formula(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    "formula 4": formula(4, 2.4, 0.89582, 0.1, 0.1848, 0.1, 0.01, 0.01),
}


def color_profile(trc: bytes) -> bytes:
    columns = {name: b"XYZ " + bytes(4) + struct.pack(">iii", *(round(65536 * value) for value in column))
               for name, column in COLUMNS.items()}  # fmt: skip
    return profile_of(b"RGB ", {**columns, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), trc)})


def deep_tiff(pixels: np.ndarray, profile: bytes) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, photometric="rgb", iccprofile=profile)
    return buffer.getvalue()


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


def linear_profile() -> bytes:
    """sRGB with straight curves, and still "sRGB" in its name, as editors have one."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    curves = data.count(b"para\0\0\0\0")
    assert curves >= 1
    straight = b"curv" + bytes(8)
    parts = data.split(b"para\0\0\0\0")
    return parts[0] + b"".join(straight + part[4:] for part in parts[1:])


def test_a_profile_counts_by_its_curves_and_not_by_its_name() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (55, 55, 55)).save(buffer, "PNG", icc_profile=linear_profile())
    assert np.abs(read(buffer.getvalue()).pixels.astype(int) - 128).max() <= 1
    assert np.abs(np.asarray(read_rgb(buffer.getvalue())).astype(int) - 128).max() <= 1
    renamed = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    renamed = renamed.replace("sRGB".encode("utf-16-be"), "Scan".encode("utf-16-be"))
    buffer = io.BytesIO()
    Image.fromarray(COLOR).save(buffer, "PNG", icc_profile=renamed)
    np.testing.assert_array_equal(read(buffer.getvalue()).pixels, COLOR)


@pytest.mark.parametrize("name", CURVES)
def test_deep_color_with_curves_and_a_matrix_keeps_its_bits(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint16)
    pixels[0] = np.linspace(0, 255, 50)[:, None]
    profile = color_profile(CURVES[name])
    found = read(deep_tiff(pixels * 257, profile))
    assert (found.pixels.dtype, found.profiled, found.warnings) == (np.uint16, True, ())
    by_lcms = read(deep_tiff(pixels.astype(np.uint8), profile)).pixels
    # Where black is not 0, lcms looks colors up in a coarse grid, which is right for the grays of the first row only.
    rows = slice(1) if name in ("formula 1", "formula 2", "formula 4") else slice(None)
    assert np.abs(found.pixels / 257 - by_lcms)[rows].max() <= 1.2
    ramp = np.repeat(np.arange(30_000, 34_000, dtype=np.uint16)[None, :, None], 3, axis=2)
    assert len(np.unique(read(deep_tiff(ramp, profile)).pixels[..., 1])) > 1_000


def test_deep_color_and_its_alpha_in_a_png(tmp_path: Path) -> None:
    deep = np.full((16, 16, 3), (65535, 0, 0), np.uint16)
    opaque = np.full((16, 16), 65535, np.uint16)
    write(Photograph(deep, opaque, None, None, "PNG"), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    body = b"swap\0\0" + zlib.compress(swapped_profile())
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    after = read(tmp_path / "a.png")
    assert after.pixels.dtype == np.uint16
    assert np.abs(after.pixels.astype(int) - (0, 65535, 0)).max() <= 3 * 257
    assert after.alpha is not None and after.alpha.dtype == np.uint16 and after.alpha.min() == 65535


def test_deep_color_with_a_profile_of_tables_comes_out_with_8_bits() -> None:
    ramps = bytes(range(256)) * 3
    # Lab of the corners of the cube, coarsely: black, blue, green, cyan, red, magenta, yellow, white.
    corners = bytes((0, 128, 128, 76, 196, 16, 224, 42, 209, 232, 80, 114, 138, 208, 195, 154, 226, 68, 248, 106, 221))
    table = b"mft1" + bytes(4) + b"\3\3\2\0" + struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel())
    table += ramps + corners + b"\xff\x80\x80" + ramps
    found = read(deep_tiff(np.full((16, 16, 3), 65535, np.uint16), profile_of(b"RGB ", {b"A2B0": table}, b"Lab ")))
    assert found.pixels.dtype == np.uint8 and found.pixels.min() >= 250 and found.profiled
    assert found.warnings == ("its 16 bits become 8, since its ICC profile consists of tables",)


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it cannot parse
def test_damaged_profiles_of_deep_color_never_cost_the_photograph() -> None:
    pixels = np.full((4, 5, 3), 30_000, np.uint16)
    for profile in mutated([color_profile(CURVES["table"]), color_profile(CURVES["formula 4"])], 60):
        assert read(deep_tiff(pixels, profile)).pixels.shape == pixels.shape


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_heeded_whatever_the_mode(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (255, 0, 0)).convert(mode).save(buffer, "PNG", icc_profile=swapped_profile())
    picture = read_rgb(buffer.getvalue())
    assert picture.mode == "RGB"
    assert np.abs(np.asarray(picture).astype(int) - (0, 255, 0)).max() <= 3
