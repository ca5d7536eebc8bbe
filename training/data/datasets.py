"""Sets of photographs, from folders, archives or shards, and how they are read.

Every photograph of a folder is decoded once, resized into a square frame and kept in one memory-mapped array; what is
in shards is decoded and resized whenever it is used. Archives become shards, since their members cannot be read in any
order, and so do folders that are mixed with archives or shards.
"""

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from media.reader import read_rgb
from training.data import records
from training.data.cache import load_frames
from training.data.folder import check_source, image_files
from training.data.readers import TFDS, holds_archives
from training.data.resize import THUMBNAIL, Resize, Window
from training.data.shards import write
from training.data.statistics import WithStatistics
from zoo.errors import ArgumentError, DataError, PhotographError


@dataclass(frozen=True)
class Photographs(WithStatistics):
    """A prepared set of N color photographs.

    frames: (M, S, S, 3) uint8 sRGB, each picture in the upper left, its border repeated over the rest. Of photographs
        in shards and of windows they are thumbnails, for statistics and for panels; of shards of a sample only.
    sizes: (M, 2) int32, height and width of the picture in its frame.
    names, hashes: path and SHA-256 of each file. left_out: path and reason of each file that is not used.
    class_names: the class folder of each file, "" for one that lies in no sub-folder.
    window: how the pictures are read for training; without one it is whole frames that are trained on.
    shards, resize: where the pictures are read from whenever they are used, and how they become frames.
    """

    frames: np.ndarray
    sizes: np.ndarray
    names: Sequence[str]
    hashes: Sequence[str]
    left_out: list[tuple[str, str]]
    class_names: Sequence[str] = field(default_factory=list)
    window: Window | None = None
    shards: records.Shards | None = None
    resize: Resize | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def side(self) -> int:
        """Side in pixels of the pictures that are trained on."""
        target = self.window or self.resize
        return target.size if target else int(self.frames.shape[1])

    @property
    def digest(self) -> str:
        """Hash of which photographs these are, and in which order, wherever they lie."""
        return hashlib.sha256("".join(self.hashes).encode()).hexdigest()[:16]

    @property
    def classes(self) -> list[str]:
        """The class folders, sorted."""
        if self.shards:
            return sorted({self.shards.classes[i] for i in np.unique(self.shards.rows["class"])} - {""})
        return sorted(set(self.class_names) - {""})

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        """The index of each picture's class in `classes`, (N,) int32, -1 where it is none of them."""
        index = {name: i for i, name in enumerate(classes)}
        if self.shards:
            return np.array([index.get(name, -1) for name in self.shards.classes], np.int32)[self.shards.rows["class"]]
        names = self.class_names or [""] * len(self)
        return np.array([index.get(name, -1) for name in names], np.int32)

    def read(self, chosen: np.ndarray, seeds: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (B, side, side, 3) uint8 and their heights and widths (B, 2); windows drawn from the seeds.

        Raises:
            DataError: a file that was removed or changed since it was prepared.
        """
        if not self.window and not self.shards:
            return self.frames[chosen], self.sizes[chosen]

        def read_one(i: int) -> tuple[np.ndarray, tuple[int, int]]:
            picture = self._picture(i)
            if self.window:
                generator = np.random.default_rng([*seeds, i]) if seeds is not None else None
                return self.window.cut(picture, generator), (self.window.size, self.window.size)
            assert self.resize
            return self.resize.frame(picture)

        pictures, sizes = zip(*_reading_threads().map(read_one, chosen.tolist()), strict=True)
        return np.stack(pictures), np.array(sizes, np.int32)

    def _picture(self, i: int) -> Image.Image:
        if self.shards:
            return self.shards.picture(i)
        try:
            data = Path(self.names[i]).read_bytes()
            if hashlib.sha256(data).hexdigest() != self.hashes[i]:
                raise DataError(f"{self.names[i]} has changed since the run began: put the old file back")
            return read_rgb(data)
        except (OSError, PhotographError) as error:
            raise DataError(f"{self.names[i]} was readable when the run began, and no longer is: {error}") from error

    def draw_order(self, generator: np.random.Generator, variants: int = 1) -> np.ndarray:
        """Every picture * variants + variant, in random order; of shards, so that few are read at a time."""
        if not self.shards:
            order = np.arange(len(self) * variants)
            generator.shuffle(order)
            return order
        return self.shards.draw_order(generator, variants)


@functools.cache
def _reading_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="photographs")


def check_folders(folders: Sequence[Path]) -> None:
    """Raises DataError if one of what `prepare` is to read does not exist; data sets by name are not looked for."""
    for folder in folders:
        if not str(folder).startswith(TFDS) and not records.find(folder, "train"):
            check_source(folder)


def prepare(
    folders: Sequence[Path],
    size: int,
    cache: Path,
    resize_mode: str = "pad",
    shortest: tuple[int, int] = (0, 0),
    split: str = "train",
    *,
    enlarge: bool = True,
    drop_gray: bool = True,
) -> Photographs:
    """Decodes the photographs of folders (and of their class sub-folders) into frames of size x size pixels.

    The frames stay in `cache` and are used again while the files' names, sizes and times are the same. Shards are only
    opened. A data set of tensorflow-datasets is first written into shards, in `cache`, and so are archives, folders
    with archives in them, and folders that are named together with shards or archives; these shards, too, are used
    again while the files are the same, and an interrupted writing continues.

    Args:
        folders: where the photographs lie: folders, archives (see `training.data.readers`), folders of shards (see
            `training.data.records.find`), or tfds:NAME:SPLIT. Shards come first in the set, and all else after them.
        size: side in pixels of the frames or windows.
        cache: folder of the frames.
        resize_mode: "pad": the whole picture scaled to fit into the frame with Lanczos; "center_crop": the middle
            square of the picture; "stretch": the whole picture, its aspect not kept; "random_crop": windows of the
            picture, see `Window`. The frames of windows are thumbnails of THUMBNAIL pixels, for statistics and for
            panels.
        shortest: of the windows.
        split: which part of the shards is meant where a folder of shards is named.
        enlarge: whether "pad" scales a smaller picture up to the frame; without it the picture keeps its size, and what
            remains of the frame is padding.
        drop_gray: leave gray and toned pictures out (`media.colorless.colorless`). Shards must have been
            written in the same way.

    Raises:
        ArgumentError: `enlarge` is False, and the resize_mode not "pad".
        DataError: no usable photograph, a folder or archive that cannot be used, or a cache that cannot be written.
    """
    if not enlarge and resize_mode != "pad":
        raise ArgumentError(f"resize_mode is {resize_mode!r}: without enlarge it must be 'pad'")
    found = [records.find(_resolve_tfds(folder, cache, drop_gray), split) for folder in folders]
    in_shards = [part for part in found if part]
    others = [folder for folder, part in zip(folders, found, strict=True) if not part]
    if in_shards or any(map(holds_archives, others)):
        for folder, _ in in_shards:
            _check_gray(folder, drop_gray)
        left_out: list[tuple[str, str]] = []
        if others:
            written = _write_shards(others, cache, drop_gray)
            in_shards.append((written, "train"))
            left_out = records.left_out(written)
        photographs = of_shards(records.load(in_shards), size, resize_mode, shortest, enlarge=enlarge)
        return replace(photographs, left_out=left_out)
    files = image_files(folders)
    window = Window(size, shortest) if resize_mode == "random_crop" else None
    resize = Resize(THUMBNAIL, "center_crop") if window else Resize(size, resize_mode, enlarge)
    frames, index = load_frames(files, resize, cache, drop_gray=drop_gray)
    return Photographs(
        frames,
        np.array(index["sizes"], np.int32),
        index["names"],
        index["hashes"],
        [(name, reason) for name, reason in index["left_out"]],
        [_class_folder(Path(name), folders) for name in index["names"]],
        window,
    )


def _resolve_tfds(folder: Path, cache: Path, drop_gray: bool) -> Path:
    """The folder itself, or the shards of the data set that it names."""
    if not str(folder).startswith(TFDS):
        return folder
    name = str(folder).replace(":", "-").replace("/", "-")
    out = cache / (name if drop_gray else f"{name}-with-gray")
    write([str(folder)], out, keep_gray=not drop_gray)
    return out


def _write_shards(sources: Sequence[Path], cache: Path, drop_gray: bool) -> Path:
    """The folder of shards, in `cache`, of folders and archives; written unless it is there, and they are the same."""
    for source in sources:
        check_source(source)
    names = [str(source) for source in sources]
    key = hashlib.sha256(json.dumps([names, drop_gray]).encode()).hexdigest()[:16]
    out = cache / f"shards-{key}"
    write(names, out, keep_gray=not drop_gray, renew=True)
    return out


def _check_gray(folder: Path, drop_gray: bool) -> None:
    """Raises DataError if shards hold gray pictures that are to be dropped, or lack those that are to be kept."""
    index = records.read_index(folder)
    kept = index["settings"].get("keep_gray", False)
    if kept and drop_gray:
        raise DataError(
            f"the shards in {folder} may hold gray pictures, as they were written with --keep-gray: set drop_gray to "
            "False, or write them without"
        )
    lost = sum(index["left_out"]["reasons"].get(kind, 0) for kind in ("gray", "toned"))
    if lost and not drop_gray:
        raise DataError(
            f"the shards in {folder} lack {lost} gray or toned pictures that drop_gray=False keeps: set drop_gray to "
            "True, or write them with --keep-gray"
        )


def of_shards(
    shards: records.Shards, size: int, resize_mode: str, shortest: tuple[int, int], *, enlarge: bool = True
) -> Photographs:
    """The pictures of shards, resized as `prepare` says."""
    count, sample = len(shards), shards.sample
    window = Window(size, shortest) if resize_mode == "random_crop" else None
    return Photographs(
        sample,
        np.full((len(sample), 2), sample.shape[1], np.int32),
        records.Lazily(count, shards.name),
        records.Lazily(count, shards.sha256),
        [],
        records.Lazily(count, shards.class_name),
        window,
        shards,
        None if window else Resize(size, resize_mode, enlarge),
    )


def _class_folder(path: Path, folders: Sequence[Path]) -> str:
    """The name of the folder between the data folder and the file."""
    parts = next(path.relative_to(folder).parts for folder in folders if path.is_relative_to(folder))
    return parts[0] if len(parts) > 1 else ""
