"""Writing photographs into shards; the body of `colorzoo shards`. `training.data.records` has their format.

    source  ->  threads: decode, hash, encode  ->  this thread: leave out, divide, write

What becomes of a picture depends on those before it only, and where a shard ends everything is on the disk. So a
command that was interrupted goes on after its last finished shard, and ends in the same files.
"""

import hashlib
import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tensorflow as tf
from PIL import Image

from training.data import records
from training.data.datasets import CHECKED_TOGETHER, THUMBNAIL, center_crop, colorless
from training.data.folder import decode
from training.data.perceptual_hash import BITS, FARTHEST, HashIndex, look
from training.data.readers import UNREADABLE, Item, Source, opened
from training.data.records import FOOTER, HEADER, ROW, SPLITS, VERSION
from zoo.errors import ArgumentError, DataError, PhotographError

SHARD_BYTES = 128 << 20  # where a shard ends
BYTES_TOGETHER = 64 << 20  # encoded images that wait for the color check
SAMPLE = 4096  # thumbnails of a split
SAME = 4  # bits of the perceptual hash that copies of a picture may differ in; copies stay in one split
QUALITY = 95  # of pictures that are scaled down
Progress = Callable[[int, int | None], None]


def write(
    names: Sequence[str],
    out: Path,
    *,
    validation: float = 0.0,
    side: int | None = None,
    near_duplicates: int | None = None,
    tfds_dir: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Writes the photographs of some sources into shards, or goes on where that was interrupted.

    Left out are: what cannot be read; what is gray or toned (`training.data.datasets.colorless`), by its middle square;
    copies of an earlier picture, whose decoded pixels are equal; with `near_duplicates`, what looks like an earlier
    picture; and with `validation`, what looks like pictures of both splits.

    Args:
        names: folders, archives, tfds:NAME:SPLIT.
        out: folder of the shards.
        validation: share of the pictures for a validation split. Which they are is decided by their perceptual hash,
            and a picture that looks like an earlier one goes where that one is, so that copies are never divided.
        side: scale pictures whose shorter side is longer than so many pixels down to it, and store them as JPEG.
        near_duplicates: leave out pictures whose perceptual hash differs from an earlier one's in at most so many bits.
        tfds_dir: where tensorflow-datasets keeps its data.
        progress: called with how many files are done, and of how many, if that is known.

    Returns:
        What index.json holds.

    Raises:
        ArgumentError: an option outside its range.
        DataError: a source that cannot be read or holds no color photograph; a folder of other shards; no space left.
    """
    if not names:
        raise ArgumentError("no source is given: name folders, archives or tfds:NAME")
    if not 0 <= validation < 1:
        raise ArgumentError(f"validation is {validation}: it must be a share in [0, 1)")
    if side is not None and side < 16:
        raise ArgumentError(f"side is {side}: it must be at least 16")
    if near_duplicates is not None and not 0 <= near_duplicates <= FARTHEST:
        raise ArgumentError(f"near duplicates is {near_duplicates}: it must lie between 0 and {FARTHEST} bits")
    if len(set(names)) < len(names):
        raise ArgumentError(f"a source is named twice: {', '.join(names)}")
    sources = [opened(name, tfds_dir) for name in names]
    settings: dict[str, Any] = {
        "sources": {source.name: source.state for source in sources},
        "validation": validation,
        "side": side,
        "near_duplicates": near_duplicates,
    }
    if (out / "index.json").is_file():
        index = records.read_index(out)
        _check_same(out, index["settings"], settings)
        (out / "progress.json").unlink(missing_ok=True)
        return index
    try:
        return _Writing(out, settings).run(sources, progress)
    except (OSError, tf.errors.OpError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message
        raise DataError(
            f"{out} cannot be written: {reason or error}; the shards that are finished stay valid: make room, and give "
            "the same command again"
        ) from error


@dataclass
class _State:
    """How far the writing came, as progress.json has it.

    items: how many files of the sources are done. last: name of the last one. folders: place of a source and folder
    in it, of each class. shards: of each split. left_out: bytes of left_out.tsv. reasons: how many, of each.
    """

    settings: dict[str, Any]
    items: int = 0
    last: str = ""
    folders: list[tuple[int, str]] = field(default_factory=list)
    shards: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {split: [] for split in SPLITS})
    left_out: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class _Writing:
    """The writing of one folder, in the order of the sources."""

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        self.out = out
        self.share: float = settings["validation"]
        self.side: int | None = settings["side"]
        self.near: int | None = settings["near_duplicates"]
        self.state = self._continued(settings)
        self.folders = {(place, folder): number for number, (place, folder) in enumerate(self.state.folders)}
        self.parts: dict[str, _Part] = {}
        self.copies: set[int] = set()
        needed = self.share or self.near is not None
        self.looks = HashIndex(max(self.near or 0, SAME if self.share else 0)) if needed else None
        for split, shards in self.state.shards.items():
            for shard in shards:
                rows = np.load((out / shard["file"]).with_suffix(".npy"))
                self.copies.update(rows["pixels"].tolist())
                if self.looks:
                    for value in rows["look"].tolist():
                        self.looks.add(value, SPLITS.index(split))
        self.left_out = (out / "left_out.tsv").open("ab")

    def _continued(self, settings: dict[str, Any]) -> _State:
        """The state that an earlier command left, without what it did not finish; or a new one."""
        path = self.out / "progress.json"
        if path.is_file():
            state = _State(**json.loads(path.read_text()))
            _check_same(self.out, state.settings, settings)
        else:
            ours = path.with_name(f"{path.name}.part")  # of a command that was stopped at once
            if self.out.exists() and (not self.out.is_dir() or any(file != ours for file in self.out.iterdir())):
                raise DataError(f"{self.out} holds other files: name a folder that is new or empty")
            self.out.mkdir(parents=True, exist_ok=True)
            state = _State(settings)
            _write_json(path, vars(state))
        kept = {shard["file"] for shards in state.shards.values() for shard in shards}
        for file in self.out.iterdir():
            if file.suffix in (".part", ".tfrecord", ".npy") and f"{file.stem}.tfrecord" not in kept:
                file.unlink()
        with (self.out / "left_out.tsv").open("ab") as left_out:
            left_out.truncate(state.left_out)
        return state

    def run(self, sources: Sequence[Source], progress: Progress) -> dict[str, Any]:
        total = sum(s.count or 0 for s in sources) if all(s.count is not None for s in sources) else None
        try:
            for item, checked in _in_order(self._remaining(sources), self.side, self.looks is not None):
                self._decide(item, checked)
                self.state.items, self.state.last = self.state.items + 1, item.name
                if any(part.bytes >= SHARD_BYTES for part in self.parts.values()):
                    self._finish_parts()
                progress(self.state.items, total)
            self._finish_parts()
            return self._finish(sources)
        finally:
            self.left_out.close()
            for part in self.parts.values():
                part.abandon()

    def _remaining(self, sources: Sequence[Source]) -> Iterator[tuple[int, Item]]:
        """The files that are not done, each with the place of its source."""
        done, last = self.state.items, self.state.last
        for place, source in enumerate(sources):
            for item in _readable(source):
                if done:
                    done -= 1
                    if not done and item.name != last:
                        raise DataError(
                            f"{source.name} has changed since {self.out} was begun: {item.name} is where {last} was; "
                            "name a new folder"
                        )
                    continue
                yield place, item

    def _decide(self, item: "_Sourced", checked: "_Checked") -> None:
        """Writes a picture, or leaves it out."""
        split, reason = "train", checked.reason
        if not reason and checked.pixels in self.copies:
            reason = "copy"
        if not reason and self.looks:
            near = self.looks.near(checked.look)
            if self.near is not None and min(near.values(), default=BITS + 1) <= self.near:
                reason = "near duplicate"
            elif self.share and len(near) > 1:
                reason = "looks like pictures of both splits"
            elif self.share:
                split = SPLITS[next(iter(near))] if near else _split(checked.look, self.share)
        if reason:
            line = "\t".join(" ".join(text.split()) for text in (item.name, reason))
            self.left_out.write(f"{line}\n".encode(errors="replace"))
            kind = reason.split(":")[0]
            self.state.reasons[kind] = self.state.reasons.get(kind, 0) + 1
            return
        self.copies.add(checked.pixels)
        if self.looks:
            self.looks.add(checked.look, SPLITS.index(split))
        number = self.folders.setdefault((item.source, item.folder), len(self.folders))
        if split not in self.parts:
            self.parts[split] = _Part(self.out / f"{split}-{len(self.state.shards[split]):05}.tfrecord")
        self.parts[split].add(checked, item, number)

    def _finish_parts(self) -> None:
        for split, part in self.parts.items():
            self.state.shards[split].append(part.finish())
        self.parts = {}
        self.left_out.flush()
        os.fsync(self.left_out.fileno())
        self.state.left_out = self.left_out.tell()
        self.state.folders = list(self.folders)
        _write_json(self.out / "progress.json", vars(self.state))

    def _finish(self, sources: Sequence[Source]) -> dict[str, Any]:
        """Thumbnails and index.json, with which the folder is complete."""
        if not self.state.shards["train"]:
            self._refuse()
        found: dict[int, set[str]] = {}
        for place, folder in self.folders:
            found.setdefault(place, set()).add(folder)
        named = {place: sources[place].classes(folders) for place, folders in found.items()}
        splits: dict[str, Any] = {}
        for split, shards in self.state.shards.items():
            if not shards:
                continue
            sample = self.out / f"{split}-sample.npy"
            _write_array(sample, self._sampled(shards))
            names = [sample.name, *(Path(shard["file"]).with_suffix(".npy").name for shard in shards)]
            splits[split] = {
                "count": sum(shard["count"] for shard in shards),
                "bytes": sum(shard["bytes"] for shard in shards),
                "shards": shards,
                "files": {name: records.file_sha256(self.out / name) for name in names},
            }
        index = {
            "version": VERSION,
            "settings": self.state.settings,
            "splits": splits,
            "classes": [named[place][folder] for place, folder in self.folders],
            "left_out": {
                "count": sum(self.state.reasons.values()),
                "reasons": self.state.reasons,
                "sha256": records.file_sha256(self.out / "left_out.tsv"),
            },
        }
        _write_json(self.out / "index.json", index)
        (self.out / "progress.json").unlink()
        return index

    def _refuse(self) -> None:
        """Raises DataError, and leaves nothing behind that another command would meet."""
        lines = (self.out / "left_out.tsv").read_text().splitlines()
        (self.out / "left_out.tsv").unlink()
        (self.out / "progress.json").unlink()
        first = ": ".join(lines[0].split("\t")) if lines else "there is none"
        raise DataError(f"none of {self.state.items} files is a color photograph: the first, {first}")

    def _sampled(self, shards: Sequence[dict[str, Any]]) -> np.ndarray:
        count = sum(shard["count"] for shard in shards)
        chosen = np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(int))
        rows = np.concatenate([np.load((self.out / shard["file"]).with_suffix(".npy")) for shard in shards])
        starts = np.concatenate([[0], np.cumsum([shard["count"] for shard in shards])])
        files = [self.out / shard["file"] for shard in shards]
        pictures = records.Shards(files, starts, rows, [], np.zeros(0), [], "")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack(list(pool.map(lambda i: center_crop(pictures.picture(i), THUMBNAIL)[0], chosen.tolist())))


@dataclass(frozen=True)
class _Sourced:
    source: int
    name: str
    folder: str


@dataclass(frozen=True)
class _Checked:
    """What is known of a file: why it cannot be used, or the image to store and what tells it from others."""

    reason: str
    image: bytes = b""
    shape: tuple[int, int] = (0, 0)
    sha256: bytes = b""
    pixels: int = 0
    look: int = 0
    thumbnail: np.ndarray = field(default_factory=lambda: np.zeros((THUMBNAIL, THUMBNAIL, 3), np.uint8))


def _readable(source: Source) -> Iterator[Item]:
    try:
        yield from source.items()
    except (OSError, tf.errors.OpError) as error:
        raise DataError(f"{source.name} cannot be read: {' '.join(str(error).split())}") from error


def _in_order(items: Iterator[tuple[int, Item]], side: int | None, looked: bool) -> Iterator[tuple[_Sourced, _Checked]]:
    """Checks files in threads, a bounded number at a time, so that memory does not grow with the sources."""
    waiting: deque[tuple[_Sourced, Future[_Checked]]] = deque()
    ready: list[tuple[_Sourced, _Checked]] = []
    threads = os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        try:
            for place, item in items:
                read = item.read if item.lasting else _kept(item.read)
                waiting.append((_Sourced(place, item.name, item.folder), pool.submit(_checked, read, side, looked)))
                if len(waiting) < 2 * threads:
                    continue
                sourced, future = waiting.popleft()
                ready.append((sourced, future.result()))
                if len(ready) == CHECKED_TOGETHER or sum(len(c.image) for _, c in ready) > BYTES_TOGETHER:
                    yield from _without_colorless(ready)
                    ready = []
            ready += [(sourced, future.result()) for sourced, future in waiting]
        finally:
            pool.shutdown(cancel_futures=True)
    yield from _without_colorless(ready)


def _kept(read: Callable[[], bytes]) -> Callable[[], bytes]:
    """Reads at once, and keeps the bytes, or the error, for later."""
    try:
        data = read()
    except UNREADABLE as error:
        raised = error

        def fail() -> bytes:
            raise raised

        return fail
    return lambda: data


def _checked(read: Callable[[], bytes], side: int | None, looked: bool) -> _Checked:
    try:
        data = read()
        picture = decode(data)
    except PhotographError as error:
        return _Checked(str(error))
    except UNREADABLE as error:
        return _Checked(f"cannot be read: {error}")
    thumbnail = center_crop(picture, THUMBNAIL)[0]
    pixels = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).digest()
    image, shape = _stored(data, picture, side)
    return _Checked(
        "",
        image,
        shape,
        hashlib.sha256(data).digest(),
        int.from_bytes(pixels[:8], "little"),
        look(thumbnail) if looked else 0,
        thumbnail,
    )


def _stored(data: bytes, picture: Image.Image, side: int | None) -> tuple[bytes, tuple[int, int]]:
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


def _without_colorless(ready: list[tuple[_Sourced, _Checked]]) -> Iterator[tuple[_Sourced, _Checked]]:
    """Says of the pictures without color that they are."""
    good = [checked for _, checked in ready if not checked.reason]
    reasons = iter(colorless(np.stack([checked.thumbnail for checked in good])) if good else [])
    for sourced, checked in ready:
        yield sourced, checked if checked.reason else replace(checked, reason=next(reasons))


class _Part:
    """A shard that is being written, under another name until it is whole."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, path.with_suffix(".part")
        self.writer = tf.io.TFRecordWriter(str(self.part))
        self.rows: list[tuple[Any, ...]] = []
        self.bytes = 0

    def add(self, checked: _Checked, sourced: _Sourced, number: int) -> None:
        record = records.record(checked.image, checked.shape, sourced.folder, sourced.name, checked.sha256)
        start, length = record.index(checked.image), len(checked.image)
        place = (self.bytes + HEADER + start, length, len(record) - start - length)
        self.rows.append((*place, number, *checked.shape, checked.sha256, checked.pixels, checked.look))
        self.writer.write(record)
        self.bytes += HEADER + len(record) + FOOTER

    def finish(self) -> dict[str, Any]:
        self.writer.close()
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        if self.part.stat().st_size != self.bytes:
            raise OSError(f"{self.part.stat().st_size} of {self.bytes} bytes were written to {self.part}")
        _write_array(self.path.with_suffix(".npy"), np.array(self.rows, ROW))
        self.part.replace(self.path)
        return {
            "file": self.path.name,
            "count": len(self.rows),
            "bytes": self.bytes,
            "sha256": records.file_sha256(self.path),
        }

    def abandon(self) -> None:
        with suppress(OSError, tf.errors.OpError):
            self.writer.close()
        self.part.unlink(missing_ok=True)


def _split(look: int, share: float) -> str:
    number = int.from_bytes(hashlib.sha256(look.to_bytes(8)).digest()[:8])
    return "validation" if number < share * 2**64 else "train"


def _check_same(out: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raises DataError if the shards in a folder are those of other settings or sources."""
    differences = [
        f"{key.replace('_', ' ')} is {found[key]} there and {value} here"
        for key, value in wanted.items()
        if key != "sources" and found[key] != value
    ]
    here, there = wanted["sources"], found["sources"]
    if list(here) != list(there):
        differences.append(f"the sources are {', '.join(there)} there and {', '.join(here)} here")
    for name in here.keys() & there.keys():
        changes = [
            f"{key} {there[name].get(key)} there and {value} here"
            for key, value in here[name].items()
            if there[name].get(key) != value
        ]
        if changes:
            differences.append(f"{name} has changed: {', '.join(changes)}")
    if differences:
        raise DataError(f"{out} holds the shards of another command: {'; '.join(differences)}; name another folder")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write_whole(path, lambda file: file.write(json.dumps(content, indent=1).encode()))


def _write_array(path: Path, array: np.ndarray) -> None:
    _write_whole(path, lambda file: np.save(file, array))


def _write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def main(
    names: Sequence[str],
    out: Path,
    validation: float,
    side: int | None,
    near_duplicates: int | None,
    tfds_dir: Path | None,
    progress: Progress,
) -> list[tuple[str, str, str, str]]:
    """Writes shards: see `write`. Returns rows of a table: split or reason for being left out, pictures, shards, MB."""
    index = write(
        names,
        out,
        validation=validation,
        side=side,
        near_duplicates=near_duplicates,
        tfds_dir=tfds_dir,
        progress=progress,
    )
    rows = [
        (split, f"{content['count']:,}", f"{len(content['shards']):,}", f"{content['bytes'] / 1e6:,.1f}")
        for split, content in index["splits"].items()
    ]
    reasons = sorted(index["left_out"]["reasons"].items())
    return rows + [(f"left out: {reason}", f"{count:,}", "", "") for reason, count in reasons]
