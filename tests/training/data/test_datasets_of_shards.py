"""Shards give what their folders give: frames, windows, batches, statistics and classes."""

import dataclasses
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from tests.photographs import write_fields
from tests.training.data.epochs import ALL, SIZE, assert_equal_batches, epoch
from training.data import datasets, records, shards
from training.data.apart import check_apart
from training.data.batches import WorkerInfo
from training.data.datasets import prepare
from training.data.resize import THUMBNAIL
from training.data.statistics import frequent_uv_classes
from zoo.errors import DataError


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
