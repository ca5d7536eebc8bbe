"""Photographs from folders or shards to batches.

Every photograph of a folder is decoded once, fitted into a square frame and kept in one memory-mapped array; what is in
shards is decoded and framed whenever it is used. A batch is a function of the seed, the epoch and the step alone, which
is what lets a killed run go on exactly.
"""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image

from training.data import records
from training.data.augmentation import Augmentation, crop_and_flip, drawn, noise
from training.data.folder import decode, image_files
from training.data.readers import TFDS
from zoo import bins, color
from zoo.errors import DataError, PhotographError

# A photograph is gray if no color is further than this from gray, in Lab units (as in Zhang's code)...
GRAY_LIMIT = 5.0
# ...and toned if its color is a function of its lightness: so much of ab may remain beside a parabola over L
TONED_LIMIT = 1.0
CHECKED_TOGETHER = 128  # photographs in one color check
CACHE_VERSION = 2
THUMBNAIL = 64  # pixels
RESIZE_MODES = ("pad", "center_crop", "random_crop")


@dataclass(frozen=True)
class WorkerInfo:
    """Which of how many workers a process is."""

    worker: int = 0
    workers: int = 1

    @property
    def chief(self) -> bool:
        """Whether it writes what all workers share."""
        return self.worker == 0

    def part(self, count: Any) -> slice:
        """This worker's part of so many things, an int or a tensor."""
        return slice(count * self.worker // self.workers, count * (self.worker + 1) // self.workers)


ALONE = WorkerInfo()


@dataclass(frozen=True)
class Window:
    """Square windows of pictures at their own resolution, cut out whenever a picture is used.

    size: side of the window in pixels. shortest: range that the picture's shorter side is scaled into first, drawn
    anew each time; (0, 0) leaves the picture as it is, unless it is smaller than the window.
    """

    size: int
    shortest: tuple[int, int] = (0, 0)

    def cut(self, picture: Image.Image, generator: np.random.Generator | None) -> np.ndarray:
        """RGB picture -> (size, size, 3) uint8: a random window, or without a generator the middle one."""
        low, high = (side or min(picture.size) for side in self.shortest)
        shorter = max(self.size, int(generator.integers(low, high + 1)) if generator else low)
        width, height = (max(self.size, round(side * shorter / min(picture.size))) for side in picture.size)
        left, top = (
            int(generator.integers(0, spare + 1)) if generator else spare // 2
            for spare in (width - self.size, height - self.size)
        )
        if (width, height) == picture.size:
            return np.asarray(picture.crop((left, top, left + self.size, top + self.size)))
        scale = (picture.width / width, picture.height / height)
        box = (left * scale[0], top * scale[1], (left + self.size) * scale[0], (top + self.size) * scale[1])
        box = (box[0], box[1], min(box[2], picture.width), min(box[3], picture.height))
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.LANCZOS, box=box))


