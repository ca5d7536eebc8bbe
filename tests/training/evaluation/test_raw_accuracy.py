"""training.evaluation.raw_accuracy against the curve of the paper, integrated by scipy."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from training.evaluation.histograms import nearest_bin
from training.evaluation.raw_accuracy import auc, auc_rebalanced, balancing_weights
from zoo.bins import ab_grid
from zoo.errors import ArgumentError


def ab_pair(shape: tuple[int, ...] = (9, 14, 2), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-70, 70, shape), rng.uniform(-70, 70, shape)


def area_by_thresholds(truth: np.ndarray, ab: np.ndarray, weights: np.ndarray) -> float:
    """The curve at many thresholds from 0 to 150, and the area below it over the largest possible one."""
    distance = np.sqrt(((truth - ab) ** 2).sum(axis=-1))
    thresholds = np.linspace(0, 150, 6001)
    curve = [(weights * (distance <= threshold)).sum() / weights.sum() for threshold in thresholds]
    return float(trapezoid(curve, thresholds) / 150)


def test_area_is_that_of_the_curve() -> None:
    truth, ab = ab_pair()
    assert auc(truth, ab) == pytest.approx(area_by_thresholds(truth, ab, np.ones((9, 14))), abs=1e-4)
    weights = balancing_weights(np.bincount(nearest_bin(truth).ravel(), minlength=313))
    value, weight = auc_rebalanced(truth, ab, weights)
    index = [[np.argmin(((ab_grid() - color) ** 2).sum(axis=-1)) for color in row] for row in truth]
    assert value == pytest.approx(area_by_thresholds(truth, ab, weights[np.array(index)]), abs=1e-4)
    assert weight == pytest.approx(1)


def test_by_hand() -> None:
    truth = np.zeros((2, 3, 2))
    truth[0, 0] = 60, 0  # a rare color: one pixel in six
    assert auc(truth, truth) == 1
    ab = np.zeros_like(truth)
    assert auc(truth, ab) == pytest.approx(1 - 60 / 150 / 6)
    weights = balancing_weights(np.bincount(nearest_bin(truth).ravel(), minlength=313))
    assert sorted(set(weights)) == [0, pytest.approx(6 / (2 * 5)), pytest.approx(6 / 2)]
    value, _ = auc_rebalanced(truth, ab, weights)
    assert value == pytest.approx((1 + (1 - 60 / 150)) / 2)  # the mean over the two colors
    ab[...] = 200, 0
    assert auc(truth, ab) == pytest.approx((1 - 140 / 150) / 6)  # what is farther than 150 counts as 150


def test_set_is_the_mean_over_pictures_with_their_weights() -> None:
    truth, ab = ab_pair((4, 9, 14, 2))
    truth[1] *= 0.1
    counts = np.bincount(nearest_bin(truth).ravel(), minlength=313)
    values, weight = auc_rebalanced(truth, ab, balancing_weights(counts))
    whole, _ = auc_rebalanced(truth.reshape(1, -1, 1, 2), ab.reshape(1, -1, 1, 2), balancing_weights(counts))
    assert np.average(values, weights=weight) == pytest.approx(whole[0])
    ones = [auc_rebalanced(*pair, balancing_weights(counts)) for pair in zip(truth, ab, strict=True)]
    np.testing.assert_allclose(np.array(ones), np.stack([values, weight], axis=-1), rtol=1e-12)


def test_nothing_that_counts_and_wrong_arguments() -> None:
    truth, ab = ab_pair()
    assert auc_rebalanced(truth, ab, np.zeros(313)) == (0, 0)
    with pytest.raises(ArgumentError, match=r"\(5,\)"):
        auc_rebalanced(truth, ab, np.ones(5))
    with pytest.raises(ArgumentError, match=r"\(9, 13, 2\)"):
        auc(truth, ab[:, 1:])
