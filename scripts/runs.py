"""Draw training runs: the log docs/runs/NAME.csv as NAME.svg, and what the preset NAME colorizes as NAME.jpg.

    PYTHONPATH=. .venv/bin/python scripts/runs.py [NAME ...]

NAME may be a sheet of SHEETS as well; without names, all are drawn. The photographs are those of the demo, which come
inside scikit-image and scikit-learn; no run was trained on them.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import zoo
from examples.demo import samples
from media.photograph import gray_of
from media.sheets import contact_sheet
from training.runs.curves import draw, read_log

DOCS = Path(__file__).resolve().parent.parent / "docs"
FOLDER = DOCS / "runs"
SHEETS = {  # in docs/: the presets, one row each
    "sample.jpg": [zoo.DEFAULT_PRESET],
    "lite_unet.jpg": ["color_unet_wide_scenes_v2", "lite_unet_photos_v2", "lite_unet_photos_v3"],
}
CELL = 144  # side of a picture on a sheet, in pixels


def main(names: list[str]) -> None:
    """Draws the runs and sheets of these names, by default all."""
    for name in names or [*SHEETS, *sorted(path.stem for path in FOLDER.glob("*.csv"))]:
        if name in SHEETS:
            draw_sheet(SHEETS[name], DOCS / name)
            continue
        curves = draw(read_log(FOLDER / f"{name}.csv"), ("loss", "rmse"), salt=name)
        (FOLDER / f"{name}.svg").write_bytes(curves)
        if name in zoo.list_presets():
            draw_sheet([name], FOLDER / f"{name}.jpg")


def draw_sheet(presets: list[str], path: Path) -> None:
    """Sample photographs in rows: gray, as each of the presets colorizes them, original."""
    originals = [pixels for pixels in samples().values() if pixels.ndim == 3]
    grays = [gray_of(pixels) for pixels in originals]
    rows = [grays, *([colorize(gray) for gray in grays] for colorize in map(_colorizer, presets)), originals]
    Image.fromarray(contact_sheet(rows, titles=(), cell=CELL)).save(path, quality=85, optimize=True)


def _colorizer(preset: str) -> Callable[[np.ndarray], np.ndarray]:
    model = zoo.load(preset)
    model.jit_compile = False
    return lambda gray: np.asarray(model.predict_on_batch(gray[None])[0])


if __name__ == "__main__":
    main(sys.argv[1:])
