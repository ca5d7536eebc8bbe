"""Depthwise convolutions as sums of shifted maps: the values and gradients of XLA's own."""

from importlib.util import find_spec

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")


@pytest.mark.parametrize(("side", "stride", "padding"), [(3, 1, "same"), (3, 2, "same"), (5, 2, "valid")])
def test_values_and_gradients_are_those_of_a_convolution(side: int, stride: int, padding: str) -> None:
    import jax
    import jax.numpy as jnp

    from training.loop.jax.depthwise import convolve

    rng = np.random.default_rng(side + stride)
    maps = rng.standard_normal((2, 9, 8, 6)).astype(np.float32)
    kernel = rng.standard_normal((side, side, 6, 1)).astype(np.float32)

    def by_xla(maps: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            maps,
            jnp.swapaxes(kernel, 2, 3),
            (stride, stride),
            padding.upper(),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=6,
        )

    def by_shifts(maps: jax.Array, kernel: jax.Array) -> jax.Array:
        return convolve(maps, kernel, (stride, stride), padding)

    @jax.jit
    def compute(maps: jax.Array, kernel: jax.Array) -> list[tuple[jax.Array, ...]]:
        results = []
        for way in (by_shifts, by_xla):
            values, backwards = jax.vjp(way, maps, kernel)
            results.append((values, *backwards(jnp.sin(values))))
        return results

    for found, expected in zip(*compute(maps, kernel), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
