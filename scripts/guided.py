"""The figures and the sheet of docs/guided.md.

    PYTHONPATH=. .venv/bin/python scripts/guided.py refine PHOTOS [--count 40] [--preset NAME]
    PYTHONPATH=. .venv/bin/python scripts/guided.py reference FOLDER... [--preset NAME]
    PYTHONPATH=. .venv/bin/python scripts/guided.py sheet docs/guided.jpg [--preset NAME]

refine: photographs in color, drawn by chance from a folder, with the network's colors and with refined ones.
reference: folders of frames of films in color; the first frame is the reference for the thirty-first.
sheet: sample pictures of scikit-image and scikit-learn.
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import zoo
from media.files import find
from media.formats import SUFFIXES
from media.reader import read_rgb
from media.sheets import contact_sheet
from serving.local import reference
from serving.local.guidance import GuidedColorizer, Hints
from serving.local.hints import Hint
from serving.local.reference import Reference
from serving.local.refining import Refining
from serving.local.tiled import TiledColorizer
from serving.local.working import shrink, working_size
from zoo import color
from zoo.presets.loading import load_parts

SIDE = 320  # longer side of the photographs that are measured
CLICKS = {
    "astronaut": [
        Hint(0.22, 0.78, "#b86a38"),
        Hint(0.55, 0.62, "#b86a38"),
        Hint(0.06, 0.3, "#a03838"),
        Hint(0.48, 0.24, "#d0a890"),
    ],
    "chelsea": [Hint(0.38, 0.37, "#8a9a50"), Hint(0.72, 0.43, "#8a9a50")],
    "china": [Hint(0.5, 0.06, "#8aa8c8"), Hint(0.9, 0.5, "#587048")],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("refine", "reference", "sheet"))
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--preset", default=zoo.DEFAULT_PRESET)
    arguments = parser.parse_args()
    colorizer = TiledColorizer(load_parts(arguments.preset))
    {"refine": refine, "reference": references, "sheet": sheet}[arguments.what](colorizer, arguments)


def opened(path: Path) -> np.ndarray:
    rgb = np.asarray(read_rgb(path), np.float32)
    return np.rint(shrink(rgb, SIDE)).astype(np.uint8)


def begun(colorizer: TiledColorizer, pixels: np.ndarray) -> tuple:
    """A photograph, its working size, and its true ab at that size."""
    photograph = colorizer.prepare(pixels)
    working = working_size(photograph, colorizer.predict(photograph.frame[None])[0])
    return photograph, working, np.asarray(color.rgb_to_lab(pixels.astype(np.float32) / 255))[..., 1:]


def chroma(ab: np.ndarray) -> float:
    return float(np.linalg.norm(ab, axis=-1).mean())


def refine(colorizer: TiledColorizer, arguments: argparse.Namespace) -> None:
    paths = [found.path for found in find(arguments.paths, SUFFIXES)]
    refining = Refining(colorizer)
    squares, chromas = [], []
    for path in random.Random(0).sample(paths, arguments.count):
        photograph, working, truth = begun(colorizer, opened(path))
        several = (working.ab, working.ab + refining.change(photograph, working), np.zeros_like(truth))
        squares.append([float(((ab - truth) ** 2).mean()) for ab in several])
        chromas.append([chroma(ab) / chroma(truth) for ab in several])
    print("| | RMSE on ab | chroma, median share of the true one |\n|---|---|---|")
    for name, square, share in zip(
        ("network", "refined", "gray"), np.mean(squares, 0), np.median(chromas, 0), strict=True
    ):
        print(f"| {name} | {square**0.5:.2f} | {share:.2f} |")


def references(colorizer: TiledColorizer, arguments: argparse.Namespace) -> None:
    print("| film | network | reference, by lightness | by features | gray |\n|---|---|---|---|---|")
    for folder in arguments.paths:
        paths = sorted(folder.iterdir())
        photograph, working, truth = begun(colorizer, opened(paths[30]))
        several = [working.ab]
        encoders = reference.ENCODERS
        for kept in ({}, encoders):
            reference.ENCODERS = kept
            several.append(working.ab + Reference(colorizer, opened(paths[0])).change(photograph, working))
        several.append(np.zeros_like(truth))
        errors = [float(((ab - truth) ** 2).mean()) ** 0.5 for ab in several]
        print(f"| {folder.name} | {' | '.join(f'{error:.2f}' for error in errors)} |", flush=True)


def sheet(colorizer: TiledColorizer, arguments: argparse.Namespace) -> None:
    from skimage import data
    from sklearn.datasets import load_sample_images

    pictures = {"astronaut": data.astronaut(), "chelsea": data.chelsea(), "china": load_sample_images().images[0]}
    rows = []
    for name, picture in pictures.items():
        gray = np.asarray(Image.fromarray(picture).convert("L"))
        photograph = colorizer.prepare(gray)
        ab = colorizer.predict(photograph.frame[None])[0]
        guided = [
            GuidedColorizer(colorizer, [guide]).paint(photograph, ab)
            for guide in (Hints(CLICKS[name]), Refining(colorizer))
        ]
        marked = np.repeat(gray[..., None], 3, axis=-1)
        for hint in CLICKS[name]:
            place = int(hint.x * gray.shape[1]), int(hint.y * gray.shape[0])
            rgb = [int(hint.color[i : i + 2], 16) for i in (1, 3, 5)]
            cv2.circle(marked, place, 13, (255, 255, 255), -1)
            cv2.circle(marked, place, 10, rgb, -1)
        rows.append([colorizer.paint(photograph, ab), marked, *guided])
    found = contact_sheet(rows, titles=["colorized", "hints", "with hints", "refined"], cell=320)
    Image.fromarray(found).save(arguments.paths[0], quality=88)


if __name__ == "__main__":
    main()
