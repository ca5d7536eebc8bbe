"""training.evaluation.intervals against scipy.stats, and by hand."""

import numpy as np
import pytest
from scipy import stats

from training.evaluation.intervals import (
    bootstrap_means,
    holm,
    paired_p_values,
    percentile_interval,
    weighted_mean,
)
from zoo.errors import ArgumentError


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).gamma(2, 3, 60)


def mean_interval(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[float, float]:
    return percentile_interval(bootstrap_means(values, weights))


def test_mean_interval_against_scipy(values: np.ndarray) -> None:
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0), vectorized=True
    ).confidence_interval
    width = expected.high - expected.low
    assert mean_interval(values) == pytest.approx((expected.low, expected.high), abs=0.06 * width)
    assert mean_interval(values) == mean_interval(values.copy())
    assert weighted_mean(values) == pytest.approx(values.mean())


def test_weights_and_infinite_values(values: np.ndarray) -> None:
    weights = np.r_[np.ones(30), np.zeros(30)]
    assert weighted_mean(values, weights) == pytest.approx(values[:30].mean())
    with_infinite = np.r_[values, np.inf]
    assert weighted_mean(with_infinite) == pytest.approx(values.mean())
    columns = np.stack([values, values[::-1]], axis=-1)
    np.testing.assert_allclose(weighted_mean(columns, np.stack([weights, 1 - weights], axis=-1)), values[:30].mean())
    np.testing.assert_allclose(bootstrap_means(columns)[:, 0], bootstrap_means(values))
    assert np.isfinite(mean_interval(with_infinite)).all()
    assert weighted_mean(np.full(3, np.inf)) == np.inf
    assert mean_interval(np.full(3, np.inf)) == (np.inf, np.inf)


def test_constant_values_have_no_width() -> None:
    assert mean_interval(np.full(7, 2.5)) == pytest.approx((2.5, 2.5))


def test_few_pairs_have_the_exact_p_of_scipy() -> None:
    rng = np.random.default_rng(2)
    differences = rng.normal(0.4, 1, (10, 4))
    expected = [
        stats.permutation_test(
            (column, np.zeros(10)), lambda x, y, axis: (x - y).sum(axis=axis), permutation_type="samples",
            n_resamples=np.inf, vectorized=True,
        ).pvalue
        for column in differences.T
    ]  # fmt: skip
    np.testing.assert_allclose(paired_p_values(differences), expected)


def test_many_pairs() -> None:
    rng = np.random.default_rng(3)
    differences = np.stack([rng.normal(size=80), rng.normal(1, 1, 80)], axis=-1)
    none, clear = paired_p_values(differences)
    assert none == pytest.approx(stats.ttest_1samp(differences[:, 0], 0).pvalue, abs=0.03)
    assert clear == pytest.approx(1 / 10_001)
    assert paired_p_values(np.zeros((80, 1))).tolist() == [1]
    with pytest.raises(ArgumentError, match="finite"):
        paired_p_values(np.full((3, 1), np.inf))


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]).tolist() == [1, 1]
