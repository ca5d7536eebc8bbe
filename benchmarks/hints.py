"""How long a click on a photograph of 12 megapixels takes, beside painting the whole photograph anew.

    python -m benchmarks.hints [--preset NAME]

Clicks and whole paintings are timed in turns in one process, and the best and the median turn of each are printed: the
first click, which makes the solver's hierarchy and traces the graphs, apart. The photograph is a sample of
scikit-image, turned gray and enlarged. Then how exact the solver is, and how much two hints on two regions leak.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import numpy as np
import scipy.sparse as sparse
import typer
from PIL import Image
from scipy.sparse.linalg import spsolve
from skimage import data

import zoo
from serving.local.guided import GuidedPhotograph
from serving.local.hinting import Hinting
from serving.local.hints import Hint
from serving.local.spreading import Spreader, laplacian
from serving.local.tiled import TiledColorizer
from serving.local.working import Working
from zoo.presets.loading import load_parts

SIZE = (4000, 3000)
CLICKS = [
    Hint(0.30, 0.75, "#304080"),
    Hint(0.70, 0.70, "#8a5030"),
    Hint(0.45, 0.45, "#502010"),
    Hint(0.15, 0.20, "#406030"),
    Hint(0.85, 0.15, "#a08040"),
    Hint(0.60, 0.90, "#703050"),
]
PREVIEW = 1600  # pixels of the longer side


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time and CPU time of one call."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def clicks(colorizer: TiledColorizer, pixels: np.ndarray) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each kind of step."""
    found: dict[str, list[tuple[float, float]]] = {
        name: [] for name in ("whole", "click", "other color", "preview of a click")
    }
    guided: list[GuidedPhotograph] = []
    found["opening"] = [seconds(lambda: guided.append(GuidedPhotograph(colorizer, pixels)))]
    photograph = guided[0]
    found["first picture"] = [seconds(lambda: photograph.paint())]
    found["first click"] = [seconds(lambda: photograph.paint(CLICKS[:1]))]
    prepared = colorizer.prepare(pixels)
    ab = colorizer.predict(prepared.frame[None])[0]
    for count in range(2, len(CLICKS) + 1):
        hints = CLICKS[:count]
        other = [*hints[:-1], Hint(hints[-1].x, hints[-1].y, "#208080")]
        found["whole"].append(seconds(lambda: colorizer.paint(prepared, ab)))
        found["click"].append(seconds(lambda hints=hints: photograph.paint(hints)))
        found["other color"].append(seconds(lambda other=other: photograph.paint(other)))
        photograph.paint(hints)
    photograph.paint(CLICKS[:1], longest=PREVIEW)
    for count in range(2, len(CLICKS) + 1):
        hints = CLICKS[:count]
        found["preview of a click"].append(seconds(lambda hints=hints: photograph.paint(hints, longest=PREVIEW)))
    return found


def difference_from_a_direct_solution(lightness: np.ndarray) -> float:
    """The largest difference in Lab units, for seeds of up to 60 Lab units."""
    rng = np.random.default_rng(0)
    weight, wanted = np.full(lightness.shape, 1e-2), np.zeros((*lightness.shape, 2))
    places = rng.integers(0, lightness.shape, (20, 2)).T
    weight[*places], wanted[*places] = 1.0, rng.uniform(-60, 60, (20, 2))
    matrix = (laplacian(lightness) + sparse.diags_array(weight.ravel())).tocsc()
    right = (wanted * weight[..., None]).reshape(-1, 2)
    direct = np.stack([spsolve(matrix, side) for side in right.T], axis=-1).reshape(wanted.shape)
    return float(np.abs(Spreader(lightness, 1e-2).spread(wanted, weight) - direct).max())


def leak() -> tuple[float, float]:
    """The largest difference from the hint in its region, in Lab units: 2 pixels or more from the edge, and at it."""
    lightness = np.full((300, 400), 35, np.float32)
    lightness[:, 200:] = 65
    lightness += np.random.default_rng(0).normal(0, 1, lightness.shape).astype(np.float32)
    ab = np.zeros((300, 400, 2), np.float32)
    hints = [Hint(0.2, 0.5, "#b03030"), Hint(0.8, 0.3, "#3040c0")]
    found = Hinting(Working(lightness, ab)).change(hints)
    assert found is not None, "there are hints"
    expected = np.where(np.arange(400)[None, :, None] < 200, hints[0].ab, hints[1].ab)
    distance = np.linalg.norm(found - expected, axis=-1)
    near = np.abs(np.arange(400) - 199.5) < 2
    return float(distance[:, ~near].max()), float(distance[:, near].max())


def main(preset: Annotated[str, typer.Option(help="A preset or a .keras file.")] = zoo.DEFAULT_PRESET) -> None:
    """Prints the times, and what the solver makes."""
    colorizer = TiledColorizer(load_parts(preset))
    pixels = np.asarray(Image.fromarray(data.astronaut()).convert("L").resize(SIZE, Image.Resampling.BICUBIC))
    found = clicks(colorizer, pixels)
    for name, values in found.items():
        wall, used = zip(*values, strict=True)
        times = f"{min(wall):6.2f} s best, {median(wall):6.2f} s median"
        print(f"{name:20} {times}; CPU {min(used):6.2f} s, {median(used):6.2f} s")
    for number, kind in enumerate(("wall", "CPU")):
        click, whole = (median(value[number] for value in found[name]) for name in ("click", "whole"))
        print(f"a click over the whole painting, medians of {kind} time: {click / whole:.2f}")
    small = np.asarray(Image.fromarray(data.astronaut()).convert("L").resize((96, 96)), np.float32) / 2.55
    print(f"largest difference from a direct solution: {difference_from_a_direct_solution(small):.3f} Lab units")
    inside, edge = leak()
    print(f"two hints, two regions: {inside:.1f} Lab units from the hint inside, {edge:.1f} at the edge")


if __name__ == "__main__":
    typer.run(main)
