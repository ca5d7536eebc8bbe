"""From the fields of a recipe to how its training pictures are changed."""

from training.data.augmentation import Augmentation
from training.systems.recipe import Recipe


def augmentation_of(recipe: Recipe) -> Augmentation:
    """How a recipe changes its training pictures."""
    return Augmentation(recipe.flip, recipe.crop, recipe.noise, recipe.augmentation == "sevenfold", recipe.degraded)
