"""From folders to batches: what is used, how it is fitted and changed, and that it is the same every time."""

import dataclasses
import os
import shutil
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from tests.mutations import mutated
from tests.photographs import color_field, write_fields
from training.data import cache, datasets, records, shards
from training.data.apart import check_apart
from training.data.augmentation import Augmentation, crop_and_flip
from training.data.batches import WorkerInfo, batches
from training.data.datasets import Photographs, prepare
from training.data.draws import draw_params
from training.data.resize import THUMBNAIL, Resize, pad
from training.data.statistics import frequent_uv_classes
from zoo import color
from zoo.errors import ArgumentError, DataError

SIZE = 32
PLAIN = Augmentation(flip=False, crop=1.0, noise=(0.0,))
ALL = Augmentation(flip=True, crop=0.6, noise=(0.0, 2.0))


def photographs(*pictures: Image.Image) -> Photographs:
    frames, sizes = zip(*(pad(picture, SIZE) for picture in pictures), strict=True)
    names = [str(i) for i in range(len(pictures))]
    return Photographs(np.stack(frames), np.array(sizes, np.int32), names, names, [])


def epoch(source: Photographs, batch: int = 2, **arguments: object) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    return list(batches(source, batch, **arguments).as_numpy_iterator())  # type: ignore[arg-type]


def assert_equal_batches(left: list[object], right: list[object]) -> None:
    assert len(left) == len(right)
    for a, b in zip(tf.nest.flatten(left), tf.nest.flatten(right), strict=True):
        np.testing.assert_array_equal(a, b)


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
        (str(folder / "b.jpg"), "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF or GIF")
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
        "text.png": "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF or GIF",
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
        (str(changed), "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF or GIF")
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


# === Batches ===


def test_without_augmentation(tmp_path: Path) -> None:
    source = photographs(*(color_field(i, 20 + i, 30) for i in range(5)))
    found = epoch(source)
    assert [len(light) for light, _ in found] == [2, 2, 1]
    light, truth = (np.concatenate(part) for part in ([b[0] for b in found], [b[1]["ab"] for b in found]))
    rgb = source.frames.astype(np.float32) / 255
    lab = ops.convert_to_numpy(color.rgb_to_lab(rgb))
    np.testing.assert_allclose(light, lab[..., :1], atol=1e-4)
    np.testing.assert_allclose(truth, lab[..., 1:], atol=1e-4)
    np.testing.assert_allclose(np.concatenate([b[1]["rgb"] for b in found]), rgb, atol=1e-6)
    mask = np.concatenate([b[1]["mask"] for b in found])
    for picture, (h, w) in zip(mask, source.sizes, strict=True):
        assert picture[:h, :w].all()
        assert picture.sum() == h * w


def test_order_is_a_function_of_seed_and_epoch() -> None:
    source = photographs(*(color_field(i, 24, 24) for i in range(8)))
    all_first = np.concatenate([light[:, 0, 0, 0] for light, _ in epoch(source)])

    def order(**arguments: int) -> list[int]:
        found = epoch(source, augmentation=PLAIN, **arguments)
        first = np.concatenate([light[:, 0, 0, 0] for light, _ in found])
        return [int(np.abs(all_first - value).argmin()) for value in first]

    orders = [order(), order(epoch=1), order(seed=1)]
    assert all(sorted(o) == list(range(8)) for o in orders)
    assert len({tuple(o) for o in orders}) == 3
    assert order(seed=1) == orders[-1]


def test_the_tail_of_an_epoch() -> None:
    source = photographs(*(color_field(i, 24, 20 + i) for i in range(7)))
    whole = epoch(source, seed=5, epoch=2, augmentation=ALL)
    assert [len(light) for light, _ in whole] == [2, 2, 2]
    for start in (1, 2, 3):
        assert_equal_batches(epoch(source, seed=5, epoch=2, start=start, augmentation=ALL), whole[start:])


