"""The format of shards: photographs as encoded images in TFRecord files, with an index that finds each at once.

    DIR/index.json               version, settings, classes; of each split its shards with counts and hashes
    DIR/train-00000.tfrecord     records of tf.train.Example: see `record`
    DIR/train-00000.npy          where each picture lies in that file, and its hashes: see ROW
    DIR/train-sample.npy         thumbnails of an even sample of the split, (M, 64, 64, 3) uint8
    DIR/validation-...           likewise, where there is such a split
    DIR/left_out.tsv             name and reason of everything that is not used

A picture is read by its position, without what lies before it, so that a run can resume at any step.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image

from zoo.errors import DataError, PhotographError

VERSION = 1
SPLITS = ("train", "validation")
ROW = np.dtype(
    [
        ("offset", "<u8"),  # of the encoded image in its shard, in bytes
        ("length", "<u4"),  # of the encoded image, in bytes
        ("after", "<u4"),  # bytes of the record after the image
        ("class", "<u4"),  # index in the classes of index.json; of opened shards, in Shards.classes
        ("height", "<u4"),
        ("width", "<u4"),
        ("sha256", "V32"),  # of the file that the picture came from
        ("pixels", "<u8"),  # the first 8 bytes of the SHA-256 of its decoded pixels
        ("look", "<u8"),  # perceptual hash; 0 if none was needed (named as in the first version of the format)
    ]
)
HEADER, FOOTER = 12, 4  # bytes around a record in a TFRecord file
GROUP = 8  # shards that are shuffled together
OPEN_FILES = 64


@dataclass(frozen=True)
class Shards:
    """The pictures of some splits, in their order.

    files: paths of the shards. starts: position of each shard's first picture, and last the number of all pictures.
    rows: (N,) of dtype ROW. classes: the names that the rows' classes stand for.
    sample: thumbnails of some pictures. folders: the folders with their splits. digest: of their indices.
    """

    files: list[Path]
    starts: np.ndarray
    rows: np.ndarray
    classes: list[str]
    sample: np.ndarray
    folders: list[tuple[str, str]]
    digest: str

    def __len__(self) -> int:
        return len(self.rows)

    def locate(self, i: int) -> tuple[int, int]:
        """The index of a picture's shard, and its index in that shard."""
        shard = int(np.searchsorted(self.starts, i, side="right")) - 1
        return shard, i - int(self.starts[shard])

    def read_encoded(self, i: int) -> bytes:
        """The bytes of an image.

        Raises:
            DataError: a shard that is missing or too short.
        """
        return self._read(i, int(self.rows[i]["offset"]), int(self.rows[i]["length"]))

    @functools.cached_property
    def _open_file(self) -> "Callable[[Path], _File]":
        return functools.lru_cache(OPEN_FILES)(_File)

    def _read(self, i: int, offset: int, length: int) -> bytes:
        shard, k = self.locate(i)
        try:
            file = self._open_file(self.files[shard])  # held, since another thread may push it out of the cache
            data = os.pread(file.descriptor, length, offset)
        except OSError as error:
            raise DataError(f"{self.files[shard]} cannot be read: {error}; try colorzoo shards --verify") from error
        if len(data) < length:
            raise DataError(f"{self.files[shard]} ends within picture {k}: try colorzoo shards --verify")
        return data

    def picture(self, i: int) -> Image.Image:
        """A picture, of mode RGB.

        Raises:
            DataError: a damaged shard.
        """
        try:
            return Image.fromarray(pixels_of(self.read_encoded(i)))
        except PhotographError as error:
            shard, k = self.locate(i)
            raise DataError(f"picture {k} of {self.files[shard]} {error}: try colorzoo shards --verify") from error

    def name(self, i: int) -> str:
        """Where a picture came from."""
        # The image ends one of the record's fields, and the name is in one of those that follow.
        end = int(self.rows[i]["offset"]) + int(self.rows[i]["length"])
        rest = tf.train.Features.FromString(self._read(i, end, int(self.rows[i]["after"])))
        return str(rest.feature["name"].bytes_list.value[0].decode())

    def sha256(self, i: int) -> str:
        """Of the file that a picture came from."""
        return bytes(self.rows[i]["sha256"]).hex()

    def class_name(self, i: int) -> str:
        """The class of a picture, "" if it has none."""
        return self.classes[self.rows[i]["class"]]

    def draw_order(self, generator: np.random.Generator, variants: int = 1) -> np.ndarray:
        """Every picture * variants + variant, in an order that reads few files at a time.

        The shards are shuffled, and then the pictures within every GROUP of them.
        """
        order = []
        shards = generator.permutation(len(self.files))
        for first in range(0, len(shards), GROUP):
            parts = [np.arange(*self.starts[s : s + 2] * variants) for s in shards[first : first + GROUP]]
            order.append(generator.permutation(np.concatenate(parts)))
        return np.concatenate(order)


