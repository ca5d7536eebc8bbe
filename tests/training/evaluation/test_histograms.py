"""training.evaluation.histograms against NumPy's histograms and a search through all centers."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from skimage.color import rgb2lab

from training.evaluation.histograms import axis_counts, intersection, nearest_bin, nearest_center, plane_counts
from zoo.bins import ab_grid
from zoo.errors import ArgumentError


@pytest.fixture(scope="module")
def ab() -> np.ndarray:
    """Colors of all of sRGB, its border included."""
    ramp = np.linspace(0, 255, 13).astype(np.uint8)
    return rgb2lab(np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1))[..., 1:]


def test_counts_against_numpy(ab: np.ndarray) -> None:
    a, b = ab[..., 0].ravel(), ab[..., 1].ravel()
    edges = np.linspace(-110, 110, 26)
    np.testing.assert_array_equal(plane_counts(ab), np.histogram2d(a, b, [edges, edges])[0])
    units = np.arange(-110, 111)
    np.testing.assert_array_equal(axis_counts(ab), [np.histogram(values, units)[0] for values in (a, b)])


def test_what_lies_beyond_counts_in_the_last_cell() -> None:
    far = np.array([[[500.0, -500.0]]])
    assert plane_counts(far)[24, 0] == 1
    assert axis_counts(far)[0, -1] == axis_counts(far)[1, 0] == 1
    assert nearest_bin(far) == nearest_bin(np.array([[[110.0, -110.0]]]))


def test_nearest_bins_and_centers_against_a_search(ab: np.ndarray) -> None:
    colors = ab.reshape(-1, 2)
    centers = np.random.default_rng(0).uniform(-80, 80, (32, 2))
    np.testing.assert_array_equal(nearest_center(ab, centers).ravel(), cdist(colors, centers).argmin(axis=1))
    distances = cdist(colors, ab_grid())
    found = distances[np.arange(len(colors)), nearest_bin(ab).ravel()]
    np.testing.assert_allclose(found, distances.min(axis=1), atol=1e-9)  # colors between two bins may have either


def test_intersection_by_hand() -> None:
    assert intersection([1, 1, 0], [0, 2, 2]) == 0.5
    assert intersection([[3, 1], [1, 0]], [[3, 1], [0, 7]]).tolist() == [1, 0]
    with pytest.raises(ArgumentError, match="without counts"):
        intersection([0, 0], [1, 2])
    with pytest.raises(ArgumentError, match=r"\(3,\)"):
        intersection([1, 1], [1, 2, 3])
