"""The frames of a film that are worth coloring: with their colors as references, most of it is colored."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from media import atomic, files
from media.films import Film, Frame
from media.photograph import Photograph, eight_bits, gray_of
from media.provenance import Mark
from media.reference_stills import name_of
from media.scenes import is_blank, is_cut
from media.tracks import Track
from media.writer import write
from serving.local.pipeline import Colorizer
from zoo import color
from zoo.errors import ArgumentError, FilmError, PhotographError

MATCHING = 0.4
"""Mean trust in the pixels of the last key frame below which a new one is chosen."""


def choose(film: Film) -> Iterator[tuple[Frame, bool]]:
    """All frames of a film, each with whether it is one to color: the first one of a scene, and the first one of which
    too little was in the last of them.

    Raises:
        FilmError: no frame can be decoded.
    """
    last: np.ndarray | None = None
    track: Track | None = None
    for frame in film.frames():
        small = film.small(frame)
        light = np.asarray(color.lightness(small.astype(np.float32) / 255))[..., 0]
        if last is None or is_cut(last, small):
            track = None
        last = small
        if track is not None:
            track.follow(light)
        chosen = not is_blank(small) and (track is None or float(track.trust.mean()) < MATCHING)
        if chosen:
            track = Track(light)
        yield frame, chosen


def check_empty(folder: Path) -> None:
    """Refuse a folder in which colored stills may lie.

    Raises:
        ArgumentError: no folder can be made there, or it holds something.
    """
    files.check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise ArgumentError(f"{folder}: is not empty, and may hold colored references: choose another folder")


def write_key_frames(
    path: Path,
    folder: Path,
    colorizer: Colorizer | None,
    *,
    mark: Mark | None = None,
    progress: Callable[[int, int | None], object] = lambda done, total: None,
) -> int:
    """Write the key frames of a film as PNG, at full resolution and with all bits, called by their times.

    Args:
        path: the film.
        folder: where they go, all of them or none; it must not exist, or be empty.
        colorizer: colors them; None for gray ones.
        mark: what colored ones say about how they were made.
        progress: called with the number of frames that are done and of all, or None.

    Returns:
        How many they are.

    Raises:
        FilmError: no frame can be decoded, all are blank, or a picture cannot be written.
    """
    count = 0
    try:
        with Film(path) as film, atomic.building(folder.parent) as partial:
            for done, (frame, chosen) in enumerate(choose(film), 1):
                if chosen:
                    _write(partial / f"{name_of(frame.time)}.png", film.pixels(frame, square=True), colorizer, mark)
                    count += 1
                progress(done, film.total)
            if not count:
                raise FilmError("all frames are blank")
            if folder.is_dir():
                folder.rmdir()
            partial.rename(folder)
    except OSError as error:
        raise FilmError(f"{folder} cannot be written: {error.strerror or error}") from error
    except PhotographError as error:
        raise FilmError(str(error)) from error
    return count


def _write(path: Path, pixels: np.ndarray, colorizer: Colorizer | None, mark: Mark | None) -> None:
    if colorizer is None:
        pixels = gray_of(eight_bits(pixels))[..., 0]
    else:
        prepared = colorizer.prepare(pixels)
        pixels = colorizer.paint(prepared, colorizer.predict(prepared.frame[None])[0])
    write(Photograph(pixels, None, None, None, "PNG"), path, mark=mark if colorizer else None)
