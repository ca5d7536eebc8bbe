"""Checkpoints: where a run stands, in files that are valid once they are complete."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from media import atomic
from training.loop.callbacks import BestModel
from training.runs.run_folder import writing
from zoo.errors import TrainingError

KEPT_CHECKPOINTS = 2


class State:
    """Epoch, step and sums of losses of a run, and its checkpoints: weights, optimizers, random states and these.

    Made from the newest checkpoint in the folder that can be read, if there is one.

    Args:
        trained: see `training.systems.system.System`.
        optimizers: by the names of `trained`.
        folder: of the checkpoints.
        writes: whether `save` writes, as one of several workers does.

    Raises:
        TrainingError: there are checkpoints, and none can be read.
    """

    def __init__(
        self,
        trained: Mapping[str, list[keras.Model]],
        optimizers: Mapping[str, keras.Optimizer],
        folder: Path,
        *,
        writes: bool = True,
    ) -> None:
        self.epoch, self.step = 0, 0
        self.loss_sums: dict[str, float] = {}
        self._writes = writes
        self._callbacks: dict[str, float] = {}
        self._text = tf.Variable("", dtype=tf.string, trainable=False)
        parts: dict[str, Any] = {f"{name}_optimizer": optimizer for name, optimizer in optimizers.items()}
        parts |= _parts(trained)
        # What dropout draws next is a variable that models do not track.
        parts["seeds"] = [seed.value for models in trained.values() for model in models for seed in _seeds(model)]
        self._checkpoint = tf.train.Checkpoint(state=self._text, **parts)
        self._models = {id(model): model for models in trained.values() for model in models}.values()
        self._optimizers = list(optimizers.values())
        self._folder = folder
        found = _oldest_first(folder)
        if writes and found:
            with writing(folder.parent):
                _repair_note(folder, found)
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), KEPT_CHECKPOINTS)
        self._restore(list(reversed(found)))

    def _restore(self, newest_first: Sequence[str]) -> None:
        reasons = []
        for path in newest_first:
            try:
                self._checkpoint.restore(path).assert_existing_objects_matched()
            except Exception as error:  # TensorFlow raises errors of many kinds, depending on where a file is torn
                reason = error.message if isinstance(error, tf.errors.OpError) else str(error)
                reasons.append(f"{path}: {reason.splitlines()[0]}")
                continue
            saved = json.loads(self._text.numpy())
            self._callbacks = saved.pop("callbacks")
            self.epoch, self.step, self.loss_sums = saved["epoch"], saved["step"], saved["loss_sums"]
            if reasons:
                print(f"damaged checkpoints: {'; '.join(reasons)}; continuing from the older {path}", flush=True)
            return
        if reasons:
            raise TrainingError(
                f"no checkpoint can be read: {'; '.join(reasons)}; restore one, or remove the folder to start again"
            )

    def add(self, losses: Mapping[str, float]) -> None:
        """Counts a step, and adds its losses."""
        self.step += 1
        self.loss_sums = {name: self.loss_sums.get(name, 0.0) + value for name, value in losses.items()}

    def next_epoch(self) -> None:
        """Moves to the start of the next epoch."""
        self.epoch, self.step, self.loss_sums = self.epoch + 1, 0, {}

    def save(self, plateau: keras.callbacks.ReduceLROnPlateau, best: BestModel) -> None:
        """Writes a checkpoint and deletes the oldest.

        Raises:
            TrainingError: a full disk, or a weight that is not finite; the older checkpoints stay.
        """
        self.check_finite()
        if not self._writes:
            return
        self._callbacks = {"best": best.best, "plateau_best": plateau.best, "plateau_wait": plateau.wait}
        text = {
            "epoch": self.epoch,
            "step": self.step,
            "loss_sums": self.loss_sums,
            "callbacks": self._callbacks,
        }
        self._text.assign(json.dumps(text))
        with writing(self._folder.parent):
            self._manager.save()

    def check_finite(self) -> None:
        """Raises TrainingError if a weight or the state of an optimizer is not finite, so that it is never kept."""
        optimizers = [v for optimizer in self._optimizers for v in optimizer.variables]
        for variable in [*(v for model in self._models for v in model.variables), *optimizers]:
            if not np.all(np.isfinite(ops.convert_to_numpy(variable))):
                raise self.diverged(f"{variable.path} is not finite", self.step)

    def diverged(self, what: str, step: int) -> TrainingError:
        """The error of a run in which something is no longer finite; its folder is tied to its learning rate."""
        kept = _oldest_first(self._folder)
        further = f"with --init {kept[-1]}, which is from before and finite" if kept else "from the beginning"
        return TrainingError(
            f"{what} at step {step} of epoch {self.epoch + 1}: train {further}, into another --out, with a lower "
            "learning_rate or a global_clipnorm"
        )

    def restore_callbacks(self, plateau: keras.callbacks.ReduceLROnPlateau, best: BestModel) -> None:
        """Puts callbacks where they stood when the checkpoint was written."""
        if self._callbacks:
            best.best = self._callbacks["best"]
            plateau.best, plateau.wait = self._callbacks["plateau_best"], self._callbacks["plateau_wait"]


def restore_models(trained: Mapping[str, list[keras.Model]], path: Path) -> None:
    """Gives models the weights of a checkpoint of a run.

    Raises:
        TrainingError: the checkpoint cannot be read, or holds other models.
    """
    try:
        tf.train.Checkpoint(**_parts(trained)).restore(str(path)).assert_existing_objects_matched().expect_partial()
    except Exception as error:  # as in State
        raise TrainingError(f"the checkpoint {path} cannot be read: {str(error).splitlines()[0]}") from error


def _parts(trained: Mapping[str, list[keras.Model]]) -> dict[str, keras.Model]:
    return {f"{name}_{i}": model for name, models in trained.items() for i, model in enumerate(models)}


def _oldest_first(folder: Path) -> list[str]:
    """The checkpoints in a folder, whatever is in TensorFlow's own note of them, which a full disk may have emptied."""
    numbers = [path.stem.removeprefix("ckpt-") for path in folder.glob("ckpt-*.index")]
    return [str(folder / f"ckpt-{number}") for number in sorted(int(number) for number in numbers if number.isdigit())]


def _repair_note(folder: Path, oldest_first: Sequence[str]) -> None:
    """Makes TensorFlow's note name all checkpoints, for it deletes only those that it knows."""
    note, names = folder / "checkpoint", [Path(path).name for path in oldest_first]
    text = note.read_text(errors="replace") if note.is_file() else ""
    if re.findall(r'^(?:all_)?model_checkpoint_paths?: "(.*)"$', text, re.MULTILINE) == [names[-1], *names]:
        return
    lines = [f'model_checkpoint_path: "{names[-1]}"', *(f'all_model_checkpoint_paths: "{name}"' for name in names)]
    lines += [f"all_model_checkpoint_timestamps: {i + 1}.0" for i in range(len(names))]
    atomic.write_text(note, "\n".join(lines) + "\n")


def _seeds(model: keras.Model) -> list[keras.Variable]:
    """The states of the random generators in a model."""
    weights = {id(v) for v in model.weights}
    return [v for v in model.variables if id(v) not in weights]
