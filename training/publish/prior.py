"""How often each class of color comes in photographs; the body of `colorzoo prior`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from training import recipes
from training.loop import warm_start
from training.loop.inputs import prepare_photographs
from zoo.errors import ArgumentError

SHOWN = 5


def main(recipe: str, data: Sequence[Path], out: Path, overrides: Mapping[str, str]) -> None:
    """Writes the prior (n,) float32 of the classes of a recipe, or of what it begins with, as a .npy file.

    Raises:
        ArgumentError: a recipe without classes, or a name that does not end in .npy.
        DataError: photographs that cannot be used.
    """
    if out.suffix != ".npy":
        raise ArgumentError(f"-o is {out}: a prior is written as a .npy file")
    settings = recipes.load(recipe, overrides)
    known = warm_start.read(settings.init).statistics if settings.init else None
    with TemporaryDirectory() as cache:
        photographs = prepare_photographs(settings, data, Path(cache))
        statistics = settings.statistics(photographs, known)
    if "prior" not in statistics:
        raise ArgumentError(f"{recipe} trains a {settings.architecture}, which has no classes of color")
    prior, centers = statistics["prior"], statistics["centers"]
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"part-{out.name}")
    np.save(part, prior)
    part.replace(out)
    print(f"{len(prior)} classes in {len(photographs)} photographs -> {out}; the most frequent, by a and b:")
    for i in np.argsort(-prior)[:SHOWN]:
        print(f"  {centers[i][0]:7.1f} {centers[i][1]:7.1f}  {prior[i]:6.1%}")
