"""One training loop for all systems and strategies: `strategy.run` under Keras's own callbacks.

A run lives in one folder: `recipe.json`, `photographs.json`, `left_out.txt`, `statistics.npz`, `log.csv`,
`best.keras` and `last.keras` (colorizers), `checkpoints/`, `tensorboard/` and `cache/`. Starting the same
command again goes on where the last checkpoint was written, and ends in the same weights as a run that nobody
stopped.
"""

import csv
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training import recipes
from training.callbacks import BestModel, Panels, Progress
from training.data import Photographs, batches, check_apart
from training.recipes.recipe import Recipe
from training.systems.system import Statistics, System
from zoo.errors import ArgumentError, TrainingError

STRATEGIES = ("one", "mirrored")
KEPT_CHECKPOINTS = 2
PANEL_PICTURES = 6
Inputs = tuple[tf.Tensor, dict[str, tf.Tensor]]  # lightness and truth: see training.data.batches


def main(
    recipe: str,
    data: Sequence[Path],
    val: Path | None,
    out: Path | None,
    strategy: str,
    overrides: Mapping[str, str],
) -> None:
    """Trains a recipe on folders of photographs; the body of `colorzoo train`.

    Raises:
        ArgumentError, UnknownNameError: an argument that cannot be.
        DataError: photographs that cannot be trained on.
        TrainingError: a folder of another run, or a loss that is not finite.
    """
    settings = recipes.load(recipe, overrides)
    train(settings, data, val, out or Path("runs") / recipe, make_strategy(strategy))


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy "one" (the default device) or "mirrored" (all local GPUs, or all logical CPUs)."""
    if name not in STRATEGIES:
        raise ArgumentError(f"strategy is {name!r}: it must be one of {', '.join(STRATEGIES)}")
    if name == "one":
        return tf.distribute.get_strategy()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    # NCCL exists on GPUs only, and several strategies in one process need a reduction that keeps no state.
    reduction = None if kind == "GPU" else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def train(
    recipe: Recipe, data: Sequence[Path], val: Path | None, out: Path, strategy: tf.distribute.Strategy
) -> keras.Model:
    """Trains, and returns the network as it was last. See `main`."""
    replicas = strategy.num_replicas_in_sync
    if recipe.batch % replicas:
        raise ArgumentError(f"batch is {recipe.batch}: it must be a multiple of the {replicas} devices")
    settings = json.loads(json.dumps(dataclasses.asdict(recipe)))
    _check_same(out / "recipe.json", settings)

    # === Photographs ===
    photographs = recipe.prepared(data, out / "cache" / "train")
    held_out = recipe.prepared([val], out / "cache" / "val") if val else None
    if held_out:
        check_apart(photographs, held_out)
    contents = {"training": _content(photographs), "validation": _content(held_out)}
    _check_same(out / "photographs.json", contents)
    _report_left_out(out / "left_out.txt", photographs, held_out)
    augmentation = recipe.changes()
    steps = len(photographs) * augmentation.variants // recipe.batch
    if not steps:
        raise ArgumentError(f"batch is {recipe.batch}: it must be at most the {len(photographs)} photographs")
    statistics = recipe.statistics(photographs)

    # === Networks and optimizers: from scratch, then from the last checkpoint if there is one ===
    keras.utils.set_random_seed(recipe.seed)
    trainer = make_trainer(recipe, statistics, steps, strategy)
    system, network, main_optimizer = trainer.system, trainer.system.network, trainer.main_optimizer
    with strategy.scope():
        # Callbacks look for the optimizer here. In the network itself it would be saved with every colorizer.
        shown_to_callbacks = keras.Model(network.input, network.output)
        shown_to_callbacks.compile(optimizer=main_optimizer)
    # Claimed only now, so that a start which failed before does not bind the folder to its recipe.
    _write_json(out / "recipe.json", settings)
    _write_json(out / "photographs.json", contents)
    _write_statistics(out / "statistics.npz", statistics)
    state = _State(system.trained, trainer.optimizers, out / "checkpoints")
    _drop_rows(out / "log.csv", state.epoch)

    # === Validation ===
    @tf.function
    def val_step(inputs: Inputs) -> dict[str, tf.Tensor]:
        lightness, truth = inputs
        return _summed(system.validate(lightness, truth))

    def validate(held_out: Photographs) -> dict[str, float]:
        parts = batches(held_out, recipe.batch, classes=photographs.classes, draws=system.draws)
        sums = [val_step(part) for part in parts]
        return {f"val_{name}": float(sum(part[name] for part in sums) / len(held_out)) for name in sums[0]}

    # === The loop ===
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss" if held_out else "loss", recipe.plateau_factor, recipe.plateau_patience,
        min_lr=recipe.lowest_learning_rate,
    )  # fmt: skip
    best = BestModel(
        network, out / "best.keras", "val_loss" if held_out else "loss", recipe.working_size, recipe.saturation
    )
    shown = held_out or photographs
    callbacks = keras.callbacks.CallbackList(
        [
            best,
            Progress(recipe.epochs, steps, recipe.batch, start=state.epoch * steps + state.step),
            keras.callbacks.CSVLogger(str(out / "log.csv"), append=True),
            keras.callbacks.TensorBoard(str(out / "tensorboard"), write_graph=False),
            Panels(
                network,
                out / "tensorboard" / "panels",
                shown.frames[_spread(len(shown))],
                recipe.working_size,
                recipe.saturation,
            ),
            *([plateau] if recipe.schedule == "plateau" else []),
        ],
        model=shown_to_callbacks,
    )
    callbacks.on_train_begin()
    state.restore_callbacks(plateau, best)
    try:
        while state.epoch < recipe.epochs:
            callbacks.on_epoch_begin(state.epoch)
            epoch_batches = batches(
                photographs, recipe.batch, seed=recipe.seed, epoch=state.epoch, start=state.step,
                augmentation=augmentation, classes=photographs.classes, draws=system.draws,
            )  # fmt: skip
            for inputs in strategy.experimental_distribute_dataset(_unsharded(epoch_batches)):
                callbacks.on_train_batch_begin(state.step)
                losses = {name: float(value) for name, value in trainer.step(inputs).items()}
                wrong = [f"the {name} became {value}" for name, value in losses.items() if not math.isfinite(value)]
                if wrong:
                    raise TrainingError(
                        f"{wrong[0]} at step {state.step + 1} of epoch {state.epoch + 1}: "
                        f"the last checkpoint in {out / 'checkpoints'} is from before; "
                        "a lower learning_rate may help"
                    )
                state.add(losses)
                callbacks.on_train_batch_end(state.step - 1, losses)
                if state.step % recipe.checkpoint_steps == 0:
                    state.save(plateau, best)
            logs: dict[str, Any] = {name: value / steps for name, value in state.loss_sums.items()}
            logs["learning_rate"] = _current_rate(main_optimizer)
            if held_out:
                logs |= validate(held_out)
            callbacks.on_epoch_end(state.epoch, logs)
            state.next_epoch()
            state.save(plateau, best)
    finally:
        callbacks.on_train_end()  # closes the files, whatever ended the run
    best.write(out / "last.keras")
    return network


@dataclasses.dataclass(frozen=True)
class Trainer:
    """A system with its optimizers, and one step of training on all replicas: inputs -> mean losses by name."""

    system: System
    optimizers: dict[str, keras.Optimizer]
    step: Callable[[Inputs], dict[str, tf.Tensor]]

    @property
    def main_optimizer(self) -> keras.Optimizer:
        """The one that schedules and callbacks act on."""
        return next(iter(self.optimizers.values()))


def make_trainer(recipe: Recipe, statistics: Statistics, steps: int, strategy: tf.distribute.Strategy) -> Trainer:
    """New networks and optimizers, under the strategy, for epochs of so many steps."""
    with strategy.scope(), _dtype_policy(recipe.precision):
        system = recipe.system(statistics)
        variables = {name: _trainable(models) for name, models in system.trained.items()}
        optimizers = {name: make_optimizer(recipe, steps) for name in system.trained}
        for name, optimizer in optimizers.items():
            optimizer.build(variables[name])

    def update(name: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        # Gradients are summed over replicas, so each one divides by the global batch.
        share = tf.fill(tf.shape(losses), 1 / recipe.batch)
        gradients = tape.gradient(losses, variables[name], output_gradients=share)
        if recipe.weight_decay:
            decay = recipe.weight_decay / strategy.num_replicas_in_sync
            gradients = [
                g + decay * tf.convert_to_tensor(v) if len(v.shape) > 1 else g
                for g, v in zip(gradients, variables[name], strict=True)
            ]
        optimizers[name].apply(gradients, variables[name])

    @tf.function
    def step(inputs: Inputs) -> dict[str, tf.Tensor]:
        def on_replica(inputs: Inputs) -> dict[str, tf.Tensor]:
            lightness, truth = inputs
            return _summed(system.step(lightness, truth, update))

        sums = strategy.run(on_replica, (inputs,))
        return {name: strategy.reduce("SUM", value, axis=None) / recipe.batch for name, value in sums.items()}

    return Trainer(system, optimizers, step)


def _trainable(models: Sequence[keras.Model]) -> list[keras.Variable]:
    """The trainable variables of models that may share layers, each once."""
    return list({id(v): v for model in models for v in model.trainable_variables}.values())


def _seeds(model: keras.Model) -> list[keras.Variable]:
    """The states of the random generators in a model."""
    weights = {id(v) for v in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def _summed(losses: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: tf.reduce_sum(values) for name, values in losses.items()}


class _State:
    """Where a run stands, and its checkpoints: weights, optimizers and this, valid once they are complete."""

    def __init__(
        self, trained: Mapping[str, list[keras.Model]], optimizers: Mapping[str, keras.Optimizer], folder: Path
    ) -> None:
        self.epoch, self.step = 0, 0
        self.loss_sums: dict[str, float] = {}
        self._callbacks: dict[str, float] = {}
        self._text = tf.Variable("", dtype=tf.string, trainable=False)
        parts: dict[str, Any] = {f"{name}_optimizer": optimizer for name, optimizer in optimizers.items()}
        parts |= {f"{name}_{i}": model for name, models in trained.items() for i, model in enumerate(models)}
        # What dropout draws next is a variable that models do not track.
        parts["seeds"] = [seed.value for models in trained.values() for model in models for seed in _seeds(model)]
        checkpoint = tf.train.Checkpoint(state=self._text, **parts)
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder), KEPT_CHECKPOINTS)
        if self._manager.latest_checkpoint:
            checkpoint.restore(self._manager.latest_checkpoint).assert_existing_objects_matched()
            saved = json.loads(self._text.numpy())
            self._callbacks = saved.pop("callbacks")
            self.epoch, self.step, self.loss_sums = saved["epoch"], saved["step"], saved["loss_sums"]

    def add(self, losses: Mapping[str, float]) -> None:
        self.step += 1
        self.loss_sums = {name: self.loss_sums.get(name, 0.0) + value for name, value in losses.items()}

    def next_epoch(self) -> None:
        self.epoch, self.step, self.loss_sums = self.epoch + 1, 0, {}

    def save(self, plateau: keras.callbacks.ReduceLROnPlateau, best: BestModel) -> None:
        self._callbacks = {"best": best.best, "plateau_best": plateau.best, "plateau_wait": plateau.wait}
        text = {
            "epoch": self.epoch,
            "step": self.step,
            "loss_sums": self.loss_sums,
            "callbacks": self._callbacks,
        }
        self._text.assign(json.dumps(text))
        self._manager.save()

    def restore_callbacks(self, plateau: keras.callbacks.ReduceLROnPlateau, best: BestModel) -> None:
        if self._callbacks:
            best.best = self._callbacks["best"]
            plateau.best, plateau.wait = self._callbacks["plateau_best"], self._callbacks["plateau_wait"]


def make_optimizer(recipe: Recipe, steps: int) -> keras.Optimizer:
    """The optimizer of a recipe whose epochs have so many steps."""
    rate = _learning_rate(recipe, steps)
    match recipe.optimizer:
        case "adam":
            return keras.optimizers.Adam(rate, recipe.beta_1, recipe.beta_2)
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


def _learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    schedules = keras.optimizers.schedules
    if recipe.schedule == "cosine":
        lowest = recipe.lowest_learning_rate / recipe.learning_rate
        return schedules.CosineDecay(recipe.learning_rate, recipe.epochs * steps, alpha=lowest)
    if recipe.schedule == "step":
        rates = [recipe.learning_rate * recipe.drop_factor**i for i in range(len(recipe.drop_epochs) + 1)]
        return schedules.PiecewiseConstantDecay([round(epoch * steps) for epoch in recipe.drop_epochs], rates)
    return recipe.learning_rate


def _current_rate(optimizer: keras.Optimizer) -> float:
    return float(tf.convert_to_tensor(optimizer.learning_rate))


def _unsharded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, PANEL_PICTURES).astype(int))


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


def _content(photographs: Photographs | None) -> str:
    """Which photographs a set holds and in which order, wherever they lie."""
    if not photographs:
        return "none"
    digest = hashlib.sha256("".join(photographs.hashes).encode()).hexdigest()
    return f"{len(photographs)} photographs, sha256 {digest[:16]}"


def _check_same(path: Path, wanted: Mapping[str, object]) -> None:
    """Raises TrainingError if the file is there and says something else."""
    if not path.is_file():
        return
    found = json.loads(path.read_text())
    differences = [f"{k} is {found.get(k)!r} there and {v!r} here" for k, v in wanted.items() if found.get(k) != v]
    if differences:
        raise TrainingError(f"{path.parent} is the folder of another run: {'; '.join(differences)}; name another --out")


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(path)


def _write_statistics(path: Path, statistics: Statistics) -> None:
    temporary = path.with_name(f"part-{path.name}")
    arrays: dict[str, Any] = dict(statistics)
    np.savez(temporary, **arrays)
    temporary.replace(path)


def _report_left_out(path: Path, photographs: Photographs, held_out: Photographs | None) -> None:
    lines = []
    for kind, part in (("training", photographs), ("validation", held_out)):
        if part:
            counts: dict[str, int] = {}
            for _, reason in part.left_out:
                counts[reason.split(":")[0]] = counts.get(reason.split(":")[0], 0) + 1
            listed = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "none"
            print(f"{len(part)} {kind} photographs; left out: {listed}", flush=True)
            lines += [f"{name}\t{reason}" for name, reason in part.left_out]
    path.write_text("\n".join(lines) + "\n" if lines else "")


def _drop_rows(path: Path, epoch: int) -> None:
    """Drops the rows of epochs that a resumed run goes through again."""
    if not path.is_file():
        return
    rows = list(csv.reader(path.read_text().splitlines()))
    kept = rows[:1] + [row for row in rows[1:] if row and int(row[0]) < epoch]
    temporary = path.with_suffix(".part")
    with temporary.open("w", newline="") as file:
        csv.writer(file).writerows(kept if len(kept) > 1 else [])
    temporary.replace(path)
