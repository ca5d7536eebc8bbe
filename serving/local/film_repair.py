"""Coloring a part of a finished film again: its frames are coded anew, and take the places of the former ones.

A part can only end where a frame needs no other one. The frames from the end of the part to the next such frame are
therefore coded again, too, in the colors that they have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from media import atomic, film_splice, film_writer
from media.film_check import frame_times
from media.film_segments import SegmentWriter, read_segments
from media.film_splice import Written
from media.film_writer import Span
from media.films import Film
from media.provenance import Mark
from serving.local.film_job import SEGMENT, FilmJob
from serving.local.film_pipeline import BATCH, FrameColorizer, Pipeline, Smoother
from serving.local.films import Outcome, Plan, settings_of, with_references
from zoo.errors import FilmError

LEAD = 24
"""Frames before the part that are colored for what the smoothing makes of the next ones; a multiple of BATCH."""


@dataclass(frozen=True)
class Repair:
    """The part of a film that is colored again; frames are counted in the result.

    Attributes:
        first: its first frame.
        behind: the first frame behind it.
        key: the first frame from there on that needs no other one, or the number of all frames.
        lead: number of frames that are colored before the first one.
        start: seconds in the film at which those begin.
        end: seconds in the film at which the part ends, or None for the film's end.
    """

    first: int
    behind: int
    key: int
    lead: int
    start: float
    end: float | None


def plan_repair(planned: Plan, begin: float, end: float) -> Repair:
    """All checks that can be made before the work.

    Args:
        planned: how the whole result was made.
        begin: seconds from the beginning of the film at which the part begins.
        end: seconds at which it ends.

    Raises:
        FilmError: the result is not there or was not made so, or it has no such part.
    """
    task = planned.task
    if not task.result.is_file():
        raise FilmError(f"{task.result} does not exist: colorize the whole film first")
    written = _look(task.result)
    times, _ = frame_times(task.source)
    times = times[(times >= task.start) & (times < (np.inf if task.end is None else task.end))]
    if len(times) != len(written.keys):
        raise FilmError(
            f"{task.result} has {len(written.keys)} frames and not {len(times)}: it was made with another --start or "
            "--end, or of another film"
        )
    _refuse_other_coding(planned, written)
    first, behind = (int(np.searchsorted(times, moment)) for moment in (begin, end))
    if first == behind:
        raise FilmError(f"{task.result} has no frame between {begin:g} and {end:g} seconds")
    key = next((i for i in range(behind, len(times)) if written.keys[i]), len(times))
    lead = min(LEAD, first) // BATCH * BATCH
    start = task.start if first == lead else float(times[first - lead - 1 : first - lead + 1].mean())
    stop = task.end if behind == len(times) else float(times[behind - 1 : behind + 1].mean())
    return Repair(first, behind, key, lead, start, stop)


def repair_film(
    planned: Plan,
    repair: Repair,
    colorizer: FrameColorizer,
    smoother: Smoother,
    *,
    mark: Mark,
    progress: Callable[[int, int], object] = lambda done, total: None,
    segment: int = SEGMENT,
) -> Outcome:
    """Color a part of a result again. Sound and all other frames stay; a run that was killed goes on.

    Args:
        planned: by `serving.local.films.plan`, as for the whole result.
        repair: by `plan_repair`.
        colorizer: prepares and paints.
        smoother: colors the frames; new.
        mark: what the part says about how it was made.
        progress: called with the number of frames that are done and that of all.
        segment: frames in a segment, a multiple of BATCH.

    Raises:
        FilmError: frames cannot be decoded or coded, or the result cannot be written. It stays as it was.
    """
    task = planned.task
    status = task.result.stat()
    former = {"result": [status.st_size, status.st_mtime_ns], "part": [repair.first, repair.behind, repair.key]}
    job = FilmJob(task.result, settings_of(planned, segment) | former)
    wanted = repair.behind - repair.first
    with job.work():
        done = job.begin()
        with (
            Film(task.source) as film,
            with_references(smoother, planned, colorizer, repair.start, job.folder) as smoother,
        ):
            run = Pipeline(film, planned.coding, colorizer, smoother, job, planned.global_header, segment, repair.lead)
            frames = run.carry_out(done, repair.start, repair.end, lambda count: progress(count, wanted))
            time_base = film.time_base
        if frames != wanted:
            raise FilmError(f"{frames} of the {wanted} frames can be decoded")
        segments = [job.segment(number) for number in range(-(-frames // segment))]
        if repair.key > repair.behind:
            segments.append(job.segment(len(segments)))
            assert run.behind is not None, "there is a frame behind the part"
            _code_again(segments[-1], planned, repair, round(run.behind / time_base))
        part = job.folder / f"part{task.result.suffix}"
        span = Span(run.first, run.behind)
        film_writer.join(part, task.source, planned.coding, read_segments(segments), time_base, span, mark.text)
        film_splice.splice(task.result, part, repair.first)
    return Outcome(frames, min(frames, done * segment), tuple(film.faults))


def _look(path: Path) -> Written:
    try:
        return film_splice.look(path)
    except FilmError as error:
        raise FilmError(f"{path} {error}") from error


def _refuse_other_coding(planned: Plan, written: Written) -> None:
    """Code one frame as the part would be, since packets of different parameters cannot be joined."""
    task, coding = planned.task, planned.coding
    with atomic.building(task.result.parent) as folder:
        segment, trial = folder / "trial.segment", folder / f"trial{task.result.suffix}"
        with SegmentWriter(segment, coding, global_header=planned.global_header) as writer:
            writer.add(np.zeros((coding.height, coding.width, 3), np.uint8), 0, 1)
            writer.close()
        nothing = Span(None, Fraction(0))
        film_writer.join(trial, task.source, coding, read_segments([segment]), 1 / coding.rate, nothing, "")
        found = film_splice.look(trial)
    if (found.codec, found.header) != (written.codec, written.header):
        raise FilmError(
            f"{task.result} is coded otherwise: give the --codec and --quality that it was made with, or color the "
            "whole film again"
        )


def _code_again(path: Path, planned: Plan, repair: Repair, tick: int) -> None:
    """Write the segment of the frames behind the part, up to the next one that needs no other."""
    with (
        Film(planned.task.result) as film,
        SegmentWriter(path, planned.coding, global_header=planned.global_header) as writer,
    ):
        for i, frame in enumerate(islice(film.frames(), repair.behind, repair.key)):
            writer.add(film.pixels(frame), tick + i, 1)
        writer.close()
