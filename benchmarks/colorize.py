"""How close the whole command comes to the bare network, and where the time of large photographs goes.

    python -m benchmarks.colorize [--preset NAME] [--batch 16]

Both are timed in turns in one process, and the best turn of each counts. The photographs are the sample
pictures of scikit-image turned gray, as JPEG files in a temporary folder.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from skimage import data

import zoo
from media.reader import read
from serving.local.pipeline import colorize_files
from serving.local.search import find
from serving.local.tiled import TiledColorizer
from zoo.presets.loading import load_parts

TURNS = 3
SMALL, SMALL_COUNT = (256, 256), 128
LARGE, LARGE_COUNT = (4000, 3000), 6


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def make(folder: Path, size: tuple[int, int], count: int) -> list[Path]:
    """Writes `count` gray JPEG photographs of size (width, height)."""
    pictures = [
        Image.fromarray(p).convert("L") for p in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())
    ]
    folder.mkdir()
    for i in range(count):
        pictures[i % 4].resize(size, Image.Resampling.BICUBIC).save(folder / f"{i:04}.jpg", quality=92)
    return sorted(folder.iterdir())


def command_and_network(colorizer: TiledColorizer, files: list[Path], out: Path, batch: int) -> tuple[float, float]:
    """Images/s of the whole pipeline, and of the network alone on as many frames; the best of some turns each."""
    frames = np.stack([colorizer.prepare(read(files[0]).pixels).frame] * batch)
    entries = find([str(path) for path in files], output=out)
    whole, bare = [], []
    for _ in range(TURNS):
        whole.append(seconds(lambda: colorize_files(entries, out, colorizer, batch=batch, overwrite=True)))
        runs = max(1, len(files) // batch)
        bare.append(seconds(lambda runs=runs: [colorizer.predict(frames) for _ in range(runs)]) / (runs * batch))
    return len(files) / min(whole), 1 / min(bare)


def stages(colorizer: TiledColorizer, path: Path) -> dict[str, float]:
    """Seconds of each stage of one photograph, one after the other; the best of some turns."""
    best: dict[str, float] = {}
    for _ in range(TURNS):
        photograph = read(path)
        pixels = photograph.pixels
        prepared = colorizer.prepare(pixels)
        frame = prepared.frame[None]
        ab = colorizer.predict(frame)[0]
        painted = colorizer.paint(prepared, ab)

        def encode(painted: np.ndarray = painted) -> None:
            Image.fromarray(painted).save(io.BytesIO(), "JPEG", quality=95, subsampling=0)

        turn = {
            "decode": seconds(lambda: read(path)),
            "color in": seconds(lambda pixels=pixels: colorizer.prepare(pixels)),
            "network": seconds(lambda frame=frame: colorizer.predict(frame)),
            "color out": seconds(lambda prepared=prepared, ab=ab: colorizer.paint(prepared, ab)),
            "encode": seconds(encode),
        }
        best = {name: min(value, best.get(name, value)) for name, value in turn.items()}
    return best


def main(
    preset: Annotated[str, typer.Option(help="A preset or a .keras file.")] = zoo.DEFAULT_PRESET,
    batch: Annotated[int, typer.Option(min=1)] = 16,
) -> None:
    """Prints both comparisons."""
    colorizer = TiledColorizer(load_parts(preset))
    with tempfile.TemporaryDirectory() as folder:
        for name, size, count in (("256 px", SMALL, SMALL_COUNT), ("12 megapixels", LARGE, LARGE_COUNT)):
            files = make(Path(folder, name.replace(" ", "-")), size, count)
            whole, bare = command_and_network(colorizer, files, Path(folder, "out"), batch)
            print(
                f"{name}: {whole:.1f} images/s whole, {bare:.1f} bare network, ratio {whole / bare:.2f}",
                flush=True,
            )
        table = stages(colorizer, files[0])
    total = sum(table.values())
    print(f"one photograph of 12 megapixels, {total:.2f} s:")
    for stage, value in table.items():
        print(f"  {stage:10} {value:6.3f} s  {value / total:5.0%}")


if __name__ == "__main__":
    typer.run(main)
