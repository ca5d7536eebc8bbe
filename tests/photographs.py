"""Small pictures: smooth random fields of color to train on, and a gray ramp to colorize."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def color_field(seed: int, height: int, width: int) -> Image.Image:
    """A picture whose colors are drawn on a coarse grid and joined smoothly."""
    grid = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def easy_field(seed: int, height: int, width: int) -> Image.Image:
    """A picture in which dark is blue, medium is green and light is orange: a network can learn that at once."""
    palette = np.array([(20, 20, 130), (40, 140, 50), (255, 190, 90)])
    rng = np.random.default_rng(seed)
    grid = palette[rng.integers(0, 3, (4, 4))] + rng.integers(-15, 16, (4, 4, 3))
    small = Image.fromarray(grid.clip(0, 255).astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def write_fields(folder: Path, count: int, *, seed: int = 0, size: tuple[int, int] = (40, 48)) -> Path:
    """Writes easy fields as JPEG and PNG in turns into two class folders; returns the folder."""
    for i in range(count):
        path = folder / ("coast", "forest")[i % 2] / f"{i:03}.{('jpg', 'png')[i % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        easy_field(1000 * seed + i, *size).save(path, quality=95)
    return folder


GRAY = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, without the hidden index of results."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def write_gray(folder: Path, names: Sequence[str]) -> Path:
    """A new folder with a gray ramp under each of the names, whose suffixes say the formats."""
    folder.mkdir()
    for name in names:
        Image.fromarray(GRAY).save(folder / name)
    return folder
