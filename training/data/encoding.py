"""Checking the files of sources in threads, and encoding them for shards."""

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import tensorflow as tf
from PIL import Image

from media.colorless import colorless
from media.reader import read_rgb
from training.data import records
from training.data.perceptual_hash import perceptual_hash
from training.data.readers import UNREADABLE, Item, Source
from training.data.resize import THUMBNAIL, center_crop
from training.data.statistics import CHECKED_TOGETHER
from zoo.errors import DataError, PhotographError

BYTES_TOGETHER = 64 << 20  # encoded images that wait for the color check
QUALITY = 95  # of pictures that are scaled down


@dataclass(frozen=True)
class Origin:
    """Where a picture comes from: the number of its source, its name for people, its folder within the source."""

    source: int
    name: str
    folder: str


@dataclass(frozen=True)
class Checked:
    """What is known of a file: why it cannot be used, or the image to store and what tells it from others.

    reason: "" where it can be used. image: the bytes to store. shape: its height and width.
    sha256: of the file. pixels: the first 8 bytes of the SHA-256 of its decoded pixels.
    hash: the perceptual hash; 0 if none was asked for. thumbnail: (THUMBNAIL, THUMBNAIL, 3) uint8.
    """

    reason: str
    image: bytes = b""
    shape: tuple[int, int] = (0, 0)
    sha256: bytes = b""
    pixels: int = 0
    hash: int = 0
    thumbnail: np.ndarray = field(default_factory=lambda: np.zeros((THUMBNAIL, THUMBNAIL, 3), np.uint8))


def items_of(source: Source) -> Iterator[Item]:
    """The files of a source.

    Raises:
        DataError: the source itself cannot be read.
    """
    try:
        yield from source.items()
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"{source.name} cannot be read: {' '.join(str(error).split())}") from error


def check_all(
    items: Iterator[tuple[int, Item]], side: int | None, *, hashed: bool, drop_gray: bool
) -> Iterator[tuple[Origin, Checked]]:
    """Checks files in threads, in order; a bounded number at a time, so that memory does not grow with the sources.

    Args:
        items: files, each with the number of its source.
        side: what the shorter side of a larger picture is scaled down to; None keeps it.
        hashed: whether perceptual hashes are needed.
        drop_gray: whether gray and toned pictures cannot be used.
    """
    waiting: deque[tuple[Origin, Future[Checked]]] = deque()
    ready: list[tuple[Origin, Checked]] = []
    threads = os.cpu_count() or 1
    flush = _drop_gray if drop_gray else iter
    with ThreadPoolExecutor(threads) as pool:
        try:
            for source, item in items:
                read = item.read if item.lasting else _read_now(item.read)
                waiting.append((Origin(source, item.name, item.folder), pool.submit(_check, read, side, hashed)))
                if len(waiting) < 2 * threads:
                    continue
                origin, future = waiting.popleft()
                ready.append((origin, future.result()))
                if len(ready) == CHECKED_TOGETHER or sum(len(c.image) for _, c in ready) > BYTES_TOGETHER:
                    yield from flush(ready)
                    ready = []
            ready += [(origin, future.result()) for origin, future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)
    yield from flush(ready)


def _read_now(read: Callable[[], bytes]) -> Callable[[], bytes]:
    """Reads at once, and keeps the bytes, or the error, for later."""
    try:
        data = read()
    except UNREADABLE as error:
        raised = error

        def fail() -> bytes:
            raise raised

        return fail
    return lambda: data


def _check(read: Callable[[], bytes], side: int | None, hashed: bool) -> Checked:
    try:
        data = read()
        picture = read_rgb(data)
    except (*UNREADABLE, PhotographError) as error:
        return Checked(f"cannot be read: {error}")
    thumbnail = center_crop(picture, THUMBNAIL)[0]
    pixels = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).digest()
    image, shape = _encode(data, picture, side)
    return Checked(
        "",
        image,
        shape,
        hashlib.sha256(data).digest(),
        int.from_bytes(pixels[:8], "little"),
        perceptual_hash(thumbnail) if hashed else 0,
        thumbnail,
    )


def _encode(data: bytes, picture: Image.Image, side: int | None) -> tuple[bytes, tuple[int, int]]:
    """What a shard has of a picture, and its height and width: the very file where that gives the same pixels."""
    buffer = io.BytesIO()
    if side is not None and min(picture.size) > side:
        scale = side / min(picture.size)
        width, height = (max(side, round(length * scale)) for length in picture.size)
        scaled = picture.resize((width, height), Image.Resampling.LANCZOS)
        scaled.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
        return buffer.getvalue(), (height, width)
    if data.startswith((b"\xff\xd8", b"\x89PNG")):
        try:
            if np.array_equal(records.pixels_of(data), np.asarray(picture)):
                return data, (picture.height, picture.width)
        except PhotographError:
            pass  # Pillow reads what OpenCV does not
    picture.save(buffer, "PNG")
    return buffer.getvalue(), (picture.height, picture.width)


def _drop_gray(ready: list[tuple[Origin, Checked]]) -> Iterator[tuple[Origin, Checked]]:
    """Marks the pictures without color as gray or toned."""
    good = [checked for _, checked in ready if not checked.reason]
    reasons = iter(colorless(np.stack([checked.thumbnail for checked in good])) if good else [])
    for origin, checked in ready:
        yield origin, checked if checked.reason else replace(checked, reason=next(reasons))
