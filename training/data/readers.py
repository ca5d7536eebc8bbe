"""Where photographs come from: folders, archives that are read without being unpacked, and tensorflow-datasets.

A picture's folder within its source gives its class. Archives within a folder or an archive count as folders of
their name without suffix, as in ImageNet's archive of an archive for each class.
"""

import hashlib
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from media import files
from media.formats import TRAINING_SUFFIXES as SUFFIXES
from zoo.errors import DataError

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
ARCHIVES = (*TARS, ".zip")
TFDS = "tfds:"
WANTED = (*SUFFIXES, *ARCHIVES)
LARGEST = 1 << 30  # bytes of one file; what is larger is not a photograph, and is not taken into memory
# What is raised where a file or a member of an archive cannot be read.
UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    RuntimeError,  # zipfile's, for members with a password, and as NotImplementedError for those it cannot decompress
)


@dataclass(frozen=True)
class Item:
    """One file that may be a photograph.

    name: where it is, for people. folder: its folder within the source, "" for none.
    read: its bytes; must be called before the next item is asked for, unless the item is `lasting`.
    """

    name: str
    folder: str
    read: Callable[[], bytes]
    lasting: bool = False


@dataclass(frozen=True)
class Source:
    """Photographs under one name.

    state: what tells whether they are still the same. items: all of them, in an order that is always the same.
    count: how many there are, or None if only reading would tell.
    flat: the class of all if no picture lies in a folder. nested: whether all folders count, and not the first only.
    """

    name: str
    state: dict[str, Any]
    items: Callable[[], Iterator[Item]]
    count: int | None
    flat: str = ""
    nested: bool = False

    def classes(self, folders: set[str]) -> dict[str, str]:
        """Folders within this source -> classes: without the leading folders that all of them share."""
        if not self.nested:
            return {folder: folder for folder in folders}
        if folders == {""}:
            return {"": self.flat}
        parts = {folder: PurePosixPath(folder).parts for folder in folders}
        shared = os.path.commonprefix(list(parts.values()))
        shortest = min(len(part) for part in parts.values())
        skip = max(0, min(len(shared), shortest - 1))
        return {folder: "/".join(part[skip:]) for folder, part in parts.items()}


def open_source(name: str, tfds_dir: Path | None = None) -> Source:
    """The source that a name stands for: a folder, an archive or tfds:NAME[:SPLIT].

    Raises:
        DataError: there is nothing of that name, or it cannot be read.
    """
    if name.startswith(TFDS):
        return _of_tfds(name, tfds_dir)
    path = Path(name)
    if path.is_dir():
        try:
            return _of_folder(path)
        except OSError as error:
            raise DataError(f"{name} cannot be read: {error}") from error
    if not path.exists():
        raise DataError(f"{name}: no such folder or archive (a data set of tensorflow-datasets is named tfds:NAME)")
    if not is_archive(path.name):
        raise DataError(f"{name} is neither a folder nor an archive ({', '.join(ARCHIVES)})")
    state = {"kind": "archive", "bytes": path.stat().st_size, "modified": path.stat().st_mtime_ns}
    return Source(
        name, state, lambda: _at_least_one(path, _of_archive(path)), _zip_count(path), _stem(path.name), nested=True
    )


def is_archive(name: str) -> bool:
    """Whether a file of this name is read as an archive."""
    return name.lower().endswith(ARCHIVES)


def holds_archives(path: Path) -> bool:
    """Whether a path is an archive, or a folder with one in it or in its sub-folders."""
    if path.is_file():
        return is_archive(path.name)
    return any(entry.path.is_file() for entry in files.walk(path, ARCHIVES) if not entry.error)


def _at_least_one(path: Path, items: Iterator[Item]) -> Iterator[Item]:
    """The items; raises DataError at their end if there was none."""
    empty = True
    for item in items:
        yield item
        empty = False
    if empty:
        raise DataError(f"{path} holds no image file: photographs ({', '.join(sorted(SUFFIXES))}) are needed")


# === Folders ===


def _of_folder(folder: Path) -> Source:
    digest, count, pictures = hashlib.sha256(), 0, 0
    for path in _walk(folder):
        stat = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="replace"))
        count += 1
        pictures += not is_archive(path.name)
    if not count:
        content = "no image file and no archive" if any(folder.iterdir()) else "nothing"
        raise DataError(f"{folder} holds {content}: photographs ({', '.join(sorted(SUFFIXES))}) are needed")
    state = {"kind": "folder", "files": count, "sha256": digest.hexdigest()}
    return Source(
        str(folder), state, lambda: _at_least_one(folder, _in_folder(folder)), pictures if pictures == count else None
    )


def _walk(folder: Path) -> Iterator[Path]:
    """The image files and archives of a folder and its sub-folders; see `media.files.walk`."""
    for entry in files.walk(folder, WANTED):
        if entry.error:
            raise DataError(f"{entry.path}: {entry.error}")
        if entry.path.is_file():
            yield entry.path


def _in_folder(folder: Path) -> Iterator[Item]:
    for path in _walk(folder):
        parts = path.relative_to(folder).parts
        if is_archive(path.name):
            for item in _of_archive(path):
                yield Item(item.name, parts[0] if len(parts) > 1 else _stem(path.name), item.read, item.lasting)
        else:
            yield Item(str(path), parts[0] if len(parts) > 1 else "", _file_reader(path), lasting=True)


