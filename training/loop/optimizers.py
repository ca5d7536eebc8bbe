"""Optimizers of recipes: their rules, the schedules of their rates and moving averages of weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from training.systems.recipe import Recipe

Rate: TypeAlias = "float | keras.optimizers.schedules.LearningRateSchedule"


def make_optimizer(recipe: Recipe, rate: Rate) -> keras.Optimizer:
    """The optimizer of a recipe with a learning rate; with loss scaling, if it computes in float16."""
    optimizer = _rule(recipe, rate)
    if recipe.ema_momentum:
        # Keras keeps the averages. `use_averages` puts them in place, since SwapEMAWeights does not give the weights
        # back bit for bit, and a resumed run would end in others.
        optimizer.use_ema, optimizer.ema_momentum = True, recipe.ema_momentum
    return keras.optimizers.LossScaleOptimizer(optimizer) if recipe.precision == "mixed_float16" else optimizer


def _rule(recipe: Recipe, rate: Rate) -> keras.Optimizer:
    match recipe.optimizer:
        case "adam":
            return keras.optimizers.Adam(rate, recipe.beta_1, recipe.beta_2)
        case "adamw":
            return keras.optimizers.AdamW(rate, recipe.weight_decay, recipe.beta_1, recipe.beta_2)
        case "nadam":
            return keras.optimizers.Nadam(rate, recipe.beta_1, recipe.beta_2)
        case "rmsprop":
            return keras.optimizers.RMSprop(rate)
        case "adadelta":
            return keras.optimizers.Adadelta(rate)
        case "momentum":
            return keras.optimizers.SGD(rate, recipe.beta_1)
        case _:
            return keras.optimizers.SGD(rate)


def learning_rate(recipe: Recipe, steps: int) -> Rate:
    """The learning rate of a recipe whose epochs have `steps` steps."""
    schedules = keras.optimizers.schedules
    # Counted in steps of the optimizer, which a checkpoint restores, so that a resumed run finds its rate.
    if recipe.schedule == "cosine":
        lowest = recipe.min_learning_rate / recipe.learning_rate
        return schedules.CosineDecay(recipe.learning_rate, recipe.epochs * steps, alpha=lowest)
    if recipe.schedule == "step":
        rates = [recipe.learning_rate * recipe.lr_gamma**i for i in range(len(recipe.lr_milestones) + 1)]
        return schedules.PiecewiseConstantDecay([round(epoch * steps) for epoch in recipe.lr_milestones], rates)
    return recipe.learning_rate  # of "plateau", a callback lowers it


def scale_rates(optimizer: keras.Optimizer, variables: Sequence[keras.Variable], factor: float) -> None:
    """Multiplies the learning rate of some variables of a built optimizer with a factor.

    Scaling their gradients would change nothing, since Adam divides each by its own size.
    """
    optimizer = unwrap(optimizer)
    scaled = {optimizer._get_variable_index(variable) for variable in variables}
    rule = optimizer.update_step

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        found = optimizer._get_variable_index(variable) in scaled
        rule(gradient, variable, learning_rate * factor if found else learning_rate)

    optimizer.update_step = update_step


def unwrap(optimizer: keras.Optimizer) -> keras.Optimizer:
    """The optimizer without the scaling of losses around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def current_rate(optimizer: keras.Optimizer) -> float:
    """The learning rate of the next step."""
    return float(ops.convert_to_numpy(unwrap(optimizer).learning_rate))


@contextmanager
def use_averages(optimizer: keras.Optimizer) -> Iterator[None]:
    """Puts the moving averages, if the optimizer keeps them, in the place of the weights that it trains."""
    optimizer = unwrap(optimizer)
    # Before the first step, which loss scaling may put off, there is nothing to average yet.
    begun = optimizer.use_ema and int(ops.convert_to_numpy(optimizer.iterations)) > 0
    variables = optimizer._trainable_variables if begun else []
    kept = [ops.convert_to_numpy(v) for v in variables]
    if variables:
        _assign(variables, [ops.convert_to_numpy(v) for v in optimizer._model_variables_moving_average])
    try:
        yield
    finally:
        _assign(variables, kept)


def _assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
