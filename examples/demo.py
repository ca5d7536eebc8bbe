"""make demo: colorizes sample photographs turned gray, a gray one, and any files named as arguments.

The samples come inside scikit-image and scikit-learn; nothing is downloaded. Everything is written below demo/.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_images

from colorzoo.app import app

OUT = Path("demo")
COLORED = ("astronaut", "coffee", "chelsea", "rocket")  # of scikit-image
GRAY = ("camera",)


def samples() -> dict[str, np.ndarray]:
    """The sample photographs by name: (H, W, 3) in color, (H, W) gray, uint8."""
    pictures = {name: getattr(data, name)() for name in COLORED + GRAY}
    images = load_sample_images()
    return pictures | {Path(path).stem: image for path, image in zip(images.filenames, images.images, strict=True)}


def main(photographs: list[str]) -> int:
    """Returns the exit code of `colorzoo colorize`: 1 if one of the photographs cannot be read."""
    gray, colorized = OUT / "gray", OUT / "colorized"
    for folder in (gray, colorized):
        shutil.rmtree(folder, ignore_errors=True)
    gray.mkdir(parents=True)
    originals = samples()
    for name, pixels in originals.items():
        Image.fromarray(pixels).convert("L").save(gray / f"{name}.png")

    code = app(["colorize", str(gray), *photographs, "-o", str(colorized)], standalone_mode=False) or 0

    # After the command has imported TensorFlow quietly.
    from media.photograph import gray_of
    from media.sheets import contact_sheet

    rows = [
        [np.asarray(Image.open(gray / f"{name}.png")), np.asarray(Image.open(colorized / f"{name}.png"))]
        + ([pixels] if pixels.ndim == 3 else [])
        for name, pixels in originals.items()
    ]
    for result in sorted(colorized.glob("[!.]*")):  # but for the hidden record of what came from what
        if result.stem not in originals:
            with Image.open(result) as opened:
                opened.thumbnail((512, 512))
                pixels = np.asarray(opened.convert("RGB"))
                rows.append([gray_of(pixels), pixels])
    Image.fromarray(contact_sheet(rows, titles=("gray", "colorized", "original"))).save(OUT / "sheet.jpg")
    print(f"The photographs in color:          {colorized.resolve()}{os.sep}")
    print(f"Gray, colorized and original:      {(OUT / 'sheet.jpg').resolve()}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
