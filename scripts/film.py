"""Draw docs/film.jpg: frames of a synthetic film without and with smoothing, and lines of its pixels over time.

    PYTHONPATH=. .venv/bin/python scripts/film.py

A camera moves over sample photographs that come inside scikit-image and scikit-learn (`benchmarks/films.py`). For each
shot there are two rows, without smoothing and with flow: frames at even distances, and behind them one column of pixels
of each frame, one beside the other, in which flicker shows as stripes.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import zoo
from benchmarks.films import view
from examples.demo import samples
from media.photograph import gray_of
from serving.local.film_colorizer import FilmColorizer
from serving.local.film_pipeline import BATCH
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import Unsmoothed
from serving.local.tiled import TiledColorizer
from zoo.presets.loading import load_parts

RESULT = Path(__file__).resolve().parent.parent / "docs" / "film.jpg"
SHOTS = ("astronaut", "rocket", "flower")
HEIGHT, WIDTH, COUNT = 128, 192, 96  # of the frames, and how many a shot has
SHOWN = (0, 12, 24, 36)  # frames; the column of all others is that in the middle
GAP = 6  # pixels between pictures


def main() -> None:
    colorizer = TiledColorizer(load_parts(zoo.DEFAULT_PRESET))
    painter = FilmColorizer(colorizer)
    rows = []
    for name in SHOTS:
        photograph = samples()[name]
        film = [gray_of(shrunk(view(photograph, 3 * HEIGHT, 3 * WIDTH, i / COUNT))) for i in range(COUNT)]
        prepared = [painter.prepare(np.ascontiguousarray(pixels[..., 0])) for pixels in film]
        frames = np.stack([each.frame for each in prepared])
        for smoother in (Unsmoothed(colorizer), FlowSmoother(colorizer)):
            colors = np.concatenate([smoother.colors(frames[i : i + BATCH]) for i in range(0, COUNT, BATCH)])
            rows.append(row([painter.paint(each, ab) for each, ab in zip(prepared, colors, strict=True)]))
    Image.fromarray(np.vstack(rows)[:-GAP, :-GAP]).save(RESULT, quality=74, optimize=True)


def shrunk(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def row(painted: list[np.ndarray]) -> np.ndarray:
    """Some frames, and the column in the middle of all of them, on white."""
    columns = np.repeat(np.stack([frame[:, WIDTH // 2] for frame in painted], axis=1), 2, axis=1)
    pictures = [*(painted[number] for number in SHOWN), columns]
    framed = [np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for picture in pictures]
    return np.hstack(framed)


if __name__ == "__main__":
    main()
