"""One training loop for all systems and strategies: `strategy.run` under Keras's own callbacks.

A run lives in one folder, which `training.runs.run_folder` describes. Starting the same command again goes on where
the last checkpoint was written, and ends in the same weights as a run that nobody stopped.
"""

import math
import re
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training import recipes
from training.data.batches import WorkerInfo, batches
from training.data.datasets import Photographs, check_apart
from training.loop import warm_start
from training.loop.callbacks import BestModel, Panels, Progress, Times
from training.loop.checkpoints import State
from training.loop.data_service import DataService
from training.loop.inputs import augmentation_of, prepare_photographs
from training.loop.optimizers import averaged, current_rate
from training.loop.strategies import agreed, distributed, make_strategy, place_of, total
from training.loop.trainer import Inputs, make_trainer
from training.runs import report, run_folder
from training.systems.recipe import Recipe
from zoo.errors import ArgumentError, DataError, TrainingError

PANEL_PICTURES = 6
REPORT_CELLS = (96, 256)  # least and greatest side of a picture's cell in the report, in pixels
# What a collective operation fails with, some seconds after one of its processes ended.
LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


class _Stopped(Exception):
    """A SIGTERM has come to one of the workers, and all of them know."""


class Stop:
    """Whether a SIGTERM has come, which before the first step ends the process at once, with the given exit status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self._came = self._waits = False

    def came(self) -> bool:
        """Whether it has."""
        return self._came

    def wait_for_a_step(self) -> None:
        """From now on there is something to save."""
        self._waits = True
        if self._came:
            self._end()

    def note(self, number: int, frame: FrameType | None) -> None:
        """What the signal does."""
        self._came = True
        if not self._waits:
            self._end()

    def _end(self) -> None:
        print("stopped by SIGTERM before the first step; the same command begins again", flush=True)
        raise SystemExit(self.status)


def main(
    recipe: str,
    data: Sequence[Path],
    val: Path | None,
    out: Path | None,
    strategy: str,
    overrides: Mapping[str, str],
    stopped_status: int = 0,
    data_service: str | None = None,
) -> None:
    """Trains a recipe on folders of photographs; the body of `colorzoo train`.

    Raises:
        ArgumentError, UnknownNameError: an argument that cannot be.
        DataError: photographs that cannot be trained on.
        TrainingError: a folder of another run, a loss that is not finite, or a full disk.
        SystemExit: with the stopped_status, after a SIGTERM, if it is not 0 or there was nothing to save yet.
    """
    settings = recipes.load(recipe, overrides)
    train(settings, data, val, out or Path("runs") / recipe, make_strategy(strategy), stopped_status, data_service)


def train(
    recipe: Recipe,
    data: Sequence[Path],
    val: Path | None,
    out: Path,
    strategy: tf.distribute.Strategy,
    stopped_status: int = 0,
    data_service: str | None = None,
) -> keras.Model:
    """Trains, and returns the network as it was last. See `main`.

    A SIGTERM before the first step raises SystemExit; from then on it writes a checkpoint and returns.
    """
    with stopping(stopped_status) as stop:
        return _train(recipe, data, val, out, strategy, data_service, stop)


def _train(
    recipe: Recipe,
    data: Sequence[Path],
    val: Path | None,
    out: Path,
    strategy: tf.distribute.Strategy,
    data_service: str | None,
    stop: Stop,
) -> keras.Model:
    replicas, place = strategy.num_replicas_in_sync, place_of(strategy)
    parts = recipe.gradient_accumulation_steps
    dealt = recipe.batch // (replicas * parts)  # pictures that a replica computes at once
    if recipe.batch != dealt * replicas * parts:
        times = f" times {parts} gradient_accumulation_steps" if parts > 1 else ""
        raise ArgumentError(f"batch is {recipe.batch}: it must be a multiple of the {replicas} devices{times}")
    run_folder.check_recipe(out, recipe)

    # === Photographs ===
    cache = out / "cache" if place.chief else out / "cache" / f"worker{place.worker}"
    photographs = prepare_photographs(recipe, data, cache / "train")
    held_out = prepare_photographs(recipe, [val], cache / "val", "validation") if val else None
    if held_out:
        check_apart(photographs, held_out)
    run_folder.check_photographs(out, photographs, held_out)
    augmentation = augmentation_of(recipe)
    steps = len(photographs) * augmentation.variants // recipe.batch
    if not steps:
        raise ArgumentError(f"batch is {recipe.batch}: it must be at most the {len(photographs)} photographs")
    begin = warm_start.read(recipe.init) if recipe.init else None
    statistics = recipe.statistics(photographs, begin.statistics if begin else None)

    # === Networks and optimizers: from scratch or from init, then from the last checkpoint if there is one ===
    keras.utils.set_random_seed(recipe.seed)
    trainer = make_trainer(recipe, statistics, steps, strategy)
    if begin:
        warm_start.begin_with(begin, recipe, trainer.system, statistics)
    system, network, main_optimizer = trainer.system, trainer.system.network, trainer.main_optimizer
    with strategy.scope():
        # Callbacks look for the optimizer here. In the network itself it would be saved with every colorizer.
        shown_to_callbacks = keras.Model(network.input, network.output)
        shown_to_callbacks.compile(optimizer=main_optimizer)
    if place.chief:
        # Claimed only now, so that a start which failed before does not bind the folder to its recipe.
        with run_folder.writing(out):
            run_folder.claim(out, recipe, photographs, held_out, statistics)
    state = State(system.trained, trainer.optimizers, out / "checkpoints", writes=place.chief)

    if not agreed(strategy, place, f"{recipe} {photographs.digest} {state.epoch} {state.step}"):
        raise TrainingError(
            "the workers differ in recipe, photographs or checkpoints: give all of them the same command, the same "
            f"photographs, and one folder that they share as {out}"
        )

    # === Validation ===
    def end_if_stopped(*, alone: bool = False) -> None:
        # Workers that are not at the same place have nobody to ask.
        if (not alone or place.workers == 1) and total(strategy, place, stop.came()) > 0:
            raise _Stopped

    def validate(held_out: Photographs) -> dict[str, float]:
        sums = []
        for part in batches(held_out, recipe.batch, classes=photographs.classes, draws=system.draws, worker=place):
            sums.append(trainer.validate(part))
            end_if_stopped(alone=True)
        found = {name: float(sum(part[name] for part in sums)) for name in sums[0]}
        return {f"val_{name}": total(strategy, place, value) / len(held_out) for name, value in found.items()}

    # === The loop ===
    plateau = keras.callbacks.ReduceLROnPlateau(
        f"val_{recipe.plateau_monitor}" if held_out else recipe.plateau_monitor,
        recipe.plateau_factor, recipe.plateau_patience, mode="max" if recipe.plateau_monitor == "accuracy" else "min",
        min_lr=recipe.min_learning_rate,
    )  # fmt: skip
    best = BestModel(
        network, out / "best.keras", "val_loss" if held_out else "loss", recipe.frame_size, recipe.saturation,
        writes=place.chief,
    )  # fmt: skip
    used: list[keras.callbacks.Callback] = [best, *([plateau] if recipe.schedule == "plateau" else [])]
    with run_folder.writing(out):
        if place.chief:
            run_folder.drop_rows(out, state.epoch)
            pictures = (held_out or photographs).frames
            pictures = pictures[_spread(len(pictures))]
            panels = Panels(network, out / "tensorboard" / "panels", pictures, recipe.frame_size, recipe.saturation)
            used += [
                Progress(recipe.epochs, steps, recipe.batch, start=state.epoch * steps + state.step),
                keras.callbacks.CSVLogger(str(out / "log.csv"), append=True),
                keras.callbacks.TensorBoard(str(out / "tensorboard"), write_graph=False),
                Times(out / "times.csv"),
                panels,
            ]
    callbacks = keras.callbacks.CallbackList(used, model=shown_to_callbacks)
    with _failures_named(out, place), _closing(used, out):
        with run_folder.writing(out):
            callbacks.on_train_begin()
        state.restore_callbacks(plateau, best)
        stop.wait_for_a_step()
        try:
            while state.epoch < recipe.epochs:
                with run_folder.writing(out):
                    callbacks.on_epoch_begin(state.epoch)

                def part(place: WorkerInfo) -> tf.data.Dataset:
                    return batches(
                        photographs, recipe.batch, seed=recipe.seed, epoch=state.epoch, start=state.step,
                        augmentation=augmentation, classes=photographs.classes, draws=system.draws, worker=place,
                        reader=DataService(data_service) if data_service else None,
                    )  # fmt: skip

                for together in _grouped(distributed(strategy, dealt, part), parts):
                    callbacks.on_train_batch_begin(state.step)
                    losses = trainer.train(together)
                    _check_finite(losses, state)
                    state.add(losses)
                    with run_folder.writing(out):
                        callbacks.on_train_batch_end(state.step - 1, losses)
                    end_if_stopped()
                    if state.step % recipe.checkpoint_steps == 0:
                        state.save(plateau, best)
                state.check_finite()
                logs: dict[str, Any] = {name: value / steps for name, value in state.loss_sums.items()}
                logs["learning_rate"] = current_rate(main_optimizer)
                with averaged(main_optimizer):
                    if held_out:
                        logs |= validate(held_out)
                    with run_folder.writing(out):
                        callbacks.on_epoch_end(state.epoch, logs)
                state.next_epoch()
                state.save(plateau, best)
            with averaged(main_optimizer), run_folder.writing(out):
                if place.chief:
                    best.write(out / "last.keras")
                    sheet = panels.sheet(int(np.clip(photographs.frames.shape[1], *REPORT_CELLS)))
                    report.write(out, recipe, photographs, held_out, sheet)
            # Nobody ends before all is written. If the chief cannot write, all workers have to be started again.
            total(strategy, place, 0.0)
        except _Stopped:
            state.save(plateau, best)
            print("stopped by SIGTERM; the same command goes on from here", flush=True)
            if stop.status:
                raise SystemExit(stop.status) from None
    return network


@contextmanager
def _closing(callbacks: Sequence[keras.callbacks.Callback], out: Path) -> Iterator[None]:
    """Has every callback close its files, whatever ended the run and whichever of them fails."""
    failed = []
    try:
        yield
    finally:
        for callback in callbacks:
            try:
                callback.on_train_end()
            except (OSError, tf.errors.OpError) as error:
                failed.append(error)
    if failed:  # and nothing before, which would say the same
        with run_folder.writing(out):
            raise failed[0]


def _grouped(dataset: Iterable[Inputs], size: int) -> Iterator[list[Inputs]]:
    parts = []
    for part in dataset:
        parts.append(part)
        if len(parts) == size:
            yield parts
            parts = []


def _check_finite(losses: Mapping[str, float], state: State) -> None:
    for name, value in losses.items():
        if not math.isfinite(value):
            raise state.diverged(f"the {name} became {value}", state.step + 1)


@contextmanager
def stopping(status: int) -> Iterator[Stop]:
    """Heeds SIGTERM, which cluster managers send before they take a machine away."""
    stop = Stop(status)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.signal(signal.SIGTERM, stop.note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _failures_named(out: Path, place: WorkerInfo) -> Iterator[None]:
    """Turns what may happen to machines into one line."""
    kept = f"the last checkpoint in {out / 'checkpoints'} is complete, and the same command goes on from it"
    try:
        yield
    except tf.errors.OpError as error:
        lost = re.search(r"DataError: (.*)", str(error))
        if lost:
            raise DataError(f"{lost[1]}; {kept}") from error
        reason = error.message.splitlines()[0]
        if place.workers > 1 and isinstance(error, LOST_WORKER):
            raise TrainingError(
                f"another of the {place.workers} workers was lost: {reason}; start all of them again: {kept}"
            ) from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise TrainingError(
                f"a step needs more memory than there is: {reason}; begin in another --out with a smaller batch or "
                "more gradient_accumulation_steps"
            ) from error
        raise


def _spread(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, PANEL_PICTURES).astype(int))
