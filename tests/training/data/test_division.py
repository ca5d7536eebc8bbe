"""Copies, and pictures that look alike, are never divided between training and validation."""

from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from tests.training.data.shard_pictures import decoded, encoded, field, left_out, open_shards, pictures
from training.data import encoding, shards
from training.data.perceptual_hash import BITS, FARTHEST, HashIndex, perceptual_hash
from training.data.resize import THUMBNAIL, center_crop
from training.data.shards import write


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
