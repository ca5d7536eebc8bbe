"""Checkpoints of a run on JAX: `checkpoints/step-N.npz`, all variables and where the run stands."""

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from media import atomic
from training.runs.run_folder import writing
from zoo.errors import TrainingError

KEPT = 2
POSITION = "position"  # of a file: the fields of a Position, as JSON
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


@dataclass
class Position:
    """Where a run stands.

    round: how many are done, each of which ended with a validation. step: how many steps are done.
    seconds: of training and validation, on the budget of time. best: the lowest loss that was validated.
    loss_sums, counted: of the steps of this round.
    """

    round: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    loss_sums: dict[str, float] = field(default_factory=dict)
    counted: int = 0

    def add(self, sums: Mapping[str, float], count: int) -> None:
        """Counts steps of this round, and the sums of their losses."""
        self.loss_sums = {name: self.loss_sums.get(name, 0.0) + value for name, value in sums.items()}
        self.counted += count


def save(folder: Path, variables: Mapping[str, keras.Variable], position: Position) -> None:
    """Writes a checkpoint and deletes the oldest.

    Raises:
        TrainingError: a full disk, or a weight that is not finite; the older checkpoints stay.
    """
    arrays: dict[str, Any] = {name: ops.convert_to_numpy(v) for name, v in variables.items()}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise diverged(folder, f"{variables[name].path} is not finite", position.step)
    with writing(folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(folder / f"step-{position.step}.npz") as partial:
            np.savez(partial, **arrays | {POSITION: np.array(json.dumps(dataclasses.asdict(position)))})
        for old in _newest_first(folder)[KEPT:]:
            old.unlink()


def restore(folder: Path, variables: Mapping[str, keras.Variable]) -> Position:
    """Gives variables the values of the newest checkpoint that can be read, and says where the run stood.

    Raises:
        TrainingError: there are checkpoints, and none can be read.
    """
    reasons = []
    for path in _newest_first(folder):
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in variables}
                position = Position(**json.loads(str(file[POSITION])))
            for name, v in variables.items():
                if tuple(v.shape) != arrays[name].shape:
                    raise ValueError(f"{v.path} has the shape {arrays[name].shape} instead of {tuple(v.shape)}")
        except DAMAGED as error:
            reasons.append(f"{path}: {error}")
            continue
        for name, v in variables.items():
            v.assign(arrays[name])
        if reasons:
            print(f"damaged checkpoints: {'; '.join(reasons)}; continuing from the older {path}", flush=True)
        return position
    if reasons:
        raise TrainingError(
            f"no checkpoint can be read: {'; '.join(reasons)}; restore one, or remove the folder to start again"
        )
    return Position()


def diverged(folder: Path, what: str, step: int) -> TrainingError:
    """The error of a run in which something is no longer finite; its folder is tied to its learning rate."""
    return TrainingError(
        f"{what} at step {step}: train into another --out with a lower learning_rate or a global_clipnorm, for example "
        f"with --init {folder.parent / 'best.keras'} if it is there"
    )


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.npz"), key=lambda path: int(path.stem.removeprefix("step-")), reverse=True)