@dataclass(frozen=True)
class Photographs:
    """A prepared set of N color photographs.

    frames: (M, S, S, 3) uint8 sRGB, each picture in the upper left, its border repeated over the rest. Of photographs
        in shards and of windows they are thumbnails, for statistics and for panels; of shards of a sample only.
    sizes: (M, 2) int32, height and width of the picture in its frame.
    names, hashes: path and SHA-256 of each file. left_out: path and reason of each file that is not used.
    class_names: the class folder of each file, "" for one that lies in no sub-folder.
    window: how the pictures are read for training; without one it is whole frames that are trained on.
    shards, resize_mode: where the pictures are read from whenever they are used, and how they become frames.
    """

    frames: np.ndarray
    sizes: np.ndarray
    names: Sequence[str]
    hashes: Sequence[str]
    left_out: list[tuple[str, str]]
    class_names: Sequence[str] = field(default_factory=list)
    window: Window | None = None
    shards: records.Shards | None = None
    resize_mode: "_Resize | None" = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def side(self) -> int:
        """Side in pixels of the pictures that are trained on."""
        resize_mode = self.window or self.resize_mode
        return resize_mode.size if resize_mode else int(self.frames.shape[1])

    @property
    def digest(self) -> str:
        """Which photographs these are and in which order, wherever they lie."""
        return hashlib.sha256("".join(self.hashes).encode()).hexdigest()[:16]

    @property
    def classes(self) -> list[str]:
        """The class folders, sorted."""
        if self.shards:
            return sorted({self.shards.classes[i] for i in np.unique(self.shards.rows["class"])} - {""})
        return sorted(set(self.class_names) - {""})

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        """The place of each picture's class among `classes`, (N,) int32, -1 where it is none of them."""
        place = {name: i for i, name in enumerate(classes)}
        if self.shards:
            return np.array([place.get(name, -1) for name in self.shards.classes], np.int32)[self.shards.rows["class"]]
        names = self.class_names or [""] * len(self)
        return np.array([place.get(name, -1) for name in names], np.int32)

    def read(self, chosen: np.ndarray, seeds: Sequence[int] | None) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (B, side, side, 3) uint8 and their heights and widths (B, 2); windows drawn from the seeds.

        Raises:
            DataError: a file that has gone or changed since it was prepared.
        """
        if not self.window and not self.shards:
            return self.frames[chosen], self.sizes[chosen]

        def framed(i: int) -> tuple[np.ndarray, tuple[int, int]]:
            picture = self._picture(i)
            if self.window:
                generator = np.random.default_rng([*seeds, i]) if seeds is not None else None
                return self.window.cut(picture, generator), (self.window.size, self.window.size)
            assert self.resize_mode
            return self.resize_mode.frame(picture)

        pictures, sizes = zip(*_readers().map(framed, chosen.tolist()), strict=True)
        return np.stack(pictures), np.array(sizes, np.int32)

    def _picture(self, i: int) -> Image.Image:
        if self.shards:
            return self.shards.picture(i)
        try:
            data = Path(self.names[i]).read_bytes()
            if hashlib.sha256(data).hexdigest() != self.hashes[i]:
                raise DataError(f"{self.names[i]} is another file than when the run began: put the old one back")
            return decode(data)
        except (OSError, PhotographError) as error:
            raise DataError(f"{self.names[i]} could be read when the run began, and no longer: {error}") from error

    def shuffled(self, generator: np.random.Generator, variants: int = 1) -> np.ndarray:
        """Every picture * variants + variant, in random order; of shards, so that few are read at a time."""
        if not self.shards:
            order = np.arange(len(self) * variants)
            generator.shuffle(order)
            return order
        return self.shards.shuffled(generator, variants)


@functools.cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="photographs")


def prepare(
    folders: Sequence[Path],
    size: int,
    cache: Path,
    resize_mode: str = "pad",
    shortest: tuple[int, int] = (0, 0),
    split: str = "train",
) -> Photographs:
    """Decodes the photographs of folders (and of their class sub-folders) into frames of size x size pixels.

    The frames stay in `cache` and are used again while the files' names, sizes and times are the same. Shards are only
    opened. A data set of tensorflow-datasets is made into shards first, in `cache`.

    Args:
        folders: where the photographs lie: folders, folders of shards (see `training.data.records.find`), or
            tfds:NAME:SPLIT; not folders together with the others.
        size: side in pixels of the frames or windows.
        cache: folder of the frames.
        resize_mode: "pad": the whole picture fitted into the frame with Lanczos, a smaller one enlarged to it;
            "center_crop": the middle square of the picture; "random_crop": windows of the picture, see `Window`. The
            frames of windows are thumbnails of THUMBNAIL pixels, for statistics and for panels.
        shortest: of the windows.
        split: which part of the shards is meant where a folder of shards is named.

    Raises:
        DataError: no usable photograph, a folder that cannot be used, or a cache that cannot be written.
    """
    found = [records.find(_downloaded(folder, cache), split) for folder in folders]
    divided = [part for part in found if part]
    if divided:
        if len(divided) < len(found):
            folder = folders[found.index(None)]
            raise DataError(f"{folder} is not in shards, and {divided[0][0]} is: make shards of it, too")
        return in_shards(records.load(divided), size, resize_mode, shortest)
    files = image_files(folders)
    framed = _Resize(THUMBNAIL, "center_crop") if resize_mode == "random_crop" else _Resize(size, resize_mode)
    states = [(str(p), s.st_size, s.st_mtime_ns) for p in files for s in [p.stat()]]
    key = hashlib.sha256(json.dumps([CACHE_VERSION, framed, states]).encode()).hexdigest()
    index = _cached(cache, key)
    if index is None:
        try:
            index = _decode_all(files, framed, cache, key)
        except OSError as error:  # those of photographs are caught where they are read
            raise DataError(f"the cache of photographs in {cache} cannot be written: {error}") from error
    left_out = [(name, reason) for name, reason in index["left_out"]]
    if not index["names"]:
        raise DataError(f"none of {len(files)} files is a color photograph: the first, {': '.join(left_out[0])}")
    return Photographs(
        np.load(cache / "frames.npy", mmap_mode="r"),
        np.array(index["sizes"], np.int32),
        index["names"],
        index["hashes"],
        left_out,
        [_class_folder(Path(name), folders) for name in index["names"]],
        Window(size, shortest) if resize_mode == "random_crop" else None,
    )


def _downloaded(folder: Path, cache: Path) -> Path:
    """The folder itself, or the shards of the data set that it names."""
    if not str(folder).startswith(TFDS):
        return folder
    from training.data.shards import write

    out = cache / str(folder).replace(":", "-").replace("/", "-")
    write([str(folder)], out)
    return out


def in_shards(shards: records.Shards, size: int, resize_mode: str, shortest: tuple[int, int]) -> Photographs:
    """The pictures of shards, framed as `prepare` says."""
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
        None if window else _Resize(size, resize_mode),
    )


class _Resize(NamedTuple):
    size: int
    kind: str

    def frame(self, picture: Image.Image) -> tuple[np.ndarray, tuple[int, int]]:
        return pad(picture, self.size) if self.kind == "pad" else center_crop(picture, self.size)


def _class_folder(path: Path, folders: Sequence[Path]) -> str:
    """The name of the folder between the data folder and the file."""
    parts = next(path.relative_to(folder).parts for folder in folders if path.is_relative_to(folder))
    return parts[0] if len(parts) > 1 else ""


def _cached(cache: Path, key: str) -> dict[str, list[Any]] | None:
    """What a cache says of its frames, if both are whole and of the key."""
    try:
        index: dict[str, Any] = json.loads((cache / "index.json").read_text())
        frames = np.load(cache / "frames.npy", mmap_mode="r")
        return index if index["key"] == key and len(frames) == len(index["names"]) else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # lost, cut off, or of another version
        return None


def _decode_all(files: Sequence[Path], resize_mode: _Resize, cache: Path, key: str) -> dict[str, list[Any]]:
    """Fills a cache: its frames, and then the index that makes them valid."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "index.json").unlink(missing_ok=True)
    # Written as a stream: on a full disk a memory map would end the process with SIGBUS.
    with (cache / "frames.npy").open("wb") as file:
        _write_header(file, len(files), resize_mode.size)
        index = _decode_into(file, files, resize_mode)
        file.seek(0)
        _write_header(file, len(index["names"]), resize_mode.size)
        file.flush()
        os.fsync(file.fileno())  # the index must not outlive a power cut that the frames did not
    temporary = cache / "index.part"
    temporary.write_text(json.dumps({"key": key} | index))
    temporary.replace(cache / "index.json")
    return index


