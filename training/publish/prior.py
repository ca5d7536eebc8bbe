"""How often each color class occurs in photographs; the body of `colorzoo prior`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from media import atomic, files
from training import recipes
from training.loop import warm_start
from training.loop.inputs import prepare_photographs
from zoo.errors import ArgumentError


class Prior(NamedTuple):
    """A counted prior.

    shares: of the classes, (n,) float32. centers: of the classes, ab (n, 2). photographs: how many were counted.
    """

    shares: np.ndarray
    centers: np.ndarray
    photographs: int


def main(recipe: str, data: Sequence[Path], out: Path, overrides: Mapping[str, str]) -> Prior:
    """Writes the prior (n,) float32 of the classes of a recipe, or of what it begins with, as a .npy file.

    Raises:
        ArgumentError: a recipe without classes, or a name that does not end in .npy.
        DataError: photographs that cannot be used.
    """
    if out.suffix != ".npy":
        raise ArgumentError(f"-o is {out}: a prior is written as a .npy file")
    files.check_file(out)
    settings = recipes.load(recipe, overrides)
    known = warm_start.read(settings.init).statistics if settings.init else None
    with TemporaryDirectory() as cache:
        photographs = prepare_photographs(settings, data, Path(cache))
        statistics = settings.statistics(photographs, known)
    if "prior" not in statistics:
        raise ArgumentError(f"{recipe} trains a {settings.architecture}, which has no classes of color")
    prior, centers = statistics["prior"], statistics["centers"]
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(out) as partial:
        np.save(partial, prior)
    return Prior(prior, centers, len(photographs))
