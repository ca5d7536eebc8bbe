"""The networks and optimizers of a recipe, on any backend of Keras."""

import fnmatch
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import keras

from training.loop.optimizers import Rate, make_optimizer, scale_rates
from training.loop.warm_start import match_layers
from training.systems.recipe import Recipe
from training.systems.system import Statistics, System
from zoo.errors import ArgumentError


class Built(NamedTuple):
    """A system, and by the names of `System.trained` what is trained and by which optimizers."""

    system: System
    variables: dict[str, list[keras.Variable]]
    optimizers: dict[str, keras.Optimizer]


def build(recipe: Recipe, statistics: Statistics, rate: Rate) -> Built:
    """New networks with random weights, and their optimizers.

    Args:
        recipe: what to train, and how.
        statistics: see `Recipe.statistics`.
        rate: of learning.

    Raises:
        ArgumentError: everything is frozen, or layers are named that the network has not.
    """
    with _dtype_policy(recipe.precision, recipe.float32_layers):
        system = recipe.system(statistics)
    # Before the variables are listed: a frozen layer's are not trainable.
    for layer in match_layers(system.network, "frozen", recipe.frozen):
        layer.trainable = False
    variables = {name: _trainable(models) for name, models in system.trained.items()}
    if not all(variables.values()):
        raise ArgumentError(f"frozen is {recipe.frozen}: nothing is left to train")
    optimizers = {name: make_optimizer(recipe, rate) for name in system.trained}
    # Built here, since a traced step must not create variables.
    for name, optimizer in optimizers.items():
        optimizer.build(variables[name])
    for pattern, factor in system.lr_factors.items():
        layers = match_layers(system.network, "lr_factors", (pattern,))
        scale_rates(next(iter(optimizers.values())), _trainable(layers), factor)
    return Built(system, variables, optimizers)


def _trainable(models: Sequence[keras.Layer]) -> list[keras.Variable]:
    """The trainable variables of models or layers that may have some in common, each once."""
    return list({id(v): v for model in models for v in model.trainable_variables}.values())


@contextmanager
def _dtype_policy(name: str, float32_layers: Sequence[str]) -> Iterator[None]:
    exceptions = {fnmatch.translate(pattern): keras.DTypePolicy("float32") for pattern in float32_layers}
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(keras.dtype_policies.DTypePolicyMap(name, exceptions) if exceptions else name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)
