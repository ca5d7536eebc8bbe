"""Draw docs/film.jpg and docs/film-references.jpg: a synthetic film with and without smoothing and references.

    PYTHONPATH=. .venv/bin/python scripts/film.py

A camera moves over sample photographs that come inside scikit-image and scikit-learn (`benchmarks/films.py`).

In film.jpg there are two rows for each shot, without smoothing and with flow: frames at even distances, and behind them
one column of pixels of each frame, one beside the other, in which flicker shows as stripes. In film-references.jpg the
frames of a shot are gray, without references, with the true first and last frame as references, and true.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import zoo
from benchmarks.films import view
from examples.demo import samples
from media.photograph import gray_of
from scripts.references import carry, strip
from serving.local.film_colorizer import FilmColorizer
from serving.local.film_pipeline import BATCH
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import Unsmoothed
from serving.local.tiled import TiledColorizer
from zoo.presets.loading import load_parts

DOCS = Path(__file__).resolve().parent.parent / "docs"
SHOTS = ("astronaut", "rocket", "flower")
HEIGHT, WIDTH, COUNT = 128, 192, 96  # of the frames, and how many a shot has
SHOWN = (0, 12, 24, 36)  # frames; the column of all others is that in the middle
REFERRED = "astronaut"  # the shot with references
SIDE = 256  # pixels of its frames' longer side
GAP = 6  # pixels between pictures


def main() -> None:
    colorizer = TiledColorizer(load_parts(zoo.DEFAULT_PRESET))
    save(draw_smoothing(colorizer), "film.jpg")
    save(draw_references(colorizer), "film-references.jpg")


def draw_smoothing(colorizer: TiledColorizer) -> np.ndarray:
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
    return np.vstack(rows)[:-GAP, :-GAP]


def draw_references(colorizer: TiledColorizer) -> np.ndarray:
    height, width = SIDE * HEIGHT // WIDTH, SIDE
    photograph = samples()[REFERRED]
    true = [view(photograph, height, width, i / COUNT) for i in range(COUNT // 2)]
    frames = np.stack([colorizer.prepare(pixels).frame for pixels in true])
    return strip(true, carry(colorizer, frames, true, []), carry(colorizer, frames, true, [0, len(true) - 1]))


def save(picture: np.ndarray, name: str) -> None:
    Image.fromarray(picture).save(DOCS / name, quality=74, optimize=True)


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
