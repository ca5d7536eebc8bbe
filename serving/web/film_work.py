"""Colorizing one film that was sent: in a folder of its own, which is removed with its result."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from media.films import Film
from serving.local.film_pipeline import Smoother
from serving.local.films import FilmTask, colorize_film, plan
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import TemporalSmoother, Unsmoothed
from serving.local.tiled import TiledColorizer
from serving.web.engine import Engine
from serving.web.errors import WebError
from serving.web.settings import How

Smoothing = Literal["flow", "temporal", "none"]
FilmFormat = Literal["mp4", "mov", "mkv", "webm"]
MEDIA_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime", "mkv": "video/x-matroska", "webm": "video/webm"}

_PIXELS = 4096 * 2304  # of a frame

# What files of films begin with. Of the other kinds that FFmpeg reads, some are lists of further files or addresses.
_BEGINNINGS = (
    (4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, (b"\x1aE\xdf\xa3", b"RIFF", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1", b"OggS", b"G", b"0&\xb2u\x8ef\xcf\x11")),
    (4, (b"G",)),  # the transport stream of cameras
)


@dataclass(frozen=True)
class FilmHow:
    """Settings of a film.

    Attributes:
        how: Of its colors; the preset and the look count.
        start, end: Seconds of the part that is wanted; the end may be None.
        quality: 1 to 100.
    """

    how: How
    smoothing: Smoothing = "flow"
    start: float = 0.0
    end: float | None = None
    quality: int = 80
    format: FilmFormat = "mp4"


def looks_like_a_film(head: bytes) -> bool:
    """Whether a file may be a film, by its first 16 bytes."""
    return any(head[place:].startswith(beginnings) for place, beginnings in _BEGINNINGS)


def colorize(
    source: Path, wanted: FilmHow, engine: Engine, most_seconds: float, progress: Callable[[int, int], object]
) -> tuple[Path, tuple[str, ...]]:
    """Colorize a film; the result lies beside it.

    Args:
        source: A file in a folder that holds nothing else.
        most_seconds: Length of what may be colorized.
        progress: Called with the number of frames that are done, and that of all; what it raises ends the work.

    Returns:
        The path of the result, and what is to be said about it.

    Raises:
        WebError: it is too long, or its frames are too large.
        FilmError: it cannot be read, or the result cannot be written.
    """
    with Film(source) as film:
        rate = float(film.rate)
    task = FilmTask(
        source,
        source.with_name(f"colorized.{wanted.format}"),
        model=engine.check(wanted.how),
        smoothing=wanted.smoothing,
        start=wanted.start,
        end=wanted.end,
        quality=wanted.quality,
    )
    planned = plan(task)
    if (seconds := planned.extent.frames / rate) > most_seconds:
        raise WebError("film_too_long", f"is {seconds:.1f} s long; the limit is {most_seconds:g} s: choose a part")
    if planned.coding.width * planned.coding.height > _PIXELS:
        raise WebError(
            "too_many_pixels",
            f"has frames of {planned.coding.width} x {planned.coding.height}; the limit is 4096 x 2304",
        )
    colorizer = engine.colorizer(wanted.how)
    outcome = colorize_film(
        planned, colorizer, _smoother(wanted.smoothing, colorizer), mark=engine.mark(task.model), progress=progress
    )
    source.unlink()
    return task.result, outcome.warnings


def _smoother(name: Smoothing, colorizer: TiledColorizer) -> Smoother:
    if name == "flow":
        return FlowSmoother(colorizer)
    return TemporalSmoother(colorizer) if name == "temporal" else Unsmoothed(colorizer)
