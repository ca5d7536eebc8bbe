"""Colorizes in a process in which Keras runs on another backend."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tests.on_jax import ON_JAX, NoTensorFlow
from tests.paths import ROOT

ENVIRONMENTS = {"jax": ON_JAX, "torch": {"KERAS_BACKEND": "torch"}}
# `make test-backends` makes an environment without TensorFlow; otherwise it is the one of the tests.
PYTHON = os.environ.get("BACKENDS_PYTHON")


def colorize(backend: str, jobs: Sequence[tuple[str | Path, np.ndarray]], folder: Path) -> list[np.ndarray]:
    """What colorizers make of batches (B, H, W, 3) on the backend "jax" or "torch"; they come as for `zoo.load`."""
    import pytest  # which the environment of `make test-backends` lacks

    if not PYTHON and find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed: run make test-backends")  # PyTorch is too large for the dev extra
    (folder / "models.json").write_text(json.dumps([str(model) for model, _ in jobs]))
    for number, (_, batch) in enumerate(jobs):
        np.save(folder / f"{number}.in.npy", batch)
    environment = {**os.environ, **ENVIRONMENTS[backend]}
    command = [PYTHON or sys.executable, "-m", "tests.on_backend", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [np.load(folder / f"{number}.out.npy") for number in range(len(jobs))]


def main(folder: Path) -> None:
    import zoo

    for number, name in enumerate(json.loads((folder / "models.json").read_text())):
        batch = np.load(folder / f"{number}.in.npy")
        np.save(folder / f"{number}.out.npy", zoo.load(name).predict_on_batch(batch))


if __name__ == "__main__":
    # PyTorch asks whether TensorFlow is there, and takes no error for an answer.
    if os.environ["KERAS_BACKEND"] == "jax":
        sys.meta_path.insert(0, NoTensorFlow())
    main(Path(sys.argv[1]))
