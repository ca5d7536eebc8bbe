"""Writing one shard, and the files beside it, so that each is complete or not there."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from media import atomic
from training.data import records
from training.data.encoding import Checked, Origin
from training.data.records import FOOTER, HEADER, ROW


class ShardFile:
    """A shard that is being written, under another name until it is complete."""

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, atomic.partial_name(path)
        self.writer = tf.io.TFRecordWriter(str(self.part))
        self.rows: list[tuple[Any, ...]] = []
        self.bytes = 0

    def add(self, checked: Checked, origin: Origin, number: int) -> None:
        """Appends a picture of the class with this number."""
        record = records.record(checked.image, checked.shape, origin.folder, origin.name, checked.sha256)
        start, length = record.index(checked.image), len(checked.image)
        where = (self.bytes + HEADER + start, length, len(record) - start - length)
        self.rows.append((*where, number, *checked.shape, checked.sha256, checked.pixels, checked.hash))
        self.writer.write(record)
        self.bytes += HEADER + len(record) + FOOTER

    def finish(self) -> dict[str, Any]:
        """Completes the shard and its rows under their names; returns what index.json says of the shard."""
        self.writer.close()
        if self.part.stat().st_size != self.bytes:
            raise OSError(f"{self.part.stat().st_size} of {self.bytes} bytes were written to {self.part}")
        write_array(self.path.with_suffix(".npy"), np.array(self.rows, ROW))
        atomic.put_in_place(self.part, self.path, durable=True)
        return {
            "file": self.path.name,
            "count": len(self.rows),
            "bytes": self.bytes,
            "sha256": records.file_sha256(self.path),
        }

    def abandon(self) -> None:
        """Deletes what was written."""
        with suppress(OSError, tf.errors.OpError):
            self.writer.close()
        self.part.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file under a temporary name and renames it into place, once it is on the disk."""
    atomic.write_text(path, json.dumps(content, indent=1), durable=True)


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes a .npy file as `write_json` does."""
    with atomic.replacing(path, durable=True) as partial:
        np.save(partial, array)
