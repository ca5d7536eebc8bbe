"""Images/s of a training step of each system: with its input, on two replicas, and beside the same step in PyTorch.

    python -m benchmarks.training [RECIPE ...] [--data photographs/] [--rounds 10]

All steps of a row are timed in turns in one process, and medians are compared, so that whatever else the machine does
meets all. PyTorch is needed for its column only, and knows zhang2016 and color_unet alone. Both libraries
get as many threads as there are cores for this process. Without --data, parts of the sample pictures of
scikit-image are the photographs.
"""

import os

if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `colorzoo train` does

import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
import typer
from PIL import Image
from skimage import data as samples

from training import recipes
from training.data.batches import WorkerInfo, batches
from training.data.datasets import Photographs
from training.loop.augmentation import augmentation_of
from training.loop.inputs import prepare_photographs
from training.loop.strategies import distribute, make_strategy
from training.loop.trainer import Inputs, make_trainer
from training.systems.color_unet import ColorUNetRecipe
from training.systems.recipe import Recipe
from training.systems.zhang2016 import Zhang2016Recipe

SMALL = (
    "autoencoder_cifar10_v1",
    "color_unet_scenes_v1",
    "ibn_gan_scenes_v1",
    "iizuka2016_scenes_v1",
    "larsson2016_scenes_v1",
    "lite_unet_photos_v1",
    "pix2pix_scenes_v1",
    "zhang2016_scenes_v1",
)
COUNT = 96  # sample photographs
WARM_UP = 2  # calls before the first timed one: tracing, compiling, memory
EPOCH = 1000  # steps, for the schedule of the learning rate
AGREEMENT = {"float32": 2e-3, "mixed_bfloat16": 5e-2}  # of the losses of both libraries, relative
Work = Callable[[], float]  # one step -> its loss


@dataclass(frozen=True)
class Row:
    """Seconds of one step of a recipe: on a kept batch, with its input, on two replicas, in PyTorch; nan: not timed."""

    recipe: str
    precision: str
    batch: int
    kept: float
    real: float
    two: float = math.nan
    torch: float = math.nan


def main(
    names: Annotated[list[str] | None, typer.Argument(metavar="[RECIPE]...", help="By default the small ones.")] = None,
    data: Annotated[list[Path] | None, typer.Option(help="Folder of color photographs.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed steps of each kind.")] = 10,
    precision: Annotated[list[str] | None, typer.Option(help=f"By default {' and '.join(AGREEMENT)}.")] = None,
    replicas: Annotated[bool, typer.Option(help="Time two replicas as well.")] = True,
) -> None:
    """Prints the table, a row as soon as it is measured."""
    two_devices()
    if find_spec("torch"):
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        folders = data or [make_samples(Path(folder, "photographs"), COUNT)]
        print(header(), flush=True)
        for name, kind in itertools.product(names or SMALL, precision or AGREEMENT):
            recipe = recipes.load(name, {"precision": kind})
            photographs = prepare_photographs(recipe, folders, Path(folder, name))
            print(line(measure(name, recipe, photographs, rounds, replicas)), flush=True)


def two_devices() -> None:
    """Makes two logical devices of the CPU; only before TensorFlow's first operation."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def make_samples(folder: Path, count: int) -> Path:
    """Writes `count` parts of photographs as JPEG files of 256 x 256 pixels into two class folders.

    Their channels are exchanged at random, since four photographs have too few colors for the classes of color_unet.
    """
    pictures = [samples.astronaut(), samples.coffee(), samples.chelsea(), samples.rocket()]
    draw = np.random.default_rng(0)
    for i in range(count):
        picture = pictures[i % len(pictures)]
        top, left = (int(draw.integers(0, side - 256 + 1)) for side in picture.shape[:2])
        path = folder / "ab"[i % 2] / f"{i:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = picture[top : top + 256, left : left + 256, draw.permutation(3)]
        Image.fromarray(part).save(path, quality=92)
    return folder


def measure(name: str, recipe: Recipe, photographs: Photographs, rounds: int, replicas: bool = False) -> Row:
    """Times the steps of one recipe.

    Raises:
        AssertionError: PyTorch's step computes something else.
    """
    learned = recipe.statistics(photographs)
    trainer = make_trainer(recipe, learned, EPOCH, tf.distribute.get_strategy())
    real = endless(recipe, photographs, tf.distribute.get_strategy(), trainer.system.draws)
    kept = next(real)
    works = {
        "kept": lambda: float(trainer.step(kept)["loss"]),
        "real": lambda: float(trainer.step(next(real))["loss"]),
    }
    if find_spec("torch") and isinstance(recipe, ColorUNetRecipe | Zhang2016Recipe):
        from benchmarks.torch_steps import make_step

        works["torch"] = make_step(recipe, learned, trainer.system.network, *kept)
        check_same(works["kept"], works["torch"], AGREEMENT[recipe.precision])
    if replicas:
        strategy = make_strategy("mirrored")
        both = make_trainer(recipe, learned, EPOCH, strategy)
        halves = next(endless(recipe, photographs, strategy, both.system.draws))
        works["two"] = lambda: float(both.step(halves)["loss"])
    return Row(name, recipe.precision, recipe.batch, **medians(works, rounds))


def endless(recipe: Recipe, photographs: Photographs, strategy: tf.distribute.Strategy, draws: int) -> Iterator[Inputs]:
    """Batches without end, as training reads and deals them."""
    size, changes = recipe.batch // strategy.num_replicas_in_sync, augmentation_of(recipe)
    for epoch in itertools.count():

        def part(worker: WorkerInfo, epoch: int = epoch) -> tf.data.Dataset:
            return batches(
                photographs,
                recipe.batch,
                seed=recipe.seed,
                epoch=epoch,
                augmentation=changes,
                classes=photographs.classes,
                draws=draws,
                worker=worker,
            )

        yield from distribute(strategy, size, part)


def check_same(ours: Work, theirs: Work, tolerance: float) -> None:
    """Runs three steps of each; raises AssertionError unless their losses agree."""
    pairs = [(ours(), theirs()) for _ in range(3)]
    wrong = [pair for pair in pairs if not math.isclose(*pair, rel_tol=tolerance)]
    if wrong:
        raise AssertionError(f"the steps differ: their losses are {pairs}")


def medians(works: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """The median seconds of each work, all run in turns."""
    for work in works.values():
        for _ in range(WARM_UP):
            work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def header() -> str:
    """The first two lines of the table."""
    columns = ("recipe", "precision", "images/s", "input takes", "two replicas", "PyTorch", "ours / PyTorch")
    return cells(columns) + "\n" + cells(["---"] * len(columns))


def line(row: Row) -> str:
    """A line of the table. Input that is ready before the step needs it takes nothing; two replicas are a ratio."""
    torch = [f"{row.batch / row.torch:.1f}", f"{row.torch / row.kept:.2f}"] if row.torch > 0 else ["", ""]
    return cells(
        [
            row.recipe,
            row.precision,
            f"{row.batch / row.kept:.1f}",
            f"{max(0.0, 1 - row.kept / row.real):.0%}",
            f"{row.kept / row.two:.2f}" if row.two > 0 else "",
            *torch,
        ]
    )


def cells(texts: Sequence[Any]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(map(str, texts))} |"


if __name__ == "__main__":
    typer.run(main)
