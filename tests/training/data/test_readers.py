"""What shards are made from: folders, archives, and data sets of tensorflow-datasets."""

import io
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from tests.training.data.shard_pictures import decoded, encoded, field, left_out, open_shards, pictures, write_pictures
from training.data import readers, shards
from training.data.folder import image_files
from training.data.shards import write
from zoo.errors import ArgumentError, DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve plain pictures in two class folders, JPEG and PNG in turns."""
    return write_pictures(tmp_path / "photos", range(100, 112))


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
        "bad.png": "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF",
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
