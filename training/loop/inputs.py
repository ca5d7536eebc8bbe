"""From the fields of a recipe to the arguments of `training.data`, which does not know recipes."""

from collections.abc import Sequence
from pathlib import Path

from training.data.datasets import Photographs, prepare
from training.systems.recipe import Recipe


def prepare_photographs(recipe: Recipe, folders: Sequence[Path], cache: Path, split: str = "train") -> Photographs:
    """The photographs of folders as a recipe resizes them; see `training.data.datasets.prepare`."""
    return prepare(
        folders,
        recipe.size,
        cache,
        recipe.resize_mode,
        recipe.shortest,
        split,
        enlarge=recipe.enlarge,
        drop_gray=recipe.drop_gray,
    )
