"""The frames of a folder of photographs, decoded once and kept in one memory-mapped array.

cache/frames.npy    (N, S, S, 3) uint8
cache/index.json    names, sizes and hashes of the N photographs, what was left out, and the key: of which files,
                    in which state and framed how; written last, so that it never stands beside other frames
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np

from media import atomic
from media.colorless import colorless
from media.reader import read_rgb
from training.data.resize import Resize
from training.data.statistics import CHECKED_TOGETHER
from zoo.errors import DataError, PhotographError

CACHE_VERSION = 3
Index = dict[str, Any]  # of index.json
Decoded = tuple[np.ndarray, tuple[int, int], str, str]


def load_frames(
    files: Sequence[Path], resize: Resize, cache: Path, *, drop_gray: bool = True
) -> tuple[np.ndarray, Index]:
    """The frames of photographs, from the cache if it is of the same files, else decoded into it.

    Args:
        files: of photographs. resize: how they become frames.
        cache: the folder, made if need be.
        drop_gray: leave gray and toned pictures out.

    Returns:
        Frames (N, S, S, 3) uint8, memory-mapped, and lists by name: "names", "sizes" (height, width) and "hashes"
        (SHA-256) of the N photographs, and "left_out" of the other files with the reason.

    Raises:
        DataError: the cache cannot be written, or none of the files can be used.
    """
    states = [(str(p), s.st_size, s.st_mtime_ns) for p in files for s in [p.stat()]]
    key = hashlib.sha256(json.dumps([CACHE_VERSION, resize, drop_gray, states]).encode()).hexdigest()
    index = _read_index(cache, key)
    if index is None:
        try:
            index = _decode_all(files, resize, drop_gray, cache, key)
        except OSError as error:  # those of photographs are caught where they are read
            raise DataError(f"the cache of photographs in {cache} cannot be written: {error}") from error
    if not index["names"]:
        kind = "color photograph" if drop_gray else "photograph"
        first = ": ".join(index["left_out"][0])
        raise DataError(f"none of {len(files)} files is a {kind}: the first, {first}")
    return np.load(cache / "frames.npy", mmap_mode="r"), index


def _read_index(cache: Path, key: str) -> Index | None:
    """The index of a cache, if it is complete and has this key."""
    try:
        index: Index = json.loads((cache / "index.json").read_text())
        frames = np.load(cache / "frames.npy", mmap_mode="r")
        return index if index["key"] == key and len(frames) == len(index["names"]) else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):  # lost, cut off, or of another version
        return None


def _decode_all(files: Sequence[Path], resize: Resize, drop_gray: bool, cache: Path, key: str) -> Index:
    """Fills a cache: its frames, and then the index that makes them valid."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "index.json").unlink(missing_ok=True)
    # Written as a stream: on a full disk a memory map would end the process with SIGBUS.
    with (cache / "frames.npy").open("wb") as file:
        _write_header(file, len(files), resize.size)
        index = _decode_into(file, files, resize, drop_gray)
        file.seek(0)
        _write_header(file, len(index["names"]), resize.size)
        file.flush()
        os.fsync(file.fileno())  # the index must not outlive a power cut that the frames did not
    atomic.write_text(cache / "index.json", json.dumps({"key": key} | index))
    return index


def _write_header(file: IO[bytes], count: int, size: int) -> None:
    """The header of an array of frames; as long for any count, since NumPy leaves room for the first axis to grow."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _decode_into(file: IO[bytes], files: Sequence[Path], resize: Resize, drop_gray: bool) -> Index:
    index: Index = {"names": [], "sizes": [], "hashes": [], "left_out": []}
    for names, part in _decode_in_order(files, resize):
        reasons = [reason for _, _, _, reason in part]
        good = [i for i, reason in enumerate(reasons) if not reason]
        if good and drop_gray:
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


def _decode_in_order(files: Sequence[Path], resize: Resize) -> Iterator[tuple[Sequence[Path], list[Decoded]]]:
    """Decodes a bounded number of files at a time, so that memory does not grow with the folder."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), CHECKED_TOGETHER):
            names = files[start : start + CHECKED_TOGETHER]
            yield names, list(pool.map(lambda path: _decode(path, resize), names))


def _decode(path: Path, resize: Resize) -> Decoded:
    """One file -> frame, (height, width) of the picture in it, SHA-256, and why it cannot be used, or ""."""
    nothing = np.zeros((resize.size, resize.size, 3), np.uint8)
    try:
        data = path.read_bytes()
        picture = read_rgb(data)
    except (OSError, PhotographError) as error:
        return nothing, (0, 0), "", f"cannot be read: {error}"
    return *resize.frame(picture), hashlib.sha256(data).hexdigest(), ""
