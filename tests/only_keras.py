"""Runs saved models in a new process that imports Keras and nothing of this project."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


# Compiling takes nearly all of the time.
ON_JAX = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}


def in_fresh_process(
    jobs: Mapping[str, tuple[Path, Arrays]], folder: Path, environment: Mapping[str, str] | None = None
) -> dict[str, Arrays | str]:
    """Job -> (.keras file, named inputs) becomes job -> outputs of the same names, or the error's text.

    One process does all jobs, because importing TensorFlow takes longer than most of them. The environment is added to
    that of this process: on another backend than TensorFlow's, models are compiled as a whole.
    """
    plan = []
    for name, (model, inputs) in jobs.items():
        given, made = folder / f"{name}.inputs.npz", folder / f"{name}.outputs.npz"
        np.savez(given, **inputs)
        plan.append({"name": name, "model": str(model), "inputs": str(given), "outputs": str(made)})
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, __file__, str(folder / "plan.json")]
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout.splitlines()[-1])
    results: dict[str, Arrays | str] = dict(errors)
    for job in plan:
        if job["name"] not in errors:
            with np.load(job["outputs"]) as outputs:
                results[job["name"]] = {key: outputs[key] for key in outputs.files}
    return results


def main(plan: Path) -> None:
    gc.disable()  # the process lives for seconds only
    # Optional for Keras, and half a second each to import.
    sys.modules.update(dict.fromkeys(("matplotlib", "pandas", "sklearn")))
    import keras

    def run(job: Mapping[str, Any]) -> None:
        model = keras.models.load_model(job["model"])
        call = model if keras.backend.backend() == "tensorflow" else model.predict_on_batch
        with np.load(job["inputs"]) as inputs:
            outputs = {key: keras.ops.convert_to_numpy(call(inputs[key])) for key in inputs.files}
        np.savez(job["outputs"], **outputs)

    errors = {}
    for job in json.loads(plan.read_text()):
        try:
            run(job)
        except Exception as error:  # one broken file must not hide the others
            errors[job["name"]] = f"{type(error).__name__}: {error}"
    ours = {"zoo", "training", "serving", "media", "colorzoo"} & set(sys.modules)
    assert not ours, f"{ours} were imported"
    print(json.dumps(errors))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
