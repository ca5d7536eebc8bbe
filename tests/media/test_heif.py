"""HEIC, where pillow-heif is there, and one line where it is not."""

import io
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.reader import read
from tests.media.pictures import exif_block, swapped_profile
from zoo.errors import PhotographError

# What pillow-heif begins a file with.
HEAD = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"
RAMP = np.add.outer(np.arange(24), np.arange(40))
SMOOTH = np.dstack([3 * RAMP, 255 - 3 * RAMP, 60 + RAMP]).astype(np.uint8)


def heic(pixels: np.ndarray = SMOOTH, mode: str = "RGB", **options: Any) -> bytes:
    heif = pytest.importorskip("pillow_heif")
    target = io.BytesIO()
    size = pixels.shape[1], pixels.shape[0]
    heif.encode(mode, size, pixels.tobytes(), target, quality=95, **options)
    return target.getvalue()


def test_a_heic_is_read_with_what_belongs_to_it() -> None:
    found = read(heic(exif=exif_block(6), xmp=b"<x/>"))
    assert found.format == "PNG" and found.pixels.shape == (40, 24, 3)
    assert np.abs(found.pixels.astype(int) - np.rot90(SMOOTH, -1)).mean() < 6
    assert found.xmp == (b"<x/>",) and found.warnings == ()
    exif = Image.Exif()
    exif.load(found.exif or b"")
    assert (exif[271], exif[274]) == ("Graflex", 1)


def test_the_colors_of_a_heic() -> None:
    red = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    found = read(heic(red, icc_profile=swapped_profile(), icc_profile_type="prof"))
    assert np.abs(found.pixels.astype(int) - (0, 255, 0)).max() <= 12 and found.profiled
    assert read(heic((SMOOTH.astype("<u2") * 257), mode="RGB;16")).warnings == ("its 10 bits become 8",)
    for curve, words in ((16, "PQ"), (18, "HLG")):
        with pytest.raises(PhotographError, match=f"high dynamic range .{words}."):
            read(heic(color_primaries=9, transfer_characteristics=curve))


def test_a_damaged_heic_is_refused_in_one_line() -> None:
    data = heic()
    for damaged in (data[:100], data[:-200], data[:40] + bytes(60) + data[100:]):
        with pytest.raises(PhotographError) as refusal:
            read(damaged)
        assert "\n" not in str(refusal.value)


def test_without_the_package_the_command_for_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        PhotographError, match=r"^is HEIC, which needs a package of its own: pip install 'colorzoo\[heif\]'$"
    ):
        read(HEAD)
