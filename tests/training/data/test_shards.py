"""Photographs into shards and back: nothing lost, nothing divided, and the same whatever stopped the writing."""

import hashlib
import io
import os
import re
import shutil
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from media.reader import read_rgb
from training.data import encoding, readers, records, shards
from training.data.folder import image_files
from training.data.perceptual_hash import BITS, FARTHEST, HashIndex, perceptual_hash
from training.data.records import load, pixels_of
from training.data.resize import THUMBNAIL, center_crop
from training.data.shard_file import ShardFile
from training.data.shards import write
from training.data.verify import verify
from zoo.errors import ArgumentError, DataError


def field(seed: int, height: int = 40, width: int = 48) -> Image.Image:
    """A picture with enough in it to be known again after it was saved anew."""
    grid = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def decoded(data: bytes) -> Image.Image:
    return read_rgb(data)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}), **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve plain pictures in two class folders, JPEG and PNG in turns."""
    return write_pictures(tmp_path / "photos", range(100, 112))


def write_pictures(folder: Path, seeds: Iterable[int]) -> Path:
    for i, seed in enumerate(seeds):
        path = folder / ("coast", "forest")[i % 2] / f"{i:03}.{('jpg', 'png')[i % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(field(seed), ("JPEG", "PNG")[i % 2]))
    return folder


def open_shards(out: Path, split: str = "train") -> records.Shards:
    return load([(out, split)])


def pictures(found: records.Shards) -> dict[str, np.ndarray]:
    return {found.name(i): pixels_of(found.read_encoded(i)) for i in range(len(found))}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def left_out(out: Path) -> dict[str, str]:
    lines = (out / "left_out.tsv").read_text().splitlines()
    return {Path(name).name: reason for name, reason in (line.split("\t") for line in lines)}


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
    assert reasons.pop("text.png") == "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF or GIF"
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


# === Division, copies ===


def test_copies_are_never_divided(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(30):
        picture = field(i, 60, 72)
        (folder / f"{i:02}.png").write_bytes(encoded(picture, "PNG"))
        # Names that come after, before and between the others.
        (folder / f"z{i:02}.jpg").write_bytes(encoded(picture))
        (folder / f"{29 - i:02}-large.png").write_bytes(
            encoded(picture.resize((108, 90), Image.Resampling.BICUBIC), "PNG")
        )
    index = write([str(folder)], tmp_path / "out", validation=0.4)
    found = {split: set(pictures(open_shards(tmp_path / "out", split))) for split in ("train", "validation")}
    numbers = {
        split: {
            29 - int(stem[:2]) if "large" in stem else int(stem.lstrip("z")) for stem in (Path(n).stem for n in names)
        }
        for split, names in found.items()
    }
    assert not numbers["train"] & numbers["validation"]
    assert 4 <= len(numbers["validation"]) <= 20
    assert sum(map(len, found.values())) + index["left_out"]["count"] == 90
    assert index["left_out"]["count"] < 5


def test_division_does_not_depend_on_order_names_or_a_pixel(tmp_path: Path) -> None:
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for i in range(20):
            pixels = np.array(field(i))
            pixels[0, 0, 0] ^= folder == "b"
            Image.fromarray(pixels).save(tmp_path / folder / f"{i if folder == 'a' else 99 - i:02}.png")
        write([str(tmp_path / folder)], tmp_path / f"{folder}-out", validation=0.3)
        numbers = [int(Path(name).stem) for name in pictures(open_shards(tmp_path / f"{folder}-out", "validation"))]
        found.append({i if folder == "a" else 99 - i for i in numbers})
    assert found[0] == found[1]
    assert 0 < len(found[0]) < 20


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_picture_goes_where_one_like_it_is(tmp_path: Path, split: str) -> None:
    first = next(v for v in range(256) if shards._split(v, 0.5) == split)
    like = next(v for v in range(256) if shards._split(v, 0.5) != split and (v ^ first).bit_count() == shards.SAME)
    far = 0xFF << 32
    index = write_with_hashes(tmp_path, [first, like, far])
    where = {kind: {Path(n).name for n in pictures(open_shards(tmp_path / "out", kind))} for kind in index["splits"]}
    assert {"0.png", "1.png"} <= where[split]
    assert index["left_out"]["count"] == 0


def write_with_hashes(folder: Path, hashes: list[int]) -> dict[str, Any]:
    """Shards of pictures that have these perceptual hashes, divided."""
    (folder / "photos").mkdir()
    for i in range(len(hashes)):
        field(i).save(folder / "photos" / f"{i}.png")
    with mock.patch.object(encoding, "perceptual_hash", side_effect=hashes), mock.patch("os.cpu_count", return_value=1):
        return write([str(folder / "photos")], folder / "out", validation=0.5)


def test_a_picture_between_the_splits_is_left_out(tmp_path: Path) -> None:
    # Of two that fall on different sides, the third differs in four bits each.
    first = next(v for v in range(256) if shards._split(v, 0.5) == "train")
    second = next(v for v in range(256) if shards._split(v, 0.5) == "validation" and (v ^ first).bit_count() > 4)
    between, apart = first, first ^ second
    for bit in range(8):
        if apart >> bit & 1 and (between ^ first).bit_count() < 4:
            between ^= 1 << bit
    assert (between ^ second).bit_count() <= 4
    index = write_with_hashes(tmp_path, [first, second, between])
    assert left_out(tmp_path / "out") == {"2.png": "looks like pictures of both splits"}
    assert {split: part["count"] for split, part in index["splits"].items()} == {"train": 1, "validation": 1}


def test_near_duplicates(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(10):
        field(i, 60, 72).save(folder / f"{i}.png")
        (folder / f"{i}b.jpg").write_bytes(encoded(field(i, 60, 72)))
    index = write([str(folder)], tmp_path / "out", near_duplicates=4)
    assert left_out(tmp_path / "out") == {f"{i}b.jpg": "near duplicate" for i in range(10)}
    assert index["splits"]["train"]["count"] == 10
    assert write([str(folder)], tmp_path / "all")["splits"]["train"]["count"] == 20


@pytest.mark.parametrize("distance", [0, 1, 4, 7, FARTHEST])
def test_hashes_are_found_within_a_distance(distance: int) -> None:
    rng = np.random.default_rng(distance)
    base = [int(v) for v in rng.integers(0, 2**64, 200, np.uint64)]
    # Bits flipped together and apart, so that some fall into one band and some into all.
    changed = [
        v ^ int(sum(1 << int(b) for b in rng.choice(BITS, n, replace=False)))
        for v in base
        for n in (0, 1, distance, distance + 1, distance + 3)
    ]
    known = HashIndex(distance)
    for number, value in enumerate(base):
        known.add(value, number % 2)
    for value in changed:
        bits = [(value ^ other).bit_count() for other in base]
        wanted = {number: min(bits[number::2]) for number in (0, 1) if min(bits[number::2]) <= distance}
        assert known.near(value) == wanted


def test_perceptual_hash_of_copies_and_of_others() -> None:
    hashes = [perceptual_hash(center_crop(field(i, 60, 72), THUMBNAIL)[0]) for i in range(20)]
    saved = [perceptual_hash(center_crop(decoded(encoded(field(i, 60, 72))), THUMBNAIL)[0]) for i in range(20)]
    assert all((a ^ b).bit_count() <= shards.SAME for a, b in zip(hashes, saved, strict=True))
    assert min((hashes[i] ^ hashes[k]).bit_count() for i in range(20) for k in range(i)) > FARTHEST


# === Sources ===


def tar_of(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def classes_of(out: Path) -> dict[str, str]:
    found = open_shards(out)
    return {found.name(i): found.class_name(i) for i in range(len(found))}


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tgz", "zip"])
def test_archives(photos: Path, tmp_path: Path, kind: str) -> None:
    members = {f"all/{p.relative_to(photos)}": p.read_bytes() for p in image_files([photos])}
    members |= {"all/readme.txt": b"text", "__MACOSX/all/._000.jpg": b"junk", "all/.hidden.png": b"junk"}
    path = tmp_path / f"all.{kind}"
    if kind == "zip":
        zip_of(path, members)
    else:
        tar_of(path, members, "w" if kind == "tar" else "w:gz")
    index = write([str(path)], tmp_path / "out")
    assert index["left_out"]["count"] == 0
    found = pictures(open_shards(tmp_path / "out"))
    assert len(found) == 12
    for name, pixels in found.items():
        original = photos / name.removeprefix(f"{path}/all/")
        np.testing.assert_array_equal(pixels, np.asarray(decoded(original.read_bytes())))
    assert classes_of(tmp_path / "out") == {name: name.split("/")[-2] for name in found}


def test_an_archive_of_an_archive_for_each_class(tmp_path: Path) -> None:
    inner = {
        name: tar_of(tmp_path / name, {f"{name[:-4]}_{i}.JPEG": encoded(field(10 * k + i)) for i in range(3)})
        for k, name in enumerate(("n01.tar", "n02.tar"))
    }
    outer = tar_of(tmp_path / "train.tar", {name: path.read_bytes() for name, path in inner.items()}, "w:gz")
    write([str(outer)], tmp_path / "out")
    wanted = {f"{outer}/{c}.tar/{c}_{i}.JPEG": c for c in ("n01", "n02") for i in range(3)}
    assert classes_of(tmp_path / "out") == wanted


def test_classes_of_folders_and_archives(tmp_path: Path) -> None:
    pictures_of = iter(range(100))

    def some(*names: str) -> dict[str, bytes]:
        return {name: encoded(field(next(pictures_of))) for name in names}

    flat = zip_of(tmp_path / "bird.zip", some("1.jpg", "2.jpg"))
    deep = tar_of(tmp_path / "places.tar", some("data/a/abbey/1.jpg", "data/b/bay/out/1.jpg"))
    folder = tmp_path / "folder"
    (folder / "sea").mkdir(parents=True)
    tar_of(folder / "cat.tar", some("x/1.jpg"))
    for name, data in some("top.jpg", "sea/1.jpg").items():
        (folder / name).write_bytes(data)
    index = write([str(flat), str(deep), str(folder)], tmp_path / "out")
    assert classes_of(tmp_path / "out") == {
        f"{flat}/1.jpg": "bird",
        f"{flat}/2.jpg": "bird",
        f"{deep}/data/a/abbey/1.jpg": "a/abbey",
        f"{deep}/data/b/bay/out/1.jpg": "b/bay/out",
        f"{folder}/cat.tar/x/1.jpg": "cat",
        f"{folder}/top.jpg": "",
        f"{folder}/sea/1.jpg": "sea",
    }
    assert sorted(index["classes"]) == ["", "a/abbey", "b/bay/out", "bird", "cat", "sea"]


def test_unsafe_names_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    members = {
        name: encoded(field(i))
        for i, name in enumerate(("../../evil.jpg", "/etc/bad.jpg", "a/../b/odd.jpg", "w\\x.jpg"))
    }
    tar = tar_of(tmp_path / "in" / "unsafe.tar", members)
    with tarfile.open(tar, "a") as archive:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        pipe = tarfile.TarInfo("pipe.jpg")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    write([str(tar)], tmp_path / "in" / "out")
    assert set(classes_of(tmp_path / "in" / "out").values()) == {"", "etc", "a/b", "w"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["out", "unsafe.tar"]


def test_what_an_archive_holds_and_is_no_picture(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"1.jpg": encoded(field(1))})
    path = tar_of(tmp_path / "a.tar", {"good.jpg": encoded(field(2)), "inner.zip": inner.read_bytes(), "bad.png": b"x"})
    write([str(path)], tmp_path / "out")
    assert left_out(tmp_path / "out") == {
        "inner.zip": "cannot be read: it is a zip within an archive: unpack it",
        "bad.png": "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF or GIF",
    }  # fmt: skip
    damaged = bytearray(inner.read_bytes())
    damaged[60] ^= 255
    (tmp_path / "b.zip").write_bytes(damaged)
    with pytest.raises(
        DataError, match="none of 1 files is a color photograph: the first, .*b.zip/1.jpg: cannot be read"
    ):
        write([str(tmp_path / "b.zip")], tmp_path / "out2")
    assert list((tmp_path / "out2").iterdir()) == []


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_an_incomplete_archive(tmp_path: Path, kind: str) -> None:
    whole = tar_of(
        tmp_path / f"all.{kind}", {f"{i}.jpg": encoded(field(i)) for i in range(8)}, "w" if kind == "tar" else "w:gz"
    )
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 4 // 10])
    with pytest.raises(
        DataError, match=rf"all.{kind} is damaged or incomplete, after [1-5] pictures: .*; get it again"
    ):
        write([str(whole)], tmp_path / "out")


def test_sources_that_cannot_be(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "bad.zip").write_text("no zip")
    for name, words in (
        ("gone", "gone: no such folder or archive"),
        ("empty", "empty holds nothing: photographs .*jpg.* are needed"),
        ("notes.txt", r"notes.txt is neither a folder nor an archive \(.tar, "),
        ("bad.zip", "bad.zip cannot be read: File is not a zip file"),
    ):
        with pytest.raises(DataError, match=words):
            write([str(tmp_path / name)], tmp_path / "out")
    for arguments, words in (
        ({"validation": 1.0}, "validation is 1.0: it must be a share in"),
        ({"side": 8}, "side is 8: it must be at least 16"),
        ({"near_duplicates": 9}, "near duplicates is 9: it must lie between 0 and 8"),
    ):
        with pytest.raises(ArgumentError, match=words):
            write([str(photos)], tmp_path / "out", **arguments)
    with pytest.raises(ArgumentError, match="no source is given"):
        write([], tmp_path / "out")
    with pytest.raises(ArgumentError, match="a source is named twice"):
        write([str(photos), str(photos)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_source_that_changes_while_it_is_read(photos: Path, tmp_path: Path) -> None:
    with mock.patch.object(shards, "SHARD_BYTES", 8000):
        with (
            mock.patch.object(shards._Writing, "_finish", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            write([str(photos)], tmp_path / "out")
        progress = tmp_path / "out" / "progress.json"
        progress.write_text(progress.read_text().replace("011.png", "0110.png"))
        with pytest.raises(
            DataError, match="photos has changed since .*out was started: .*011.png is where .*0110.png was"
        ):
            write([str(photos)], tmp_path / "out")


# === tensorflow-datasets ===


class Label:
    names = ("bird", "cat")

    def int2str(self, number: int) -> str:
        return self.names[number]


class Builder:
    """What of a builder of tensorflow-datasets is used."""

    def __init__(self, name: str, examples: dict[str, list[dict[str, Any]]], error: Exception | None) -> None:
        self.examples, self.error, self.prepared = examples, error, False
        self.builder_config = types.SimpleNamespace(name=name.partition("/")[2]) if "/" in name else None
        keys = set(next(iter(examples.values()))[0])
        self.info = types.SimpleNamespace(
            full_name=f"{name}/1.0.0",
            features={key: Label() if key == "label" else object() for key in keys},
            splits={split: types.SimpleNamespace(num_examples=len(found)) for split, found in examples.items()},
        )

    def download_and_prepare(self) -> None:
        if self.error:
            raise self.error
        self.prepared = True

    def as_dataset(self, *, split: str, shuffle_files: bool, decoders: Any, read_config: Any) -> tf.data.Dataset:
        assert self.prepared and not shuffle_files
        assert decoders == {"image": "skipped"} and read_config == {"interleave_cycle_length": 1}
        found = self.examples[split]
        return tf.data.Dataset.from_tensor_slices({key: [example[key] for example in found] for key in found[0]})


@pytest.fixture
def tfds(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.SimpleNamespace]:
    """A stand-in for tensorflow-datasets; `known` has its data sets, `error` what preparing them raises."""

    def examples(count: int, **more: Callable[[int], Any]) -> list[dict[str, Any]]:
        return [{"image": encoded(field(i), "PNG")} | {key: of(i) for key, of in more.items()} for i in range(count)]

    state = types.SimpleNamespace(error=None, data_dir=None, known={
        "cifar10": {
            "train": examples(4, label=lambda i: i % 2, id=lambda i: f"train_{i}"),
            "test": examples(2, label=lambda i: -1, id=lambda i: f"test_{i}"),
        },
        "imagenet2012": {"validation": examples(2, label=lambda i: 1, file_name=lambda i: f"val_{i}.JPEG")},
        "places365_small": {"train": examples(2, label=lambda i: 0)},
        "lsun/bedroom": {"train": examples(2, id=lambda i: f"{i:x}")},
        "glue": {"train": [{"sentence": "no picture"}]},
    })  # fmt: skip

    def builder(name: str, data_dir: str | None = None) -> Builder:
        state.data_dir = data_dir
        if name not in state.known:
            raise ValueError(f"Dataset {name} not found.")
        return Builder(name, state.known[name], state.error)

    module = types.ModuleType("tensorflow_datasets")
    module.builder = builder  # type: ignore[attr-defined]
    module.ReadConfig = dict  # type: ignore[attr-defined]
    module.decode = types.SimpleNamespace(SkipDecoding=lambda: "skipped")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    yield state


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tfds:cifar10", {f"train_{i}": ("bird", "cat")[i % 2] for i in range(4)}),
        ("tfds:cifar10:test", {"test_0": "", "test_1": ""}),
        ("tfds:imagenet2012:validation", {"val_0.JPEG": "cat", "val_1.JPEG": "cat"}),
        ("tfds:places365_small:train", {"0": "bird", "1": "bird"}),
        ("tfds:lsun/bedroom", {"0": "bedroom", "1": "bedroom"}),
    ],
)
def test_data_sets_of_tfds(tfds: Any, tmp_path: Path, name: str, wanted: dict[str, str]) -> None:
    write([name], tmp_path / "out", tfds_dir=tmp_path)
    assert classes_of(tmp_path / "out") == {f"{name}/{key}": found for key, found in wanted.items()}
    for i, (_, pixels) in enumerate(sorted(pictures(open_shards(tmp_path / "out")).items())):
        np.testing.assert_array_equal(pixels, np.asarray(field(i)))
    assert tfds.data_dir == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tfds:cifar10:dev", "tfds:cifar10:dev: cifar10 has no split 'dev': there are test, train"),
        (
            "tfds:nothing",
            r"tfds:nothing cannot be prepared: Dataset nothing not found.; prepare it .*\(tfds build nothing\)",
        ),
        ("tfds:", "'tfds:' does not name a data set: tfds:cifar10"),
        ("tfds:glue", "tfds:glue: its examples have no image, but sentence"),
    ],
)
def test_data_sets_that_tfds_does_not_have(tfds: Any, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        write([name], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tfds_without_a_network(tfds: Any, tmp_path: Path) -> None:
    tfds.error = ConnectionError("Max retries exceeded:\nName or service not known")
    words = "tfds:cifar10 cannot be prepared: Max retries exceeded: Name or .*where there is a network .*--tfds-dir"
    with pytest.raises(DataError, match=words):
        write(["tfds:cifar10"], tmp_path / "out")


def test_tfds_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match="tfds:cifar10 needs tensorflow-datasets: pip install tensorflow-datasets"):
        readers.open_source("tfds:cifar10")