def test_augmentation_differs_between_steps_epochs_and_seeds() -> None:
    source = photographs(*[color_field(1, 32, 32)] * 4)
    lights = [
        light for seed in (0, 1) for e in (0, 1) for light, _ in epoch(source, seed=seed, epoch=e, augmentation=ALL)
    ]
    pictures = np.concatenate(lights)
    assert len(np.unique(pictures.round(3).reshape(len(pictures), -1), axis=0)) == 16


def test_plain_augmentation_is_the_frame_itself() -> None:
    source = photographs(color_field(1, 20, 32), color_field(2, 32, 17))
    found = epoch(source, augmentation=PLAIN)
    assert_equal_batches(found, epoch(source))


@pytest.mark.parametrize(("height", "width"), [(20, 32), (32, 17), (32, 32)])
def test_flip_mirrors_the_picture_and_not_its_padding(height: int, width: int) -> None:
    picture = color_field(1, height, width)
    source = photographs(*[picture] * 16)
    light, truth = epoch(source, 16, augmentation=dataclasses.replace(PLAIN, flip=True))[0]
    plain, plain_truth = epoch(source, 16)[0]
    flipped = [not np.array_equal(light[i], plain[i]) for i in range(16)]
    assert 3 <= sum(flipped) <= 13
    for i in np.flatnonzero(flipped):
        np.testing.assert_array_equal(light[i, :height, :width], np.fliplr(plain[i, :height, :width]))
        np.testing.assert_array_equal(
            truth["rgb"][i, :height, :width], np.fliplr(plain_truth["rgb"][i, :height, :width])
        )
        # The padding repeats the border of what came out.
        padding = light[i, :, width:]
        assert np.array_equal(padding, np.repeat(light[i, :, width - 1 : width], SIZE - width, 1))
    np.testing.assert_array_equal(truth["mask"], plain_truth["mask"])


@pytest.mark.parametrize(("height", "width"), [(20, 32), (32, 17)])
def test_crops_see_the_picture_only(height: int, width: int) -> None:
    frame = np.full((SIZE, SIZE, 3), 255, np.uint8)  # padding of another color, to be seen if it leaks in
    frame[:height, :width] = (200, 40, 90)
    source = Photographs(frame[None].repeat(8, 0), np.array([[height, width]] * 8, np.int32), ["a"] * 8, ["a"] * 8, [])
    light, truth = epoch(source, 8, augmentation=dataclasses.replace(ALL, noise=(0.0,)))[0]
    expected = ops.convert_to_numpy(color.rgb_to_lab(np.array([200, 40, 90], np.float32) / 255))
    np.testing.assert_allclose(light, np.broadcast_to(expected[0], light.shape), atol=1e-3)
    np.testing.assert_allclose(truth["ab"], np.broadcast_to(expected[1:], truth["ab"].shape), atol=1e-3)
    assert truth["mask"].sum() == 8 * height * width


