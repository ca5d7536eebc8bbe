"""Photographs from folders to batches.

Every photograph is decoded once, fitted into a square frame and kept in one memory-mapped array. A batch is a
function of the seed, the epoch and the step alone, which is what lets a killed run go on exactly.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image

from training.photographs import decode, image_files
from zoo import bins, color
from zoo.blocks import resample
from zoo.errors import DataError, PhotographError

# A photograph is gray if no color is further than this from gray, in Lab units (as in Zhang's code)...
GRAY_LIMIT = 5.0
# ...and toned if its color is a function of its lightness: so much of ab may remain beside a parabola over L
TONED_LIMIT = 1.0
CHECKED_TOGETHER = 128  # photographs in one color check
CACHE_VERSION = 1

Targets = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclass(frozen=True)
class Photographs:
    """A prepared set of N color photographs.

    frames: (N, S, S, 3) uint8 sRGB, each picture in the upper left, its border repeated over the rest.
    sizes: (N, 2) int32, height and width of the picture in its frame.
    names, hashes: path and SHA-256 of each file. left_out: path and reason of each file that is not used.
    """

    frames: np.ndarray
    sizes: np.ndarray
    names: list[str]
    hashes: list[str]
    left_out: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training picture (ColorUNet, section 3.2).

    crop: smallest side of a random crop, as a fraction of the picture, to whose size the crop is enlarged.
    noise: standard deviations of Gaussian noise on L, one of which is drawn for each picture.
    """

    flip: bool
    crop: float
    noise: tuple[float, ...]


def prepare(folders: Sequence[Path], size: int, cache: Path) -> Photographs:
    """Decodes the photographs of folders (and of their class sub-folders) into frames of size x size pixels.

    Pictures are fitted into the frame with Lanczos, smaller ones enlarged to it. The frames stay in `cache`
    and are used again while the files' names, sizes and times are the same.

    Raises:
        DataError: no usable photograph, or a folder that cannot be used.
    """
    files = image_files(folders)
    states = [(str(p), s.st_size, s.st_mtime_ns) for p in files for s in [p.stat()]]
    key = hashlib.sha256(json.dumps([CACHE_VERSION, size, states]).encode()).hexdigest()
    index_path, frames_path = cache / "index.json", cache / "frames.npy"
    made = index_path.is_file() and frames_path.is_file()
    if not (made and json.loads(index_path.read_text())["key"] == key):
        index_path.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        index = _decode_all(files, size, frames_path)
        temporary = index_path.with_suffix(".part")
        temporary.write_text(json.dumps({"key": key} | index))
        temporary.replace(index_path)
    index = json.loads(index_path.read_text())
    left_out = [(name, reason) for name, reason in index["left_out"]]
    if not index["names"]:
        raise DataError(f"none of {len(files)} files is a color photograph: the first, {': '.join(left_out[0])}")
    frames = np.load(frames_path, mmap_mode="r")[: len(index["names"])]
    sizes = np.array(index["sizes"], np.int32)
    return Photographs(frames, sizes, index["names"], index["hashes"], left_out)


def _decode_all(files: Sequence[Path], size: int, frames_path: Path) -> dict[str, list[object]]:
    frames = np.lib.format.open_memmap(frames_path, "w+", np.uint8, (len(files), size, size, 3))
    index: dict[str, list[object]] = {"names": [], "sizes": [], "hashes": [], "left_out": []}
    used = 0
    for names, part in _in_order(files, size):
        reasons = [reason for _, _, _, reason in part]
        good = [i for i, reason in enumerate(reasons) if not reason]
        if good:
            for i, reason in zip(good, colorless(np.stack([part[i][0] for i in good])), strict=True):
                reasons[i] = reason
        for name, (frame, shape, digest, _), reason in zip(names, part, reasons, strict=True):
            if reason:
                index["left_out"].append((str(name), reason))
                continue
            frames[used] = frame
            used += 1
            index["names"].append(str(name))
            index["sizes"].append(shape)
            index["hashes"].append(digest)
    frames.flush()
    return index


Decoded = tuple[np.ndarray, tuple[int, int], str, str]


def _in_order(files: Sequence[Path], size: int) -> Iterator[tuple[Sequence[Path], list[Decoded]]]:
    """Decodes a bounded number of files at a time, so that memory does not grow with the folder."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), CHECKED_TOGETHER):
            names = files[start : start + CHECKED_TOGETHER]
            yield names, list(pool.map(lambda path: _decode(path, size), names))


def _decode(path: Path, size: int) -> Decoded:
    """One file -> frame, (height, width) of the picture in it, SHA-256, and why it cannot be used, or ""."""
    nothing = np.zeros((size, size, 3), np.uint8)
    try:
        data = path.read_bytes()
        picture = decode(data)
    except OSError as error:
        return nothing, (0, 0), "", f"cannot be read: {error}"
    except PhotographError as error:
        return nothing, (0, 0), "", str(error)
    return *fit(picture, size), hashlib.sha256(data).hexdigest(), ""


def fit(picture: Image.Image, size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """RGB picture -> frame (size, size, 3) uint8, the border repeated below and right; (height, width)."""
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    return np.pad(pixels, ((0, size - height), (0, size - width), (0, 0)), mode="edge"), (height, width)


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
    shared = sorted(set(train.hashes) & set(val.hashes))
    if shared:
        first = val.names[val.hashes.index(shared[0])]
        raise DataError(
            f"{len(shared)} of {len(val)} validation pictures are also trained on, {first} for one: take "
            "them out of one of the folders"
        )


def frequent_uv_classes(photographs: Photographs, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n most frequent UV cells -> class of each cell (100,), mean ab of each class (n, 2), prior (n,)."""
    counts = np.zeros(bins.UV_CELLS**2)
    ab_sums = np.zeros((bins.UV_CELLS**2, 2))
    for start in range(0, len(photographs), CHECKED_TOGETHER):
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
    classes = bins.frequent_classes(counts, n)
    return classes, *bins.class_statistics(classes, counts, ab_sums)


