"""From folders to frames: which files are used, and how they are fitted and kept."""

import dataclasses
import os
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests.mutations import mutated
from tests.photographs import color_field, write_fields
from tests.training.data.epochs import SIZE, epoch
from training.data import cache, shards
from training.data.apart import check_apart
from training.data.datasets import prepare
from training.data.resize import Resize, pad
from zoo.errors import ArgumentError, DataError

# === Which files are used ===


def test_class_folders_and_kinds_of_files(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 3)
    for suffix in (".TIF", ".webp", ".bmp", ".jpeg"):
        color_field(len(suffix), 20, 30).save(folder / f"deep{suffix}")
    (folder / "notes.txt").write_text("not a photograph")
    found = prepare([folder], SIZE, tmp_path / "cache")
    expected = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".txt")
    assert found.names == [str(p) for p in expected]
    assert len(found) == 7
    assert found.left_out == []


def test_hidden_folders_and_other_formats_are_not_trained_on(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 2)
    (folder / ".thumbnails").mkdir()
    color_field(1, 20, 30).save(folder / ".thumbnails" / "a.jpg")
    color_field(2, 20, 30).save(folder / "b.jpg", "EPS")
    found = prepare([folder], SIZE, tmp_path / "cache")
    assert len(found) == 2
    assert found.left_out == [
        (str(folder / "b.jpg"), "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF")
    ]


@pytest.mark.filterwarnings("ignore")  # of Pillow, about EXIF that it cannot parse
def test_damaged_exif_neither_costs_a_photograph_nor_ends_a_run(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 1)
    exif = Image.Exif()
    exif[274], exif[282] = 1, 300.0
    block = exif.tobytes()
    for i, damaged in enumerate(mutated([block], 40)):
        color_field(i, 20, 30).save(folder / f"{i}.jpg", exif=b"Exif\0\0" + damaged.removeprefix(b"Exif\0\0"))
    found = prepare([folder], SIZE, tmp_path / "cache", drop_gray=False)
    assert (len(found), found.left_out) == (41, [])