class Lazily(Sequence[str]):
    """A sequence whose items are looked up when they are used, since millions of names need not be in memory."""

    def __init__(self, count: int, at: Callable[[int], str]) -> None:
        self._count, self._at = count, at

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self._at(k) for k in range(*i.indices(self._count))]
        if not -self._count <= i < self._count:
            raise IndexError(i)
        return self._at(int(i) % self._count)


def find(path: Path, split: str) -> tuple[Path, str] | None:
    """The folder and split that a path names, or None if it names no shards.

    DIR is the split that is asked for; for "validation" all of DIR if it was not divided. DIR/train and
    DIR/validation are that split.

    Raises:
        DataError: a folder of shards that are not finished, or a split that it does not have.
    """
    if path.name in SPLITS and not path.exists() and (path.parent / "index.json").is_file():
        path, split = path.parent, path.name
        if split not in read_index(path)["splits"]:
            raise DataError(f"{path} has no {split} split: it was made without --validation")
        return path, split
    if not (path / "index.json").is_file():
        if (path / "progress.json").is_file():
            raise DataError(f"the shards in {path} are not finished: run the same command again")
        return None
    return path, split if split in read_index(path)["splits"] else "train"


def read_index(folder: Path) -> dict[str, Any]:
    """The index.json of a folder of shards.

    Raises:
        DataError: it is not there, cannot be read, or is of a newer version.
    """
    path = folder / "index.json"
    try:
        index = json.loads(path.read_text())
        version = index["version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder} is not a folder of shards: {path.name} cannot be read: {error}") from error
    if version != VERSION:
        raise DataError(f"{folder} holds shards of version {version}: this program reads version {VERSION}")
    return dict(index)


def left_out(folder: Path) -> list[tuple[str, str]]:
    """Name and reason of each file that is not in the shards of a folder.

    Raises:
        DataError: the list cannot be read.
    """
    path = folder / "left_out.tsv"
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return [(name, reason) for line in lines for name, _, reason in [line.partition("\t")]]


def load(found: Sequence[tuple[Path, str]]) -> Shards:
    """The pictures of splits, one after the other.

    Raises:
        DataError: a file that is missing or is not as long as the index says.
    """
    files, rows, samples = [], [], []
    numbers: dict[str, int] = {}  # of the classes of all folders
    digest = hashlib.sha256()
    for folder, split in found:
        index = read_index(folder)
        digest.update((folder / "index.json").read_bytes() + split.encode())
        merged = np.array([numbers.setdefault(name, len(numbers)) for name in index["classes"]], np.uint32)
        for shard in index["splits"][split]["shards"]:
            path = folder / shard["file"]
            size = path.stat().st_size if path.is_file() else None
            if size != shard["bytes"]:
                fault = "is missing" if size is None else f"has {size} bytes instead of {shard['bytes']}"
                raise DataError(f"{path} {fault}: colorzoo shards --verify {folder} lists what is wrong")
            files.append(path)
            rows.append(_array(folder, path.with_suffix(".npy"), shard["count"]))
            rows[-1]["class"] = merged[rows[-1]["class"]]
        samples.append(_array(folder, folder / f"{split}-sample.npy"))
    starts = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
    folders = [(str(folder.resolve()), split) for folder, split in found]
    sample = np.concatenate(samples)
    return Shards(files, starts, np.concatenate(rows), list(numbers), sample, folders, digest.hexdigest())


def _array(folder: Path, path: Path, count: int | None = None) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path)
        if count is not None and (array.dtype != ROW or len(array) != count):
            raise ValueError(f"it has {len(array)} rows instead of {count}")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be read: {error}: colorzoo shards --verify {folder} lists what is wrong"
        ) from error
    return array


def pixels_of(data: bytes) -> np.ndarray:
    """JPEG or PNG -> (H, W, 3) uint8, the pixels that Pillow gives: neither turned nor with its color profile applied.

    Raises:
        PhotographError: it cannot be decoded.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise PhotographError(f"cannot be read: {error}") from error
    if pixels is None:
        raise PhotographError("cannot be read: not a JPEG or PNG")
    return np.asarray(pixels)


def record(image: bytes, shape: tuple[int, int], folder: str, name: str, sha256: bytes) -> bytes:
    """A tf.train.Example of one picture: encoded image, its format, height, width, class, name and hash.

    Args:
        image: a JPEG or PNG.
        shape: its height and width.
        folder: where the picture lay in its source; index.json has it without what all have in common.
        name: where the picture came from.
        sha256: of the file that the picture came from.
    """
    kind = b"JPEG" if image.startswith(b"\xff\xd8") else b"PNG"
    text = {"image": image, "format": kind, "class": folder.encode(), "name": name.encode(), "sha256": sha256}
    features = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for key, value in text.items()}
    for key, value in zip(("height", "width"), shape, strict=True):
        features[key] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # In the order of the keys, so that the name follows the image and a repeated command gives the same bytes.
    return bytes(example.SerializeToString(deterministic=True))


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _File:
    """An open file that is closed with its last reference."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)
