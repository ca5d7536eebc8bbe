"""Photographs in memory, for loops that cut and change them on an accelerator.

Every photograph is decoded once, from a folder or an archive, and kept as pixels of 8 bits: 30,000 of them, their
shorter side scaled to 144 pixels, take 2.8 GB.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from media.colorless import colorless
from media.reader import read_rgb
from training.data.readers import UNREADABLE, Item, open_source
from training.data.resize import THUMBNAIL, Resize, Window, center_crop
from training.data.statistics import CHECKED_TOGETHER, WithStatistics
from zoo.errors import ArgumentError, DataError, PhotographError

LONGEST = 1.5  # of a strip, as a multiple of its shorter side; what is longer loses both ends


@dataclass(frozen=True)
class MemoryPhotographs(WithStatistics):
    """N color photographs. They are frames or, where windows are to be cut out of them, strips.

    pixels: (N, H, W, 3) uint8 sRGB. A frame is a square with the picture in the upper left. A strip is the whole
        picture, lying on its side if it is upright, and padded at its end.
    extents: (N, 2) int32, height and width of the picture within its pixels.
    upright: (N,) bool, whether a strip lies on its side.
    frames, sizes: what statistics are computed of, see `training.data.statistics.Frames`: the frames themselves, or of
        strips the middle squares, (N, 64, 64, 3).
    names, hashes, class_names: path, SHA-256 and class folder of each photograph.
    left_out: path and reason of each file that is not used.
    """

    pixels: np.ndarray
    extents: np.ndarray
    upright: np.ndarray
    frames: np.ndarray
    sizes: np.ndarray
    names: list[str]
    hashes: list[str]
    class_names: list[str]
    left_out: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def digest(self) -> str:
        """Hash of which photographs these are, and in which order."""
        return hashlib.sha256("".join(self.hashes).encode()).hexdigest()[:16]

    @property
    def classes(self) -> list[str]:
        """The class folders, sorted."""
        return sorted(set(self.class_names) - {""})

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        """The index of each picture's class in `classes`, (N,) int32, -1 where it is none of them."""
        index = {name: i for i, name in enumerate(classes)}
        return np.array([index.get(name, -1) for name in self.class_names], np.int32)


