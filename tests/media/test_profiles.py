"""Pictures with a color profile become sRGB, whatever the profile is called."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from media.photograph import Photograph
from media.reader import read, read_rgb
from media.writer import write
from tests.media.pictures import COLOR, swapped_profile


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


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_heeded_whatever_the_mode(mode: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (255, 0, 0)).convert(mode).save(buffer, "PNG", icc_profile=swapped_profile())
    picture = read_rgb(buffer.getvalue())
    assert picture.mode == "RGB"
    assert np.abs(np.asarray(picture).astype(int) - (0, 255, 0)).max() <= 3
