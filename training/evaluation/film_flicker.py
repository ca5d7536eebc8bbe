"""The flicker of films in files; the body of `colorzoo video evaluate`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from media.films import Film
from training.evaluation.flicker import Flicker, FlickerMeter, Pixels
from zoo.errors import FilmError


def measure(true: Path, result: Path, side: int, progress: Callable[[int, int | None], object]) -> Flicker:
    """Compare a film with the one in true colors that it was made from, frame by frame.

    Args:
        true: the film in its true colors.
        result: another film of the same frames.
        side: longer side in pixels to which frames are averaged down.
        progress: called with the number of frames that are done and of all, or None.

    Raises:
        FilmError: one of them cannot be read, or they have not the same number of frames.
    """
    meter = FlickerMeter()
    with _open(true) as first, _open(result) as second:
        others = _frames(second, result)
        size: tuple[int, int] | None = None
        count = 0
        for count, pixels in enumerate(_frames(first, true), 1):
            size = size or _size(pixels, side)
            other = next(others, None)
            if other is None:
                raise FilmError(f"{result} has only {count - 1} frames, fewer than {true}")
            meter.add(_resize(pixels, size), _resize(other, size))
            progress(count, first.total)
        if next(others, None) is not None:
            raise FilmError(f"{result} has more than the {count} frames of {true}")
    return meter.figures()


def _open(path: Path) -> Film:
    try:
        return Film(path)
    except FilmError as error:
        raise FilmError(f"{path}: {error}") from error


def _frames(film: Film, path: Path) -> Iterator[Pixels]:
    """The frames of a film, sRGB (H, W, 3) uint8, upright and with square pixels."""
    try:
        for frame in film.frames():
            yield film.full(frame)[..., ::-1]
    except FilmError as error:
        raise FilmError(f"{path}: {error}") from error


def _size(pixels: Pixels, side: int) -> tuple[int, int]:
    height, width = pixels.shape[:2]
    share = min(1.0, side / max(height, width))
    return max(12, round(width * share)), max(12, round(height * share))


def _resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)
