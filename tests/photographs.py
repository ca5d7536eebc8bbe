"""Small pictures to train on: smooth random fields of color."""

from pathlib import Path

import numpy as np
from PIL import Image


def color_field(seed: int, height: int, width: int) -> Image.Image:
    """A picture whose colors are drawn on a coarse grid and joined smoothly."""
    grid = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def write_fields(folder: Path, count: int, *, seed: int = 0, size: tuple[int, int] = (40, 48)) -> Path:
    """Writes color fields as JPEG and PNG in turns into two class folders; returns the folder."""
    for i in range(count):
        path = folder / ("coast", "forest")[i % 2] / f"{i:03}.{('jpg', 'png')[i % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        color_field(1000 * seed + i, *size).save(path, quality=95)
    return folder
