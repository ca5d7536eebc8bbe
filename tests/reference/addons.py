"""Writes addons.json: what two layers of tensorflow-addons compute, for comparison with those of Keras 3.

tensorflow-addons does not import with the TensorFlow of this project. The table was made with Python 3.11 in an
environment of its own:

    pip install tensorflow==2.15.1 tensorflow-addons==0.23.0 numpy==1.26.4
    python tests/reference/addons.py

Inputs and weights are formulas, and are in the table beside the outputs.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

VERSIONS = {"tensorflow": "2.15.1", "tensorflow-addons": "0.23.0"}
TRAINING_CALLS = (1, 3)


def wave(*shape: int, start: float = 0.0) -> np.ndarray:
    """Sines of the running index: the same everywhere, without a random generator."""
    return np.sin(np.arange(np.prod(shape)) * 1.7 + start).reshape(shape).astype(np.float32)


def as_lists(arrays: dict[str, np.ndarray]) -> dict[str, list]:
    """Nine digits hold a float32 exactly."""
    texts = {name: np.vectorize(lambda x: float(f"{x:.9g}"))(array) for name, array in arrays.items()}
    return {name: array.tolist() for name, array in texts.items()}


def instance_normalization() -> dict:
    # Channels of ordinary spread, of so little that epsilon decides, and far from 0.
    inputs = wave(2, 3, 4, 3) * np.float32([1, 0.01, 3]) + np.float32([0, 0.5, 50])
    layer = tfa.layers.InstanceNormalization()
    layer.build(inputs.shape)
    layer.gamma.assign(1 + wave(3) / 2)
    layer.beta.assign(wave(3, start=1.0))
    values = {"inputs": inputs, "gamma": layer.gamma.numpy(), "beta": layer.beta.numpy()}
    return {"epsilon": layer.epsilon} | as_lists(values | {"outputs": layer(inputs).numpy()})


def spectral_normalization(layer: tf.keras.layers.Layer, inputs: np.ndarray) -> dict:
    """The wrapped layer's kernel, u and outputs after some calls in training, and the outputs of one at inference."""
    wrapper = tfa.layers.SpectralNormalization(layer, power_iterations=1)
    wrapper.build(inputs.shape)
    layer.kernel.assign(wave(*layer.kernel.shape, start=0.5))
    layer.bias.assign(wave(*layer.bias.shape, start=2.0))
    wrapper.u.assign(wave(*wrapper.u.shape, start=3.0))
    before = {"inputs": inputs, "kernel": layer.kernel.numpy(), "bias": layer.bias.numpy(), "u": wrapper.u.numpy()}
    table = {"before": as_lists(before | {"outputs": wrapper(inputs, training=False).numpy()})}
    for call in range(1, max(TRAINING_CALLS) + 1):
        outputs = wrapper(inputs, training=True).numpy()
        if call in TRAINING_CALLS:
            after = {"kernel": layer.kernel.numpy(), "u": wrapper.u.numpy(), "outputs": outputs}
            table[f"after {call}"] = as_lists(after)
    return table


def main() -> None:
    found = {"tensorflow": tf.__version__, "tensorflow-addons": tfa.__version__}
    if found != VERSIONS:
        raise SystemExit(f"found {found}: {VERSIONS} are needed")
    table = {
        "versions": found,
        "instance normalization": instance_normalization(),
        "spectral normalization": {
            "conv": spectral_normalization(tf.keras.layers.Conv2D(3, 4, 2, padding="same"), wave(1, 5, 6, 2)),
            "dense": spectral_normalization(tf.keras.layers.Dense(4), wave(2, 5)),
        },
    }
    lines = ",\n".join(f'"{name}": {json.dumps(part)}' for name, part in table.items())
    Path(__file__).with_name("addons.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
