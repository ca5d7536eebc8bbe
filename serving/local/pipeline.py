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
from typing import Literal, Protocol

import numpy as np

from media import files
from media.files import COMPARISON
from media.formats import DEFAULT, RESULTS, SUFFIXES
from media.photograph import Photograph, gray_of
from media.reader import PhotographFile
from media.sheets import contact_sheet, fit_cell
from media.writer import write
from serving.local.pixel_budget import PixelBudget
from zoo.errors import ArgumentError, ColorzooError

PIXELS_IN_FLIGHT = 100_000_000
"""Of all photographs that are in memory at a time."""

_SHEET_CELL = 512


def find(
    paths: Sequence[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str],
    format: str | None = None,
    compare: bool = False,
) -> list["Entry"]:
    """List the photographs behind `paths`, each with the name of its result.

    `media.files.find` says which these are; the sub-folders of a folder are kept, and `output` is left out. A file
    that is named twice is taken once.

    The result has the name of the source, with the suffix of `format` if given; what is not written (BMP,
    GIF, no suffix) becomes PNG. Where two results would have the same name, small and capital letters being
    equal, the first keeps it and the next are called `name-2`, `name-3` and so on, in the order of `paths`.

    Args:
        format: "jpeg", "png", "tiff" or "webp"; by default the format of each source.
        compare: Whether names for side-by-side sheets are wanted too.

    Returns:
        Entries in the order of `paths`, sorted within a folder or pattern; a path that does not exist or a
        folder that cannot be read is an entry with an error.

    Raises:
        ArgumentError: an unknown format, an `output` that cannot be a folder, or a result that would overwrite a
            source.
    """
    if format is not None and format not in RESULTS:
        raise ArgumentError(f"format: {format!r} is not one of {', '.join(RESULTS)}")
    files.check_folder(output)
    output = Path(output)
    found = files.find(paths, SUFFIXES, without=output)
    entries = _named([Entry(file.path, file.relative, error=file.error) for file in found], format, compare)
    _refuse_overwriting(entries, output)
    return entries


def colorize_files(
    entries: Sequence["Entry"],
    output: str | os.PathLike[str],
    colorizer: "Colorizer",
    *,
    batch: int = 16,
    jobs: int | None = None,
    quality: int = 95,
    overwrite: bool = False,
    progress: Callable[["FileResult"], object] | None = None,
) -> list["FileResult"]:
    """Colorize the entries that `find` returned into the folder `output`, which is made as needed.

    Results that exist are skipped unless `overwrite`. Whatever goes wrong with one file, running out of
    memory included, is its result; only KeyboardInterrupt ends the run: what is finished stays, and nothing
    partial is left.

    Args:
        colorizer: What prepares, predicts and paints, such as a `serving.local.tiled.TiledColorizer`.
        batch: Most frames that the network gets at once; fewer if no more are ready.
        jobs: Threads for decoding, and as many for encoding; by default the number of cores.
        quality: 1 to 100, of JPEG and WebP.
        progress: Called in this thread with each result, as it comes.

    Returns:
        One result per entry, in their order.
    """
    run = _Run(Path(output), colorizer, quality, overwrite)
    jobs = jobs or os.cpu_count() or 1
    results: dict[int, FileResult] = {}
    readers = ThreadPoolExecutor(jobs, thread_name_prefix="read")
    writers = ThreadPoolExecutor(jobs, thread_name_prefix="write")
    try:
        for index, entry in enumerate(entries):
            readers.submit(run.read, index, entry)
        while len(results) < len(entries):
            ready: list[_Ready] = []
            for event in _pending(run.events):
                if isinstance(event, _Ready):
                    ready.append(event)
                    if len(ready) == batch:
                        break
                else:
                    index, result = event
                    results[index] = result
                    if progress is not None:
                        progress(result)
            for item, ab in zip(ready, _predicted(colorizer, [item.prepared.frame for item in ready]), strict=True):
                writers.submit(run.write, item, ab)
            del ready
    finally:
        run.budget.close()
        readers.shutdown(cancel_futures=True)
        writers.shutdown(cancel_futures=True)
    return [results[index] for index in range(len(entries))]


def settled(entry: "Entry", output: Path, overwrite: bool) -> "FileResult | None":
    """The result of an entry that is not to be colorized: it has an error, or its result exists and is to stay."""
    path = output / entry.output
    if entry.error is not None:
        return FileResult(entry.source, path, "failed", entry.error)
    if not overwrite and path.exists():
        return FileResult(entry.source, path, "skipped")
    return None


def finish(entry: "Entry", output: Path, photograph: Photograph, pixels: np.ndarray, quality: int) -> "FileResult":
    """Write the colorized `pixels` (H, W, 3) of a photograph, and the sheet if the entry wants one.

    Raises:
        PhotographError: the format cannot hold the picture, or a file cannot be written.
        OSError: a folder cannot be made.
    """
    path = output / entry.output
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.sheet is not None:
        sheet = Photograph(_comparison(photograph.pixels, pixels), None, None, None, "JPEG")
        write(sheet, output / entry.sheet, quality=quality)
    # Last, since a photograph whose result is there is skipped by the next run.
    write(replace(photograph, pixels=pixels), path, quality=quality)
    return FileResult(entry.source, path, "done")


def failure(entry: "Entry", output: Path, error: BaseException) -> "FileResult":
    """The result of an entry for which something was raised; the name of the file is not part of the reason."""
    text = " ".join(str(error).split())
    if isinstance(error, ColorzooError):
        reason = text.removeprefix(f"{entry.source}: ")
    else:
        reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return FileResult(entry.source, output / entry.output, "failed", reason)


