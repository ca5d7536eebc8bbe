"""The two layers that colorizers took from tensorflow-addons give the same numbers in Keras 3.

reference/addons.json holds the numbers of tensorflow-addons; reference/addons.py makes it.
"""

import json

import keras
import numpy as np
import pytest
from keras import layers

from tests.paths import TESTS

TABLE = json.loads((TESTS / "reference" / "addons.json").read_text(encoding="utf-8"))
# Seen: 0 in every comparison, of values of up to 4. Another processor may round sums otherwise.
TOLERANCE = 3e-6


def arrays(part: dict) -> dict[str, np.ndarray]:
    return {name: np.float32(values) for name, values in part.items()}


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def instance_normalized(epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """What Keras gives, and what tensorflow-addons gave."""
    given = arrays(TABLE["instance normalization"])
    layer = layers.GroupNormalization(groups=-1, epsilon=epsilon)
    layer.build(given["inputs"].shape)
    layer.gamma.assign(given["gamma"])
    layer.beta.assign(given["beta"])
    return numpy_of(layer(given["inputs"])), given["outputs"]


def spectrally_normalized(kind: str, power_iterations: int = 1) -> tuple[layers.SpectralNormalization, dict, dict]:
    """A wrapper in the state of the table, what it had before, and the table."""
    inner = layers.Conv2D(3, 4, 2, padding="same") if kind == "conv" else layers.Dense(4)
    wrapper = layers.SpectralNormalization(inner, power_iterations=power_iterations)
    table = TABLE["spectral normalization"][kind]
    before = arrays(table["before"])
    wrapper.build(before["inputs"].shape)
    inner.kernel.assign(before["kernel"])
    inner.bias.assign(before["bias"])
    wrapper.vector_u.assign(before["u"])
    return wrapper, before, table


def largest_difference(kind: str, calls: int, power_iterations: int = 1) -> float:
    wrapper, before, table = spectrally_normalized(kind, power_iterations)
    for _ in range(calls):
        outputs = wrapper(before["inputs"], training=True)
    expected = arrays(table[f"after {calls}"])
    found = {"kernel": wrapper.layer.kernel, "u": wrapper.vector_u, "outputs": outputs}
    return max(np.abs(numpy_of(found[name]) - expected[name]).max() for name in found)


def test_instance_normalization():
    assert TABLE["instance normalization"]["epsilon"] == 1e-3
    found, expected = instance_normalized(epsilon=1e-3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("epsilon", [1e-5, 9e-4])
def test_the_table_tells_one_epsilon_from_another(epsilon):
    found, expected = instance_normalized(epsilon)
    assert np.abs(found - expected).max() > 100 * TOLERANCE


@pytest.mark.parametrize("kind", ["conv", "dense"])
@pytest.mark.parametrize("calls", [1, 3])
def test_spectral_normalization_in_training(kind, calls):
    assert largest_difference(kind, calls) < TOLERANCE


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_the_table_tells_one_power_iteration_from_two(kind):
    assert largest_difference(kind, 1, power_iterations=2) > 100 * TOLERANCE


@pytest.mark.parametrize("kind", ["conv", "dense"])
def test_spectral_normalization_at_inference_leaves_the_kernel_alone(kind):
    wrapper, before, _ = spectrally_normalized(kind)
    outputs = wrapper(before["inputs"], training=False)
    np.testing.assert_allclose(numpy_of(outputs), before["outputs"], rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(numpy_of(wrapper.layer.kernel), before["kernel"])
    np.testing.assert_array_equal(numpy_of(wrapper.vector_u), before["u"])
