"""One step of training on all replicas, for every system."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import keras
import tensorflow as tf

from training.loop.networks import build
from training.loop.optimizers import learning_rate
from training.systems.recipe import Recipe
from training.systems.system import Statistics, System

Inputs = tuple[tf.Tensor, dict[str, tf.Tensor]]  # lightness and truth: see training.data.batches.batches
Step = Callable[[Inputs], dict[str, tf.Tensor]]
# Name of what is trained, the tape that recorded its objective, and what it minimizes, (B,).
Update = Callable[[str, tf.GradientTape, tf.Tensor], None]
CPU_FLAGS = Path("/proc/cpuinfo")  # on Linux


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A system with its optimizers, and its steps.

    step: trains on a batch; what its pictures add to the batch's mean losses, by name.
    rounds: what trains on a batch in parts, one round for each optimizer: its name, a step that adds up the gradients
        of a part, and one that does so with the last part and then trains.
    validate: the sums of the losses of a batch, by name, on one device.
    compiled: whether XLA compiles the steps.
    """

    system: System
    optimizers: dict[str, keras.Optimizer]
    step: Step
    rounds: list[tuple[str, Step, Step]]
    validate: Step
    compiled: bool

    @property
    def main_optimizer(self) -> keras.Optimizer:
        """The one that schedules and callbacks act on."""
        return next(iter(self.optimizers.values()))

    def train(self, parts: Sequence[Inputs]) -> dict[str, float]:
        """Trains on a batch in parts; the batch's mean losses.

        An adversarial system takes the discriminators' round first, so that the generator meets the new ones with all
        parts, as it does with a whole batch.
        """
        if len(parts) == 1:
            return {name: float(value) for name, value in self.step(parts[0]).items()}
        losses: dict[str, float] = {}
        trained: list[str] = []
        for name, gather, finish in self.rounds:
            found = [gather(part) for part in parts[:-1]] + [finish(parts[-1])]
            sums = {key: sum(float(part[key]) for part in found) for key in found[0]}
            # Every round computes all losses. The discriminators' is that of the round before they were updated.
            losses = sums | {key: losses[key] for key in trained if key in losses}
            trained.append(name)
        return losses


def make_trainer(recipe: Recipe, statistics: Statistics, steps: int, strategy: tf.distribute.Strategy) -> Trainer:
    """New networks and optimizers, under the strategy.

    Args:
        recipe: what to train, and how.
        statistics: see `Recipe.statistics`.
        steps: of an epoch, for the schedule of the learning rate.
        strategy: of the replicas.
    """
    with strategy.scope():
        system, variables, optimizers = build(recipe, statistics, learning_rate(recipe, steps))
        parts = recipe.gradient_accumulation_steps
        gathered = {name: _accumulators(vs) for name, vs in variables.items()} if parts > 1 else {}
    updates = _Updates(recipe, strategy.num_replicas_in_sync, optimizers, variables, gathered)

    # XLA compiles for one device: a step of several replicas stays as it is.
    on_one_cpu = strategy is tf.distribute.get_strategy() and emulates_bfloat16()
    gains = recipe.precision == "mixed_bfloat16" or (recipe.precision == "float32" and system.compiled)
    compiled = on_one_cpu and gains
    if system.compiled:
        # By themselves, for where the step is not compiled as a whole: half the time of zhang2016's, on CPUs.
        system = dataclasses.replace(system, targets=tf.function(system.targets, jit_compile=True))

    def make_step(update: Update) -> Step:
        return _make_step(system, update, strategy, recipe.batch, compiled)

    @tf.function(jit_compile=compiled or None)
    def validate(inputs: Inputs) -> dict[str, tf.Tensor]:
        return sum_losses(validation_step(system, *inputs))

    rounds = [
        (name, make_step(partial(updates.gather_one, name)), make_step(partial(updates.finish_one, name)))
        for name in reversed(system.losses)
    ]
    return Trainer(system, optimizers, make_step(updates.train_all), rounds, validate, compiled)


def _make_step(system: System, update: Update, strategy: tf.distribute.Strategy, batch: int, compiled: bool) -> Step:
    """A step of all replicas on a part of a batch: what its pictures add to the batch's mean losses, by name."""

    @tf.function(jit_compile=compiled or None)
    def step(inputs: Inputs) -> dict[str, tf.Tensor]:
        def on_replica(inputs: Inputs) -> dict[str, tf.Tensor]:
            return sum_losses(train_step(system, *inputs, update))

        sums = strategy.run(on_replica, (inputs,))
        return {name: strategy.reduce("SUM", value, axis=None) / batch for name, value in sums.items()}

    made: Step = step
    return made


