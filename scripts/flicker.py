"""Tables of the flicker of a preset on films in color, with each way of smoothing, as docs/film.md shows them.

    PYTHONPATH=. .venv/bin/python scripts/flicker.py FILM... [--frames 40] [--preset NAME]

Colors are measured as the network and the smoothing give them, brought into sRGB, before they are rounded to 8 bits and
coded: this alone moves them by up to half a unit from frame to frame.
"""

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

import zoo
from media.films import Film
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import TemporalSmoother, Unsmoothed
from serving.local.tiled import TiledColorizer
from training.evaluation.flicker import Flicker, FlickerMeter
from zoo import color
from zoo.presets.loading import load_parts

SIDE = 256  # longer side of the frames that are measured
BATCH = 8
SMOOTHERS = {"none": Unsmoothed, "temporal": TemporalSmoother, "flow": FlowSmoother}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    colorizer = TiledColorizer(load_parts(arguments.preset))
    print("| film | smoothing | warping error | against none | CDC | still areas | RMSE on ab | colorfulness |")
    print("|---|---|---|---|---|---|---|---|")
    for path, true, frames in clips(arguments, colorizer):
        none = 0.0
        for name, smoother in SMOOTHERS.items():
            new = smoother(colorizer)
            found = [new.colors(frames[i : i + BATCH]) for i in range(0, len(frames), BATCH)]
            figures = measure(true, np.concatenate(found))
            none = none or figures.warping
            print(
                f"| {path.stem} | {name} | {figures.warping:.3f} | {figures.warping / none:.2f} | "
                f"{1000 * figures.cdc:.2f} | {figures.still:.3f} | {figures.rmse:.2f} | {figures.colorfulness:.1f} |",
                flush=True,
            )
        meter = FlickerMeter()
        for pixels in true:
            meter.add(pixels, pixels)
        figures = meter.figures()
        print(
            f"| {path.stem} | true colors | {figures.warping:.3f} | | {1000 * figures.cdc:.2f} | {figures.still:.3f} | "
            f"| {figures.colorfulness:.1f} |",
            flush=True,
        )


def parser(description: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("films", nargs="+", type=Path)
    made.add_argument("--frames", type=int, default=40)
    made.add_argument("--preset", default=zoo.DEFAULT_PRESET)
    return made


def clips(
    arguments: argparse.Namespace, colorizer: TiledColorizer
) -> Iterator[tuple[Path, list[np.ndarray], np.ndarray]]:
    """Each film, its frames in their true colors, and what the network sees of them."""
    for path in arguments.films:
        true = true_frames(path, arguments.frames)
        yield path, true, np.stack([colorizer.prepare(pixels).frame for pixels in true])


def true_frames(path: Path, count: int) -> list[np.ndarray]:
    """The first frames of a film, sRGB uint8, SIDE pixels long."""
    with Film(path) as film:
        return [_shrink(film.pixels(frame, square=True)) for frame in islice(film.frames(), count)]


def _shrink(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    share = SIDE / max(height, width)
    return cv2.resize(pixels, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)


def measure(true: list[np.ndarray], colors: np.ndarray) -> Flicker:
    meter = FlickerMeter()
    for pixels, ab in zip(true, colors, strict=True):
        lab, made, rgb = paint(pixels, ab)
        meter.add_lab(pixels, lab, rgb, made)
    return meter.figures()


def paint(pixels: np.ndarray, ab: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A frame in its true colors and the ab of its frame -> Lab of the former and the latter, and RGB of the latter."""
    height, width = pixels.shape[:2]
    lab = np.asarray(color.rgb_to_lab(pixels.astype(np.float32) / 255))
    larger = cv2.resize(ab, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)[:height, :width]
    made = np.asarray(color.fit_gamut(np.concatenate([lab[..., :1], larger], axis=-1)))
    return lab, made, np.rint(np.asarray(color.lab_to_rgb(made)) * 255).astype(np.uint8)


if __name__ == "__main__":
    main()