def batches(
    photographs: Photographs,
    batch: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    augmentation: Augmentation | None = None,
    cell_classes: np.ndarray,
) -> tf.data.Dataset:
    """One epoch from its batch number `start` on.

    With an augmentation the pictures come in an order drawn from seed and epoch and a last incomplete batch
    is left out; without one they come as they are, all of them.

    Yields:
        lightness (B, S, S, 1) float32 in [0, 100] before the noise, and a dict of classes (B, S, S) int32,
        ab (B, S, S, 2) float32 and mask (B, S, S) float32, 1 on the picture and 0 on the padding.
    """
    order = np.arange(len(photographs))
    if augmentation:
        np.random.default_rng([seed, epoch]).shuffle(order)
        order = order[: len(order) // batch * batch]

    def read(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return photographs.frames[np.sort(chosen)], photographs.sizes[np.sort(chosen)]

    def pictures(step: tf.Tensor, chosen: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        frames, sizes = tf.numpy_function(read, [chosen], (tf.uint8, tf.int32))
        frames = tf.ensure_shape(frames, (None, *photographs.frames.shape[1:]))
        rgb = tf.cast(frames, tf.float32) / 255
        sizes = tf.ensure_shape(sizes, (None, 2))
        draw = tf.stack([tf.cast(seed, tf.int64), step])
        if augmentation:
            rgb = crop_and_flip(rgb, sizes, augmentation, draw)
        lab = color.rgb_to_lab(rgb)
        light = lab[..., :1]
        if augmentation:
            light += noise(tf.shape(light), augmentation, draw + 1)
        return light, {
            "classes": tf.gather(cell_classes, bins.uv_cell(color.rgb_to_yuv(rgb)[..., 1:])),
            "ab": lab[..., 1:],
            "mask": padding_mask(sizes, photographs.frames.shape[1]),
        }

    steps = tf.data.Dataset.range(epoch * (len(order) // batch) + start, np.iinfo(np.int64).max)
    chosen = tf.data.Dataset.from_tensor_slices(order[start * batch :]).batch(batch)
    # Two batches ahead are enough: a step of a network takes longer than its input.
    return tf.data.Dataset.zip(steps, chosen).map(pictures, num_parallel_calls=2, deterministic=True).prefetch(2)


def padding_mask(sizes: tf.Tensor, size: int) -> tf.Tensor:
    """Heights and widths (B, 2) -> (B, size, size) float32: 1 on the picture, 0 on the padding."""
    inside = tf.range(size)[None, None] < sizes[:, :, None]
    return tf.cast(inside[:, 0, :, None] & inside[:, 1, None, :], tf.float32)


def crop_and_flip(rgb: tf.Tensor, sizes: tf.Tensor, augmentation: Augmentation, draw: tf.Tensor) -> tf.Tensor:
    """A random crop of each picture (B, S, S, 3), enlarged to the picture's place, and mirrored or not.

    The padding repeats the border of what came out, as it does for a picture that is not augmented.
    """
    count, size = tf.shape(rgb)[0], rgb.shape[1]
    draws = tf.random.stateless_uniform((4, count), draw)
    last = tf.cast(sizes, tf.float32) - 1
    fraction = augmentation.crop + (1 - augmentation.crop) * draws[0]
    corner = (1 - fraction)[:, None] * last * tf.transpose(draws[1:3])
    place = tf.minimum(tf.range(size, dtype=tf.float32)[None, :, None], last[:, None, :])  # (B, S, 2)
    place = corner[:, None] + fraction[:, None, None] * place
    rows, columns = place[..., 0], place[..., 1]
    if augmentation.flip:
        columns = tf.where((draws[3] < 0.5)[:, None], last[:, 1:] - columns, columns)

    def read_at(positions: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(1 - tf.abs(positions[..., None] - tf.range(size, dtype=tf.float32)))[:, None]

    planes = resample(tf.transpose(rgb, (0, 3, 1, 2)), read_at(rows), read_at(columns))
    return tf.transpose(planes, (0, 2, 3, 1))


def noise(shape: tf.Tensor, augmentation: Augmentation, draw: tf.Tensor) -> tf.Tensor:
    """Gaussian noise of a picture's own strength, for L of shape (B, S, S, 1)."""
    which = tf.random.stateless_uniform(shape[:1], draw, 0, len(augmentation.noise), tf.int32)
    strength = tf.gather(tf.constant(augmentation.noise, tf.float32), which)
    return strength[:, None, None, None] * tf.random.stateless_normal(shape, draw)
