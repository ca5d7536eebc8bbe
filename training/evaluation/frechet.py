"""The Fréchet distance between two sets of features, each taken for a Gaussian.

Heusel et al. GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium. NIPS 2017; Dowson and
Landau, Journal of Multivariate Analysis 12(3), 1982. With features of Inception-v3 it is the FID; with any other
network it is another figure, so that the network's name belongs to it.

Of few pictures it is too large: compare only figures of equally many pictures, and best of more than there are
features.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.errors import ArgumentError


def frechet_distance(first: ArrayLike, second: ArrayLike) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of features (N, D) and (M, D), >= 0.

    C are covariances divided by N - 1. The trace of the root is taken from the eigenvalues of a symmetric product,
    which exists for singular covariances as well.

    Raises:
        ArgumentError: features of different lengths, or of less than two pictures.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or min(len(one), len(other)) < 2:
        raise ArgumentError(
            f"features (N, D) and (M, D) of two or more pictures are needed, not {one.shape} and {other.shape}"
        )
    offset = one.mean(axis=0) - other.mean(axis=0)
    # The roots of the eigenvalues of C1 C2 are the singular values of X Y', with C1 = X'X and C2 = Y'Y.
    x, y = _scatter(one), _scatter(other)
    root_trace = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return max(0.0, float(offset @ offset + (x**2).sum() + (y**2).sum() - 2 * root_trace))


def _scatter(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features (N, D) -> X (min(N, D), D) with X'X their covariance."""
    centered = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    return np.asarray(np.linalg.qr(centered, mode="r"))