def _file_reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        if path.stat().st_size > LARGEST:
            raise OSError(f"it is larger than {LARGEST >> 30} GiB")
        return path.read_bytes()

    return read


# === Archives ===


def _stem(name: str) -> str:
    suffix = max((end for end in ARCHIVES if name.lower().endswith(end)), key=len)
    return name[: -len(suffix)]


def _zip_count(path: Path) -> int | None:
    if not path.name.lower().endswith(".zip"):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return (
        None
        if any(name.lower().endswith(TARS) for name in names)
        else sum(files.is_wanted(name, WANTED) for name in names)
    )


def _of_archive(path: Path) -> Iterator[Item]:
    """The pictures of an archive and of the archives in it, in their order there.

    Raises:
        DataError: a damaged archive.
    """
    read = 0
    try:
        with path.open("rb") as file:
            for item in _members(file, path.name, str(path), ""):
                yield item
                read += 1
    except UNREADABLE as error:
        raise DataError(
            f"{path} is damaged or incomplete, after {read} pictures: {error}; get it again, or leave it out"
        ) from error


def _members(file: IO[bytes], kind: str, name: str, folder: str) -> Iterator[Item]:
    listed = _in_zip if kind.lower().endswith(".zip") else _in_tar
    for member, size, opener in listed(file):
        # Nothing is ever unpacked, so a name that leads out of the archive does no harm; it is not a class, though.
        parts = PurePosixPath(member.replace("\\", "/")).parts
        inside = PurePosixPath(folder, *(part for part in parts if part not in ("/", "..")))
        parent = "" if str(inside.parent) == "." else str(inside.parent)
        label = f"{name}/{member}"
        if member.lower().endswith(TARS):
            with opener() as inner:
                yield from _members(inner, member, label, str(inside.with_name(_stem(inside.name))))
        else:
            yield Item(label, parent, _reader(opener, size, member))


def _reader(opener: Callable[[], IO[bytes]], size: int, member: str) -> Callable[[], bytes]:
    def read() -> bytes:
        if is_archive(member):
            raise OSError("it is a zip within an archive: unpack it")
        if size > LARGEST:
            raise OSError(f"it is larger than {LARGEST >> 30} GiB")
        with opener() as file:
            return file.read()

    return read


Member = tuple[str, int, Callable[[], IO[bytes]]]  # name, size in bytes, how to open it


def _in_tar(file: IO[bytes]) -> Iterator[Member]:
    # As a stream, so that an archive within a compressed one needs no seeking.
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # millions of them would fill the memory
            if member.isreg() and files.is_wanted(member.name, WANTED):
                yield member.name, member.size, partial(_in_tar_file, archive, member)


def _in_tar_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    assert file is not None  # since it is regular
    return file


def _in_zip(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if not member.is_dir() and files.is_wanted(member.filename, WANTED):
                yield member.filename, member.file_size, partial(archive.open, member)


# === tensorflow-datasets ===


def _of_tfds(name: str, data_dir: Path | None) -> Source:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DataError(f"{name} needs tensorflow-datasets: pip install tensorflow-datasets") from error
    data_set, _, split = name.removeprefix(TFDS).partition(":")
    split = split or "train"
    if not data_set:
        raise DataError(f"{name!r} does not name a data set: tfds:cifar10 or tfds:imagenet2012:validation are examples")
    where = {} if data_dir is None else {"data_dir": str(data_dir)}
    try:
        builder = tfds.builder(data_set, **where)
        builder.download_and_prepare()
    except Exception as error:  # of any kind: no such name, no network, no disk, a download to be made by hand
        raise DataError(
            f"{name} cannot be prepared: {' '.join(str(error).split())[:600]}; prepare it where there is a network "
            f"(tfds build {data_set}), and name its folder with --tfds-dir"
        ) from error
    splits = builder.info.splits
    try:
        count = int(splits[split].num_examples)
    except (KeyError, ValueError) as error:
        raise DataError(f"{name}: {data_set} has no split {split!r}: there are {', '.join(sorted(splits))}") from error
    features = builder.info.features
    if "image" not in features:
        raise DataError(f"{name}: its examples have no image, but {', '.join(sorted(features))}")
    label = features["label"] if "label" in features else None
    # LSUN has no labels: each of its configurations is a class.
    config = getattr(builder.builder_config, "name", "") if builder.builder_config is not None else ""

    def items() -> Iterator[Item]:
        examples = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={"image": tfds.decode.SkipDecoding()},
            # One file after the other, so that the order is always the same.
            read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
        for position, example in enumerate(examples.as_numpy_iterator()):
            key = next((example[key].decode() for key in ("file_name", "id") if key in example), str(position))
            folder = config
            if label is not None:
                number = int(example["label"])
                folder = label.int2str(number) if number >= 0 else ""  # test splits have no labels
            yield Item(f"{name}/{key}", folder, partial(bytes, example["image"]), lasting=True)

    return Source(name, {"kind": "tfds", "name": str(builder.info.full_name), "pictures": count}, items, count)
