"""Accepts what networks give now as right: writes tests/golden/NAME.npz anew, for every architecture or those named.

    python -m tests.accept_golden [NAME ...]

Look at the differences first: a changed golden value means that a preset of that architecture changes too.
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

import zoo
from zoo.registry import architecture

FOLDER = Path(__file__).parent / "golden"


def formula_network(name: str, arguments: dict[str, Any] | None = None) -> keras.Model:
    """An architecture with weights of a formula, the same under every random generator; by default the tiny network.

    Kernels are sines of the running index over all weights, scaled by their fan-in; variances stay above 0.
    """
    network = zoo.create_model(name, **(architecture(name).tiny if arguments is None else arguments))
    start = 0
    for variable in network.weights:
        size = int(np.prod(variable.shape))
        wave = np.sin(np.arange(start, start + size, dtype=np.float64)).reshape(variable.shape)
        start += size
        if len(variable.shape) > 1:
            values = wave * np.sqrt(6 / np.prod(variable.shape[:-1]))
        elif variable.name in ("gamma", "moving_variance"):
            values = 1 + wave / 4
        else:
            values = wave / 10
        variable.assign(values)
    return network


def golden_lightness() -> np.ndarray:
    """A fixed picture: lightness (1, 24, 21, 1), whose width is no multiple of any stride."""
    y, x = np.mgrid[:24, :21]
    return (50 + 25 * np.sin(x / 3) + 25 * np.cos(y * x / 40))[None, ..., None].astype(np.float32)


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or zoo.list_models():
        lightness = golden_lightness()
        ab = keras.ops.convert_to_numpy(formula_network(name)(lightness, training=False))
        np.savez_compressed(FOLDER / f"{name}.npz", lightness=lightness, ab=ab)
        print(f"{name}: ab from {ab.min():.2f} to {ab.max():.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
