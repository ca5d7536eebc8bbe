"""How close `colorzoo video` comes to the bare network, without smoothing and with flow.

    python -m benchmarks.video [--preset NAME] [--frames 150] [--turns 3]

A synthetic film at 480p and at 1080p, and the network alone on as many frames, are timed in turns in one process. The
best turn of each counts; where other programs use the machine, too, the time of its processors is the steadier figure.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import zoo
from benchmarks.films import write
from media.allocator import give_back_large_blocks
from media.provenance import Mark
from serving.local.film_colorizer import FilmColorizer
from serving.local.film_pipeline import BATCH
from serving.local.films import FilmTask, colorize_film, plan
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import Unsmoothed
from serving.local.tiled import TiledColorizer
from zoo.presets.loading import load_parts

SIZES = ((480, 854), (1080, 1920))
RATE = 25
SMOOTHERS = {"none": Unsmoothed, "flow": FlowSmoother}


def clock() -> np.ndarray:
    """Seconds of the clock on the wall, and of all processors for this process."""
    return np.array([time.perf_counter(), time.process_time()])


def best(works: dict[str, Callable[[], object]], turns: int) -> dict[str, np.ndarray]:
    """The least seconds of each of the works, done in turns, behind one turn that compiles."""
    found = {name: np.full(2, np.inf) for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            began = clock()
            work()
            if turn:
                found[name] = np.minimum(found[name], clock() - began)
    return found


def works_on(film: Path, colorizer: TiledColorizer, frames: int) -> dict[str, Callable[[], object]]:
    """The network alone, and the whole way of a film of `frames` frames."""
    batch = np.random.default_rng(0).uniform(0, 100, (BATCH, colorizer.size, colorizer.size, 1)).astype(np.float32)
    painter = FilmColorizer(colorizer)

    def whole(smoothing: str) -> None:
        planned = plan(FilmTask(film, film.with_name("color.mp4"), "model", smoothing))
        colorize_film(planned, painter, SMOOTHERS[smoothing](colorizer), mark=Mark("0", "benchmark"))

    return {
        "network": lambda: [colorizer.predict(batch[: frames - i]) for i in range(0, frames, BATCH)],
        "none": lambda: whole("none"),
        "flow": lambda: whole("flow"),
    }


def main(
    preset: Annotated[str, typer.Option(help="A preset or a .keras file.")] = zoo.DEFAULT_PRESET,
    frames: Annotated[int, typer.Option(min=BATCH)] = 150,
    turns: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Print frames per second and the ratios to the network alone."""
    give_back_large_blocks()
    colorizer = TiledColorizer(load_parts(preset))
    with tempfile.TemporaryDirectory() as folder:
        for height, width in SIZES:
            film = write(Path(folder, f"{height}.mp4"), frames / RATE, height, width, RATE)
            found = best(works_on(film, colorizer, frames), turns)
            for name, (wall, processors) in found.items():
                ratio, share = found["network"] / (wall, processors)
                print(
                    f"{width}x{height} {name:8} {frames / wall:6.1f} frames/s, {ratio:.2f} of the network; "
                    f"{1000 * processors / frames:6.1f} ms of processors per frame, {share:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    typer.run(main)
