"""Photographs into shards and back: nothing lost, nothing divided, and the same whatever stopped the writing."""

import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.training.data.shard_pictures import (
    decoded,
    encoded,
    field,
    left_out,
    open_shards,
    pictures,
    tree,
    turned,
    write_pictures,
)
from training.data import records, shards
from training.data.folder import image_files
from training.data.records import pixels_of
from training.data.resize import THUMBNAIL, center_crop
from training.data.shard_file import ShardFile
from training.data.shards import write
from training.data.verify import verify
from zoo.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve plain pictures in two class folders, JPEG and PNG in turns."""
    return write_pictures(tmp_path / "photos", range(100, 112))


# === Into shards and back ===


def test_round_trip(photos: Path, tmp_path: Path) -> None:
    upright = field(1)
    (photos / "turned.jpg").write_bytes(encoded(upright, exif=turned()))
    (photos / "print.jpg").write_bytes(encoded(field(2).convert("CMYK")))
    (photos / "scan.tif").write_bytes(encoded(field(3), "TIFF"))
    (photos / "web.webp").write_bytes(encoded(field(4), "WEBP"))
    (photos / "old.bmp").write_bytes(encoded(field(5), "BMP"))
    (photos / "palette.png").write_bytes(encoded(field(6).quantize(64), "PNG"))
    (photos / "alpha.png").write_bytes(encoded(Image.merge("RGBA", [*field(7).split(), field(8).convert("L")]), "PNG"))
    (photos / "progressive.jpg").write_bytes(encoded(field(9), progressive=True, subsampling=1))
    index = write([str(photos)], tmp_path / "out")
    found = open_shards(tmp_path / "out")
    files = image_files([photos])
    assert len(found) == len(files) == index["splits"]["train"]["count"] == 20
    assert index["left_out"]["count"] == 0
    kept = set()
    for i in range(len(found)):
        path = Path(found.name(i))
        original, stored = path.read_bytes(), found.read_encoded(i)
        np.testing.assert_array_equal(pixels_of(stored), np.asarray(decoded(original)))
        np.testing.assert_array_equal(np.asarray(found.picture(i)), np.asarray(decoded(original)))
        assert found.sha256(i) == hashlib.sha256(original).hexdigest()
        assert found.class_name(i) == (path.parent.name if path.parent != photos else "")
        assert (found.rows[i]["height"], found.rows[i]["width"]) == pixels_of(stored).shape[:2]
        if stored == original:
            kept.add(path.name)
    # What is plain stays as it is, to the byte; what is not becomes PNG.
    assert {path.name for path in files} - kept == {"turned.jpg", "print.jpg", "scan.tif", "web.webp", "old.bmp"}
    assert verify(tmp_path / "out") == []
    assert found.sample.shape == (20, THUMBNAIL, THUMBNAIL, 3)
    np.testing.assert_array_equal(found.sample[0], center_crop(decoded(Path(found.name(0)).read_bytes()), THUMBNAIL)[0])


def test_records_can_be_read_by_anyone(photos: Path, tmp_path: Path) -> None:
    write([str(photos)], tmp_path / "out")
    text, number = tf.io.FixedLenFeature((), tf.string), tf.io.FixedLenFeature((), tf.int64)
    keys = dict.fromkeys(("image", "format", "class", "name", "sha256"), text) | dict.fromkeys(
        ("height", "width"), number
    )
    examples = tf.data.TFRecordDataset(str(tmp_path / "out" / "train-00000.tfrecord"))
    for example in examples.map(lambda record: tf.io.parse_single_example(record, keys)).as_numpy_iterator():
        path = Path(example["name"].decode())
        assert example["image"] == path.read_bytes()
        assert example["format"] == {".jpg": b"JPEG", ".png": b"PNG"}[path.suffix]
        assert example["class"].decode() == path.parent.name
        assert example["sha256"] == hashlib.sha256(path.read_bytes()).digest()
        assert (example["height"], example["width"]) == (40, 48)


def test_several_shards(photos: Path, tmp_path: Path) -> None:
    with mock.patch.object(shards, "SHARD_BYTES", 8000):
        index = write([str(photos)], tmp_path / "out")
    counts = [shard["count"] for shard in index["splits"]["train"]["shards"]]
    assert len(counts) > 2 and sum(counts) == 12
    found = open_shards(tmp_path / "out")
    assert [found.locate(i) for i in range(12)] == [(s, k) for s, count in enumerate(counts) for k in range(count)]
    for name, pixels in pictures(found).items():
        np.testing.assert_array_equal(pixels, np.asarray(decoded(Path(name).read_bytes())))
    with mock.patch.object(shards, "SAMPLE", 5):
        write([str(photos)], tmp_path / "few")
    few = open_shards(tmp_path / "few").sample
    np.testing.assert_array_equal(few[[0, -1]], found.sample[[0, -1]])
    assert len(few) == 5


def test_left_out(photos: Path, tmp_path: Path) -> None:
    light = np.asarray(field(9).convert("L"), np.float32)
    Image.fromarray(light.astype(np.uint8)).save(photos / "gray.png")
    Image.fromarray((light[..., None] * np.array([1.0, 0.85, 0.6])).astype(np.uint8)).save(photos / "sepia.png")
    (photos / "text.png").write_text("no picture")
    (photos / "cut.jpg").write_bytes((photos / "coast" / "000.jpg").read_bytes()[:300])
    # The same pixels in other bytes, behind the first one in the order of reading.
    decoded((photos / "coast" / "000.jpg").read_bytes()).save(photos / "forest" / "zz.bmp")
    index = write([str(photos)], tmp_path / "out")
    reasons = left_out(tmp_path / "out")
    assert reasons.pop("cut.jpg").startswith("cannot be read: ")
    assert reasons.pop("text.png") == "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF"
    assert reasons == {"gray.png": "gray", "sepia.png": "toned", "zz.bmp": "copy"}
    assert index["left_out"]["reasons"] == {"gray": 1, "toned": 1, "cannot be read": 2, "copy": 1}
    assert index["splits"]["train"]["count"] == 12


def test_side(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    field(1, 90, 60).save(folder / "large.png")
    field(2, 30, 80).save(folder / "small.png")
    write([str(folder)], tmp_path / "out", side=32)
    found = open_shards(tmp_path / "out")
    large, small = (found.read_encoded(i) for i in range(2))
    assert small == (folder / "small.png").read_bytes()
    with Image.open(io.BytesIO(large)) as image:
        assert (image.format, image.size) == ("JPEG", (32, 48))
        assert image.layer[0][1:3] == (1, 1)  # type: ignore[attr-defined]  # chroma has the full resolution
    wanted = field(1, 90, 60).resize((32, 48), Image.Resampling.LANCZOS)
    assert np.abs(pixels_of(large).astype(int) - np.asarray(wanted)).mean() < 2
    assert tuple(found.rows[0][["height", "width"]]) == (48, 32)


# === Stopping, resuming, checking ===


class Killed(BaseException):
    """Stands for a kill."""


def states_of(write_all: Callable[[], object], out: Path, kept: Path) -> int:
    """Copies what lies in `out` whenever something became lasting, which is what a kill at that moment leaves."""
    count = 0
    fsync = os.fsync

    def snapshot(descriptor: int) -> None:
        nonlocal count
        fsync(descriptor)
        shutil.copytree(out, kept / str(count))
        count += 1

    with mock.patch.object(os, "fsync", snapshot):
        write_all()
    return count


def test_a_kill_at_any_moment(photos: Path, tmp_path: Path) -> None:
    for i in range(3):
        field(50 + i).convert("L").save(photos / f"gray{i}.png")
        decoded((photos / "coast" / "004.jpg").read_bytes()).save(photos / f"copy{i}.bmp")
    decoded((photos / "coast" / "000.jpg").read_bytes()).save(photos / "forest" / "zz.bmp")  # in the last shard
    like = np.array(decoded((photos / "coast" / "000.jpg").read_bytes()))
    like[0, 0] ^= 1
    Image.fromarray(like).save(photos / "forest" / "zz.png")
    out = tmp_path / "out"

    def write_all() -> dict[str, Any]:
        with mock.patch.object(shards, "SHARD_BYTES", 8000):
            return write([str(photos)], out, validation=0.4, near_duplicates=1)

    states = states_of(write_all, out, tmp_path / "states")
    expected = tree(out)
    assert states > 10
    assert len([name for name in expected if name.endswith(".tfrecord")]) > 4
    for state in range(states):
        shutil.rmtree(out)
        shutil.copytree(tmp_path / "states" / str(state), out)
        write_all()
        assert tree(out) == expected, state


@pytest.mark.parametrize("after", range(0, 12, 3))
def test_an_interruption_is_gone_on_from(photos: Path, tmp_path: Path, after: int) -> None:
    out, decide = tmp_path / "out", shards._Writing._decide
    with mock.patch.object(shards, "SHARD_BYTES", 8000):
        write([str(photos)], tmp_path / "expected")
        calls: list[str] = []

        def interrupted(self: Any, item: Any, checked: Any) -> None:
            if len(calls) == after:
                raise KeyboardInterrupt
            calls.append(item.name)
            decide(self, item, checked)

        with mock.patch.object(shards._Writing, "_decide", interrupted), pytest.raises(KeyboardInterrupt):
            write([str(photos)], out)
        assert not [path.name for path in out.iterdir() if ".part" in path.suffixes]
        with pytest.raises(DataError, match="out are not finished: run the same command again"):
            records.find(out, "train")
        again: list[str] = []

        def counted(self: Any, item: Any, checked: Any) -> None:
            again.append(item.name)
            decide(self, item, checked)

        with mock.patch.object(shards._Writing, "_decide", counted):
            write([str(photos)], out)
    assert tree(out) == tree(tmp_path / "expected")
    assert len(again) < 12 or after < 6  # finished shards are not made again


def test_a_finished_folder_is_left_as_it_is(photos: Path, tmp_path: Path) -> None:
    first = write([str(photos)], tmp_path / "out")
    before = tree(tmp_path / "out")
    with mock.patch.object(shards, "_Writing", side_effect=AssertionError("written again")):
        assert write([str(photos)], tmp_path / "out") == first
    assert tree(tmp_path / "out") == before


def test_other_settings_or_sources_are_refused(photos: Path, tmp_path: Path) -> None:
    other = write_pictures(tmp_path / "other", range(2))
    write([str(photos)], tmp_path / "out", side=32)
    for arguments, words in (
        ({"side": 64}, "the shards have side=32, the command side=64"),
        ({"side": 32, "validation": 0.1}, "the shards have validation=0.0, the command validation=0.1"),
        ({"side": 32, "near_duplicates": 4}, "the shards have near_duplicates=None, the command near_duplicates=4"),
    ):
        with pytest.raises(DataError, match=f"out holds the shards of another command: {words}; name another folder"):
            write([str(photos)], tmp_path / "out", **arguments)
    with pytest.raises(DataError, match="the shards are of .*photos, the command names .*photos, .*other"):
        write([str(photos), str(other)], tmp_path / "out", side=32)
    field(3).save(photos / "new.png")
    with pytest.raises(DataError, match="photos has changed: files was 12 and is 13, sha256"):
        write([str(photos)], tmp_path / "out", side=32)


def test_a_folder_of_something_else_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photos holds other files: name a folder that is new or empty"):
        write([str(photos)], photos)
    assert len(image_files([photos])) == 12


def test_no_space_left(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    original = ShardFile.add

    def full(self: Any, checked: Any, sourced: Any, number: int) -> None:
        if self.path.name == "train-00002.tfrecord":
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")
        original(self, checked, sourced, number)

    with mock.patch.object(shards, "SHARD_BYTES", 8000):
        words = "out cannot be written: No space left on device; the shards that are finished stay valid"
        with mock.patch.object(ShardFile, "add", full), pytest.raises(DataError, match=words):
            write([str(photos)], out)
        assert sorted(path.name for path in out.glob("*.tfrecord")) == ["train-00000.tfrecord", "train-00001.tfrecord"]
        write([str(photos)], out)
        write([str(photos)], tmp_path / "expected")
    assert tree(out) == tree(tmp_path / "expected")


@pytest.fixture
def finished(photos: Path, tmp_path: Path) -> Path:
    (photos / "text.png").write_text("no picture")
    with mock.patch.object(shards, "SHARD_BYTES", 8000):
        write([str(photos)], tmp_path / "out", validation=0.4)
    assert verify(tmp_path / "out") == []
    return tmp_path / "out"


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["train-00001.tfrecord", "validation-00000.tfrecord"])
def test_verify_finds_a_flipped_byte(finished: Path, file: str) -> None:
    flip(finished / file, 1000)
    ((name, fault),) = verify(finished)
    assert name == file
    assert re.fullmatch(r"its SHA-256 is not that of index.json; picture \d of \d is damaged", fault)


def test_verify_finds_whatever_is_not_as_it_was(finished: Path) -> None:
    for name in ("train-sample.npy", "validation-00000.npy", "left_out.tsv"):
        flip(finished / name, -1)
    shard = finished / "train-00000.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-100])
    (finished / "train-00001.tfrecord").unlink()
    (finished / "train-00001.npy").unlink()
    faults = dict(verify(finished))
    assert re.search(r"^has \d+ bytes instead of \d+; picture \d of \d is damaged$", faults.pop(shard.name))
    assert faults.pop("train-00001.tfrecord") == faults.pop("train-00001.npy") == "is missing"
    assert faults == dict.fromkeys(
        ("train-sample.npy", "validation-00000.npy", "left_out.tsv"), "its SHA-256 is not that of index.json"
    )


def test_verify_of_no_shards(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder of shards: index.json cannot be read"):
        verify(tmp_path)
    (tmp_path / "index.json").write_text('{"version": 99}')
    with pytest.raises(DataError, match="holds shards of version 99: this program reads version 1"):
        verify(tmp_path)


def test_damaged_shards_are_not_opened(finished: Path) -> None:
    shard = finished / "train-00001.tfrecord"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=rf"train-00001.tfrecord has {len(whole) - 1} bytes instead of {len(whole)}"):
        open_shards(finished)
    shard.unlink()
    with pytest.raises(DataError, match="train-00001.tfrecord is missing: colorzoo shards --verify .*out lists"):
        open_shards(finished)
    shard.write_bytes(whole)
    (finished / "train-00001.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match="train-00001.npy cannot be read"):
        open_shards(finished)


def test_shards_that_change_while_they_are_read(finished: Path) -> None:
    found = open_shards(finished)
    last = len(found) - 1
    offset, length = (int(found.rows[last][key]) for key in ("offset", "length"))
    path = found.files[found.locate(last)[0]]
    data = path.read_bytes()
    path.write_bytes(data[:offset] + bytes(length) + data[offset + length :])
    with pytest.raises(DataError, match=r"picture \d of .*tfrecord cannot be read: .*: try colorzoo shards --verify"):
        found.picture(last)
    path.write_bytes(data[:offset])
    with pytest.raises(DataError, match=r"tfrecord ends within picture \d"):
        found.picture(last)
    with pytest.raises(DataError, match=r"tfrecord ends within picture \d"):
        found.name(last)
