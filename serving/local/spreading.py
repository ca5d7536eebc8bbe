"""Colors spread over a photograph from where they are known, up to its edges: the optimization of Levin et al.

Levin, Lischinski, Weiss. Colorization using Optimization. SIGGRAPH 2004: neighbors of similar lightness have similar
colors. With the affinity w(r, s) of neighboring pixels, and where a color t(r) is wanted with a weight c(r), the colors
u minimize

    sum over neighbors r, s of w(r, s) |u(r) - u(s)|^2  +  sum over r of c(r) |u(r) - t(r)|^2.

As in the authors' code, w = exp(-(L(r) - L(s))^2 / (0.6 v)), v the variance of L in 3 x 3 pixels. Unlike there, w is
not divided by its sum at r, and v is the mean of that at r and at s: so the system is symmetric, and conjugate
gradients solve it, with a hierarchy of algebraic multigrid as the preconditioner. The hierarchy is kept: other wanted
colors, and weights that differ at few pixels, need no new one.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import pyamg
import scipy.sparse as sparse

VARIANCE_SHARE = 0.6
LEAST_DIFFERENCE = 1.0  # in units of L: what grain and the levels of a file make of equal lightness
LEAST_AFFINITY = 1e-6  # no pixel is cut off from the others
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))  # with those on the other side, all eight
DAMPING = 2 / 3  # of a Jacobi step
COARSEST = 100  # unknowns that are solved directly
TOLERANCE = 1e-3  # residual over the right side
LEFT_OUT = 0.3  # of the tolerance, by directions of color that are not followed
MAX_STEPS = 200


class Spreader:
    """The optimization for one photograph.

    Args:
        lightness: (h, w) in [0, 100].
        weight: above 0, one or (h, w): what the weights of `spread` are like; the more they differ from it, the longer
            that takes.
    """

    def __init__(self, lightness: np.ndarray, weight: float | np.ndarray) -> None:
        self._shape = lightness.shape
        self._laplacian = laplacian(lightness)
        matrix = self._laplacian + sparse.diags_array(np.broadcast_to(weight, self._shape).ravel().astype(float))
        self._levels = list(_levels(matrix.tocsr()))
        coarsest = self._levels[-1].matrix.toarray().astype(float)
        self._coarsest = np.linalg.pinv(coarsest, hermitian=True).astype(np.float32)

    def spread(
        self,
        wanted: np.ndarray,
        weight: np.ndarray,
        *,
        start: np.ndarray | None = None,
        tolerance: float = TOLERANCE,
    ) -> np.ndarray:
        """The colors (h, w, C) float32 that minimize the sum above.

        Args:
            wanted: t, (h, w, C).
            weight: c, (h, w), at least 0 and somewhere above it.
            start: (h, w, C) a guess, such as the colors before a small change; it saves time.
            tolerance: largest norm of the residual over that of the right side.
        """
        channels = wanted.shape[2]
        diagonal = weight.reshape(-1, 1).astype(float)
        right = wanted.reshape(-1, channels) * diagonal
        colors = np.zeros_like(right) if start is None else start.reshape(-1, channels).astype(float)
        residual = right - self._laplacian @ colors - diagonal * colors
        limit = tolerance * _norm(right)
        # One more place with a color changes all channels in proportion: along few directions there is something to do.
        directions = _directions(residual, LEFT_OUT * limit)
        colors += _rotated(self._solve(_rotated(residual, directions), diagonal, limit), directions.T)
        return colors.reshape(*self._shape, channels).astype(np.float32)

    def _solve(self, residual: np.ndarray, diagonal: np.ndarray, limit: float) -> np.ndarray:
        """Conjugate gradients from 0, for several right sides (n, k) that share what reading the matrix costs."""
        solution, direction = np.zeros_like(residual), np.zeros_like(residual)
        last = np.ones(residual.shape[1])
        for _ in range(MAX_STEPS):
            if _norm(residual) <= limit:
                break
            preconditioned = self._cycle(residual.astype(np.float32))
            product = _dot(residual, preconditioned)
            direction = preconditioned + product / last * direction
            image = self._laplacian @ direction + diagonal * direction
            step = product / np.maximum(_dot(direction, image), np.finfo(float).tiny)
            solution += step * direction
            residual -= step * image
            last = np.maximum(product, np.finfo(float).tiny)
        return solution

    def _cycle(self, right: np.ndarray) -> np.ndarray:
        """One V-cycle with a Jacobi step on either side, from 0; in float32, which suffices for a preconditioner."""
        smoothed = []
        for level in self._levels[:-1]:
            x = level.damped * right
            smoothed.append((x, right))
            right = level.restriction @ (right - level.matrix @ x)
        x = self._coarsest @ right
        for level, (before, right) in zip(reversed(self._levels[:-1]), reversed(smoothed), strict=True):
            x = before + level.prolongation @ x
            x += level.damped * (right - level.matrix @ x)
        return x


def _rotated(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rows (n, C) times a matrix (C, k), without BLAS, whose threads cost more on so narrow matrices than they save."""
    return np.einsum("ic,ck->ik", rows, matrix)


