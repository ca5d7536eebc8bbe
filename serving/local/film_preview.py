"""A quick look at films: frames at even distances, to see whether they have colors, and what they would get."""

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from media import atomic
from media.colorless import colorless
from media.films import Film, Frame
from media.photograph import eight_bits, gray_of
from media.sheets import contact_sheet, fit_cell
from serving.local.pipeline import Colorizer
from zoo.errors import FilmError

LOOKS = 9  # frames that decide whether a film has colors
FURTHER = 250  # frames that are decoded at most behind the place where a search begins
PAIRS, CELL, MOST = 3, 320, 60  # pairs in a row of a sheet, side of a picture in pixels, pairs on a sheet


def has_colors(path: Path) -> bool:
    """Whether most of a few frames of a film are neither gray nor toned as a whole.

    Raises:
        FilmError: no frame can be decoded.
    """
    with Film(path) as film:
        seconds = film.seconds or 0.0
        places = [seconds * (i + 0.5) / LOOKS for i in range(LOOKS)]
        reasons = [colorless(film.small(frame)[None])[0] for frame in _frames_at(film, places)]
    return 2 * reasons.count("") > len(reasons)


def write_preview(path: Path, sheet: Path, colorizer: Colorizer, every: float) -> int:
    """Write a JPEG with a frame of every so many seconds, gray and colorized; returns how many there are.

    Args:
        path: the film.
        sheet: the file to write.
        colorizer: colors the frames, each for itself.
        every: seconds between two frames; more where a sheet would not hold them.

    Raises:
        FilmError: no frame can be decoded, or the sheet cannot be written.
    """
    cells: list[np.ndarray] = []
    with Film(path) as film:
        seconds = film.seconds or 0.0
        count = min(MOST, int(seconds / every) + 1)
        step = every if count < MOST else seconds / MOST
        for frame in _frames_at(film, [i * step for i in range(count)]):
            # At the size of a cell: the network sees no more of it.
            pixels = np.asarray(fit_cell(eight_bits(film.pixels(frame, square=True)), CELL))
            prepared = colorizer.prepare(pixels)
            cells += [gray_of(pixels), colorizer.paint(prepared, colorizer.predict(prepared.frame[None])[0])]
    rows = [cells[i : i + 2 * PAIRS] for i in range(0, len(cells), 2 * PAIRS)]
    titles = ("film", "colorized") * (min(len(cells), 2 * PAIRS) // 2)
    data = BytesIO()
    Image.fromarray(contact_sheet(rows, titles=titles, cell=CELL)).save(data, "JPEG", quality=90)
    try:
        sheet.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(sheet, data.getvalue())
    except OSError as error:
        raise FilmError(f"{sheet} cannot be written: {error.strerror or error}") from error
    return len(cells) // 2


def _frames_at(film: Film, places: list[float]) -> Iterator[Frame]:
    """A frame near each place, in seconds, and none twice; the first frame where the film cannot be searched."""
    shown: set[float] = set()
    for place in places:
        film.seek(place)
        try:
            frame = _frame_from(film, place)
        except FilmError:
            if not shown and place == places[-1]:
                raise
            continue  # nothing can be decoded behind this place
        if frame.time not in shown:
            shown.add(frame.time)
            yield frame


def _frame_from(film: Film, place: float) -> Frame:
    """The first frame that is shown at a place or later, or one shortly before."""
    frames = film.frames()
    frame = next(frames)
    for following in islice(frames, FURTHER):
        if frame.time >= place:
            break
        frame = following
    return frame
