"""Colorizing one film: the checks before, the work in segments, and the joining of these with the original's sound."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

from media import film_writer
from media.film_check import Extent, measure
from media.film_codecs import STEADY, Coding, choose, keeps_aspect
from media.film_segments import read_segments
from media.film_writer import Span
from media.films import Film
from media.provenance import Mark
from media.reference_stills import Still, find_stills
from serving.local.film_job import SEGMENT, FilmJob
from serving.local.film_pipeline import BATCH, FrameColorizer, Pipeline, Smoother
from serving.local.film_references import ReferenceSmoother, references_of, second_reading
from zoo.errors import FilmError

_COPIES = 3  # of the original's size that must be free: the segments, the result and a margin


@dataclass(frozen=True)
class FilmTask:
    """What is to be made of one film.

    Attributes:
        source: the film.
        result: where it goes.
        model: what identifies the network and its settings.
        smoothing: its name.
        start: seconds from the beginning at which the result begins.
        end: seconds from the beginning at which it ends; None for the end of the film.
        codec: a name of `media.film_codecs.CODECS`, or None for that of the container.
        quality: 1 to 100.
        references: a folder of colored stills, see `media.reference_stills`, or None.
    """

    source: Path
    result: Path
    model: str
    smoothing: str = "none"
    start: float = 0.0
    end: float | None = None
    codec: str | None = None
    quality: int = 80
    references: Path | None = None


@dataclass(frozen=True)
class Plan:
    """A film that passed all checks.

    Attributes:
        task: what is to be made.
        coding: of the result.
        extent: how long it is.
        global_header: see `media.film_writer.Check`.
        left_out: what the result will not have.
        stills: those of the folder of references.
    """

    task: FilmTask
    coding: Coding
    extent: Extent
    global_header: bool
    left_out: tuple[str, ...]
    stills: tuple[Still, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a film.

    Attributes:
        frames: in the result.
        resumed: of these, those of an earlier run.
        warnings: what is wrong with the result.
    """

    frames: int
    resumed: int
    warnings: tuple[str, ...] = ()


def plan(task: FilmTask) -> Plan:
    """All checks that can be made before the work: the film, its extent, the result, the disk.

    Raises:
        FilmError: it cannot be colorized, or the result cannot be written; the text does not name the film.
        ArgumentError: no film can have the name of the result, or the names of the references are wrong.
    """
    with Film(task.source) as film:
        frame = next(film.frames())
        codec = choose(task.result, task.codec, frame.deep)
        square = not keeps_aspect(task.result, codec)
        height, width = film.pixels(frame, square=square).shape[:2]
        aspect = Fraction(1) if square else film.aspect(frame)
        coding = Coding(codec, task.quality, width, height, aspect, film.rate, frame.deep)
    extent = measure(task.source, task.start, task.end)
    if not extent.steady and task.result.suffix.lower() in STEADY:
        raise FilmError(f"shows its frames for different times, which {task.result.suffix} cannot: choose .mkv")
    task.result.parent.mkdir(parents=True, exist_ok=True)
    checked = film_writer.check(task.result, task.source, coding)
    needed = _COPIES * os.path.getsize(task.source)
    if (free := _free(task.result.parent)) < needed:
        raise FilmError(f"needs about {needed >> 20:,} MB for the result, and {free >> 20:,} MB are free")
    shape = coding.width * coding.aspect / coding.height
    stills = () if task.references is None else find_stills(task.references, task.source, shape)
    return Plan(task, coding, extent, checked.global_header, checked.left_out, stills)


def colorize_film(
    planned: Plan,
    colorizer: FrameColorizer,
    smoother: Smoother,
    *,
    mark: Mark,
    progress: Callable[[int, int], object] = lambda done, total: None,
    segment: int = SEGMENT,
) -> Outcome:
    """Colorize a film that was checked. A run that was killed is continued behind its last finished segment.

    Args:
        planned: by `plan`.
        colorizer: prepares and paints.
        smoother: colors the frames; new.
        mark: what the result says about how it was made.
        progress: called with the number of frames that are done and that of all.
        segment: frames in a segment, a multiple of BATCH.

    Raises:
        FilmError: frames cannot be decoded or coded, or the result cannot be written. Nothing is left behind.
    """
    task = planned.task
    job = FilmJob(task.result, settings_of(planned, segment))
    with job.work():
        done = job.begin()
        with (
            Film(task.source) as film,
            with_references(smoother, planned, colorizer, task.start, job.folder) as smoother,
        ):
            run = Pipeline(film, planned.coding, colorizer, smoother, job, planned.global_header, segment)
            frames = run.carry_out(done, task.start, task.end, lambda count: progress(count, planned.extent.frames))
            time_base = film.time_base
        segments = map(job.segment, range(-(-frames // segment)))
        span = Span(run.first if task.start else None, run.behind)
        film_writer.join(task.result, task.source, planned.coding, read_segments(segments), time_base, span, mark.text)
    without = (f"the result is without {', '.join(planned.left_out)}",) if planned.left_out else ()
    return Outcome(frames, min(frames, done * segment), (*without, *film.faults))


@contextmanager
def with_references(
    smoother: Smoother, planned: Plan, colorizer: FrameColorizer, start: float, folder: Path
) -> Iterator[Smoother]:
    """The smoother of a film from `start` seconds on, or one that adds the colors of the references to its own."""
    if not planned.stills:
        yield smoother
        return
    with Film(planned.task.source) as film:
        references, frames = references_of(planned.stills, film), second_reading(film, planned.coding, colorizer)
        added = ReferenceSmoother(smoother, references, frames, start, folder)
        with closing(added):
            yield added


def settings_of(planned: Plan, segment: int) -> dict[str, object]:
    """All that the frames of the result depend on."""
    status = planned.task.source.stat()
    return {
        "film": [str(planned.task.source.resolve()), status.st_size, status.st_mtime_ns],
        "task": {name: str(value) for name, value in asdict(planned.task).items()},
        "references": [[str(still.time), still.digest] for still in planned.stills],
        "coding": {name: str(value) for name, value in asdict(planned.coding).items()},
        "segment": [segment, BATCH],
        "cores": os.cpu_count(),  # on which the rounding of a network and an encoder depends
    }


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
