"""One training loop for all systems and strategies: `strategy.run` under Keras's own callbacks.

A run lives in one folder, which `training.runs.run_folder` describes. Starting the same command again resumes the run
from its last checkpoint, and ends in the same weights as a run that was never stopped.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training import recipes
from training.data.apart import check_apart
from training.data.augmentation import Augmentation
from training.data.batches import Reader, WorkerInfo, batches
from training.data.datasets import Photographs, check_folders
from training.loop import warm_start
from training.loop.augmentation import augmentation_of
from training.loop.callbacks import BestModel, EpochLog, Panels, Progress, Times
from training.loop.checkpoints import State
from training.loop.data_service import DataService
from training.loop.inputs import prepare_photographs
from training.loop.optimizers import current_rate, use_averages
from training.loop.sigterm import Stop, Stopped, stopping
from training.loop.strategies import all_agree, distribute, make_strategy, total, worker_info
from training.loop.trainer import Inputs, Trainer, make_trainer
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
        ArgumentError, UnknownNameError: an argument outside its range.
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
    """Trains, and returns the network with its last weights. See `main`.

    A SIGTERM before the first step raises SystemExit; from then on it writes a checkpoint and returns.
    """
    with stopping(stopped_status) as stop:
        run = _prepare(recipe, data, val, out, strategy)
        trainer, state = _build(run)
        _Loop(run, trainer, state, stop, DataService(data_service) if data_service else None).run()
        return trainer.system.network


@dataclass(frozen=True)
class _Setup:
    """What a run trains, on which photographs, and where.

    per_replica: how many pictures a replica computes at once. steps: of an epoch.
    """

    recipe: Recipe
    photographs: Photographs
    held_out: Photographs | None
    augmentation: Augmentation
    per_replica: int
    steps: int
    out: Path
    strategy: tf.distribute.Strategy
    worker: WorkerInfo


# === Before the first step ===


def _prepare(
    recipe: Recipe, data: Sequence[Path], val: Path | None, out: Path, strategy: tf.distribute.Strategy
) -> _Setup:
    """The photographs of a run, after all checks that need no network."""
    worker = worker_info(strategy)
    # Checks that cost nothing come before minutes of decoding.
    per_replica = _pictures_per_replica(recipe, strategy)
    run_folder.check_recipe(out, recipe)
    run_folder.check_loop(out, "step-*.npz", "python -m training.loop.jax")
    if recipe.init:
        warm_start.check_source(recipe)
    check_folders([*data, *([val] if val else [])])

    cache = out / "cache" if worker.chief else out / "cache" / f"worker{worker.worker}"
    photographs = prepare_photographs(recipe, data, cache / "train")
    held_out = prepare_photographs(recipe, [val], cache / "val", "validation") if val else None
    if held_out:
        check_apart(photographs, held_out)
        check_enough(held_out, worker)
    run_folder.check_photographs(out, photographs, held_out)
    augmentation = augmentation_of(recipe)
    steps = len(photographs) * augmentation.variants // recipe.batch
    if not steps:
        raise ArgumentError(
            f"batch is {recipe.batch}: it must be at most {len(photographs)}, the number of photographs"
        )
    return _Setup(recipe, photographs, held_out, augmentation, per_replica, steps, out, strategy, worker)


def _pictures_per_replica(recipe: Recipe, strategy: tf.distribute.Strategy) -> int:
    """How many pictures of a batch a replica computes at once.

    Raises:
        ArgumentError: the batch cannot be divided evenly.
    """
    replicas, parts = strategy.num_replicas_in_sync, recipe.gradient_accumulation_steps
    size, rest = divmod(recipe.batch, replicas * parts)
    if rest:
        times = f" times {parts} gradient_accumulation_steps" if parts > 1 else ""
        raise ArgumentError(f"batch is {recipe.batch}: it must be a multiple of the {replicas} devices{times}")
    return size


def check_enough(held_out: Photographs, worker: WorkerInfo) -> None:
    """Raises DataError if a worker would have nothing to validate on, and the others would wait for it forever."""
    if len(held_out) < worker.workers:
        raise DataError(
            f"--val needs at least one photograph for each of the {worker.workers} workers: it has {len(held_out)}"
        )


def _build(run: _Setup) -> tuple[Trainer, State]:
    """The networks and optimizers of a run as its last checkpoint has them, or else new ones.

    The order matters: statistics decide the shape of the networks; the seed is set right before they are built; what
    the run starts with replaces their random weights; and a checkpoint, if there is one, replaces both.
    """
    recipe, out, worker = run.recipe, run.out, run.worker
    initial = warm_start.read(recipe.init) if recipe.init else None
    statistics = recipe.statistics(run.photographs, initial.statistics if initial else None)
    keras.utils.set_random_seed(recipe.seed)
    trainer = make_trainer(recipe, statistics, run.steps, run.strategy)
    if initial:
        warm_start.begin_with(initial, recipe, trainer.system, statistics)
    if worker.chief:
        # Claimed only now, so that a start which failed before does not bind the folder to its recipe.
        with run_folder.writing(out):
            run_folder.claim(out, recipe, run.photographs, run.held_out, statistics)
    state = State(trainer.system.trained, trainer.optimizers, out / "checkpoints", writes=worker.chief)
    # Workers that differ would compute gradients of different things, and nothing would show it.
    if not all_agree(run.strategy, worker, f"{recipe} {run.photographs.digest} {state.epoch} {state.step}"):
        raise TrainingError(
            "the workers differ in recipe, photographs or checkpoints: give all of them the same command, the same "
            f"photographs, and one folder that they share as {out}"
        )
    return trainer, state


# === Callbacks ===


def _make_plateau(run: _Setup) -> keras.callbacks.ReduceLROnPlateau:
    recipe = run.recipe
    return keras.callbacks.ReduceLROnPlateau(
        f"val_{recipe.plateau_monitor}" if run.held_out else recipe.plateau_monitor,
        recipe.plateau_factor,
        recipe.plateau_patience,
        mode="max" if recipe.plateau_monitor == "accuracy" else "min",
        min_lr=recipe.min_learning_rate,
    )


def _make_best(run: _Setup, network: keras.Model) -> BestModel:
    return BestModel(
        network,
        run.out / "best.keras",
        "val_loss" if run.held_out else "loss",
        run.recipe.frame_size,
        run.recipe.saturation,
        writes=run.worker.chief,
    )


def _make_panels(run: _Setup, network: keras.Model) -> Panels:
    pictures = (run.held_out or run.photographs).frames
    pictures = pictures[_choose_panels(len(pictures))]
    folder = run.out / "tensorboard" / "panels"
    return Panels(network, folder, pictures, run.recipe.frame_size, run.recipe.saturation)


def _choose_panels(count: int) -> np.ndarray:
    """Indices of an even choice of pictures."""
    return np.unique(np.linspace(0, count - 1, PANEL_PICTURES).astype(int))


def _make_records(run: _Setup, state: State) -> list[keras.callbacks.Callback]:
    """What shows and keeps the figures of a run: on the terminal, in files and in TensorBoard."""
    recipe, out = run.recipe, run.out
    return [
        Progress(recipe.epochs, run.steps, recipe.batch, start=state.epoch * run.steps + state.step),
        EpochLog(out / "log.csv"),
        keras.callbacks.TensorBoard(str(out / "tensorboard"), write_graph=False),
        Times(out / "times.csv"),
    ]


def _make_shown(run: _Setup, trainer: Trainer) -> keras.Model:
    """The model in which callbacks look for the optimizer.

    In the network itself the optimizer would be saved with every colorizer.
    """
    with run.strategy.scope():
        shown = keras.Model(trainer.system.network.input, trainer.system.network.output)
        shown.compile(optimizer=trainer.main_optimizer)
    return shown


# === Epoch by epoch ===


class _Loop:
    """The epochs of a run, from its state on.

    Every worker runs it; the chief writes what they share.
    """

    def __init__(self, run: _Setup, trainer: Trainer, state: State, stop: Stop, reader: Reader | None) -> None:
        self.setup, self.trainer, self.state, self.stop, self.reader = run, trainer, state, stop, reader
        network = trainer.system.network
        self.plateau = _make_plateau(run)
        self.best = _make_best(run, network)
        # All workers need these two: the one sets their learning rates, the other knows the lowest loss after a resume.
        self.used: list[keras.callbacks.Callback] = [self.best]
        if run.recipe.schedule == "plateau":
            self.used.append(self.plateau)
        with run_folder.writing(run.out):
            if run.worker.chief:
                # Rows of an epoch that is gone through again would stand twice in the log.
                run_folder.drop_rows(run.out, state.epoch)
                self.panels = _make_panels(run, network)
                self.used += [*_make_records(run, state), self.panels]
        self.callbacks = keras.callbacks.CallbackList(self.used, model=_make_shown(run, trainer))

    def run(self) -> None:
        """Trains to the end of the last epoch, or until a SIGTERM."""
        recipe, out, state = self.setup.recipe, self.setup.out, self.state
        with _explain_failures(out, self.setup.worker), _closing(self.used, out):
            with run_folder.writing(out):
                self.callbacks.on_train_begin()
            # After on_train_begin, in which callbacks forget what they knew.
            state.restore_callbacks(self.plateau, self.best)
            self.stop.begin_to_save()
            try:
                while state.epoch < recipe.epochs:
                    self._train_epoch()
                    self._end_epoch()
                self._write_results()
            except Stopped:
                state.save(self.plateau, self.best)
                print("stopped by SIGTERM; the same command continues from here", flush=True)
                if self.stop.status:
                    raise SystemExit(self.stop.status) from None

    def _train_epoch(self) -> None:
        """Trains on the batches of the epoch that are left."""
        recipe, out, state = self.setup.recipe, self.setup.out, self.state
        with run_folder.writing(out):
            self.callbacks.on_epoch_begin(state.epoch)
        dataset = distribute(self.setup.strategy, self.setup.per_replica, self._batches)
        for parts in _group(dataset, recipe.gradient_accumulation_steps):
            self.callbacks.on_train_batch_begin(state.step)
            losses = self.trainer.train(parts)
            _check_finite(losses, state)
            state.add(losses)
            with run_folder.writing(out):
                self.callbacks.on_train_batch_end(state.step - 1, losses)
            self._end_if_stopped()
            if state.step % recipe.checkpoint_steps == 0:
                state.save(self.plateau, self.best)
        state.check_finite()

    def _batches(self, worker: WorkerInfo) -> tf.data.Dataset:
        """A worker's part of the epoch's batches, from the state's step on."""
        run = self.setup
        return batches(
            run.photographs,
            run.recipe.batch,
            seed=run.recipe.seed,
            epoch=self.state.epoch,
            start=self.state.step,
            augmentation=run.augmentation,
            classes=run.photographs.classes,
            draws=self.trainer.system.draws,
            worker=worker,
            reader=self.reader,
        )

    def _end_epoch(self) -> None:
        """Validates, calls the callbacks, which keep the best network and set the learning rate, and saves."""
        state, optimizer = self.state, self.trainer.main_optimizer
        logs: dict[str, Any] = {name: value / self.setup.steps for name, value in state.loss_sums.items()}
        logs["learning_rate"] = current_rate(optimizer)
        # It is the average of the weights, if the recipe has one, that is measured and kept.
        with use_averages(optimizer):
            if self.setup.held_out:
                logs |= self._validate(self.setup.held_out)
            with run_folder.writing(self.setup.out):
                self.callbacks.on_epoch_end(state.epoch, logs)
        state.next_epoch()
        state.save(self.plateau, self.best)

    def _validate(self, held_out: Photographs) -> dict[str, float]:
        """Mean losses of the held-out photographs, of which every worker measures a part."""
        run = self.setup
        sums = []
        for part in batches(
            held_out,
            run.recipe.batch,
            classes=run.photographs.classes,
            draws=self.trainer.system.draws,
            worker=run.worker,
        ):
            sums.append(self.trainer.validate(part))
            # Workers have different numbers of batches here, so that several of them cannot ask each other.
            if run.worker.workers == 1:
                self._end_if_stopped()
        found = {name: float(sum(part[name] for part in sums)) for name in sums[0]}
        return {f"val_{name}": total(run.strategy, run.worker, value) / len(held_out) for name, value in found.items()}

    def _end_if_stopped(self) -> None:
        """Raises Stopped on all workers once one of them has received a SIGTERM; all have to call this together."""
        if total(self.setup.strategy, self.setup.worker, self.stop.received) > 0:
            raise Stopped

    def _write_results(self) -> None:
        """Writes the last network and the report."""
        run = self.setup
        with use_averages(self.trainer.main_optimizer), run_folder.writing(run.out):
            if run.worker.chief:
                self.best.write(run.out / "last.keras")
                sheet = self.panels.sheet(int(np.clip(run.photographs.frames.shape[1], *REPORT_CELLS)))
                report.write(run.out, run.recipe, run.photographs, run.held_out, sheet)
        # No worker exits before everything is written. If the chief cannot write, all workers have to be started again.
        total(run.strategy, run.worker, 0.0)


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


def _group(dataset: Iterable[Inputs], size: int) -> Iterator[list[Inputs]]:
    """The parts that make up a batch, batch by batch."""
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
def _explain_failures(out: Path, worker: WorkerInfo) -> Iterator[None]:
    """Turns the errors that lost machines and full memories cause into one line."""
    kept = f"the last checkpoint in {out / 'checkpoints'} is complete, and the same command continues from it"
    try:
        yield
    except tf.errors.OpError as error:
        lost = re.search(r"DataError: (.*)", str(error))
        if lost:
            raise DataError(f"{lost[1]}; {kept}") from error
        reason = error.message.splitlines()[0]
        if worker.workers > 1 and isinstance(error, LOST_WORKER):
            raise TrainingError(
                f"another of the {worker.workers} workers was lost: {reason}; start all of them again: {kept}"
            ) from error
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise TrainingError(
                f"a step needs more memory than there is: {reason}; begin in another --out with a smaller batch or "
                "more gradient_accumulation_steps"
            ) from error
        raise
