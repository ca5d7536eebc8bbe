"""Recipes: everything that decides what a training run computes, beside its photographs.

Each module of this package but `renamed` is a recipe: it holds one value, RECIPE, and its docstring has the command,
the hardware, the hours and the number to expect. Modules are imported when their recipe is asked for.
"""

import dataclasses
import json
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import zoo
from training.recipes.renamed import FIELDS, with_current_names
from training.systems.constraints import parse_fields
from training.systems.recipe import Recipe
from zoo.errors import ArgumentError, UnknownNameError

FIXED = ("architecture", "name")  # fields that are the recipe's own


def list_recipes() -> list[str]:
    """Names of the recipes, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "renamed")


def load(name: str, overrides: Mapping[str, str] | None = None) -> Recipe:
    """A recipe, with some fields set to other values, given as text ("batch": "8", "filters": "(8, 16, 32)").

    Raises:
        UnknownNameError: no recipe has this name.
        ArgumentError: no field has this name, or the value is not of its type.
    """
    if name not in list_recipes():
        raise UnknownNameError(f"no recipe is called {name!r}: there are {', '.join(list_recipes())}")
    recipe: Recipe = import_module(f"{__name__}.{name}").RECIPE
    for field in overrides or {}:
        if field in FIELDS:
            raise ArgumentError(f"recipes have no field {field!r}: it is called {FIELDS[field]} now")
    values = parse_fields(recipe, overrides or {})
    for field in FIXED:
        if field in values:
            raise ArgumentError(f"{field} belongs to the recipe: take a recipe of the architecture that you want")
    return dataclasses.replace(recipe, name=name, **values)


def of_run(folder: Path) -> Recipe:
    """The recipe that a run was started with.

    Raises:
        ArgumentError: the folder holds no run, or one whose recipe is damaged or has unknown fields.
        UnknownNameError: its architecture is unknown.
    """
    path = folder / "recipe.json"
    if not path.is_file():
        raise ArgumentError(f"{folder} is not the folder of a training run: it holds no recipe.json")
    try:
        values = with_current_names(dict(json.loads(path.read_text())))
    except (OSError, ValueError, TypeError) as error:
        raise ArgumentError(f"{path} cannot be read: {error}") from error
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    make = recipe_class(fields.get("architecture", ""))
    unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(make)})
    if unknown:
        raise ArgumentError(f"{path} has fields that this version does not know: {', '.join(unknown)}")
    return make(**fields)


def recipe_class(architecture: str) -> type[Recipe]:
    """The class of the recipes of an architecture, from the module of this name in `training.systems`.

    Raises:
        UnknownNameError: there is no such module, or it has no recipe class of this architecture.
    """
    try:
        module = import_module(f"training.systems.{architecture}")
    except ModuleNotFoundError as error:
        if error.name != f"training.systems.{architecture}":
            raise
        module = None
    for kind in vars(module).values() if module else ():
        if isinstance(kind, type) and issubclass(kind, Recipe) and getattr(kind, "architecture", "") == architecture:
            return kind
    raise UnknownNameError(f"no system trains {architecture!r}: there are systems of {', '.join(zoo.list_models())}")
