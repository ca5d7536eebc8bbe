"""Pictures that are known again after they were put into shards, and what shards hold."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from media.reader import read_rgb
from training.data import records
from training.data.records import load, pixels_of


def field(seed: int, height: int = 40, width: int = 48) -> Image.Image:
    """A picture with enough in it to be known again after it was saved anew."""
    grid = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


def decoded(data: bytes) -> Image.Image:
    return read_rgb(data)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}), **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


def write_pictures(folder: Path, seeds: Iterable[int]) -> Path:
    for i, seed in enumerate(seeds):
        path = folder / ("coast", "forest")[i % 2] / f"{i:03}.{('jpg', 'png')[i % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(field(seed), ("JPEG", "PNG")[i % 2]))
    return folder


def open_shards(out: Path, split: str = "train") -> records.Shards:
    return load([(out, split)])


def pictures(found: records.Shards) -> dict[str, np.ndarray]:
    return {found.name(i): pixels_of(found.read_encoded(i)) for i in range(len(found))}


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def left_out(out: Path) -> dict[str, str]:
    lines = (out / "left_out.tsv").read_text().splitlines()
    return {Path(name).name: reason for name, reason in (line.split("\t") for line in lines)}
