"""Colored stills of a film: their names, which say where they belong, and their pictures.

A name is a time or the number of a frame, followed by the suffix of a format that is read:

* `00-01-10.5`, `01-10.5`: hours, minutes and seconds from the film's beginning, parted by hyphens; the nearest frame;
* `70.5s`: seconds;
* `frame-001762`, `1762`: a frame, counted from 0.
"""

import hashlib
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from media import files, reader
from media.film_check import frame_times
from media.formats import SUFFIXES
from media.photograph import eight_bits
from zoo.errors import ArgumentError, FilmError, PhotographError

PROPORTIONS = 0.02  # by which a still may be wider or narrower than the film: coded sides are rounded
_LOOK, _GRAY_LEVELS = 512, 6  # longer side at which colors are looked for; levels by which channels of gray may differ

_CLOCK = re.compile(r"(?:(\d+)-)?(\d+)-(\d+(?:\.\d+)?)")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")
_NUMBER = re.compile(r"(?:frame-)?(\d+)")
_SCHEME = "a time, as 00-01-10.5.png or 70.5s.png, or a frame, as frame-001762.png"


@dataclass(frozen=True)
class Still:
    """A picture of one frame.

    Attributes:
        path: of the picture.
        time: of the frame, in seconds from the film's beginning.
        digest: of the file.
    """

    path: Path
    time: float
    digest: str


def name_of(time: float) -> str:
    """The name, without suffix, of a still of the frame at a time in seconds."""
    thousandths = round(time * 1000)
    minutes, seconds = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}-{minutes % 60:02}-{seconds / 1000:06.3f}"


def place_of(name: str) -> float | int | None:
    """The time in seconds (float) or the number of the frame (int) of a name without suffix, or None."""
    if match := _CLOCK.fullmatch(name):
        hours, minutes, seconds = match.groups()
        return 3600.0 * int(hours or 0) + 60 * int(minutes) + float(seconds)
    if match := _SECONDS.fullmatch(name):
        return float(match[1])
    if match := _NUMBER.fullmatch(name):
        return int(match[1])
    return None


def find_stills(folder: Path, film: Path, proportions: Fraction) -> tuple[Still, ...]:
    """The stills of a folder, in the order of their frames, all of them checked.

    Args:
        folder: where they are; its own folders are not searched.
        film: to which they belong.
        proportions: width of its picture over its height.

    Raises:
        ArgumentError: there is no such folder, or no picture in it, or one whose name is not of the scheme.
        FilmError: the film has no such frame, or two stills of it; or a picture cannot be read, is gray, or has other
            proportions.
    """
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: there is no such folder of references")
    paths = [found.path for found in files.walk(folder, SUFFIXES) if found.path.parent == folder]
    if not paths:
        raise ArgumentError(f"{folder}: holds no pictures; a reference is called by {_SCHEME}")
    times, length = frame_times(film)
    stills: dict[float, Still] = {}
    for path in paths:
        place = place_of(path.stem)
        if place is None:
            raise ArgumentError(f"{path}: is no name of a reference, which is called by {_SCHEME}")
        time = _time_of(path, place, times, length)
        if time in stills:
            raise FilmError(f"{stills[time].path} and {path} are both references of the frame at {time:.3f} seconds")
        _check(path, proportions)
        stills[time] = Still(path, time, hashlib.sha256(path.read_bytes()).hexdigest())
    return tuple(stills[time] for time in sorted(stills))


def read_still(path: Path) -> np.ndarray:
    """The picture of a still, sRGB (H, W, 3) uint8.

    Raises:
        FilmError: it cannot be read, or it has no colors.
    """
    try:
        pixels = eight_bits(reader.read(path).pixels)
    except PhotographError as error:
        raise FilmError(f"the reference {error}") from error
    if pixels.ndim == 2 or np.ptp(_shrink(pixels), axis=-1).max() <= _GRAY_LEVELS:
        raise FilmError(f"the reference {path} is gray: color it, or take it out of the folder")
    return pixels


def _shrink(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    share = min(1.0, _LOOK / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _check(path: Path, proportions: Fraction) -> None:
    height, width = read_still(path).shape[:2]
    if abs(width / height / float(proportions) - 1) > PROPORTIONS:
        raise FilmError(
            f"the reference {path} is {width} x {height} pixels, and has not the proportions of the film, "
            f"{float(proportions):.3f} to 1"
        )


def _time_of(path: Path, place: float | int, times: np.ndarray, length: float) -> float:
    """The time of the frame that a name means."""
    if isinstance(place, int):
        if place >= len(times):
            raise FilmError(f"the reference {path} is outside the film, whose last frame is {len(times) - 1}")
        return float(times[place])
    if not times[0] - length <= place <= times[-1] + length:
        raise FilmError(f"the reference {path} is outside the film, whose last frame is at {times[-1]:.3f} seconds")
    return float(times[np.abs(times - place).argmin()])
