"""Callbacks that Keras does not have: progress with images per second, logs that runs of an earlier version resume,
times, the best colorizer, image panels.
"""

import csv
import io
import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import zoo
from media import atomic
from media.photograph import gray_of
from media.sheets import contact_sheet

SECONDS_BETWEEN_LINES = 30  # where the output is not a terminal


class Progress(keras.callbacks.Callback):
    """Prints loss, images/s and time left: a line that moves on a terminal, one now and then elsewhere."""

    def __init__(self, epochs: int, steps: int, batch: int, *, start: int) -> None:
        super().__init__()
        self._epochs, self._steps, self._batch = epochs, steps, batch
        self._done = self._start = start
        self._epoch, self._loss = 0, math.nan
        self._printed = -math.inf
        self._moving = False  # whether the cursor stands behind a line without an end

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._began = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Prints, if it is time."""
        self._done += 1
        loss = (logs or {})["loss"]
        self._loss = loss if math.isnan(self._loss) else 0.98 * self._loss + 0.02 * loss
        now = time.monotonic()
        terminal = sys.stdout.isatty()
        if now - self._printed < (0.5 if terminal else SECONDS_BETWEEN_LINES):
            return
        self._printed, self._moving = now, terminal
        per_step = (now - self._began) / (self._done - self._start)
        left = per_step * (self._epochs * self._steps - self._done)
        line = (
            f"epoch {self._epoch + 1}/{self._epochs}  step {batch + 1}/{self._steps}  loss {self._loss:.4f}  "
            f"{self._batch / per_step:.1f} images/s  {left / 60:.0f} min left"
        )
        print(f"\r{line} " if terminal else line, end="" if terminal else "\n", flush=True)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Ends the line."""
        if self._moving:
            print(flush=True)  # so that a message about an interrupted run has its own line

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Prints what the epoch came to."""
        figures = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        line_end = "\n" if self._moving else ""
        self._moving = False
        print(f"{line_end}epoch {epoch + 1}/{self._epochs} done  {figures}", flush=True)


class EpochLog(keras.callbacks.CSVLogger):
    """Appends a row to a CSV file after every epoch.

    Keras's own callback takes for granted that the rows of an earlier start have the same columns. Here columns that
    an earlier version did not log are added to the file, with "NA" in the rows that are there.
    """

    csv_file: Any  # of the base class, which does not say its type

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), append=True)
        self._path = path

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the row of the epoch."""
        if self.writer is None and not self.append_header:
            self.keys = self._add_columns(logs or {})
        super().on_epoch_end(epoch, logs)

    def _add_columns(self, names: Iterable[str]) -> list[str]:
        """Rewrites the file if it lacks a column; returns the columns that follow "epoch"."""
        with self._path.open(newline="") as file:
            rows = csv.DictReader(file)
            known = list(rows.fieldnames or ())
            columns = known + sorted(set(names) - set(known))
            if columns != known:
                text = io.StringIO(newline="")
                table = csv.DictWriter(text, columns, restval="NA")
                table.writeheader()
                table.writerows(rows)
                self.csv_file.close()  # the file is replaced below, and opened again
                atomic.write_text(self._path, text.getvalue())
                self.csv_file = self._path.open("a")
        return columns[1:]


class Times(keras.callbacks.Callback):
    """Appends to a CSV file how long each epoch took: in training, and with validation.

    Of an epoch that a resumed run was in the middle of, the steps since then count.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the clock."""
        self._steps, self._trained = 0, 0.0
        self._began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Counts a step."""
        self._steps += 1
        self._trained = time.monotonic() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the row of the epoch."""
        whole = time.monotonic() - self._began
        with self._path.open("a", newline="") as file:
            rows = csv.writer(file)
            if not file.tell():
                rows.writerow(("epoch", "steps", "training_seconds", "seconds"))
            rows.writerow((epoch, self._steps, f"{self._trained:.3f}", f"{whole:.3f}"))


class BestModel(keras.callbacks.Callback):
    """Keeps the colorizer of the epoch with the lowest `monitor`, written beside and renamed into place.

    All workers note the lowest value; one of them writes.
    """

    def __init__(
        self, network: keras.Model, path: Path, monitor: str, size: int, saturation: float, *, writes: bool = True
    ) -> None:
        super().__init__()
        self.best = math.inf
        self._network, self._writes = network, writes
        self._path, self._monitor, self._size, self._saturation = path, monitor, size, saturation

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes the colorizer if it is the best so far."""
        value = (logs or {})[self._monitor]
        if value < self.best:
            self.best = value
            if self._writes:
                self.write(self._path)

    def write(self, path: Path) -> None:
        """Saves the colorizer of the network as it is now, or leaves the old file as it is."""
        colorizer = zoo.create_colorizer(self._network, self._size, saturation=self._saturation)
        with atomic.replacing(path) as partial:
            colorizer.save(partial)


class Panels(keras.callbacks.Callback):
    """Shows gray, colorized and original pictures of the validation set in TensorBoard after every epoch."""

    def __init__(self, network: keras.Model, folder: Path, frames: np.ndarray, size: int, saturation: float) -> None:
        super().__init__()
        self._network = network
        self._writer = tf.summary.create_file_writer(str(folder))
        self._frames, self._size, self._saturation = frames, size, saturation

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes one contact sheet."""
        with self._writer.as_default(step=epoch):
            tf.summary.image("panels", self.sheet(max(128, self._size))[None])
        self._writer.flush()

    def sheet(self, cell: int) -> np.ndarray:
        """A contact sheet (H, W, 3) uint8 of the network as it is now, with cells of `cell` pixels."""
        colorizer = zoo.create_colorizer(self._network, self._size, saturation=self._saturation)
        colorized = ops.convert_to_numpy(colorizer(self._frames))
        rows = list(zip(gray_of(self._frames), colorized, self._frames, strict=True))
        return contact_sheet(rows, titles=("gray", "colorized", "original"), cell=cell)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        self._writer.close()