def _write_header(file: IO[bytes], count: int, size: int) -> None:
    """The header of an array of frames; as long for any count, since NumPy leaves room for the first axis to grow."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _decode_into(file: IO[bytes], files: Sequence[Path], resize_mode: _Resize) -> dict[str, list[Any]]:
    index: dict[str, list[Any]] = {"names": [], "sizes": [], "hashes": [], "left_out": []}
    for names, part in _in_order(files, resize_mode):
        reasons = [reason for _, _, _, reason in part]
        good = [i for i, reason in enumerate(reasons) if not reason]
        if good:
            for i, reason in zip(good, colorless(np.stack([part[i][0] for i in good])), strict=True):
                reasons[i] = reason
        for name, (frame, shape, digest, _), reason in zip(names, part, reasons, strict=True):
            if reason:
                index["left_out"].append((str(name), reason))
                continue
            file.write(frame.tobytes())
            index["names"].append(str(name))
            index["sizes"].append(shape)
            index["hashes"].append(digest)
    return index


Decoded = tuple[np.ndarray, tuple[int, int], str, str]


def _in_order(files: Sequence[Path], resize_mode: _Resize) -> Iterator[tuple[Sequence[Path], list[Decoded]]]:
    """Decodes a bounded number of files at a time, so that memory does not grow with the folder."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), CHECKED_TOGETHER):
            names = files[start : start + CHECKED_TOGETHER]
            yield names, list(pool.map(lambda path: _decode(path, resize_mode), names))


