"""The share of a training step that its input takes.

    python benchmarks/input.py color_unet_scenes_v1 --data photographs/ --set batch=16

The same step is timed with batches that are read, augmented and converted, and with one batch that is kept and
repeated. Both are measured in turns in one process, so that whatever else the machine does
meets both.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from training import recipes
from training.data import batches
from training.recipes.recipe import Recipe
from training.trainer import make_trainer

WARM_UP = 3  # steps before the first timed one: tracing, memory, caches


def main() -> None:
    """Prints the median step with each input, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="in a turn")
    arguments = parser.parse_args()
    recipe = recipes.load(arguments.recipe, dict(setting.split("=", 1) for setting in arguments.set))
    with tempfile.TemporaryDirectory() as cache:
        step, real = prepared(recipe, arguments.data, Path(cache))
        kept = itertools.repeat(next(real))
        for _ in range(WARM_UP):
            step(next(real))
        times: dict[str, list[float]] = {"real input": [], "one kept batch": []}
        for _ in range(arguments.rounds):
            for name, source in (("real input", real), ("one kept batch", kept)):
                for _ in range(arguments.steps):
                    began = time.perf_counter()
                    float(step(next(source))["loss"])
                    times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name:>14}: {1000 * seconds:8.1f} ms a step  {recipe.batch / seconds:8.1f} images/s")
    print(f"input takes {1 - medians['one kept batch'] / medians['real input']:.1%} of a step")


def prepared(recipe: Recipe, folder: Path, cache: Path) -> tuple[Callable[[Any], Any], Iterator[Any]]:
    """The training step of a recipe, and its batches without end."""
    photographs = recipe.prepared([folder], cache)
    augmentation = recipe.changes()
    trainer = make_trainer(recipe, recipe.statistics(photographs), 1000, tf.distribute.get_strategy())

    def endless() -> Iterator[Any]:
        for epoch in itertools.count():
            yield from batches(
                photographs,
                recipe.batch,
                seed=recipe.seed,
                epoch=epoch,
                augmentation=augmentation,
                classes=photographs.classes,
                draws=trainer.system.draws,
            )

    return trainer.step, endless()


if __name__ == "__main__":
    main()
