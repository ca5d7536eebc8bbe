"""serving.local.spreading against a direct solution of the same sum, and on two regions."""

import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from serving.local.spreading import LEAST_AFFINITY, Spreader, laplacian


def scene(height: int = 33, width: int = 28) -> np.ndarray:
    """Smooth lightness with grain and an edge, (height, width) in [0, 100]."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    light = 30 + 20 * np.sin(rows / 9) + 40 * (columns > width // 2) + rng.normal(0, 1, (height, width))
    return np.clip(light, 0, 100).astype(np.float32)


def seeds(light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colors that are wanted, weakly everywhere and firmly at two places, and the weights."""
    wanted, weight = np.zeros((*light.shape, 2)), np.full(light.shape, 1e-2)
    for place, color in (((5, 4), (40, -20)), ((25, 22), (-30, 50))):
        wanted[place], weight[place] = color, 1.0
    return wanted, weight


def directly(light: np.ndarray, wanted: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The colors that minimize the sum, by a factorization."""
    matrix = (laplacian(light) + sparse.diags_array(weight.ravel())).tocsc()
    right = (wanted * weight[..., None]).reshape(-1, 2)
    return np.stack([spsolve(matrix, side) for side in right.T], axis=-1).reshape(wanted.shape)


@pytest.fixture(scope="module")
def light() -> np.ndarray:
    return scene()


@pytest.fixture(scope="module")
def spreader(light: np.ndarray) -> Spreader:
    return Spreader(light, 1e-2)


def test_agrees_with_a_direct_solution(light: np.ndarray, spreader: Spreader) -> None:
    wanted, weight = seeds(light)
    expected = directly(light, wanted, weight)
    np.testing.assert_allclose(spreader.spread(wanted, weight, tolerance=1e-9), expected, atol=1e-5)
    assert np.abs(spreader.spread(wanted, weight) - expected).max() < 0.1  # Lab units, of 50
    assert np.abs(expected).max() > 20


def test_weights_may_differ_from_those_it_was_made_for(light: np.ndarray, spreader: Spreader) -> None:
    wanted, weight = seeds(light)
    weight[:, ::2] = 0.0
    expected = directly(light, wanted, weight)
    np.testing.assert_allclose(spreader.spread(wanted, weight, tolerance=1e-9), expected, atol=1e-4)


def test_starts_from_an_earlier_solution(light: np.ndarray, spreader: Spreader) -> None:
    wanted, weight = seeds(light)
    solution = spreader.spread(wanted, weight, tolerance=1e-9)
    calls = 0
    cycle = spreader._cycle

    def counted(right: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return cycle(right)

    spreader._cycle = counted  # type: ignore[method-assign]
    again = spreader.spread(wanted, weight, start=solution)
    spreader._cycle = cycle  # type: ignore[method-assign]
    assert calls == 0
    np.testing.assert_allclose(again, solution, atol=1e-6)


def test_colors_stay_in_their_region() -> None:
    light = np.full((40, 60), 30, np.float32)
    light[:, 30:] = 70
    wanted, weight = np.zeros((40, 60, 2)), np.full(light.shape, 1e-6)
    left, right = np.s_[18:23, 8:13], np.s_[18:23, 48:53]
    wanted[left], wanted[right] = (60, 0), (0, -60)
    weight[left] = weight[right] = 1
    colors = Spreader(light, 1e-6).spread(wanted, weight, tolerance=1e-9)
    np.testing.assert_allclose(colors[:, :29], np.broadcast_to((60, 0), (40, 29, 2)), atol=3)
    np.testing.assert_allclose(colors[:, 31:], np.broadcast_to((0, -60), (40, 29, 2)), atol=3)


def test_laplacian_is_that_of_the_affinities() -> None:
    light = np.zeros((4, 5), np.float32)
    light[:, 3:] = 80
    matrix = laplacian(light).toarray()
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix.sum(axis=0), 0, atol=1e-12)
    assert matrix[0, 1] == matrix[0, 5] == matrix[0, 6] == -1  # equal lightness, in three directions
    assert -1e-3 < matrix[2, 3] <= -LEAST_AFFINITY  # across the edge
    assert matrix[0, 2] == matrix[0, 10] == 0  # not neighbors
    assert np.linalg.matrix_rank(matrix) == 19


def test_a_single_pixel() -> None:
    one = np.full((1, 1), 50, np.float32)
    colors = Spreader(one, 1.0).spread(np.full((1, 1, 2), 7.0), np.ones((1, 1)))
    np.testing.assert_allclose(colors, 7, rtol=1e-6)
