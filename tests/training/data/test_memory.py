"""Photographs in memory: the pixels of folders and archives, and the windows that are cut out of them."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from PIL import Image

from tests.photographs import color_field, write_fields
from training.data.datasets import prepare
from training.data.memory import Strips, load
from training.data.resize import Window
from training.data.windows import cut_windows
from zoo.errors import ArgumentError, DataError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_fields(tmp_path_factory.mktemp("memory") / "photos", 5)
    color_field(9, 60, 44).save(folder / "upright.png")
    Image.new("RGB", (40, 40), (90, 90, 90)).save(folder / "gray.png")
    (folder / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.mark.parametrize(("mode", "enlarge"), [("pad", True), ("pad", False), ("center_crop", True), ("stretch", True)])
def test_frames_are_those_of_the_other_loop(folder: Path, tmp_path: Path, mode: str, enlarge: bool) -> None:
    expected = prepare([folder], 32, tmp_path, mode, enlarge=enlarge)
    found = load([folder], 32, mode, enlarge=enlarge)
    order = [found.names.index(name) for name in expected.names]
    np.testing.assert_array_equal(found.frames[order], expected.frames)
    np.testing.assert_array_equal(found.sizes[order], expected.sizes)
    assert found.pixels is found.frames and not found.upright.any()
    assert [found.hashes[i] for i in order] == expected.hashes
    assert [found.class_names[i] for i in order] == expected.class_names
    assert found.classes == ["coast", "forest"]
    assert sorted(found.labels(["forest"])) == [-1, -1, -1, -1, 0, 0]
    assert sorted(found.left_out) == sorted(expected.left_out)
    assert len(found.left_out) == 2


def test_windows_are_cut_from_strips_of_the_greatest_side(folder: Path) -> None:
    found = load([folder], 24, "random_crop", (24, 40))
    assert found.pixels.shape == (6, 40, 60, 3)
    upright = found.names.index(str(folder / "upright.png"))
    assert found.upright.tolist() == [i == upright for i in range(6)]
    assert found.extents.tolist() == [[40, 55] if i == upright else [40, 48] for i in range(6)]
    scaled = np.asarray(color_field(9, 60, 44).transpose(Image.Transpose.TRANSPOSE).resize((55, 40), 1))
    np.testing.assert_array_equal(found.pixels[upright, :, :55], scaled)
    assert (found.pixels[upright, :, 55:] == found.pixels[upright, :, 54:55]).all()
    assert found.frames.shape == (6, 64, 64, 3) and (found.sizes == 64).all()


def test_held_out_windows_are_the_middle_ones(folder: Path) -> None:
    found = load([folder], 24, "random_crop", (30, 40), held_out=True)
    for name, pixels in zip(found.names, found.pixels, strict=True):
        with Image.open(name) as picture:
            np.testing.assert_array_equal(pixels, Window(24, (30, 40)).cut(picture.convert("RGB"), None))
    assert not found.upright.any() and (found.extents == 24).all()


def test_archives_and_folders_together(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(folder, "photos")
    write_fields(tmp_path / "more", 2, seed=3)
    found = load([tmp_path / "photos.tar", tmp_path / "more"], 32, "pad")
    assert len(found) == 8
    # The folders of an archive as `Source.classes` has them, since one of its pictures is in none of the two.
    assert found.classes == ["coast", "forest", "photos", "photos/coast", "photos/forest"]
    alone = load([folder], 32, "pad")
    assert sorted(found.hashes[:6]) == sorted(alone.hashes)
    pixels = dict(zip(alone.hashes, alone.pixels, strict=True))
    for digest, found_pixels in zip(found.hashes[:6], found.pixels, strict=False):
        np.testing.assert_array_equal(found_pixels, pixels[digest])


def test_long_pictures_lose_both_ends() -> None:
    picture = Image.fromarray(np.repeat(np.arange(0, 240, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2))
    pixels, width, upright = Strips(40).strip(picture)
    assert (width, upright) == (60, False)
    assert pixels[0, 0, 0] == 90 and pixels[0, -1, 0] == 149


def test_what_cannot_be_kept(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ArgumentError, match=r"shortest is \(0, 0\): .*--set shortest='\(32, 40\)'"):
        load([folder], 32, "random_crop")
    Image.new("RGB", (40, 40), (90, 90, 90)).save(tmp_path / "gray.png")
    with pytest.raises(DataError, match=r"none of 1 files can be trained on: the first, .*gray.png: gray"):
        load([tmp_path], 32, "pad")
    assert len(load([tmp_path], 32, "pad", drop_gray=False)) == 1


# === Windows ===


def cut(
    pixels: np.ndarray, width: int, upright: bool, draws: list[float], size: int, shortest: tuple[int, int]
) -> np.ndarray:
    found = cut_windows(
        pixels[None].astype(np.float32) / 255,
        np.array([[len(pixels), width]], np.int32),
        np.array([upright]),
        np.array([draws], np.float32),
        size=size,
        shortest=shortest,
    )  # fmt: skip
    return np.asarray(ops.convert_to_numpy(found)[0]) * 255


def test_windows_of_the_strips_own_scale_are_parts_of_it() -> None:
    picture = color_field(1, 40, 55)
    pixels, width, _ = Strips(40).strip(picture)
    # Of 16 rows and 31 columns that are spare, a quarter and the whole.
    found = cut(pixels, width, False, [0.0, 0.25, 1.0], 24, (40, 40))
    np.testing.assert_allclose(found, np.asarray(picture)[4:28, 31:55], atol=1e-3)
    pixels, width, _ = Strips(40).strip(picture.transpose(Image.Transpose.TRANSPOSE))
    found = cut(pixels, width, True, [0.0, 0.25, 1.0], 24, (40, 40))
    np.testing.assert_allclose(found, np.asarray(picture.transpose(Image.Transpose.TRANSPOSE))[31:55, 4:28], atol=1e-3)


def test_windows_of_scaled_pictures() -> None:
    """The triangle that averages is Pillow's bilinear filter."""
    picture = color_field(2, 48, 64)
    pixels, width, _ = Strips(48).strip(picture)
    found = cut(pixels, width, False, [0.5, 0.5, 0.5], 24, (24, 39))  # the shorter side becomes 24 + floor(0.5 * 16)
    scale = 48 / 32
    box = ((64 - 24 * scale) / 2, (48 - 24 * scale) / 2)
    wanted = picture.resize((24, 24), Image.Resampling.BILINEAR, (*box, box[0] + 24 * scale, box[1] + 24 * scale))
    np.testing.assert_allclose(found, np.asarray(wanted), atol=1.5)


def test_windows_stay_within_the_picture() -> None:
    pixels, width, _ = Strips(40).strip(color_field(3, 40, 44))
    pixels = np.array(pixels)
    pixels[:, width:] = 255  # which no window may see
    pixels[:, :width] = 10
    for draws in ([0.0, 0.0, 0.999], [0.999, 0.999, 0.999]):
        np.testing.assert_allclose(cut(pixels, width, False, draws, 24, (40, 40)), 10, atol=1e-3)