class Strips(NamedTuple):
    """How a whole picture is kept for windows to be cut out of it: `side` is its shorter side in pixels."""

    side: int

    @property
    def length(self) -> int:
        """The longer side of all strips; a multiple of 4."""
        return -(-round(self.side * LONGEST) // 4) * 4

    def strip(self, picture: Image.Image) -> tuple[np.ndarray, int, bool]:
        """RGB picture -> pixels (side, length, 3) uint8; its longer side; whether it was upright."""
        upright = picture.height > picture.width
        if upright:
            picture = picture.transpose(Image.Transpose.TRANSPOSE)
        scale = picture.height / self.side
        width = min(max(self.side, round(picture.width / scale)), self.length)
        margin = max(0.0, picture.width - width * scale) / 2
        box = (margin, 0, picture.width - margin, picture.height)
        pixels = np.asarray(picture.resize((width, self.side), Image.Resampling.LANCZOS, box=box))
        return np.pad(pixels, ((0, 0), (0, self.length - width), (0, 0)), mode="edge"), width, upright


class _Kept(NamedTuple):
    """What is kept of a photograph, or why it cannot be used."""

    reason: str
    sha256: str
    pixels: np.ndarray
    extent: tuple[int, int]
    upright: bool
    thumbnail: np.ndarray


def load(
    sources: Sequence[Path],
    size: int,
    resize_mode: str,
    shortest: tuple[int, int] = (0, 0),
    *,
    enlarge: bool = True,
    drop_gray: bool = True,
    held_out: bool = False,
) -> MemoryPhotographs:
    """Decodes the photographs of folders and archives.

    Args:
        sources: folders and archives, see `training.data.readers`.
        size, resize_mode, shortest, enlarge, drop_gray: as of `training.data.datasets.prepare`. For "random_crop" the
            pictures are kept as strips of the greatest of the shorter sides.
        held_out: whether the pictures are validated on: their windows are the middle ones.

    Raises:
        ArgumentError: windows of pictures that are not scaled, which would have no common size.
        DataError: no usable photograph, or a source that cannot be read.
    """
    keep = partial(_keep, form=_form(size, resize_mode, shortest, enlarge, held_out))
    found: list[tuple[str, str, _Kept]] = []
    left_out: list[tuple[str, str]] = []
    for name in sources:
        source = open_source(str(name))
        rows: list[tuple[str, str, _Kept]] = []
        for group in _in_groups(source.items(), keep):
            good = [row for row in group if not row[2].reason]
            reasons = iter(colorless(np.stack([kept.thumbnail for _, _, kept in good])) if good and drop_gray else [])
            for row in group:
                reason = row[2].reason or next(reasons, "")
                if reason:
                    left_out.append((row[0], reason))
                else:
                    rows.append(row)
        classes = source.classes({folder for _, folder, _ in rows}) if rows else {}
        found += [(path, classes[folder], kept) for path, folder, kept in rows]
    if not found:
        first = ": ".join(left_out[0]) if left_out else "there are none"
        raise DataError(f"none of {len(left_out)} files can be trained on: the first, {first}")
    kept = [row[2] for row in found]
    pixels = np.stack([each.pixels for each in kept])
    extents = np.array([each.extent for each in kept], np.int32)
    whole = resize_mode != "random_crop"
    return MemoryPhotographs(
        pixels,
        extents,
        np.array([each.upright for each in kept]),
        pixels if whole else np.stack([each.thumbnail for each in kept]),
        extents if whole else np.full((len(kept), 2), THUMBNAIL, np.int32),
        [row[0] for row in found],
        [each.sha256 for each in kept],
        [row[1] for row in found],
        left_out,
    )


def _form(
    size: int, resize_mode: str, shortest: tuple[int, int], enlarge: bool, held_out: bool
) -> Strips | Window | Resize:
    if resize_mode != "random_crop":
        return Resize(size, resize_mode, enlarge)
    if not any(shortest):
        raise ArgumentError(
            f"shortest is {shortest}: windows of pictures in memory need the range of their shorter side, such as "
            f"--set shortest='({size}, {size * 5 // 4})'"
        )
    return Window(size, shortest) if held_out else Strips(shortest[1])


def _in_groups(items: Iterator[Item], keep: Callable[[bytes], _Kept]) -> Iterator[list[tuple[str, str, _Kept]]]:
    """Decodes files in threads: name, folder and what is kept of each, in order, a bounded number at a time."""
    waiting: deque[tuple[str, str, Future[_Kept]]] = deque()
    threads = os.cpu_count() or 1
    group: list[tuple[str, str, _Kept]] = []
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                # Read here and decoded there: an archive is read in its order.
                try:
                    waiting.append((item.name, item.folder, pool.submit(keep, item.read())))
                except UNREADABLE as error:
                    waiting.append((item.name, item.folder, pool.submit(_unusable, f"cannot be read: {error}")))
                if len(waiting) == 4 * threads:
                    name, folder, future = waiting.popleft()
                    group.append((name, folder, future.result()))
                if len(group) == CHECKED_TOGETHER:
                    yield group
                    group = []
            group += [(name, folder, future.result()) for name, folder, future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)
    if group:
        yield group


def _unusable(reason: str) -> _Kept:
    nothing = np.zeros((0, 0, 3), np.uint8)
    return _Kept(reason, "", nothing, (0, 0), False, nothing)


def _keep(data: bytes, form: Strips | Window | Resize) -> _Kept:
    try:
        picture = read_rgb(data)
    except PhotographError as error:
        return _unusable(f"cannot be read: {error}")
    upright = False
    if isinstance(form, Strips):
        pixels, width, upright = form.strip(picture)
        extent = (form.side, width)
    elif isinstance(form, Window):
        pixels, extent = form.cut(picture, None), (form.size, form.size)
    else:
        pixels, extent = form.frame(picture)
    thumbnail = pixels if isinstance(form, Resize) else center_crop(picture, THUMBNAIL)[0]
    return _Kept("", hashlib.sha256(data).hexdigest(), pixels, extent, upright, thumbnail)
