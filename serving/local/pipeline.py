"""Colorizing many files at once: decoding, the network, and encoding overlap.

    workers: read, prepare  ->  this thread: predict batches  ->  workers: paint, write

Photographs in flight are bounded by their pixels: many small scans, or one very large one. Of a file with several pages
one is in flight at a time: the next one is read when the one before is written. One bad file is a result with a reason,
and never the end of the run.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Protocol

import numpy as np

from media.photograph import Photograph
from media.provenance import Mark
from media.reader import MAX_PIXELS, PhotographFile
from serving.local.index import Entry, Journal, Stamp, stamp_of
from serving.local.pixel_budget import PixelBudget
from serving.local.tasks import (
    Destination,
    FileResult,
    FileTask,
    Finish,
    ResultFile,
    carry_out,
    chosen_pages,
    describe,
    failure,
    refuse_existing,
)

PIXELS_IN_FLIGHT = 100_000_000
"""Maximum number of pixels of all photographs that are in memory at a time."""

_WAITING = 512  # tasks that are handed to the workers at a time, besides one for each of them


def colorize_files(
    tasks: Sequence[FileTask],
    output: str | os.PathLike[str],
    colorizer: "Colorizer | None",
    *,
    batch: int = 16,
    jobs: int | None = None,
    quality: int = 95,
    overwrite: bool = False,
    mark: Mark | None = None,
    keep_times: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[FileResult], object] | None = None,
) -> list[FileResult]:
    """Colorize the tasks of `serving.local.search.find` into the folder `output`, which is made as needed.

    Results that exist and were made from the very photograph are skipped unless `overwrite`; the index of the folder
    takes note of what each is made from. Whatever goes wrong with one file, running out of
    memory included, is its result; only KeyboardInterrupt ends the run: what is finished stays, and nothing
    partial is left.

    Args:
        colorizer: What prepares, predicts and paints, such as a `serving.local.tiled.TiledColorizer`. None will do if
            all tasks are settled.
        batch: Maximum number of frames in one call of the network; fewer if no more are ready.
        jobs: Threads for decoding, and as many for encoding; by default the number of cores.
        quality: 1 to 100, of JPEG and WebP.
        mark: What results and sheets say about how they were made; nothing by default.
        keep_times: Whether results get the times of the last access and the last change of their originals.
        max_pixels: Largest width x height of a photograph; larger ones are not decoded.
        progress: Called in this thread with each result, as it comes.

    Returns:
        One result per task, in their order.
    """
    output = Path(output)
    jobs = jobs or os.cpu_count() or 1
    with Journal(output) as journal:
        destination = Destination(output, journal, quality, overwrite, mark, keep_times)

        def colorize(rest: Sequence[tuple[int, FileTask]], finish: Finish) -> None:
            if colorizer is not None:
                _colorize(rest, _Run(destination, colorizer, max_pixels, jobs), batch, jobs, finish)

        return carry_out(tasks, destination, colorize, progress)


def _colorize(
    tasks: Sequence[tuple[int, FileTask]],
    run: "_Run",
    batch: int,
    jobs: int,
    finish: Finish,
) -> None:
    """Colorize tasks that are not settled; `finish` is called with the number and the result of each."""
    waiting, ahead = iter(tasks), 0
    try:
        while True:
            for index, task in islice(waiting, _WAITING + jobs - ahead):
                run.readers.submit(run.begin, index, task)
                ahead += 1
            if not ahead:
                break
            ready: list[_Ready] = []
            for event in _next_events(run.events):
                if isinstance(event, _Ready):
                    ready.append(event)
                    if len(ready) == batch:
                        break
                else:
                    ahead -= 1
                    finish(*event)
            start = perf_counter()
            colors = _predict(run.colorizer, [item.prepared.frame for item in ready])
            share = (perf_counter() - start) / max(1, len(ready))
            for item, ab in zip(ready, colors, strict=True):
                item.job.seconds += share
                run.writers.submit(run.write, item, ab)
            del ready
    finally:
        run.close()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A photograph on its way through a colorizer.

    Attributes:
        lightness: (H, W) float32 in [0, 100], which is joined with the colors. Kept, since computing it takes as long
            as joining.
        frame: What the network sees, (size, size, 1) float32 in [0, 100].
        dtype: uint8 or uint16, as the photograph's pixels are.
        aspect: Width of a pixel over its height.
    """

    lightness: np.ndarray
    frame: np.ndarray
    dtype: np.dtype
    aspect: float = 1.0


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

    def __init__(self, destination: Destination, colorizer: Colorizer, max_pixels: int, jobs: int) -> None:
        self.destination = destination
        self.colorizer = colorizer
        self.max_pixels = max_pixels
        self.budget = PixelBudget(PIXELS_IN_FLIGHT)
        self.events: SimpleQueue[_Event] = SimpleQueue()
        self.readers = ThreadPoolExecutor(jobs, thread_name_prefix="read")
        self.writers = ThreadPoolExecutor(jobs, thread_name_prefix="write")
        self.jobs: set[_Job] = set()

    def begin(self, index: int, task: FileTask) -> None:
        start = perf_counter()
        try:
            refuse_existing(task, self.destination)
            stamp = stamp_of(task.source)
            file = PhotographFile(task.source, max_pixels=self.max_pixels)
        except Exception as error:  # of one file; the others go on
            result = failure(task, self.destination.output, error)
            self.events.put((index, replace(result, seconds=perf_counter() - start)))
            return
        job = _Job(index, task, stamp, file)
        self.jobs.add(job)
        self.read(job, start)

    def read(self, job: "_Job", start: float | None = None) -> None:
        """Read the next page."""
        cost = 0
        start = perf_counter() if start is None else start
        try:
            if job.result is None:
                pages = chosen_pages(job.task, job.file)
                job.result = ResultFile(job.task, self.destination, job.file, len(pages))
                job.waiting.extend(pages)
            job.file.turn_to(job.waiting.popleft())
            before = perf_counter()
            cost = self.budget.take(job.file.width * job.file.height)
            start += perf_counter() - before
            photograph = job.file.read()
            if not job.waiting:
                job.file.close()
                job.entry = describe(job.task, job.stamp)
            prepared = self.colorizer.prepare(photograph.pixels)
            if job.task.sheet is None:  # which alone shows them once more
                photograph = replace(photograph, pixels=photograph.pixels[:0])
            job.seconds += perf_counter() - start
            self.events.put(_Ready(job, photograph, prepared, cost))
        except Exception as error:  # of one file; the others go on
            self.budget.give_back(cost)
            self.end(job, failure(job.task, self.destination.output, error), start)

    def write(self, item: "_Ready", ab: np.ndarray | Exception) -> None:
        start = perf_counter()
        job, given_back = item.job, False
        try:
            if isinstance(ab, Exception):
                raise ab
            assert job.result is not None, "it was begun"
            job.result.add(item.photograph, self.colorizer.paint(item.prepared, ab))
            if job.waiting:
                self.budget.give_back(item.cost)
                given_back = True
                job.seconds += perf_counter() - start
                self.readers.submit(self.read, job)
                return
            assert job.entry is not None, "all was read"
            result = job.result.finish(job.entry)
        except Exception as error:  # of one file; the others go on
            result = failure(job.task, self.destination.output, error)
        if not given_back:
            self.budget.give_back(item.cost)
        self.end(job, result, start)

    def end(self, job: "_Job", result: FileResult, start: float) -> None:
        job.close()
        self.jobs.discard(job)
        self.events.put((job.index, replace(result, seconds=job.seconds + perf_counter() - start)))

    def close(self) -> None:
        """Wait for what has begun, and leave nothing of what has not ended."""
        self.budget.close()
        self.readers.shutdown(cancel_futures=True)
        self.writers.shutdown(cancel_futures=True)
        for job in self.jobs:
            job.close()


@dataclass(eq=False)
class _Job:
    """A photograph on its way, page by page.

    Attributes:
        waiting: Pages that are still to be read.
        result: Made with the first page.
        entry: Made with the last one.
    """

    index: int
    task: FileTask
    stamp: Stamp | None
    file: PhotographFile
    waiting: deque[int] = field(default_factory=deque)
    result: ResultFile | None = None
    entry: Entry | None = None
    seconds: float = 0.0

    def close(self) -> None:
        self.file.close()
        if self.result is not None:
            self.result.close()


@dataclass(frozen=True)
class _Ready:
    """A page that waits for its colors."""

    job: _Job
    photograph: Photograph
    prepared: Prepared
    cost: int


_Event = _Ready | tuple[int, FileResult]
