"""What is written can be read again, with all that the format holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from media.formats import FORMATS, RESULTS, SUFFIXES, TRAINING_SUFFIXES
from media.photograph import Photograph
from media.reader import read
from media.writer import write
from tests.media.pictures import exif_block, photograph
from zoo.errors import PhotographError


def test_the_table_of_formats() -> None:
    assert RESULTS == {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp"}
    assert {suffix: row.name for suffix, row in SUFFIXES.items()} == {
        ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".pjpeg": "JPEG", ".png": "PNG",
        ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".bmp": "BMP", ".dib": "BMP", ".jp2": "JPEG2000",
        ".j2k": "JPEG2000", ".jpx": "JPEG2000", ".jpf": "JPEG2000", ".avif": "AVIF", ".heic": "HEIF",
        ".heif": "HEIF", ".hif": "HEIF", ".gif": "GIF",
    }  # fmt: skip
    rare = {".gif", ".jp2", ".j2k", ".jpx", ".jpf", ".avif", ".heic", ".heif", ".hif"}
    assert SUFFIXES.keys() - TRAINING_SUFFIXES == rare


@pytest.mark.parametrize("name", [name for name, row in FORMATS.items() if row.encode])
def test_each_format_holds_what_its_row_says(tmp_path: Path, name: str) -> None:
    row = FORMATS[name]
    path = tmp_path / f"a{row.suffixes[0]}"
    write(photograph(3, np.uint16, alpha=True), path)
    after = read(path)
    assert after.format == name
    assert (after.pixels.dtype == np.uint16) == row.deep
    assert (after.alpha is not None) == row.alpha
    assert (after.exif is not None) == row.exif


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
