"""Runs saved models in a new process that imports Keras and nothing of this project."""

import gc
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def in_fresh_process(jobs: Mapping[str, tuple[Path, Arrays]], folder: Path) -> dict[str, Arrays | str]:
    """Job -> (.keras file, named inputs) becomes job -> outputs of the same names, or the error's text.

    One process does all jobs, because importing TensorFlow takes longer than most of them.
    """
    plan = []
    for name, (model, inputs) in jobs.items():
        given, made = folder / f"{name}.inputs.npz", folder / f"{name}.outputs.npz"
        np.savez(given, **inputs)
        plan.append({"name": name, "model": str(model), "inputs": str(given), "outputs": str(made)})
    (folder / "plan.json").write_text(json.dumps(plan))
    command = [sys.executable, __file__, str(folder / "plan.json")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
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
        with np.load(job["inputs"]) as inputs:
            outputs = {key: keras.ops.convert_to_numpy(model(inputs[key])) for key in inputs.files}
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