def _decode(path: Path, resize_mode: _Resize) -> Decoded:
    """One file -> frame, (height, width) of the picture in it, SHA-256, and why it cannot be used, or ""."""
    nothing = np.zeros((resize_mode.size, resize_mode.size, 3), np.uint8)
    try:
        data = path.read_bytes()
        picture = decode(data)
    except OSError as error:
        return nothing, (0, 0), "", f"cannot be read: {error}"
    except PhotographError as error:
        return nothing, (0, 0), "", str(error)
    return *resize_mode.frame(picture), hashlib.sha256(data).hexdigest(), ""


def pad(picture: Image.Image, size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """RGB picture -> frame (size, size, 3) uint8, the border repeated below and right; (height, width)."""
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    frame = np.empty((size, size, 3), np.uint8)
    frame[:height, :width] = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    frame[height:, :width] = frame[height - 1, :width]
    frame[:, width:] = frame[:, width - 1 : width]
    return frame, (height, width)


def center_crop(picture: Image.Image, size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """RGB picture -> its middle square as (size, size, 3) uint8; (size, size)."""
    return Window(size, (size, size)).cut(picture, None), (size, size)


def colorless(frames: np.ndarray) -> list[str]:
    """Frames (B, S, S, 3) uint8 -> for each "gray", "toned" or, for a color photograph, ""."""
    sampled = frames[:, ::4, ::4].reshape(len(frames), -1, 3).astype(np.float32) / 255
    lab = ops.convert_to_numpy(color.rgb_to_lab(sampled))
    reasons = []
    for picture in lab:
        light, ab = picture[:, :1] / 100, picture[:, 1:]
        parabola = np.concatenate([np.ones_like(light), light, light**2], axis=1)
        rest = ab - parabola @ np.linalg.lstsq(parabola, ab, rcond=None)[0]
        if np.abs(ab).max() <= GRAY_LIMIT:
            reasons.append("gray")
        else:
            reasons.append("toned" if np.sqrt((rest**2).mean()) < TONED_LIMIT else "")
    return reasons


def check_apart(train: Photographs, val: Photographs) -> None:
    """Raises DataError if a picture is in both sets: validation would flatter the network."""
    shared = sorted(set(val.hashes).intersection(train.hashes))
    if shared:
        first = val.names[val.hashes.index(shared[0])]
        raise DataError(
            f"{len(shared)} of {len(val)} validation pictures are also trained on, {first} for one: take "
            "them out of one of the folders"
        )


def frequent_uv_classes(photographs: Photographs, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n most frequent UV cells -> class of each cell (100,), mean ab of each class (n, 2), prior (n,)."""
    counts, ab_sums = _uv_counts(photographs)
    classes = bins.frequent_classes(counts, n)
    return classes, *bins.class_statistics(classes, counts, ab_sums)


def uv_prior(photographs: Photographs, classes: np.ndarray) -> np.ndarray:
    """Class of each UV cell (100,) -> the prior (n,) float32 of the classes in the photographs."""
    count = np.bincount(classes, _uv_counts(photographs)[0])
    return (count / count.sum()).astype(np.float32)


def _uv_counts(photographs: Photographs) -> tuple[np.ndarray, np.ndarray]:
    """Of every second pixel each way: how many lie in each UV cell (100,), and the sums of their ab (100, 2)."""
    counts = np.zeros(bins.UV_CELLS**2)
    ab_sums = np.zeros((bins.UV_CELLS**2, 2))
    for start in range(0, len(photographs.frames), CHECKED_TOGETHER):
        frames = photographs.frames[start : start + CHECKED_TOGETHER, ::2, ::2]
        sizes = photographs.sizes[start : start + CHECKED_TOGETHER]
        pixels = np.concatenate(
            [f[: (h + 1) // 2, : (w + 1) // 2].reshape(-1, 3) for f, (h, w) in zip(frames, sizes, strict=True)]
        )
        rgb = pixels.astype(np.float32) / 255
        cells = ops.convert_to_numpy(bins.uv_cell(color.rgb_to_yuv(rgb)[:, 1:]))
        ab = ops.convert_to_numpy(color.rgb_to_lab(rgb)[:, 1:])
        counts += np.bincount(cells, minlength=len(counts))
        ab_sums += np.stack([np.bincount(cells, ab[:, i], len(counts)) for i in range(2)], axis=-1)
    return counts, ab_sums


def batches(
    photographs: Photographs,
    batch: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    augmentation: Augmentation | None = None,
    classes: Sequence[str] = (),
    draws: int = 0,
    place: WorkerInfo = ALONE,
    service: str | None = None,
) -> tf.data.Dataset:
    """One epoch from its batch number `start` on, or one worker's part of each of its batches.

    With an augmentation the pictures come in an order drawn from seed and epoch and a last incomplete batch
    is left out; without one they come as they are, all of them. What is drawn does not depend on the number of workers.
    With the address of a tf.data service, the pictures of the former are read there; see `training.loop.data_service`.

    Yields:
        lightness (B, S, S, 1) float32 in [0, 100], with noise where that is asked for, and a dict of
        rgb (B, S, S, 3) float32 in [0, 1], ab (B, S, S, 2) float32 in Lab units,
        mask (B, S, S) float32: 1 on the picture and 0 on the padding,
        labels (B,) int32: the place of the picture's class folder among `classes`, -1 if it is not there, and
        draws (B, draws) float32: uniform random numbers in [0, 1) for what a system draws by itself.
    """
    variants = augmentation.variants if augmentation else 1
    order = np.arange(len(photographs) * variants)  # picture * variants + variant
    if augmentation:
        order = photographs.shuffled(np.random.default_rng([seed, epoch]), variants)
        order = order[: len(order) // batch * batch]
    else:
        order, place = np.array_split(order, place.workers)[place.worker], ALONE
    seeds = [seed, epoch] if augmentation else None
    labels = tf.constant(photographs.labels(classes))

    def read(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return photographs.read(chosen, seeds)

    def pictures(
        step: tf.Tensor, items: tf.Tensor, there: tuple[tf.Tensor, tf.Tensor] | None = None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        items = tf.sort(items)
        count = tf.shape(items)[0]
        mine = place.part(count)
        chosen = items[mine] // variants
        frames, sizes = there or tf.numpy_function(read, [chosen], (tf.uint8, tf.int32))
        frames = tf.ensure_shape(frames, (None, photographs.side, photographs.side, 3))
        rgb = tf.cast(frames, tf.float32) / 255
        sizes = tf.ensure_shape(sizes, (None, 2))
        draw = tf.stack([tf.cast(seed, tf.int64), step])
        if augmentation:
            changes = drawn(augmentation, tf.cast(items % variants, tf.int32), draw).part(mine)
            rgb = crop_and_flip(rgb, sizes, changes)
        lab = color.rgb_to_lab(rgb)
        light = lab[..., :1]
        if augmentation:
            light += noise((count, *light.shape[1:]), changes, draw + 2, mine)
        return light, {
            "rgb": rgb,
            "ab": lab[..., 1:],
            "mask": padding_mask(sizes, photographs.side),
            "labels": tf.gather(labels, chosen),
            "draws": tf.random.stateless_uniform((count, draws), draw + 3)[mine],
        }

    steps = tf.data.Dataset.range(epoch * (len(order) // batch) + start, np.iinfo(np.int64).max)
    inputs = [steps, tf.data.Dataset.from_tensor_slices(order[start * batch :]).batch(batch)]
    if service and augmentation:
        from training.loop.data_service import frames

        chosen = np.sort(order[start * batch :].reshape(-1, batch))[:, place.part(batch)] // variants
        inputs.append(frames(service, photographs, chosen, seeds))
    # Two batches ahead are enough: a step of a network takes longer than its input.
    return tf.data.Dataset.zip(*inputs).map(pictures, num_parallel_calls=2, deterministic=True).prefetch(2)


def padding_mask(sizes: tf.Tensor, size: int) -> tf.Tensor:
    """Heights and widths (B, 2) -> (B, size, size) float32: 1 on the picture, 0 on the padding."""
    inside = tf.range(size)[None, None] < sizes[:, :, None]
    return tf.cast(inside[:, 0, :, None] & inside[:, 1, None, :], tf.float32)