@dataclasses.dataclass(frozen=True)
class _Updates:
    """What a replica does with the gradients of an objective; its public methods are Updates, but for `wanted`.

    replicas: how many there are. gathered: sums of gradients, by the names of `variables`; none if every batch is
    trained on as a whole.
    """

    recipe: Recipe
    replicas: int
    optimizers: dict[str, keras.Optimizer]
    variables: dict[str, list[keras.Variable]]
    gathered: dict[str, list[tf.Variable]]

    def train_all(self, name: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        """Trains on a whole batch, in the turn of each optimizer."""
        self._apply(name, self._gradients(name, tape, losses))

    def gather_one(self, wanted: str, name: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        """Adds the gradients of a part of a batch to those of the parts before it, of the wanted optimizer alone."""
        if name == wanted:
            for total, gradient in zip(self.gathered[name], self._gradients(name, tape, losses), strict=True):
                total.assign_add(gradient)

    def finish_one(self, wanted: str, name: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        """Trains the wanted optimizer with the gradients of the last part and of those before it."""
        if name == wanted:
            gradients = self._gradients(name, tape, losses)
            self._apply(name, [g + total for g, total in zip(gradients, self.gathered[name], strict=True)])
            for total in self.gathered[name]:
                total.assign(tf.zeros_like(total))

    def _gradients(self, name: str, tape: tf.GradientTape, losses: tf.Tensor) -> list[tf.Tensor]:
        # Gradients are summed over replicas and parts, so each one divides by the whole batch. The scale is applied to
        # what comes in at the top of the tape and not to the result, where float16 would have lost the small ones.
        scale = _loss_scale(self.optimizers[name])
        share = tf.fill(tf.shape(losses), tf.cast(scale / self.recipe.batch, losses.dtype))
        return tape.gradient(losses, self.variables[name], output_gradients=share)

    def _apply(self, name: str, gradients: list[tf.Tensor]) -> None:
        recipe, optimizer, variables = self.recipe, self.optimizers[name], self.variables[name]
        # Before clipping, which would make gradients of 0 of those of the replicas beside the one that overflowed.
        gradients = _share_overflow(optimizer, gradients)
        # The optimizer divides by the scale, so what is added to gradients or compared with them carries it as well.
        scale = _loss_scale(optimizer)
        if recipe.weight_decay and recipe.optimizer != "adamw":
            decay = scale * recipe.weight_decay / self.replicas  # the replicas' gradients are summed
            gradients = [
                # Kernels have more than one axis; biases, and scales of normalization, do not decay.
                g + decay * tf.convert_to_tensor(v) if len(v.shape) > 1 else g
                for g, v in zip(gradients, variables, strict=True)
            ]
        if recipe.global_clipnorm:
            gradients = _clip(gradients, scale * recipe.global_clipnorm)
        optimizer.apply(gradients, variables)


def _loss_scale(optimizer: keras.Optimizer) -> tf.Tensor | float:
    """What gradients have to be multiplied by before the optimizer gets them."""
    scale = getattr(optimizer, "dynamic_scale", None)
    return 1.0 if scale is None else tf.convert_to_tensor(scale)


def _share_overflow(optimizer: keras.Optimizer, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """A replica's gradients, or with loss scaling NaN on all replicas if those of one are not finite.

    Keras looks at the first replica alone when it decides whether to skip a step.
    """
    if not hasattr(optimizer, "dynamic_scale"):
        return list(gradients)
    context = tf.distribute.get_replica_context()
    finite = tf.cast(optimizer.check_finite(gradients), tf.float32)
    replicas = tf.cast(context.num_replicas_in_sync, tf.float32)
    # NaN on all replicas, whichever overflowed: all leave the step out, and stay equal.
    poison = tf.where(context.all_reduce("SUM", finite) < replicas, math.nan, 0.0)
    return [gradient + tf.cast(poison, gradient.dtype) for gradient in gradients]


def train_step(
    system: System, lightness: tf.Tensor, truth: Mapping[str, tf.Tensor], update: Update
) -> dict[str, tf.Tensor]:
    """One step of training; the losses (B,) by name.

    Args:
        system: what is trained.
        lightness, truth: see `training.data.batches.batches`.
        update: what is done with each objective: called once for each name of `system.losses`, the last first.
    """
    truth = {**truth, **system.targets(truth)}
    first, *others = system.losses
    shown: dict[str, tf.Tensor] = {}
    # One run of the network serves all objectives, so its tape stays open until the first one's.
    with tf.GradientTape() as tape:
        outputs = system.forward(lightness, truth, True)
        for name in reversed(others):
            # Begun behind the network, this tape does not reach it.
            with tf.GradientTape() as other_tape:
                minimized, found = system.losses[name](outputs, truth)
            update(name, other_tape, minimized)
            shown |= found
        # Only now, so that a generator meets the discriminators as they have just become.
        minimized, found = system.losses[first](outputs, truth)
    update(first, tape, minimized)
    return shown | found


def validation_step(system: System, lightness: tf.Tensor, truth: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The losses (B,) of a batch without training, and "rmse"; see `train_step`."""
    truth = {**truth, **system.targets(truth)}
    return system.validate(system.forward(lightness, truth, False), truth)


def emulates_bfloat16() -> bool:
    """Whether the default device is a CPU that has no instructions for bfloat16.

    There TensorFlow's own convolutions in bfloat16 take ten times as long as in float32. XLA computes them in float32,
    and rounds their results.
    """
    if tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"):
        return False
    flags = CPU_FLAGS.read_text().split() if CPU_FLAGS.is_file() else []
    return not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags)


def sum_losses(losses: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The sum over the batch of each loss (B,)."""
    return {name: tf.reduce_sum(values) for name, values in losses.items()}


def _accumulators(variables: Sequence[keras.Variable]) -> list[tf.Variable]:
    """A sum of gradients for each variable, of which every replica has its own."""
    return [
        tf.Variable(
            tf.zeros(v.shape, v.dtype),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )
        for v in variables
    ]


def _clip(gradients: Sequence[tf.Tensor], limit: tf.Tensor | float) -> list[tf.Tensor]:
    """Each replica's gradients, shrunk if the norm of their sum over the replicas is above the limit.

    The limit is for the whole batch's gradient, which exists only as this sum; the optimizer's own clipping would see
    a replica's part.
    """
    total = tf.distribute.get_replica_context().all_reduce("SUM", list(gradients))
    shrink = tf.minimum(1.0, limit / tf.linalg.global_norm(total))
    return [gradient * shrink for gradient in gradients]
