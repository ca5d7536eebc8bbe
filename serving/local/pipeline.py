"""Colorizing many files at once: decoding, the network, and encoding overlap.

    workers: read, prepare  ->  this thread: predict batches  ->  workers: paint, write

Photographs in flight are bounded by their pixels: many small scans, or one very large one. One bad file is
a result with a reason, and never the end of the run.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

import numpy as np

from media.photograph import Photograph
from media.provenance import Mark
from media.reader import MAX_PIXELS, PhotographFile
from serving.local.pixel_budget import PixelBudget
from serving.local.tasks import FileResult, FileTask, early_result, failure, write_result

PIXELS_IN_FLIGHT = 100_000_000
"""Maximum number of pixels of all photographs that are in memory at a time."""


def colorize_files(
    tasks: Sequence[FileTask],
    output: str | os.PathLike[str],
    colorizer: "Colorizer",
    *,
    batch: int = 16,
    jobs: int | None = None,
    quality: int = 95,
    overwrite: bool = False,
    mark: Mark | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[FileResult], object] | None = None,
) -> list[FileResult]:
    """Colorize the tasks of `serving.local.tasks.find` into the folder `output`, which is made as needed.

    Results that exist are skipped unless `overwrite`. Whatever goes wrong with one file, running out of
    memory included, is its result; only KeyboardInterrupt ends the run: what is finished stays, and nothing
    partial is left.

    Args:
        colorizer: What prepares, predicts and paints, such as a `serving.local.tiled.TiledColorizer`.
        batch: Maximum number of frames in one call of the network; fewer if no more are ready.
        jobs: Threads for decoding, and as many for encoding; by default the number of cores.
        quality: 1 to 100, of JPEG and WebP.
        mark: What results and sheets say about how they were made; nothing by default.
        max_pixels: Largest width x height of a photograph; larger ones are not decoded.
        progress: Called in this thread with each result, as it comes.

    Returns:
        One result per task, in their order.
    """
    run = _Run(Path(output), colorizer, quality, overwrite, mark, max_pixels)
    jobs = jobs or os.cpu_count() or 1
    results: dict[int, FileResult] = {}
    readers = ThreadPoolExecutor(jobs, thread_name_prefix="read")
    writers = ThreadPoolExecutor(jobs, thread_name_prefix="write")
    try:
        for index, task in enumerate(tasks):
            readers.submit(run.read, index, task)
        while len(results) < len(tasks):
            ready: list[_Ready] = []
            for event in _next_events(run.events):
                if isinstance(event, _Ready):
                    ready.append(event)
                    if len(ready) == batch:
                        break
                else:
                    index, result = event
                    results[index] = result
                    if progress is not None:
                        progress(result)
            for item, ab in zip(ready, _predict(colorizer, [item.prepared.frame for item in ready]), strict=True):
                writers.submit(run.write, item, ab)
            del ready
    finally:
        run.budget.close()
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)
    return [results[index] for index in range(len(tasks))]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A photograph on its way through a colorizer.

    Attributes:
        lightness: (H, W) float32 in [0, 100], which is joined with the colors. Kept, since computing it takes as long
            as joining.
        frame: What the network sees, (size, size, 1) float32 in [0, 100].
        dtype: uint8 or uint16, as the photograph's pixels are.
    """

    lightness: np.ndarray
    frame: np.ndarray
    dtype: np.dtype


class Colorizer(Protocol):
    """What `serving.local.tiled.TiledColorizer` offers; all methods may be called from several threads."""

    def prepare(self, pixels: np.ndarray) -> Prepared:
        """(H, W) or (H, W, 3), uint8 or uint16 -> what `predict` and `paint` need of it."""

    def predict(self, frames: np.ndarray) -> np.ndarray:
        """(B, size, size, 1) -> ab (B, size, size, 2)."""

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        """A photograph and ab (size, size, 2) -> (H, W, 3) of the photograph's dtype."""


def _next_events(events: "SimpleQueue[_Event]") -> "Iterator[_Event]":
    """At least one event, then those that are there already."""
    while True:
        # A wait without end could not be interrupted on Windows.
        with suppress(Empty):
            yield events.get(timeout=0.2)
            break
    with suppress(Empty):
        while True:
            yield events.get_nowait()


def _predict(colorizer: Colorizer, frames: list[np.ndarray]) -> "Sequence[np.ndarray | Exception]":
    """One ab plane per frame, or why there is none."""
    if not frames:
        return []
    try:
        return list(colorizer.predict(np.stack(frames)))
    except Exception as error:  # of whatever the network runs on; a batch may fail for lack of memory
        if len(frames) == 1:
            return [error]
        return [result for frame in frames for result in _predict(colorizer, [frame])]


class _Run:
    """The two ends of the pipeline, as the worker threads see them."""

    def __init__(
        self, output: Path, colorizer: Colorizer, quality: int, overwrite: bool, mark: Mark | None, max_pixels: int
    ) -> None:
        self.output = output
        self.colorizer = colorizer
        self.quality = quality
        self.overwrite = overwrite
        self.mark = mark
        self.max_pixels = max_pixels
        self.budget = PixelBudget(PIXELS_IN_FLIGHT)
        self.events: SimpleQueue[_Event] = SimpleQueue()

    def read(self, index: int, task: FileTask) -> None:
        cost = 0
        try:
            result = early_result(task, self.output, self.overwrite)
            if result is None:
                with PhotographFile(task.source, max_pixels=self.max_pixels) as file:
                    cost = self.budget.take(file.width * file.height)
                    photograph = file.read()
                prepared = self.colorizer.prepare(photograph.pixels)
                if task.sheet is None:  # which alone shows them once more
                    photograph = replace(photograph, pixels=photograph.pixels[:0])
                self.events.put(_Ready(index, task, photograph, prepared, cost))
                return
        except Exception as error:  # of one file; the others go on
            result = failure(task, self.output, error)
        self.budget.give_back(cost)
        self.events.put((index, result))

    def write(self, item: "_Ready", ab: np.ndarray | Exception) -> None:
        try:
            if isinstance(ab, Exception):
                raise ab
            pixels = self.colorizer.paint(item.prepared, ab)
            result = write_result(item.task, self.output, item.photograph, pixels, self.quality, self.mark)
        except Exception as error:  # of one file; the others go on
            result = failure(item.task, self.output, error)
        self.budget.give_back(item.cost)
        self.events.put((item.index, result))


@dataclass(frozen=True)
class _Ready:
    """A photograph that waits for its colors."""

    index: int
    task: FileTask
    photograph: Photograph
    prepared: Prepared
    cost: int


_Event = _Ready | tuple[int, FileResult]
