"""Recipes: everything that decides what a training run computes, beside its photographs."""

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any

from training.recipes.color_unet_scenes_v1 import ColorUNetScenesV1
from training.recipes.color_unet_wide_scenes_v1 import ColorUNetWideScenesV1
from training.recipes.recipe import Recipe
from zoo.errors import ArgumentError, UnknownNameError

RECIPES: dict[str, type[Recipe]] = {
    "color_unet_scenes_v1": ColorUNetScenesV1,
    "color_unet_wide_scenes_v1": ColorUNetWideScenesV1,
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
    current = dataclasses.asdict(recipe)
    return dataclasses.replace(recipe, **{k: _parse(k, v, current) for k, v in (overrides or {}).items()})


def _parse(field: str, text: str, current: Mapping[str, Any]) -> Any:
    if field not in current:
        raise ArgumentError(f"recipes have no field {field!r}: there are {', '.join(current)}")
    kind = type(current[field])
    if kind is str:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        value = None
    if kind is float and type(value) is int:
        value = float(value)
    fits = type(value) is kind
    if kind is tuple and isinstance(value, tuple | list):
        wanted = type(current[field][0])
        value = tuple(float(item) if wanted is float and type(item) is int else item for item in value)
        fits = all(type(item) is wanted for item in value)
    if not fits:
        raise ArgumentError(f"{field} is {text!r}: a {kind.__name__} such as {current[field]!r} is needed")
    return value
