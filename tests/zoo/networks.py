"""Models that tests share, because building them takes longer than running them.

None of the cached ones may be changed: a test that assigns weights, calls a network in training or makes a model that
begins inside it (Keras cannot save the network then) builds its own.
"""

from functools import cache

import keras
import numpy as np
import pytest

import zoo
from tests.accept_golden import formula_network

tiny = cache(formula_network)
loaded = cache(zoo.load)


def full_size(name: str) -> keras.Model:
    """A new network of the size of the paper. All kernels are 0: drawing up to 147 million weights takes seconds."""

    def zeros(initializer: object, shape: tuple[int, ...], dtype: str | None = None) -> object:
        return keras.ops.zeros(shape, dtype)

    with pytest.MonkeyPatch.context() as patch:
        for kind in (keras.initializers.VarianceScaling, keras.initializers.RandomNormal):
            patch.setattr(kind, "__call__", zeros)
        return zoo.create_model(name)


@cache
def vivid() -> keras.Model:
    """A colorizer of frames of 64 pixels whose untrained network paints strong colors, many of them outside sRGB."""
    keras.utils.set_random_seed(7)
    network = zoo.create_model("color_unet", width=0.25, bins=16)
    network.get_layer("scores").kernel.assign(np.random.default_rng(0).normal(0, 60, (1, 1, 4, 16)))
    return zoo.create_colorizer(network, 64, saturation=1.5)
