"""Computes the losses of systems in a process in which Keras runs on JAX and TensorFlow cannot be imported."""

import importlib.abc
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.paths import ROOT

Arrays = dict[str, np.ndarray]


class _NoTensorFlow(importlib.abc.MetaPathFinder):
    """Refuses what a machine without TensorFlow has not got."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"{name} was imported", name=name)


def weights_of(models: Sequence[Any]) -> Arrays:
    """The weights of models, numbered."""
    return {f"weight{i}": w for i, w in enumerate(w for model in models for w in model.get_weights())}


def without_dropout(models: Sequence[Any]) -> None:
    """Every backend draws it in another way."""
    for model in models:
        for layer in model._flatten_layers():
            if hasattr(layer, "rate"):
                layer.rate = 0


def losses_on_jax(jobs: Mapping[str, tuple[dict[str, str], Arrays]], folder: Path) -> dict[str, Arrays]:
    """Recipe -> (fields as text; lightness, truth/..., statistics/... and weights) becomes recipe -> losses (B,)."""
    for name, (_, arrays) in jobs.items():
        np.savez(folder / f"{name}.npz", **arrays)
    (folder / "jobs.json").write_text(json.dumps({name: fields for name, (fields, _) in jobs.items()}))
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "tests.on_jax", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: dict(np.load(folder / f"{name}.losses.npz")) for name in jobs}


def _main(folder: Path) -> None:
    sys.meta_path.insert(0, _NoTensorFlow())
    from keras import ops

    from training import recipes
    from training.evaluation import metrics  # noqa: F401  which must do without TensorFlow as well

    for name, fields in json.loads((folder / "jobs.json").read_text()).items():
        arrays = dict(np.load(folder / f"{name}.npz"))
        statistics, truth = (
            {key.removeprefix(part): value for key, value in arrays.items() if key.startswith(part)}
            for part in ("statistics/", "truth/")
        )
        system = recipes.load(name, fields).system(statistics)
        models = [model for part in system.trained.values() for model in part]
        left = [arrays[f"weight{i}"] for i in range(len(weights_of(models)))]
        without_dropout(models)
        for model in models:
            model.set_weights([left.pop(0) for _ in model.get_weights()])
        truth = {key: ops.convert_to_tensor(value) for key, value in truth.items()}
        truth |= system.targets(truth)
        lightness = ops.convert_to_tensor(arrays["lightness"])
        found: dict[str, Any] = {}
        for training in (False, True):
            outputs = system.forward(lightness, truth, training)
            if not training:
                found |= {f"val_{key}": value for key, value in system.validate(outputs, truth).items()}
                continue
            for objective in reversed(system.losses.values()):
                found |= objective(outputs, truth)[1]
        np.savez(folder / f"{name}.losses.npz", **{key: ops.convert_to_numpy(value) for key, value in found.items()})


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
