"""Writing photographs into shards; the body of `colorzoo shards`. `training.data.records` has their format.

    source  ->  threads: decode, hash, encode  ->  this thread: leave out, divide, write

What becomes of a picture depends on those before it only, and where a shard ends everything is on the disk. So a
command that was interrupted continues after its last finished shard, and ends with the same files.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from media import atomic
from media.files import check_folder
from training.data import records
from training.data.encoding import Checked, Origin, check_all, items_of
from training.data.perceptual_hash import BITS, FARTHEST, HashIndex
from training.data.readers import Item, Source, open_source
from training.data.records import SPLITS, VERSION
from training.data.resize import THUMBNAIL, center_crop
from training.data.shard_file import ShardFile, write_array, write_json
from zoo.errors import ArgumentError, DataError

SHARD_BYTES = 128 << 20  # where a shard ends
SAMPLE = 4096  # thumbnails of a split
SAME = 4  # bits of the perceptual hash that copies of a picture may differ in; copies stay in one split
Progress = Callable[[int, int | None], None]


def write(
    names: Sequence[str],
    out: Path,
    *,
    validation: float = 0.0,
    side: int | None = None,
    near_duplicates: int | None = None,
    tfds_dir: Path | None = None,
    keep_gray: bool = False,
    renew: bool = False,
    progress: Progress = lambda done, total: None,
) -> dict[str, Any]:
    """Writes the photographs of some sources into shards, or continues where that was interrupted.

    Left out are: what cannot be read; unless `keep_gray`, what is gray or toned by its middle square
    (`media.colorless.colorless`); copies of an earlier picture, whose decoded pixels are equal; with
    `near_duplicates`, what looks like an earlier picture; and with `validation`, what looks like pictures of both
    splits.

    Args:
        names: folders, archives, tfds:NAME:SPLIT.
        out: folder of the shards.
        validation: share of the pictures for a validation split. The perceptual hash decides which, and a
            picture that looks like an earlier one goes to the same split, so that copies are never divided.
        side: scale pictures whose shorter side is longer than this down to it, in pixels, and store them as JPEG.
        near_duplicates: leave out pictures whose perceptual hash differs from an earlier one's in at most this number
            of bits.
        tfds_dir: where tensorflow-datasets keeps its data.
        keep_gray: write gray and toned pictures as well.
        renew: delete what `out` holds of sources that have changed, instead of refusing it.
        progress: called with the number of files that are done, and the number of all files, or None if it is unknown.

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
    sources = [open_source(name, tfds_dir) for name in names]
    settings: dict[str, Any] = {
        "sources": {source.name: source.state for source in sources},
        "validation": validation,
        "side": side,
        "near_duplicates": near_duplicates,
    }
    if keep_gray:  # only then, so that the usual index stays as that of earlier versions, byte for byte
        settings["keep_gray"] = True
    if renew:
        _delete_outdated(out, settings)
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
    """How far the writing has come, as progress.json has it.

    items: how many files of the sources are done. last: name of the last one. folders: of each class the number of its
    source, and its folder there. shards: of each split. left_out: bytes of left_out.tsv. reasons: of each, how many
    files were left out for it.
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
        self.keep_gray: bool = settings.get("keep_gray", False)
        self.state = self._resume(settings)
        self.folders = {(source, folder): number for number, (source, folder) in enumerate(self.state.folders)}
        self.parts: dict[str, ShardFile] = {}
        self.copies: set[int] = set()
        needed = self.share or self.near is not None
        self.hashes = HashIndex(max(self.near or 0, SAME if self.share else 0)) if needed else None
        for split, shards in self.state.shards.items():
            for shard in shards:
                rows = np.load((out / shard["file"]).with_suffix(".npy"))
                self.copies.update(rows["pixels"].tolist())
                if self.hashes:
                    for value in rows["look"].tolist():
                        self.hashes.add(value, SPLITS.index(split))
        self.left_out = (out / "left_out.tsv").open("ab")

    def _resume(self, settings: dict[str, Any]) -> _State:
        """The state that an earlier command left, without what it did not finish; or a new one."""
        path = self.out / "progress.json"
        if path.is_file():
            state = _State(**json.loads(path.read_text()))
            _check_same(self.out, state.settings, settings)
        else:
            check_folder(self.out)
            if self.out.exists() and not all(atomic.is_partial(file.name) for file in self.out.iterdir()):
                raise DataError(f"{self.out} holds other files: name a folder that is new or empty")
            self.out.mkdir(parents=True, exist_ok=True)
            state = _State(settings)
            write_json(path, vars(state))
        kept = {shard["file"] for shards in state.shards.values() for shard in shards}
        for file in self.out.iterdir():
            ours = file.suffix in (".tfrecord", ".npy") and f"{file.stem}.tfrecord" not in kept
            if ours or atomic.is_partial(file.name):  # of a command that was stopped at once
                file.unlink()
        with (self.out / "left_out.tsv").open("ab") as left_out:
            left_out.truncate(state.left_out)
        return state

    def run(self, sources: Sequence[Source], progress: Progress) -> dict[str, Any]:
        total = sum(s.count or 0 for s in sources) if all(s.count is not None for s in sources) else None
        try:
            checks = check_all(
                self._remaining(sources), self.side, hashed=self.hashes is not None, drop_gray=not self.keep_gray
            )
            for origin, checked in checks:
                self._decide(origin, checked)
                self.state.items, self.state.last = self.state.items + 1, origin.name
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
        """The files that are not done, each with the number of its source."""
        done, last = self.state.items, self.state.last
        for number, source in enumerate(sources):
            for item in items_of(source):
                if done:
                    done -= 1
                    if not done and item.name != last:
                        raise DataError(
                            f"{source.name} has changed since {self.out} was started: {item.name} is where {last} was; "
                            "name a new folder"
                        )
                    continue
                yield number, item

    def _decide(self, origin: Origin, checked: Checked) -> None:
        """Writes a picture, or leaves it out."""
        split, reason = "train", checked.reason
        if not reason and checked.pixels in self.copies:
            reason = "copy"
        if not reason and self.hashes:
            near = self.hashes.near(checked.hash)
            if self.near is not None and min(near.values(), default=BITS + 1) <= self.near:
                reason = "near duplicate"
            elif self.share and len(near) > 1:
                reason = "looks like pictures of both splits"
            elif self.share:
                split = SPLITS[next(iter(near))] if near else _split(checked.hash, self.share)
        if reason:
            line = "\t".join(" ".join(text.split()) for text in (origin.name, reason))
            self.left_out.write(f"{line}\n".encode(errors="replace"))
            kind = reason.split(":")[0]
            self.state.reasons[kind] = self.state.reasons.get(kind, 0) + 1
            return
        self.copies.add(checked.pixels)
        if self.hashes:
            self.hashes.add(checked.hash, SPLITS.index(split))
        number = self.folders.setdefault((origin.source, origin.folder), len(self.folders))
        if split not in self.parts:
            self.parts[split] = ShardFile(self.out / f"{split}-{len(self.state.shards[split]):05}.tfrecord")
        self.parts[split].add(checked, origin, number)

    def _finish_parts(self) -> None:
        for split, part in self.parts.items():
            self.state.shards[split].append(part.finish())
        self.parts = {}
        self.left_out.flush()
        os.fsync(self.left_out.fileno())
        self.state.left_out = self.left_out.tell()
        self.state.folders = list(self.folders)
        write_json(self.out / "progress.json", vars(self.state))

    def _finish(self, sources: Sequence[Source]) -> dict[str, Any]:
        """Thumbnails and index.json, with which the folder is complete."""
        if not self.state.shards["train"]:
            self._refuse()
        found: dict[int, set[str]] = {}
        for number, folder in self.folders:
            found.setdefault(number, set()).add(folder)
        named = {number: sources[number].classes(folders) for number, folders in found.items()}
        splits: dict[str, Any] = {}
        for split, shards in self.state.shards.items():
            if not shards:
                continue
            sample = self.out / f"{split}-sample.npy"
            write_array(sample, self._thumbnails(shards))
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
            "classes": [named[number][folder] for number, folder in self.folders],
            "left_out": {
                "count": sum(self.state.reasons.values()),
                "reasons": self.state.reasons,
                "sha256": records.file_sha256(self.out / "left_out.tsv"),
            },
        }
        write_json(self.out / "index.json", index)
        (self.out / "progress.json").unlink()
        return index

    def _refuse(self) -> None:
        """Raises DataError, and deletes what would be in the way of another command."""
        lines = (self.out / "left_out.tsv").read_text().splitlines()
        (self.out / "left_out.tsv").unlink()
        (self.out / "progress.json").unlink()
        first = ": ".join(lines[0].split("\t")) if lines else "there is none"
        kind = "photograph" if self.keep_gray else "color photograph"
        raise DataError(f"none of {self.state.items} files is a {kind}: the first, {first}")

    def _thumbnails(self, shards: Sequence[dict[str, Any]]) -> np.ndarray:
        count = sum(shard["count"] for shard in shards)
        chosen = np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(int))
        rows = np.concatenate([np.load((self.out / shard["file"]).with_suffix(".npy")) for shard in shards])
        starts = np.concatenate([[0], np.cumsum([shard["count"] for shard in shards])])
        files = [self.out / shard["file"] for shard in shards]
        pictures = records.Shards(files, starts, rows, [], np.zeros(0), [], "")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack(list(pool.map(lambda i: center_crop(pictures.picture(i), THUMBNAIL)[0], chosen.tolist())))


def _split(perceptual_hash: int, share: float) -> str:
    number = int.from_bytes(hashlib.sha256(perceptual_hash.to_bytes(8)).digest()[:8])
    return "validation" if number < share * 2**64 else "train"


def _delete_outdated(out: Path, wanted: dict[str, Any]) -> None:
    """Deletes the shards in a folder if they are those of other settings or sources."""
    for state in (out / "progress.json", out / "index.json"):
        try:
            current = json.loads(state.read_text())["settings"] == wanted
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            current = False
        if not current:
            # The file that tells goes last, so that an interrupted deletion is gone on with.
            for file in sorted(out.iterdir(), key=lambda file: file == state):
                file.unlink()
            return


def _check_same(out: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raises DataError if the shards in a folder are those of other settings or sources."""
    differences = [
        f"the shards have {key}={found.get(key, False)}, the command {key}={wanted.get(key, False)}"
        for key in sorted(found.keys() | wanted.keys())
        if key != "sources" and found.get(key, False) != wanted.get(key, False)
    ]
    here, there = wanted["sources"], found["sources"]
    if list(here) != list(there):
        differences.append(f"the shards are of {', '.join(there)}, the command names {', '.join(here)}")
    for name in here.keys() & there.keys():
        changes = [
            f"{key} was {there[name].get(key)} and is {value}"
            for key, value in here[name].items()
            if there[name].get(key) != value
        ]
        if changes:
            differences.append(f"{name} has changed: {', '.join(changes)}")
    if differences:
        raise DataError(f"{out} holds the shards of another command: {'; '.join(differences)}; name another folder")


def main(
    names: Sequence[str],
    out: Path,
    validation: float,
    side: int | None,
    near_duplicates: int | None,
    tfds_dir: Path | None,
    progress: Progress,
    keep_gray: bool = False,
) -> list[tuple[str, str, str, str]]:
    """Writes shards: see `write`. Returns rows of a table: split or reason for being left out, pictures, shards, MB."""
    index = write(
        names,
        out,
        validation=validation,
        side=side,
        near_duplicates=near_duplicates,
        tfds_dir=tfds_dir,
        keep_gray=keep_gray,
        progress=progress,
    )
    rows = [
        (split, f"{content['count']:,}", f"{len(content['shards']):,}", f"{content['bytes'] / 1e6:,.1f}")
        for split, content in index["splits"].items()
    ]
    reasons = sorted(index["left_out"]["reasons"].items())
    return rows + [(f"left out: {reason}", f"{count:,}", "", "") for reason, count in reasons]