@dataclass(frozen=True)
class Entry:
    """One photograph to colorize.

    Attributes:
        source: Its path.
        output: Path of its result, relative to the output folder.
        sheet: Path of its side-by-side sheet, likewise, or None if none is wanted.
        error: Why it cannot be colorized, or None.
    """

    source: Path
    output: Path
    sheet: Path | None = None
    error: str | None = None


@dataclass(frozen=True)
class FileResult:
    """What became of one entry: `output` is the path of the result, `reason` is empty unless it failed."""

    source: Path
    output: Path
    status: Literal["done", "skipped", "failed"]
    reason: str = ""


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


def _named(entries: list[Entry], format: str | None, compare: bool) -> list[Entry]:
    """The entries with names that are all different; who wants a name first has it before any is numbered."""
    taken: set[str] = set()

    def claim(entry: Entry, number: int) -> Entry | None:
        name = _result_name(entry.output, format)
        if number > 1:
            name = name.with_stem(f"{name.stem}-{number}")
        sheet = name.with_name(f"{name.stem}{COMPARISON}") if compare else None
        keys = {str(path).casefold() for path in (name, sheet) if path is not None}
        if keys & taken:
            return None
        taken.update(keys)
        return replace(entry, output=name, sheet=sheet)

    named = [entry if entry.error else claim(entry, 1) for entry in entries]
    for index, entry in enumerate(entries):
        number = 2
        while named[index] is None:
            named[index] = claim(entry, number)
            number += 1
    return [entry for entry in named if entry is not None]


def _result_name(path: Path, format: str | None) -> Path:
    source = SUFFIXES.get(path.suffix.lower())
    if format is None:
        format = (source.name if source is not None and source.result else DEFAULT).lower()
    if source is not None and source.name.lower() == format:
        return path
    return path.with_suffix(RESULTS[format]) if source else path.with_name(path.name + RESULTS[format])


def _refuse_overwriting(entries: list[Entry], output: Path) -> None:
    sources = {os.path.realpath(entry.source) for entry in entries}
    for entry in entries:
        for name in (entry.output, entry.sheet):
            if entry.error is None and name is not None and os.path.realpath(output / name) in sources:
                raise ArgumentError(f"{output / name}: the result would overwrite an original; choose another folder")


def _pending(events: "SimpleQueue[_Event]") -> "Iterator[_Event]":
    """At least one event, then those that are there already."""
    while True:
        # A wait without end could not be interrupted on Windows.
        with suppress(Empty):
            yield events.get(timeout=0.2)
            break
    with suppress(Empty):
        while True:
            yield events.get_nowait()


def _predicted(colorizer: Colorizer, frames: list[np.ndarray]) -> "Sequence[np.ndarray | Exception]":
    """One ab plane per frame, or why there is none."""
    if not frames:
        return []
    try:
        return list(colorizer.predict(np.stack(frames)))
    except Exception as error:  # of whatever the network runs on; a batch may fail for lack of memory
        if len(frames) == 1:
            return [error]
        return [result for frame in frames for result in _predicted(colorizer, [frame])]


def _comparison(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Gray, colorized and, where the source had color, the source, side by side."""
    titles = ["gray", "colorized"]
    if before.ndim == 2:
        return contact_sheet([[before, after]], titles=titles, cell=_SHEET_CELL)
    small = before[:: max(1, before.shape[0] // 256), :: max(1, before.shape[1] // 256)].astype(np.int32)
    colored = bool(np.ptp(small, axis=2).max() > (8 if before.dtype == np.uint8 else 8 * 257))
    shown = np.asarray(fit_cell(before, _SHEET_CELL))
    if not colored:
        return contact_sheet([[gray_of(shown), after]], titles=titles, cell=_SHEET_CELL)
    return contact_sheet([[gray_of(shown), after, shown]], titles=[*titles, "original"], cell=_SHEET_CELL)


class _Run:
    """The two ends of the pipeline, as the worker threads see them."""

    def __init__(self, output: Path, colorizer: Colorizer, quality: int, overwrite: bool) -> None:
        self.output = output
        self.colorizer = colorizer
        self.quality = quality
        self.overwrite = overwrite
        self.budget = PixelBudget(PIXELS_IN_FLIGHT)
        self.events: SimpleQueue[_Event] = SimpleQueue()

    def read(self, index: int, entry: Entry) -> None:
        cost = 0
        try:
            result = settled(entry, self.output, self.overwrite)
            if result is None:
                with PhotographFile(entry.source) as file:
                    cost = self.budget.take(file.width * file.height)
                    photograph = file.read()
                prepared = self.colorizer.prepare(photograph.pixels)
                if entry.sheet is None:  # which alone shows them once more
                    photograph = replace(photograph, pixels=photograph.pixels[:0])
                self.events.put(_Ready(index, entry, photograph, prepared, cost))
                return
        except Exception as error:  # of one file; the others go on
            result = failure(entry, self.output, error)
        self.budget.give_back(cost)
        self.events.put((index, result))

    def write(self, item: "_Ready", ab: np.ndarray | Exception) -> None:
        try:
            if isinstance(ab, Exception):
                raise ab
            pixels = self.colorizer.paint(item.prepared, ab)
            result = finish(item.entry, self.output, item.photograph, pixels, self.quality)
        except Exception as error:  # of one file; the others go on
            result = failure(item.entry, self.output, error)
        self.budget.give_back(item.cost)
        self.events.put((item.index, result))


@dataclass(frozen=True)
class _Ready:
    """A photograph that waits for its colors."""

    index: int
    entry: Entry
    photograph: Photograph
    prepared: Prepared
    cost: int


_Event = _Ready | tuple[int, FileResult]