def test_a_crop_shows_a_part_of_the_picture() -> None:
    ramp = np.zeros((24, SIZE, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 248, SIZE).astype(np.uint8)
    ramp[..., 1] = np.linspace(0, 230, 24).astype(np.uint8)[:, None]
    source = photographs(Image.fromarray(ramp))
    rgb = tf.constant(source.frames.repeat(64, 0), tf.float32)
    sizes = tf.constant(source.sizes.repeat(64, 0))
    changes = draw_params(Augmentation(False, 0.5, (0.0,)), tf.zeros(64, tf.int32), tf.constant([1, 2]))
    crop = crop_and_flip(rgb, sizes, changes).numpy()
    across, down = crop[:, 0, :, 0], crop[:, :24, 0, 1]
    for values, whole in ((across, 248), (down, 230)):
        seen = (values[:, -1] - values[:, 0]) / whole
        assert seen.min() > 0.48
        assert seen.max() <= 1.001
        assert seen.std() > 0.1
        assert (np.diff(values) >= -1e-3).all()
        steps = np.diff(values)
        np.testing.assert_allclose(steps, steps.mean(1, keepdims=True).repeat(steps.shape[1], 1), atol=1.1)
        assert values[:, 0].min() < 0.1 * whole and values[:, -1].max() > 0.9 * whole
    # One fraction for both sides, so that proportions are kept.
    np.testing.assert_allclose((across[:, -1] - across[:, 0]) / 248, (down[:, -1] - down[:, 0]) / 230, atol=0.02)


def test_noise_has_the_strengths_of_the_recipe_and_stays_off_the_targets() -> None:
    source = photographs(*[color_field(1, 32, 32)] * 64)
    light, truth = epoch(source, 64, augmentation=dataclasses.replace(PLAIN, noise=(0.0, 1.0, 4.0)))[0]
    plain, plain_truth = epoch(source, 64)[0]
    strengths = (light - plain).std((1, 2, 3))
    nearest = np.abs(strengths[:, None] - [0, 1, 4]).argmin(1)
    np.testing.assert_allclose(strengths, np.array([0, 1, 4])[nearest], rtol=0.12, atol=1e-6)
    assert set(nearest) == {0, 1, 2}
    assert np.abs((light - plain).mean()) < 0.05
    assert_equal_batches([truth], [plain_truth])


# === Shards ===


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A folder of shards of 20 photographs, a few in each; the photographs are in photos/ beside it."""
    folder = write_fields(tmp_path / "photos", 20, size=(40, 56))
    with mock.patch.object(shards, "SHARD_BYTES", 6000):
        index = shards.write([str(folder)], tmp_path / "shards")
    assert len(index["splits"]["train"]["shards"]) > 4
    return tmp_path / "shards"


@pytest.mark.parametrize(
    ("resize_mode", "size"), [("pad", 32), ("pad", 56), ("pad", 80), ("center_crop", 32), ("center_crop", 40)]
)
def test_shards_give_the_frames_of_their_folder(sharded: Path, tmp_path: Path, resize_mode: str, size: int) -> None:
    found = prepare([sharded], size, tmp_path / "cache", resize_mode)
    wanted = prepare([tmp_path / "photos"], size, tmp_path / "cache", resize_mode)
    place = [wanted.names.index(name) for name in found.names]
    assert sorted(place) == list(range(20))
    frames, sizes = found.read(np.arange(20), None)
    np.testing.assert_array_equal(frames, wanted.frames[place])
    np.testing.assert_array_equal(sizes, wanted.sizes[place])
    assert found.side == wanted.side == size
    assert list(found.hashes) == [wanted.hashes[i] for i in place]
    assert found.classes == wanted.classes == ["coast", "forest"]
    np.testing.assert_array_equal(found.labels(["forest"]), wanted.labels(["forest"])[place])
    assert found.left_out == []


@pytest.mark.parametrize("shortest", [(0, 0), (40, 40), (24, 60)])
def test_windows_of_shards_are_those_of_their_folder(sharded: Path, tmp_path: Path, shortest: tuple[int, int]) -> None:
    found = prepare([sharded], 24, tmp_path / "cache", "random_crop", shortest)
    wanted = prepare([tmp_path / "photos"], 24, tmp_path / "cache", "random_crop", shortest)
    assert list(found.names) == wanted.names  # so that the draws are the same
    for seeds in (None, [3, 1]):
        for one, other in zip(found.read(np.arange(20), seeds), wanted.read(np.arange(20), seeds), strict=True):
            np.testing.assert_array_equal(one, other)
    draw_params = [found.read(np.arange(20), seeds)[0].tobytes() for seeds in (None, [3, 1], [3, 2])]
    assert len(set(draw_params)) == 3
    np.testing.assert_array_equal(found.frames, wanted.frames)


def test_an_epoch_over_shards(sharded: Path, tmp_path: Path) -> None:
    found = prepare([sharded], SIZE, tmp_path / "cache")
    shard = np.array([found.shards.locate(i)[0] for i in range(20)])  # type: ignore[union-attr]
    with mock.patch.object(records, "GROUP", 2):
        orders = [found.draw_order(np.random.default_rng([5, epoch]), 3) for epoch in (0, 0, 1)]
    assert all(sorted(order) == list(range(60)) for order in orders)
    np.testing.assert_array_equal(orders[0], orders[1])
    assert orders[0].tolist() != orders[2].tolist()
    for order in orders:
        # Two shards at a time, and shuffled within them.
        groups = []
        for s in shard[order // 3]:
            if not groups or s not in groups[-1] and len(groups[-1]) == 2:
                groups.append({s})
            groups[-1].add(s)
        assert len(groups) == -(-len(set(shard)) // 2)
        assert (np.diff(order) < 0).sum() > 10


@pytest.mark.parametrize("resize_mode", ["pad", "random_crop"])
def test_batches_of_shards_are_the_same_after_resuming(sharded: Path, tmp_path: Path, resize_mode: str) -> None:
    source = prepare([sharded], SIZE, tmp_path / "cache", resize_mode)
    with mock.patch.object(records, "GROUP", 2):
        whole = epoch(source, 4, seed=5, epoch=2, augmentation=ALL)
        assert len(whole) == 5
        assert_equal_batches(epoch(source, 4, seed=5, epoch=2, augmentation=ALL), whole)
        for start in (1, 4):
            assert_equal_batches(epoch(source, 4, seed=5, epoch=2, start=start, augmentation=ALL), whole[start:])
    seen = np.concatenate([truth["labels"] for _, truth in epoch(source, 4, augmentation=ALL, classes=["forest"])])
    assert sorted(seen) == [-1] * 10 + [0] * 10


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_read_their_parts_of_shards(sharded: Path, tmp_path: Path, workers: int) -> None:
    source = prepare([sharded], SIZE, tmp_path / "cache", "random_crop")
    found = [prepare([sharded], SIZE, tmp_path / "cache", "random_crop") for _ in range(workers)]
    asked = [mock.Mock(wraps=part.read) for part in found]
    for part, read in zip(found, asked, strict=True):
        object.__setattr__(part, "read", read)
    for arguments in ({"augmentation": ALL, "start": 1, "draws": 2, "classes": ["forest"]}, {}):
        whole = epoch(source, 7, seed=5, epoch=2, **arguments)
        parts = [epoch(p, 7, seed=5, epoch=2, worker=WorkerInfo(w, workers), **arguments) for w, p in enumerate(found)]
        if arguments:
            joined = [tf.nest.map_structure(lambda *x: np.concatenate(x), *step) for step in zip(*parts, strict=True)]
            assert_equal_batches(joined, whole)
        else:
            rgb = [truth["rgb"] for part in parts for _, truth in part]
            np.testing.assert_array_equal(np.concatenate(rgb), np.concatenate([truth["rgb"] for _, truth in whole]))
    # Nobody reads what another one trains on.
    read = [sum(len(call.args[0]) for call in mocked.call_args_list) for mocked in asked]
    assert sum(read) == 7 + 20 and min(read) >= 27 // workers - 2


def test_statistics_of_shards_are_those_of_their_sample(sharded: Path, tmp_path: Path) -> None:
    found = prepare([sharded], SIZE, tmp_path / "cache")
    assert found.frames.shape == (20, THUMBNAIL, THUMBNAIL, 3)
    wanted = prepare([tmp_path / "photos"], THUMBNAIL, tmp_path / "cache", "center_crop")
    for left, right in zip(frequent_uv_classes(found, 8), frequent_uv_classes(wanted, 8), strict=True):
        np.testing.assert_allclose(left, right)
    few = dataclasses.replace(found, frames=found.frames[::4], sizes=found.sizes[::4])
    assert frequent_uv_classes(few, 8)[2].sum() == pytest.approx(1)


def test_which_split_a_path_names(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 12)
    for out, share in (("divided", 0.3), ("whole", 0.0)):
        with mock.patch.object(shards, "SAME", 0):  # smooth fields look much alike
            shards.write([str(folder)], tmp_path / out, validation=share)
    divided, whole = tmp_path / "divided", tmp_path / "whole"

    def hashes(path: Path, split: str = "train") -> set[str]:
        return set(prepare([path], SIZE, tmp_path / "cache", split=split).hashes)

    train, val = hashes(divided), hashes(divided, "validation")
    assert train and val and not train & val
    assert train | val == hashes(whole) == hashes(whole, "validation")
    assert hashes(divided / "train", "validation") == train
    assert hashes(divided / "validation") == val
    with pytest.raises(DataError, match="whole has no validation split: it was made without --validation"):
        prepare([whole / "validation"], SIZE, tmp_path / "cache")
    both = prepare([divided / "train", divided / "validation"], SIZE, tmp_path / "cache")
    assert len(both) == 12 and set(both.hashes) == train | val
    check_apart(prepare([divided], SIZE, tmp_path / "cache"), prepare([divided], SIZE, tmp_path, split="validation"))
    with pytest.raises(DataError, match="12 of 12 validation pictures are also trained on, .*jpg for one"):
        check_apart(prepare([folder], SIZE, tmp_path / "cache"), prepare([whole], SIZE, tmp_path / "cache"))


def test_classes_of_several_folders_of_shards(sharded: Path, tmp_path: Path) -> None:
    more = write_fields(tmp_path / "more", 6, seed=1)
    (more / "coast").rename(more / "abbey")
    shards.write([str(more)], tmp_path / "more-shards")
    found = prepare([sharded, tmp_path / "more-shards"], SIZE, tmp_path / "cache")
    assert found.classes == ["abbey", "coast", "forest"]
    names = [Path(name).parent.name for name in found.names]
    assert list(found.class_names) == names
    assert found.labels(["forest", "abbey"]).tolist() == [{"forest": 0, "abbey": 1}.get(name, -1) for name in names]
    assert found.digest != prepare([tmp_path / "more-shards", sharded], SIZE, tmp_path / "cache").digest
    assert found.digest == prepare([sharded, tmp_path / "more-shards"], SIZE, tmp_path / "cache").digest


def test_a_data_set_of_tfds_becomes_shards_once(tmp_path: Path) -> None:
    folder = write_fields(tmp_path / "photos", 3)
    written = partial(shards.write, [str(folder)])
    with mock.patch.object(datasets, "write", lambda names, out, keep_gray: written(out, keep_gray=keep_gray)):
        found = prepare([Path("tfds:lsun/bedroom:train")], SIZE, tmp_path / "cache")
    assert len(found) == 3
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["tfds-lsun-bedroom-train"]


# === Classes ===


def test_frequent_classes_do_not_count_padding() -> None:
    picture = color_field(1, 8, 32)
    source = photographs(picture, color_field(2, 32, 12))
    bare = dataclasses.replace(source, frames=source.frames.copy())
    for frame, (h, w) in zip(bare.frames, source.sizes, strict=True):
        frame[h:], frame[:, w:] = (255, 0, 255), (255, 0, 255)
    for left, right in zip(frequent_uv_classes(source, 8), frequent_uv_classes(bare, 8), strict=True):
        np.testing.assert_array_equal(left, right)
    classes, centers, prior = frequent_uv_classes(source, 8)
    assert (classes.shape, centers.shape, prior.shape) == ((100,), (8, 2), (8,))
    assert prior.sum() == pytest.approx(1)
    # Together the classes have the mean color of the pixels that were counted.
    seen = np.concatenate([f[:h:2, :w:2].reshape(-1, 3) for f, (h, w) in zip(source.frames, source.sizes, strict=True)])
    mean = ops.convert_to_numpy(color.rgb_to_lab(seen.astype(np.float32) / 255))[:, 1:].mean(0)
    np.testing.assert_allclose(prior @ centers, mean, atol=1e-2)


def test_more_classes_than_colors() -> None:
    with pytest.raises(ArgumentError, match="bins is 90: it must lie between 2 and"):
        frequent_uv_classes(photographs(color_field(1, 32, 32)), 90)
