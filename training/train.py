"""One training loop for all strategies: `strategy.run` under Keras's own callbacks.

A run lives in one folder: `recipe.json`, `photographs.json`, `left_out.txt`, `classes.npz`, `log.csv`,
`best.keras` and `last.keras` (colorizers), `checkpoints/`, `tensorboard/` and `cache/`. Starting the same
command again goes on where the last checkpoint was written, and ends in the same weights as a run that nobody
stopped.
"""

import csv
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from training import recipes
from training.callbacks import BestModel, Panels, Progress
from training.data import Augmentation, Photographs, batches, check_apart, frequent_uv_classes, prepare
from training.losses import cross_entropy
from training.recipes.recipe import Recipe
from zoo.bins import rebalancing_weights
from zoo.errors import ArgumentError, TrainingError

STRATEGIES = ("one", "mirrored")
KEPT_CHECKPOINTS = 2
PANEL_PICTURES = 6


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
    photographs = prepare(data, recipe.size, out / "cache" / "train")
    held_out = prepare([val], recipe.size, out / "cache" / "val") if val else None
    if held_out:
        check_apart(photographs, held_out)
    contents = {"training": _content(photographs), "validation": _content(held_out)}
    _check_same(out / "photographs.json", contents)
    _report_left_out(out / "left_out.txt", photographs, held_out)
    steps = len(photographs) // recipe.batch
    if not steps:
        raise ArgumentError(f"batch is {recipe.batch}: it must be at most the {len(photographs)} photographs")
    cell_classes, centers, prior = frequent_uv_classes(photographs, recipe.bins)
    weights = rebalancing_weights(prior, recipe.lam)
    # Claimed only now, so that a start which failed before does not bind the folder to its recipe.
    _write_json(out / "recipe.json", settings)
    _write_json(out / "photographs.json", contents)
    np.savez(out / "part-classes.npz", centers=centers, prior=prior)
    (out / "part-classes.npz").replace(out / "classes.npz")

    # === Network and optimizer: from scratch, then from the last checkpoint if there is one ===
    keras.utils.set_random_seed(recipe.seed)
    with strategy.scope(), _dtype_policy(recipe.precision):
        network = zoo.build(
            recipe.architecture,
            {"bins": centers, "temperature": recipe.temperature, "filters": recipe.filters},
        )
        optimizer = keras.optimizers.Adam(_learning_rate(recipe, steps))
        optimizer.build(network.trainable_variables)
        scorer = keras.Model(network.input, [network.get_layer("scores").output, network.output])
        # Callbacks look for the optimizer here. In the network itself it would be saved with every colorizer.
        scorer.compile(optimizer=optimizer)
    state = _State(network, optimizer, out / "checkpoints")
    _drop_rows(out / "log.csv", state.epoch)

    # === One step, on every replica ===
    def picture_losses(inputs: tuple[tf.Tensor, dict[str, tf.Tensor]], training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        lightness, truth = inputs
        scores, ab = scorer(lightness, training=training)
        scores = scores[:, : recipe.size, : recipe.size]  # padded to the network's stride
        losses = cross_entropy(scores, truth["classes"], weights, truth["mask"])
        squares = tf.reduce_sum(tf.reduce_mean((ab - truth["ab"]) ** 2, -1) * truth["mask"], (1, 2))
        return losses, tf.sqrt(squares / tf.reduce_sum(truth["mask"], (1, 2)))

    @tf.function
    def train_step(inputs: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tf.Tensor:
        def on_replica(inputs: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tf.Tensor:
            with tf.GradientTape() as tape:
                losses, _ = picture_losses(inputs, training=True)
                # Gradients are summed over replicas, so each one divides by the global batch.
                loss = tf.reduce_sum(losses) / recipe.batch
            gradients = tape.gradient(loss, network.trainable_variables)
            optimizer.apply(gradients, network.trainable_variables)
            return loss

        return strategy.reduce("SUM", strategy.run(on_replica, (inputs,)), axis=None)

    @tf.function
    def val_step(inputs: tuple[tf.Tensor, dict[str, tf.Tensor]]) -> tuple[tf.Tensor, tf.Tensor]:
        losses, rmse = picture_losses(inputs, training=False)
        return tf.reduce_sum(losses), tf.reduce_sum(rmse)

    def validate(held_out: Photographs) -> dict[str, float]:
        sums = [val_step(part) for part in batches(held_out, recipe.batch, cell_classes=cell_classes)]
        loss, rmse = np.sum(sums, axis=0) / len(held_out)
        return {"val_loss": float(loss), "val_rmse": float(rmse)}

    # === The loop ===
    augmentation = Augmentation(recipe.flip, recipe.crop, recipe.noise)
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
        model=scorer,
    )
    callbacks.on_train_begin()
    state.restore_callbacks(plateau, best)
    try:
        while state.epoch < recipe.epochs:
            callbacks.on_epoch_begin(state.epoch)
            epoch_batches = batches(
                photographs, recipe.batch, seed=recipe.seed, epoch=state.epoch, start=state.step,
                augmentation=augmentation, cell_classes=cell_classes,
            )  # fmt: skip
            for inputs in strategy.experimental_distribute_dataset(_unsharded(epoch_batches)):
                callbacks.on_train_batch_begin(state.step)
                loss = float(train_step(inputs))
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss became {loss} at step {state.step + 1} of epoch {state.epoch + 1}: "
                        f"the last checkpoint in {out / 'checkpoints'} is from before; "
                        "a lower learning_rate may help"
                    )
                state.step += 1
                state.loss_sum += loss
                callbacks.on_train_batch_end(state.step - 1, {"loss": loss})
                if state.step % recipe.checkpoint_steps == 0:
                    state.save(plateau, best)
            logs: dict[str, Any] = {"loss": state.loss_sum / steps, "learning_rate": _current_rate(optimizer)}
            if held_out:
                logs |= validate(held_out)
            callbacks.on_epoch_end(state.epoch, logs)
            state.next_epoch()
            state.save(plateau, best)
    finally:
        callbacks.on_train_end()  # closes the files, whatever ended the run
    best.write(out / "last.keras")
    return network


class _State:
    """Where a run stands, and its checkpoints: weights, optimizer and this, valid once they are complete."""

    def __init__(self, network: keras.Model, optimizer: keras.Optimizer, folder: Path) -> None:
        self.epoch, self.step, self.loss_sum = 0, 0, 0.0
        self._callbacks: dict[str, float] = {}
        self._text = tf.Variable("", dtype=tf.string, trainable=False)
        checkpoint = tf.train.Checkpoint(network=network, optimizer=optimizer, state=self._text)
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder), KEPT_CHECKPOINTS)
        if self._manager.latest_checkpoint:
            checkpoint.restore(self._manager.latest_checkpoint).assert_existing_objects_matched()
            saved = json.loads(self._text.numpy())
            self._callbacks = saved.pop("callbacks")
            self.epoch, self.step, self.loss_sum = saved["epoch"], saved["step"], saved["loss_sum"]

    def next_epoch(self) -> None:
        self.epoch, self.step, self.loss_sum = self.epoch + 1, 0, 0.0

    def save(self, plateau: keras.callbacks.ReduceLROnPlateau, best: BestModel) -> None:
        self._callbacks = {"best": best.best, "plateau_best": plateau.best, "plateau_wait": plateau.wait}
        text = {
            "epoch": self.epoch,
            "step": self.step,
            "loss_sum": self.loss_sum,
            "callbacks": self._callbacks,
        }
        self._text.assign(json.dumps(text))
        self._manager.save()

    def restore_callbacks(self, plateau: keras.callbacks.ReduceLROnPlateau, best: BestModel) -> None:
        if self._callbacks:
            best.best = self._callbacks["best"]
            plateau.best, plateau.wait = self._callbacks["plateau_best"], self._callbacks["plateau_wait"]


def _learning_rate(recipe: Recipe, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule == "plateau":
        return recipe.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate, recipe.epochs * steps, alpha=recipe.lowest_learning_rate / recipe.learning_rate
    )


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
