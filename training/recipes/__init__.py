"""Recipes: everything that decides what a training run computes, beside its photographs."""

import ast
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

from training.recipes.autoencoder_cifar10 import AutoencoderCifar10
from training.recipes.autoencoder_cifar10_v1 import AutoencoderCifar10V1
from training.recipes.color_unet_nature import ColorUNetNature
from training.recipes.color_unet_scenes_v1 import ColorUNetScenesV1
from training.recipes.color_unet_wide_scenes_v1 import ColorUNetWideScenesV1
from training.recipes.color_unet_wide_scenes_v2 import ColorUNetWideScenesV2
from training.recipes.ibn_gan_imagenet import IbnGanImagenet
from training.recipes.ibn_gan_scenes_v1 import IbnGanScenesV1
from training.recipes.iizuka2016_places import Iizuka2016Places
from training.recipes.iizuka2016_scenes_v1 import Iizuka2016ScenesV1
from training.recipes.larsson2016_imagenet import Larsson2016Imagenet
from training.recipes.larsson2016_scenes_v1 import Larsson2016ScenesV1
from training.recipes.pix2pix_films import Pix2pixFilms
from training.recipes.pix2pix_scenes_v1 import Pix2pixScenesV1
from training.recipes.recipe import Recipe
from training.recipes.renamed import with_current_names
from training.recipes.zhang2016_imagenet import Zhang2016Imagenet
from training.recipes.zhang2016_scenes_v1 import Zhang2016ScenesV1
from training.systems.autoencoder import AutoencoderRecipe
from training.systems.color_unet import ColorUNetRecipe
from training.systems.ibn_gan import IbnGanRecipe
from training.systems.iizuka2016 import Iizuka2016Recipe
from training.systems.larsson2016 import Larsson2016Recipe
from training.systems.pix2pix import Pix2pixRecipe
from training.systems.zhang2016 import Zhang2016Recipe
from zoo.errors import ArgumentError, UnknownNameError

RECIPES: dict[str, Callable[[], Recipe]] = {
    "autoencoder_cifar10": AutoencoderCifar10,
    "autoencoder_cifar10_v1": AutoencoderCifar10V1,
    "color_unet_nature": ColorUNetNature,
    "color_unet_scenes_v1": ColorUNetScenesV1,
    "color_unet_wide_scenes_v1": ColorUNetWideScenesV1,
    "color_unet_wide_scenes_v2": ColorUNetWideScenesV2,
    "ibn_gan_imagenet": IbnGanImagenet,
    "ibn_gan_scenes_v1": IbnGanScenesV1,
    "iizuka2016_places": Iizuka2016Places,
    "iizuka2016_scenes_v1": Iizuka2016ScenesV1,
    "larsson2016_imagenet": Larsson2016Imagenet,
    "larsson2016_scenes_v1": Larsson2016ScenesV1,
    "pix2pix_films": Pix2pixFilms,
    "pix2pix_scenes_v1": Pix2pixScenesV1,
    "zhang2016_imagenet": Zhang2016Imagenet,
    "zhang2016_scenes_v1": Zhang2016ScenesV1,
}
SYSTEMS: dict[str, Callable[..., Recipe]] = {
    "autoencoder": AutoencoderRecipe,
    "color_unet": ColorUNetRecipe,
    "ibn_gan": IbnGanRecipe,
    "iizuka2016": Iizuka2016Recipe,
    "larsson2016": Larsson2016Recipe,
    "pix2pix": Pix2pixRecipe,
    "zhang2016": Zhang2016Recipe,
}


def load(name: str, overrides: Mapping[str, str] | None = None) -> Recipe:
    """A recipe, with some fields set to other values, given as text ("batch": "8", "filters": "(8, 16, 32)").

    Raises:
        UnknownNameError: no recipe has this name.
        ArgumentError: no field has this name, or the value is not of its type.
    """
    if name not in RECIPES:
        raise UnknownNameError(f"no recipe is called {name!r}: there are {', '.join(sorted(RECIPES))}")
    recipe = RECIPES[name]()
    types = get_type_hints(type(recipe))
    types = {field.name: types[field.name] for field in dataclasses.fields(recipe)}
    changed = {k: _parse(k, v, types, getattr(recipe, k, None)) for k, v in (overrides or {}).items()}
    if "architecture" in changed:
        raise ArgumentError("architecture belongs to the recipe: take a recipe of the architecture that you want")
    return dataclasses.replace(recipe, **changed)


def of_run(folder: Path) -> Recipe:
    """The recipe that a run was started with.

    Raises:
        ArgumentError: the folder holds no run.
    """
    path = folder / "recipe.json"
    if not path.is_file():
        raise ArgumentError(f"{folder} is not the folder of a training run: it holds no recipe.json")
    values = with_current_names(json.loads(path.read_text()))
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    return SYSTEMS[values["architecture"]](**fields)


def _parse(field: str, text: str, types: Mapping[str, Any], current: Any) -> Any:
    if field not in types:
        raise ArgumentError(f"recipes have no field {field!r}: there are {', '.join(types)}")
    if types[field] is str:
        return text
    items = get_args(types[field])  # of a tuple
    kind = tuple if items else types[field]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        value = None
    if kind is float and type(value) is int:
        value = float(value)
    fits = type(value) is kind
    if items and isinstance(value, tuple | list):
        value = tuple(float(item) if items[0] is float and type(item) is int else item for item in value)
        fits = all(type(item) is items[0] for item in value)
    if not fits:
        raise ArgumentError(f"{field} is {text!r}: a {kind.__name__} such as {current!r} is needed")
    return value
