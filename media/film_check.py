"""Reading a film's packets once, without decoding them: how many frames there are, and whether the film is whole."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from media.films import Film
from zoo.errors import FilmError

UNSTEADY = 0.25  # of the time of a frame: how far a frame may be from its place


@dataclass(frozen=True)
class Extent:
    """What the packets of a film say.

    Attributes:
        before: number of frames that are shown before the part that is wanted.
        frames: number of frames in this part.
        steady: whether all times are multiples of the time of a frame.
    """

    before: int
    frames: int
    steady: bool


def measure(path: Path, start: float = 0.0, end: float | None = None) -> Extent:
    """The extent of a film between two times in seconds from its beginning.

    Raises:
        FilmError: it is no film, no frame can be decoded, it is cut off before `end`, or has no frame in this part; the
            text does not name the file.
    """
    with Film(path) as film:
        next(film.frames())  # raises if there is none
    before = frames = 0
    steady, first = True, None
    with Film(path) as film:
        for time in film.packet_times():
            if time is not None:
                first = time if first is None else first
                place = (time - first) * float(film.rate)
                steady &= abs(place - round(place)) < UNSTEADY
            if time is not None and time < start:
                before += 1
            elif end is None or time is None or time < end:
                frames += 1
        if film.faults and (end is None or film.end < end):
            tenths = math.floor(10 * film.end)
            part = f"; the part before that can be colorized with --end {tenths / 10:.1f}" if tenths else ""
            raise FilmError(f"{film.faults[0]}{part}")
    if not frames:
        raise FilmError(f"has no frame between {start:g} seconds and {'its end' if end is None else f'{end:g}'}")
    return Extent(before, frames, steady)


def frame_times(path: Path) -> tuple[NDArray[np.float64], float]:
    """The times of all frames in seconds from the film's beginning, in their order, and how long one is shown."""
    with Film(path) as film:
        found = [math.nan if time is None else time for time in film.packet_times()]
        length = float(1 / film.rate)
    times = np.sort(np.array(found, np.float64))
    if np.isnan(times).any():
        times = np.arange(len(times)) * np.float64(length)
    return times, length
