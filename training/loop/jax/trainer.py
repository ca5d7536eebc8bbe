"""Several steps of training in one compiled call on JAX, for every system."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras

from training.loop.jax.batches import Batches, Photographs
from training.loop.jax.depthwise import shift_depthwise
from training.loop.networks import build
from training.loop.optimizers import learning_rate
from training.systems.recipe import Recipe
from training.systems.system import Losses, Statistics, Tensors
from zoo.errors import ArgumentError

Values = list[jax.Array]
Means = dict[str, jax.Array]  # of the losses of a batch, by name


class State(NamedTuple):
    """What a step changes: the values of variables.

    trained: those that an optimizer changes, by the names of `System.trained`.
    others: statistics of normalization, states of dropout, and frozen weights.
    optimizers: those of the optimizers, by the same names.
    """

    trained: dict[str, Values]
    others: Values
    optimizers: dict[str, Values]


class Trainer:
    """A system with its optimizers, and its steps.

    Args:
        recipe: what to train, and how.
        statistics: see `Recipe.statistics`.
        steps: of an epoch, for the schedule of the learning rate.
        shape: height and width of the pixels that are kept of a picture to train on.

    Raises:
        ArgumentError: a recipe that only the loop on TensorFlow can train.
    """

    def __init__(self, recipe: Recipe, statistics: Statistics, steps: int, shape: tuple[int, int]) -> None:
        check(recipe)
        self.recipe = recipe
        self.system, self._variables, self.optimizers = build(recipe, statistics, recipe.learning_rate)
        system = self.system
        trained = {id(v) for variables in self._variables.values() for v in variables}
        models = [model for part in system.trained.values() for model in part]
        if any(isinstance(layer, keras.layers.SpectralNormalization) for m in models for layer in m._flatten_layers()):
            # It replaces weights while gradients are taken of them, which here would flow through the replacement.
            raise ArgumentError(f"{recipe.architecture} has spectral normalization: train it with colorzoo train")
        shift_depthwise(models)
        unique = {id(v): v for model in models for v in model.variables}
        self._others = [v for key, v in unique.items() if key not in trained]
        # The rate is an argument of a step: under a time budget the clock says where on the schedule it is.
        self._rate = learning_rate(recipe, steps)
        self._batches = Batches(recipe, shape, system.draws)
        self._held_out = Batches(recipe, (recipe.size, recipe.size), system.draws)
        self._key = jax.random.key(recipe.seed)

    @property
    def main_optimizer(self) -> keras.Optimizer:
        """That of the network."""
        return next(iter(self.optimizers.values()))

    # === The state, as values and as variables ===

    @property
    def named_variables(self) -> dict[str, keras.Variable]:
        """All variables that a step changes, by names that are the same in every process."""
        parts = {f"trained/{name}": variables for name, variables in self._variables.items()} | {"others": self._others}
        parts |= {f"optimizers/{name}": list(optimizer.variables) for name, optimizer in self.optimizers.items()}
        return {f"{part}/{i}": v for part, variables in parts.items() for i, v in enumerate(variables)}

    def read_state(self) -> State:
        """The values of the variables, as copies that a step may consume."""
        return State(
            {name: _copies(variables) for name, variables in self._variables.items()},
            _copies(self._others),
            {name: _copies(optimizer.variables) for name, optimizer in self.optimizers.items()},
        )

    def write_state(self, state: State) -> None:
        """Gives the variables copies of the values of a state."""
        for name, variables in self._variables.items():
            _assign(variables, state.trained[name])
            _assign(self.optimizers[name].variables, state.optimizers[name])
        _assign(self._others, state.others)

    # === Steps ===

    def train(
        self,
        state: State,
        photographs: Photographs,
        chosen: jax.Array,
        first: jax.Array,
        positions: jax.Array,
        count: jax.Array,
    ) -> tuple[State, Means]:
        """Several steps of training; the sums of their mean losses. To be compiled, and the state donated.

        Args:
            state: of the variables.
            photographs: to train on.
            chosen: positions of the pictures of each step, (K, B).
            first: number of the first step since the run began.
            positions: of the steps on the schedule of the learning rate, counted in steps, (K,).
            count: how many of the K steps are made.
        """

        def step(i: Any, state: State) -> tuple[State, Means]:
            key = jax.random.fold_in(self._key, first + i)
            lightness, truth = self._batches.train(photographs, chosen[i], key)
            return self.train_batch(state, lightness, truth, self.rate_at(positions[i]))

        if len(chosen) == 1:  # without a loop, within which XLA's convolutions on CPUs use one core
            return step(0, state)

        def body(i: jax.Array, carry: tuple[State, Means]) -> tuple[State, Means]:
            state, losses = step(i, carry[0])
            return state, {name: carry[1][name] + value for name, value in losses.items()}

        names = jax.eval_shape(partial(step, 0), state)[1]
        made: tuple[State, Means] = jax.lax.fori_loop(0, count, body, (state, {name: jnp.zeros(()) for name in names}))
        return made

    def rate_at(self, position: jax.Array) -> jax.Array:
        """The learning rate at a position on its schedule, counted in steps."""
        return jnp.asarray(self._rate(position) if callable(self._rate) else self._rate, jnp.float32)

    def train_batch(self, state: State, lightness: jax.Array, truth: Tensors, rate: jax.Array) -> tuple[State, Means]:
        """One step on a batch, as `training.systems.system` describes it; its mean losses."""
        state, gradients, losses = self.differentiate(state, lightness, truth, rate)
        return self._apply(next(iter(self.system.losses)), state, gradients, rate), losses

    def differentiate(
        self, state: State, lightness: jax.Array, truth: Tensors, rate: jax.Array
    ) -> tuple[State, Values, Means]:
        """A step up to the first objective: the state after the others, the first one's gradients, the mean losses."""
        truth = {**truth, **self.system.targets(truth)}
        first, *others = self.system.losses
        shown: Means = {}
        if others:
            before = state
            # The compiler finds that the network is run twice on the same values, and runs it once.
            with self._scope(state):
                outputs = self.system.forward(lightness, truth, True)
            for name in reversed(others):
                gradients, state, found = self._gradients(
                    name, state, partial(self.system.losses[name], outputs, truth)
                )
                state = self._apply(name, state, gradients, rate)
                shown |= found
            state = self._only_of(others, before, state)

        def objective() -> tuple[jax.Array, Losses]:
            return self.system.losses[first](self.system.forward(lightness, truth, True), truth)

        gradients, state, found = self._gradients(first, state, objective)
        return state, gradients, shown | found

    def _gradients(
        self, name: str, state: State, objective: Callable[[], tuple[jax.Array, Losses]]
    ) -> tuple[Values, State, Means]:
        """The gradients of the mean of an objective, the state after it, and its mean losses."""

        def minimized(values: Values) -> tuple[jax.Array, tuple[Values, Means]]:
            with self._scope(state._replace(trained={**state.trained, name: values})) as scope:
                losses, found = objective()
            others = [scope.get_current_value(v) for v in self._others]
            return jnp.mean(losses), (others, {key: jnp.mean(value) for key, value in found.items()})

        gradients, (others, found) = jax.grad(minimized, has_aux=True)(state.trained[name])
        return gradients, state._replace(others=others), found

    def _only_of(self, names: Sequence[str], before: State, after: State) -> State:
        """The state after, with all values of `others` from before that do not belong to models of these names."""
        theirs = {id(v) for name in names for model in self.system.trained[name] for v in model.variables}
        rows = zip(self._others, before.others, after.others, strict=True)
        return after._replace(others=[new if id(v) in theirs else old for v, old, new in rows])

    def _apply(self, name: str, state: State, gradients: Values, rate: jax.Array) -> State:
        """A step of an optimizer."""
        recipe, optimizer, variables = self.recipe, self.optimizers[name], self._variables[name]
        values, slots = state.trained[name], state.optimizers[name]
        if recipe.weight_decay and recipe.optimizer != "adamw":
            # Kernels have more than one axis; biases, and scales of normalization, do not decay.
            gradients = [
                g + recipe.weight_decay * v if v.ndim > 1 else g for g, v in zip(gradients, values, strict=True)
            ]
        if recipe.global_clipnorm:
            norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in gradients))
            gradients = [g * jnp.minimum(1.0, recipe.global_clipnorm / norm) for g in gradients]
        pairs = [*zip(variables, values, strict=True), *zip(optimizer.variables, slots, strict=True)]
        with keras.StatelessScope(state_mapping=pairs) as scope:
            optimizer.learning_rate = rate
            optimizer.apply(gradients, variables)
        return state._replace(
            trained={**state.trained, name: [scope.get_current_value(v) for v in variables]},
            optimizers={**state.optimizers, name: [scope.get_current_value(v) for v in optimizer.variables]},
        )

    def validate(self, state: State, photographs: Photographs, chosen: jax.Array, counted: jax.Array) -> Means:
        """The sums of the losses of the pictures at positions (B,), each times a number of `counted` (B,)."""
        lightness, truth = self._held_out.validate(photographs, chosen)
        with self._scope(state):
            truth = {**truth, **self.system.targets(truth)}
            found = self.system.validate(self.system.forward(lightness, truth, False), truth)
        return {name: jnp.sum(losses * counted) for name, losses in found.items()}

    def _scope(self, state: State) -> Any:
        """Within it, the variables of the models have the values of a state."""
        pairs = [*zip(self._others, state.others, strict=True)]
        for name, variables in self._variables.items():
            pairs += zip(variables, state.trained[name], strict=True)
        return keras.StatelessScope(state_mapping=pairs)


def check(recipe: Recipe) -> None:
    """Raises ArgumentError for a recipe that only the loop on TensorFlow can train."""
    for field, refused, others in (
        ("schedule", "plateau", "cosine, step or constant"),
        ("precision", "mixed_float16", "mixed_bfloat16 or float32"),
    ):
        if getattr(recipe, field) == refused:
            raise ArgumentError(f"{field} is {refused!r}: the loop on JAX takes {others}")
    if recipe.gradient_accumulation_steps > 1:
        raise ArgumentError(
            f"gradient_accumulation_steps is {recipe.gradient_accumulation_steps}: the loop on JAX takes 1"
        )


def _copies(variables: Sequence[keras.Variable]) -> Values:
    return [jnp.array(v.value, copy=True) for v in variables]


def _assign(variables: Sequence[keras.Variable], values: Values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(jnp.array(value, copy=True))
