"""Draw training runs: the log docs/runs/NAME.csv as NAME.svg, and what the preset NAME colorizes as NAME.jpg.

    PYTHONPATH=. .venv/bin/python scripts/runs.py [NAME ...]

The photographs are those of the demo, which come inside scikit-image and scikit-learn; no run was trained on them.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import zoo
from examples.demo import samples
from media.photograph import gray_of
from media.sheets import contact_sheet
from training.runs.curves import draw, read_log

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "runs"
CELL = 144  # side of a picture on a sheet, in pixels


def main(names: list[str]) -> None:
    """Draws the runs of these names, by default all that have a log."""
    for name in names or sorted(path.stem for path in FOLDER.glob("*.csv")):
        curves = draw(read_log(FOLDER / f"{name}.csv"), ("loss", "rmse"), salt=name)
        (FOLDER / f"{name}.svg").write_bytes(curves)
        if name in zoo.list_presets():
            draw_sheet(name, FOLDER / f"{name}.jpg")


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
