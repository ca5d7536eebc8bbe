"""An experiment from its photographs to its page.

OUT/runs/VARIANT/          what `colorzoo train` leaves, log and statistics included
OUT/networks/VARIANT.keras the colorizer after the last step, there once a run is complete
OUT/study/                 what `colorzoo study` makes of these: figures, sheets, tests, learning curves
OUT/comparison.md          the table beside the paper's, and its claims
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from media import atomic
from training.data.folder import image_files
from training.data.sampling import choose_evenly
from training.evaluation.experiments.comparison import write_comparison
from training.evaluation.experiments.design import Experiment
from training.evaluation.study.run import main as study
from training.loop.strategies import make_strategy
from training.loop.train import train

Announce = Callable[[str], object]


def main(
    experiment: Experiment,
    data: Path,
    val: Path | None,
    test: Path,
    out: Path,
    settings: Mapping[str, str],
    *,
    limit: int | None = None,
    vgg19: Path | None = None,
    announce: Announce = print,
) -> None:
    """Train all variants, compare them, and set them beside the paper.

    An experiment that was interrupted goes on where it was.

    Args:
        data: Folder of photographs to train on.
        val: Photographs for the learning curves.
        test: Photographs to compare on.
        out: Folder of this experiment, made if need be.
        settings: Further fields of the recipe of all variants, as text.
        limit: How many photographs to compare on at most; see `training.evaluation.study.run.main`.
        vgg19: Weights for the perceptual distance; see there.

    Raises:
        ArgumentError: a field that no recipe has, or a folder with a run of other settings.
        DataError: photographs that cannot be used.
    """
    photographs = data if experiment.photographs is None else choose(data, experiment.photographs, out / "photographs")
    for variant in experiment.variants:
        recipe = experiment.recipe_of(variant, settings)
        network = out / "networks" / f"{variant.name}.keras"
        if network.exists():
            announce(f"{variant.name}: is trained")
            continue
        announce(f"{variant.name}: training")
        run = out / "runs" / variant.name
        train(recipe, [photographs], val, run, make_strategy("one"))
        network.parent.mkdir(exist_ok=True)
        with atomic.replacing(network) as partial:
            shutil.copyfile(run / "last.keras", partial)
        keras.backend.clear_session()
    names = [variant.name for variant in experiment.variants]
    study(
        [str(out / "networks" / f"{name}.keras") for name in names],
        test,
        out / "study",
        size=experiment.size,
        limit=limit,
        vgg19=vgg19,
        runs=[out / "runs" / name for name in names],
    )
    write_comparison(experiment, out / "study", out / "comparison.md")
    announce(f"-> {out / 'comparison.md'}, {out / 'study' / 'report.html'}")


def choose(data: Path, count: int, folder: Path) -> Path:
    """A folder of links to an even choice of the photographs in another, in the same sub-folders.

    Raises:
        DataError: there are none.
    """
    paths = image_files([data])
    for i in choose_evenly([str(path.parent) for path in paths], count):
        link = folder / paths[i].relative_to(data)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(link):
            link.symlink_to(paths[i].resolve())
    return folder