def test_left_out(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 2)
    light = np.asarray(color_field(9, 40, 40).convert("L"), np.float32)
    Image.fromarray(light.astype(np.uint8)).save(folder / "gray1.png")
    Image.fromarray(np.dstack([light, light + 1, light - 1]).clip(0, 255).astype(np.uint8)).save(folder / "gray3.png")
    sepia = light[..., None] * np.array([1.0, 0.85, 0.6])
    Image.fromarray(sepia.astype(np.uint8)).save(folder / "sepia.jpg", quality=95)
    (folder / "broken.jpg").write_bytes((folder / "coast" / "000.jpg").read_bytes()[:300])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("this is not a picture")
    found = prepare([folder], SIZE, tmp_path / "cache")
    assert [Path(name).name for name in found.names] == ["000.jpg", "001.png"]
    reasons = {Path(name).name: reason for name, reason in found.left_out}
    assert reasons.pop("broken.jpg").startswith("cannot be read: ")
    assert reasons == {
        "gray1.png": "gray", "gray3.png": "gray", "sepia.jpg": "toned",
        "empty.png": "cannot be read: is empty",
        "text.png": "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "webp", "bmp"])
def test_garbage_never_ends_the_preparation(kind: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / f"a.{kind}"
    color_field(5, 24, 24).save(path, exif=Image.Exif() if kind == "bmp" else exif(6))
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for i in range(150):
        bad = bytearray(good[: rng.integers(1, len(good))] if i % 3 == 0 else good)
        for place in rng.integers(0, min(len(bad), 200 if i % 2 else 10**6), 6):
            bad[place] = rng.integers(0, 256)
        path.write_bytes(bad)
        frame, shape, _, reason = cache._decode(path, Resize(SIZE, "pad"))
        assert frame.shape == (SIZE, SIZE, 3)
        assert bool(reason) == (shape == (0, 0))
        outcomes.add(bool(reason))
    assert True in outcomes


def test_files_that_used_to_end_a_run(tmp_path: Path) -> None:
    """EXIF that cannot be parsed does not cost the photograph; what cannot be decoded is left out and listed."""
    folder = write_fields(tmp_path / "photos", 2)
    for name, data in (
        ("cut-exif.jpg", b"Exif\0\0II*\0\x08\0\0\0\x05\0"),
        ("no-exif.jpg", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02ab\0\0\0\0\0\0"),
    ):
        color_field(7, 24, 24).save(folder / name, exif=data)
    (folder / "header.tif").write_bytes(b"II*\0\x08\0\0\0\xff\xff" + bytes(40))
    found = prepare([folder], SIZE, tmp_path / "cache")
    assert {Path(name).name for name in found.names} == {"000.jpg", "001.png", "cut-exif.jpg", "no-exif.jpg"}
    assert [Path(name).name for name, _ in found.left_out] == ["header.tif"]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing is not a folder"):
        prepare([tmp_path / "missing"], SIZE, tmp_path / "cache")


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds nothing: photographs .*jpg.* are needed"):
        prepare([tmp_path / "empty"], SIZE, tmp_path / "cache")


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "texts" / "class").mkdir(parents=True)
    (tmp_path / "texts" / "class" / "a.txt").touch()
    with pytest.raises(DataError, match="texts holds no image file"):
        prepare([tmp_path / "texts"], SIZE, tmp_path / "cache")


def test_one_bad_folder_among_good_ones(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds nothing"):
        prepare([write_fields(tmp_path / "good", 2), tmp_path / "empty"], SIZE, tmp_path / "cache")


def test_only_gray_photographs(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    color_field(1, 20, 20).convert("L").save(tmp_path / "photos" / "a.png")
    with pytest.raises(DataError, match="none of 1 files is a color photograph.*a.png: gray"):
        prepare([tmp_path / "photos"], SIZE, tmp_path / "cache")


def test_validation_apart_from_training(tmp_path: Path) -> None:
    train, val = write_fields(tmp_path / "train", 3), write_fields(tmp_path / "val", 3, seed=1)
    first = prepare([train], SIZE, tmp_path / "cache1")
    check_apart(first, prepare([val], SIZE, tmp_path / "cache2"))
    shutil.copy(train / "coast" / "000.jpg", val / "forest" / "another-name.jpg")
    with pytest.raises(DataError, match="1 of 4 validation pictures are also trained on, .*another-name.jpg"):
        check_apart(first, prepare([val], SIZE, tmp_path / "cache2"))


# === How they are fitted ===


@pytest.mark.parametrize(("width", "height"), [(80, 40), (40, 80), (64, 64), (10, 20), (33, 32), (300, 2)])
def test_fit(width: int, height: int) -> None:
    picture = color_field(3, height, width)
    frame, (h, w) = pad(picture, SIZE)
    assert frame.shape == (SIZE, SIZE, 3)
    assert frame.dtype == np.uint8
    assert max(h, w) == SIZE
    assert abs(h / w - height / width) < 1 / SIZE + 1e-9 or min(h, w) == 1
    expected = np.asarray(picture.resize((w, h), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(frame[:h, :w], expected)
    np.testing.assert_array_equal(frame[h:, :w], np.broadcast_to(expected[-1:], (SIZE - h, w, 3)))
    np.testing.assert_array_equal(frame[:, w:], np.broadcast_to(frame[:, w - 1 : w], (SIZE, SIZE - w, 3)))


def test_stretch(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = color_field(3, 40, 80)
    picture.save(folder / "a.png")
    found = prepare([folder], SIZE, tmp_path / "cache", "stretch")
    np.testing.assert_array_equal(found.frames[0], picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
    assert found.sizes.tolist() == [[SIZE, SIZE]]


def test_smaller_pictures_are_not_enlarged(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    picture = color_field(3, 16, 24)
    picture.save(folder / "a.png")
    color_field(4, 64, 64).save(folder / "b.png")
    shards.write([str(folder)], tmp_path / "shards")
    for source in (folder, tmp_path / "shards"):
        found = prepare([source], SIZE, tmp_path / "cache", enlarge=False)
        frames, sizes = found.read(np.arange(2), None)
        assert sizes.tolist() == [[16, 24], [SIZE, SIZE]]
        np.testing.assert_array_equal(frames[0, :16, :24], picture)
        mask = epoch(found)[0][1]["mask"]
        assert mask.sum((1, 2)).tolist() == [16 * 24, SIZE * SIZE]
        large = prepare([source], SIZE, tmp_path / "cache")
        np.testing.assert_array_equal(frames[1], large.read(np.array([1]), None)[0][0])


@pytest.mark.parametrize("resize_mode", ["center_crop", "stretch", "random_crop"])
def test_only_pictures_that_are_padded_can_stay_small(resize_mode: str, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=f"resize_mode is '{resize_mode}': without enlarge it must be 'pad'"):
        prepare([tmp_path], SIZE, tmp_path / "cache", resize_mode, enlarge=False)


def test_gray_pictures_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 2)
    color_field(9, 40, 40).convert("L").save(folder / "gray.png")
    kept = prepare([folder], SIZE, tmp_path / "cache", drop_gray=False)
    assert (len(kept), kept.left_out) == (3, [])
    dropped = prepare([folder], SIZE, tmp_path / "cache")  # not what was cached with the other setting
    assert (len(dropped), dropped.left_out) == (2, [(str(folder / "gray.png"), "gray")])

    with_gray, without = tmp_path / "with", tmp_path / "without"
    index = shards.write([str(folder)], with_gray, keep_gray=True)
    assert (index["splits"]["train"]["count"], index["left_out"]["count"]) == (3, 0)
    assert "keep_gray" not in shards.write([str(folder)], without)["settings"]
    assert len(prepare([with_gray], SIZE, tmp_path / "cache", drop_gray=False)) == 3
    assert len(prepare([without], SIZE, tmp_path / "cache")) == 2
    with pytest.raises(DataError, match="with may hold gray pictures, .* --keep-gray: set drop_gray to False"):
        prepare([with_gray], SIZE, tmp_path / "cache")
    with pytest.raises(DataError, match="without lack 1 gray or toned pictures that drop_gray=False keeps"):
        prepare([without], SIZE, tmp_path / "cache", drop_gray=False)
    with pytest.raises(DataError, match="the shards have keep_gray=True, the command keep_gray=False"):
        shards.write([str(folder)], with_gray)


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[274] = orientation
    return block


def test_exif_orientation(tmp_path: Path) -> None:
    upright = color_field(4, 40, 20)
    folder = tmp_path / "photos"
    folder.mkdir()
    upright.save(folder / "a.png")
    # Orientation 6: the camera was turned, viewers turn the picture by 90 degrees clockwise.
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "b.png", exif=exif(6))
    found = prepare([folder], SIZE, tmp_path / "cache")
    assert found.sizes.tolist() == [[32, 16], [32, 16]]
    np.testing.assert_array_equal(found.frames[0], found.frames[1])


# === The cache ===


def test_cache_is_used_until_a_file_changes(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 4)
    before = prepare([folder], SIZE, tmp_path / "cache")
    before = dataclasses.replace(before, frames=np.array(before.frames))
    with mock.patch.object(cache, "_decode", side_effect=AssertionError("decoded again")):
        again = prepare([folder], SIZE, tmp_path / "cache")
    np.testing.assert_array_equal(again.frames, before.frames)
    np.testing.assert_array_equal(again.sizes, before.sizes)
    assert (again.names, again.hashes) == (before.names, before.hashes)
    del again

    changed = folder / "coast" / "000.jpg"
    color_field(77, 48, 40).save(changed, quality=95)
    after = prepare([folder], SIZE, tmp_path / "cache")
    assert after.hashes[0] != before.hashes[0]
    np.testing.assert_array_equal(after.frames[0], pad(Image.open(changed), SIZE)[0])
    np.testing.assert_array_equal(after.frames[1:], before.frames[1:])
    del after

    changed.write_bytes(b"garbage")
    after = prepare([folder], SIZE, tmp_path / "cache")
    assert after.left_out == [
        (str(changed), "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF")
    ]
    assert after.names == before.names[1:]
    np.testing.assert_array_equal(after.frames, before.frames[1:])


def test_cache_of_the_same_files_with_a_new_time(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 2)
    prepare([folder], SIZE, tmp_path / "cache")
    os.utime(folder / "coast" / "000.jpg", ns=(1, 1))
    with mock.patch.object(cache, "_decode", wraps=cache._decode) as decode:
        prepare([folder], SIZE, tmp_path / "cache")
    assert decode.call_count == 2


def test_cache_that_was_not_finished(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 3)
    original = cache._decode

    def killed(path: Path, resize: Resize) -> cache.Decoded:
        if path.name == "001.png":
            raise KeyboardInterrupt
        return original(path, resize)

    with mock.patch.object(cache, "_decode", killed), pytest.raises(KeyboardInterrupt):
        prepare([folder], SIZE, tmp_path / "cache")
    found = prepare([folder], SIZE, tmp_path / "cache")
    assert len(found) == 3
    for frame, name in zip(found.frames, found.names, strict=True):
        np.testing.assert_array_equal(frame, pad(Image.open(name), SIZE)[0])


def test_cache_without_its_frames(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 2)
    frames = np.array(prepare([folder], SIZE, tmp_path / "cache").frames)
    (tmp_path / "cache" / "frames.npy").unlink()
    np.testing.assert_array_equal(prepare([folder], SIZE, tmp_path / "cache").frames, frames)


def test_more_photographs_than_are_decoded_together(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 7)
    color_field(1, 20, 20).convert("L").save(folder / "coast" / "001-gray.png")
    (folder / "coast" / "005-text.png").write_text("no picture")
    with mock.patch.object(cache, "CHECKED_TOGETHER", 2):
        found = prepare([folder], SIZE, tmp_path / "cache")
    assert [Path(name).name for name, _ in found.left_out] == ["001-gray.png", "005-text.png"]
    assert len(found) == 7
    for frame, name in zip(found.frames, found.names, strict=True):
        np.testing.assert_array_equal(frame, pad(Image.open(name), SIZE)[0])
