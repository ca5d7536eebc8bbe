"""Draw training runs: the log docs/runs/NAME.csv as NAME.svg, and what the preset NAME colorizes as NAME.jpg.

    PYTHONPATH=. .venv/bin/python scripts/runs.py [NAME ...]

The photographs are those of the demo, which come inside scikit-image and scikit-learn; no run was trained on them.
"""

import csv
import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import zoo
from examples.demo import samples
from training.evaluate import gray_of
from zoo.presets import list_presets
from zoo.sheet import contact_sheet

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "runs"
CELL = 144  # side of a picture on a sheet, in pixels
TRAINING, VALIDATION = "#4c78a8", "#f58518"


def main(names: list[str]) -> None:
    """Draws the runs of these names, by default all that have a log."""
    for name in names or sorted(path.stem for path in FOLDER.glob("*.csv")):
        draw_curves(FOLDER / f"{name}.csv", FOLDER / f"{name}.svg")
        if name in {preset.name for preset in list_presets()}:
            draw_sheet(name, FOLDER / f"{name}.jpg")


def draw_curves(log: Path, path: Path) -> None:
    """Losses, and the RMSE of ab on the validation set, epoch by epoch."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    curves = {name: [float(row[name]) for row in rows] for name in rows[0]}
    epochs = range(1, len(rows) + 1)
    with matplotlib.rc_context({"svg.hashsalt": path.stem, "font.size": 8, "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.2, 2.4), layout="constrained")
        losses, errors = figure.subplots(1, 2)
        for label, key, color in (("training", "loss", TRAINING), ("validation", "val_loss", VALIDATION)):
            losses.plot(epochs, curves[key], color=color, label=label, marker=".")
        losses.set_title("loss")
        losses.legend(frameon=False)
        errors.plot(epochs, curves["val_rmse"], color=VALIDATION, marker=".")
        errors.set_title("RMSE of ab, validation")
        for axes in (losses, errors):
            axes.set_xlabel("epoch")
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})


def draw_sheet(preset: str, path: Path) -> None:
    """Sample photographs in three rows: gray, colorized, original."""
    model = zoo.load(preset)
    model.jit_compile = False
    originals = [pixels for pixels in samples().values() if pixels.ndim == 3]
    grays = [gray_of(pixels) for pixels in originals]
    colorized = [model.predict_on_batch(gray[None])[0] for gray in grays]
    sheet = contact_sheet([grays, [np.asarray(pixels) for pixels in colorized], originals], titles=(), cell=CELL)
    Image.fromarray(sheet).save(path, quality=85, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
