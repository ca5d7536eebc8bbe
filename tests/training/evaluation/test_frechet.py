"""training.evaluation.frechet against scipy's root of a matrix and Gaussians whose distance is known."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from training.evaluation.frechet import frechet_distance
from zoo.errors import ArgumentError


def by_scipy(one: np.ndarray, other: np.ndarray) -> float:
    covariances = [np.cov(each, rowvar=False) for each in (one, other)]
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    offset = one.mean(axis=0) - other.mean(axis=0)
    return float(offset @ offset + np.trace(covariances[0] + covariances[1] - 2 * root))


def test_against_scipy() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(50, 6)), rng.normal(1, 2, (40, 6)) @ rng.normal(size=(6, 6))
    assert frechet_distance(one, other) == pytest.approx(by_scipy(one, other))
    assert frechet_distance(one[::-1], other) == pytest.approx(frechet_distance(one, other), abs=1e-9)


def test_by_hand() -> None:
    one = np.array([[-1.0], [1.0]])  # mean 0, variance 2
    assert frechet_distance(one, 3 * one + 5) == pytest.approx(25 + (3 - 1) ** 2 * 2)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-12)


def test_fewer_pictures_than_features() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(5, 30))
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one + 1) == pytest.approx(30)


def test_wrong_features_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"\(1, 3\)"):
        frechet_distance(np.zeros((1, 3)), np.zeros((2, 3)))
    with pytest.raises(ArgumentError, match=r"\(2, 4\)"):
        frechet_distance(np.zeros((2, 3)), np.zeros((2, 4)))