def _norm(rows: np.ndarray) -> float:
    return float(np.sqrt((rows * rows).sum()))


def _dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The products of the columns of two matrices (n, k) with each other: (k,)."""
    return np.asarray((one * other).sum(axis=0))


class _Level:
    def __init__(self, matrix: sparse.csr_array, prolongation: sparse.csr_array | None) -> None:
        self.matrix = matrix
        self.damped = DAMPING / matrix.diagonal()[:, None]
        if prolongation is not None:
            self.prolongation = prolongation
            self.restriction = prolongation.T.tocsr()


def _levels(matrix: sparse.csr_array) -> Iterator[_Level]:
    for level in pyamg.ruge_stuben_solver(matrix, max_coarse=COARSEST).levels:
        maps = (level.A, level.P) if hasattr(level, "P") else (level.A, None)
        yield _Level(*(None if each is None else sparse.csr_array(each).astype(np.float32) for each in maps))


def _directions(residual: np.ndarray, limit: float) -> np.ndarray:
    """Orthonormal directions (C, k) of residuals (n, C); what remains outside of them has a norm of at most `limit`."""
    squares, directions = np.linalg.eigh(np.einsum("ic,id->cd", residual, residual))
    outside = np.cumsum(np.maximum(squares, 0)) <= limit**2
    return np.asarray(directions[:, ~outside])


def laplacian(lightness: np.ndarray) -> sparse.csr_array:
    """The matrix (h w, h w) of the sum over neighbors, for L (h, w) in [0, 100]; each row sums to 0."""
    lightness = lightness.astype(np.float32)
    mean = cv2.blur(lightness, (3, 3))
    variance = np.maximum(cv2.blur(lightness * lightness, (3, 3)) - mean * mean, 0)
    height, width = lightness.shape
    places = np.arange(height * width, dtype=np.int32).reshape(height, width)
    rows, columns, weights = [], [], []
    for down, right in NEIGHBORS:
        here = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        there = slice(down, height), slice(max(0, right), width - max(0, -right))
        scale = VARIANCE_SHARE / 2 * (variance[here] + variance[there]) + LEAST_DIFFERENCE**2
        affinity = np.exp(-((lightness[here] - lightness[there]) ** 2) / scale)
        rows.append(places[here].ravel())
        columns.append(places[there].ravel())
        weights.append(np.maximum(affinity, LEAST_AFFINITY).ravel())
    one, other, values = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights).astype(float)
    pairs = np.concatenate([one, other]), np.concatenate([other, one])
    affinities = sparse.coo_array((np.concatenate([values, values]), pairs), shape=(places.size,) * 2).tocsr()
    return (sparse.diags_array(affinities.sum(axis=1)) - affinities).tocsr()
