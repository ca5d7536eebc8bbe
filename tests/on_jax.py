"""Losses, steps and runs in a process in which Keras runs on JAX and TensorFlow cannot be imported."""

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
# Compiling takes nearly all of the time.
ON_JAX = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}

Jobs = Mapping[str, tuple[dict[str, str], Arrays]]
Command = tuple[list[str], int | None, bool]


class NoTensorFlow(importlib.abc.MetaPathFinder):
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


def losses_on_jax(jobs: Jobs, folder: Path) -> dict[str, Arrays]:
    """Recipe -> (fields as text; lightness, truth/..., statistics/... and weights) becomes recipe -> losses (B,)."""
    return _compute(jobs, folder, "losses")


def steps_on_jax(jobs: Jobs, folder: Path) -> dict[str, Arrays]:
    """The same of one step -> its mean losses, the gradients of the first objective, and the weights after it."""
    return _compute(jobs, folder, "steps")


def run_on_jax(commands: Sequence[Command], folder: Path) -> str:
    """Calls `python -m training.loop.jax` with arguments, one after the other; what was printed.

    Each command comes with the number of checkpoints after which it is interrupted, or None, and with whether it takes
    the CPU for an accelerator, which makes several steps in one call.
    """
    (folder / "commands.json").write_text(json.dumps(commands))
    return _call("run", folder)


def build_on_jax(folder: Path) -> str:
    """Builds the tiny network of every architecture, runs and saves it, `folder/NAME.keras`; what was printed."""
    return _call("build", folder)


def _compute(jobs: Jobs, folder: Path, what: str) -> dict[str, Arrays]:
    for name, (_, arrays) in jobs.items():
        np.savez(folder / f"{name}.npz", **arrays)
    (folder / "jobs.json").write_text(json.dumps({name: fields for name, (fields, _) in jobs.items()}))
    _call(what, folder)
    return {name: dict(np.load(folder / f"{name}.{what}.npz")) for name in jobs}


def _call(what: str, folder: Path) -> str:
    environment = os.environ | ON_JAX
    # A resumed run compiles what the one before it has compiled.
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(folder / "xla"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "tests.on_jax", what, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _losses(folder: Path) -> None:
    from keras import ops

    from training import recipes
    from training.evaluation import metrics  # noqa: F401  which must do without TensorFlow as well

    for name, fields in json.loads((folder / "jobs.json").read_text()).items():
        statistics, lightness, truth, weights = _read(folder / f"{name}.npz")
        system = recipes.load(name, fields).system(statistics)
        _set_weights(system, weights)
        truth |= system.targets(truth)
        found: dict[str, Any] = {}
        for training in (False, True):
            outputs = system.forward(lightness, truth, training)
            if not training:
                found |= {f"val_{key}": value for key, value in system.validate(outputs, truth).items()}
                continue
            for objective in reversed(system.losses.values()):
                found |= objective(outputs, truth)[1]
        np.savez(folder / f"{name}.losses.npz", **{key: ops.convert_to_numpy(value) for key, value in found.items()})


def _steps(folder: Path) -> None:
    import jax
    import jax.numpy as jnp

    from training import recipes
    from training.loop.jax.trainer import Trainer

    for name, fields in json.loads((folder / "jobs.json").read_text()).items():
        statistics, lightness, truth, weights = _read(folder / f"{name}.npz")
        recipe = recipes.load(name, fields)
        trainer = Trainer(recipe, statistics, 10, (recipe.size, recipe.size))
        _set_weights(trainer.system, weights)
        state, rate = trainer.read_state(), jnp.float32(recipe.learning_rate)

        def both(*arguments: Any, trainer: Trainer = trainer) -> Any:
            return trainer.differentiate(*arguments)[1], trainer.train_batch(*arguments)

        gradients, (state, losses) = jax.jit(both)(state, lightness, truth, rate)
        trainer.write_state(state)
        models = [model for part in trainer.system.trained.values() for model in part]
        found = {f"gradient{i}": np.asarray(g) for i, g in enumerate(gradients)} | weights_of(models)
        np.savez(folder / f"{name}.steps.npz", **found, **{key: np.asarray(value) for key, value in losses.items()})


def _read(path: Path) -> tuple[Arrays, Any, dict[str, Any], list[np.ndarray]]:
    """Statistics, lightness, truth and weights."""
    from keras import ops

    arrays = dict(np.load(path))
    statistics, truth = (
        {key.removeprefix(part): value for key, value in arrays.items() if key.startswith(part)}
        for part in ("statistics/", "truth/")
    )
    weights = [value for key, value in arrays.items() if key.startswith("weight")]
    truth = {key: ops.convert_to_tensor(value) for key, value in truth.items()}
    return statistics, ops.convert_to_tensor(arrays["lightness"]), truth, weights


def _set_weights(system: Any, weights: list[np.ndarray]) -> None:
    models = [model for part in system.trained.values() for model in part]
    without_dropout(models)
    for model in models:
        model.set_weights([weights.pop(0) for _ in model.get_weights()])


def _run(folder: Path) -> None:
    import jax

    from training.loop.jax import __main__, checkpoints

    save, backend = checkpoints.save, jax.default_backend
    for arguments, left, accelerated in json.loads((folder / "commands.json").read_text()):

        def interrupted(*args: Any, left: list[int | None] = [left]) -> None:  # noqa: B006
            save(*args)
            if left[0] is not None:
                left[0] -= 1
                if not left[0]:
                    raise KeyboardInterrupt

        checkpoints.save = interrupted
        jax.default_backend = (lambda: "accelerator") if accelerated else backend
        sys.argv = ["jax", *arguments]
        try:
            __main__.main()
        except SystemExit as end:
            print("exit code", end.code, flush=True)


def _build(folder: Path) -> None:
    import jax

    import zoo
    from zoo.registry import architecture

    for name in zoo.list_models():
        network = zoo.create_model(name, **architecture(name).tiny)
        lightness = np.random.default_rng(0).uniform(0, 100, (2, 24, 20, 1)).astype(np.float32)
        # Compiled as a whole: one by one, its operations take minutes to compile.
        ab = jax.jit(lambda x, network=network: network(x, training=False))(lightness)
        network.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", lightness=lightness, ab=np.asarray(ab))
        print(name, flush=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoTensorFlow())
    {"losses": _losses, "steps": _steps, "run": _run, "build": _build}[sys.argv[1]](Path(sys.argv[2]))
