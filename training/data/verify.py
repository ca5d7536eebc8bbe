"""Checking a folder of shards against its index; the body of `colorzoo shards --verify`."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from training.data.records import file_sha256, read_index


def verify(folder: Path) -> list[tuple[str, str]]:
    """Everything that is wrong with a folder of shards: names of files, each with what is wrong with it.

    Raises:
        DataError: the folder has no index that can be read.
    """
    index = read_index(folder)
    faults = []
    for split, content in index["splits"].items():
        if sum(shard["count"] for shard in content["shards"]) != content["count"]:
            faults.append(("index.json", f"the counts of {split} do not add up to {content['count']}"))
        for shard in content["shards"]:
            faults += _shard_faults(folder, shard)
    wanted = {name: digest for content in index["splits"].values() for name, digest in content["files"].items()}
    faults += [(name, fault) for name, digest in wanted.items() if (fault := _file_fault(folder / name, digest))]
    if fault := _file_fault(folder / "left_out.tsv", index["left_out"]["sha256"]):
        faults.append(("left_out.tsv", fault))
    return faults


def _file_fault(path: Path, sha256: str) -> str:
    try:
        return "" if file_sha256(path) == sha256 else "its SHA-256 is not that of index.json"
    except OSError as error:
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"


def _shard_faults(folder: Path, shard: dict[str, Any]) -> list[tuple[str, str]]:
    path = folder / shard["file"]
    fault = _file_fault(path, shard["sha256"])
    if fault == "is missing":
        return [(path.name, fault)]
    size = path.stat().st_size
    if size != shard["bytes"]:
        fault = f"has {size} bytes instead of {shard['bytes']}"
    count = 0
    try:
        for _ in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
    except tf.errors.OpError:
        fault = f"{fault}; picture {count} of {shard['count']} is damaged"
    else:
        if count != shard["count"]:
            fault = f"{fault}; holds {count} pictures instead of {shard['count']}"
    return [(path.name, fault.removeprefix("; "))] if fault else []
