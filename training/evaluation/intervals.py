"""How sure a difference is: bootstrap intervals of means over pictures, and paired tests between two systems.

The pictures are the sample: intervals and tests say what would be found on other photographs of the same kind, and
nothing about other training runs of the same network.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ArgumentError

RESAMPLES = 2000
FLIPS = 10_000
LEVEL = 0.95
SEED = 0
BLOCK = 100  # resamples at a time, which bounds the memory

Values = NDArray[np.float64]


def weighted_mean(values: Values, weights: Values | None = None) -> Values:
    """Means (...) of the finite values (N, ...), weighted by weights (N, ...); inf where none is finite."""
    return np.asarray(_means(np.ones((1, len(values))), values, weights)[0])


def bootstrap_means(values: Values, weights: Values | None = None) -> Values:
    """Means (2000, ...) as of `weighted_mean`, of 2000 resamples of the N pictures; the same resamples every time.

    Infinite values, of PSNR, are left out of the mean of every resample as they are of the mean itself.
    """
    n = len(values)
    generator = np.random.default_rng(SEED)
    # How often each picture is drawn.
    blocks = (generator.multinomial(n, np.full(n, 1 / n), size=BLOCK) for _ in range(0, RESAMPLES, BLOCK))
    return np.concatenate([_means(counts.astype(np.float64), values, weights) for counts in blocks])


def percentile_interval(statistics: Values) -> tuple[float, float]:
    """The interval that holds the middle 95 % of the finite statistics (R,) of resamples; inf where there is none.

    Efron and Tibshirani. An Introduction to the Bootstrap. 1993, chapter 13.
    """
    finite = statistics[np.isfinite(statistics)]
    if not finite.size:
        return float("inf"), float("inf")
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _means(counts: Values, values: Values, weights: Values | None) -> Values:
    """Counts (R, N) -> the means (R, ...) of the finite values (N, ...) with these counts times the weights."""
    finite = np.isfinite(values)
    shares = finite * (1.0 if weights is None else weights)
    with np.errstate(invalid="ignore"):
        means = counts @ (np.where(finite, values, 0.0) * shares) / (counts @ shares)
    return np.where(np.isnan(means), np.inf, means)


def paired_p_values(differences: Values) -> Values:
    """Two-sided p (K,) of the sign-flip permutation test that the mean of differences (N, K) is 0, in (0, 1].

    Under the null hypothesis, the two systems of a pair could be exchanged in every picture, which turns the sign of
    its difference. 10,000 random turns, the same for every column, or all of them where there are not more; the
    observed one counts as one of them. Phipson and Smyth. Permutation P-values Should Never Be Zero. 2010.

    Raises:
        ArgumentError: a difference is not finite.
    """
    if not np.isfinite(differences).all():
        raise ArgumentError("differences must be finite: leave out pictures without one")
    n = len(differences)
    observed = np.abs(differences.sum(axis=0))
    tolerance = 1e-12 * np.abs(differences).sum(axis=0)  # turns that give the same sum in another order
    at_least, total = np.zeros(differences.shape[1]), 0
    for signs in _signs(n):
        at_least += (np.abs(signs @ differences) >= observed - tolerance).sum(axis=0)
        total += len(signs)
    exact = 2**n == total
    return np.asarray(at_least / total if exact else (at_least + 1) / (total + 1))


def _signs(n: int) -> Iterator[Values]:
    """Turns (R, n) of +1 and -1 in blocks: all 2**n, or 10,000 random ones."""
    if 2**n <= FLIPS:
        yield np.asarray(1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1), np.float64)
        return
    generator = np.random.default_rng(SEED)
    for _ in range(0, FLIPS, BLOCK):
        yield np.asarray(1.0 - 2.0 * generator.integers(0, 2, (BLOCK, n)), np.float64)


def holm(p_values: Sequence[float] | Values) -> Values:
    """P-values (K,) of a family of tests -> adjusted ones (K,): those below 0.05 are significant all together.

    Holm. A Simple Sequentially Rejective Multiple Test Procedure. Scandinavian Journal of Statistics 6(2), 1979.
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
