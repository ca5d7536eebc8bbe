"""How often colors occur, on the ab plane, along a and b, and in bins; and what two histograms have in common.

Colors are ab in Lab units. What lies beyond a histogram counts in its last cell: no color of sRGB does.
"""

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo.bins import AB_STEP, ab_grid
from zoo.errors import ArgumentError

LIMIT = 110  # histograms span [-110, 110], which holds all of sRGB
PLANE_CELLS = 25  # per axis: Araujo and Veloso, Fig. 2
AXIS_BINS = 2 * LIMIT  # of one Lab unit each, as in the code of Gorriz Blanch et al., whose Fig. 4 has no unit

Counts = NDArray[np.int64]


def plane_counts(ab: ArrayLike) -> Counts:
    """Colors (..., 2) -> how many lie in each of 25 x 25 cells of the ab plane, (25, 25); rows are a, columns b."""
    place = _cells(ab, PLANE_CELLS)
    counts = np.bincount((place[..., 0] * PLANE_CELLS + place[..., 1]).ravel(), minlength=PLANE_CELLS**2)
    return counts.reshape(PLANE_CELLS, PLANE_CELLS)


def axis_counts(ab: ArrayLike) -> Counts:
    """Colors (..., 2) -> how many have a, and b, in each interval of one unit from -110 on, (2, 220)."""
    place = _cells(ab, AXIS_BINS)
    return np.stack([np.bincount(place[..., axis].ravel(), minlength=AXIS_BINS) for axis in range(2)])


def _cells(ab: ArrayLike, cells: int) -> NDArray[np.int64]:
    scaled = (np.asarray(ab, np.float64) + LIMIT) * (cells / (2 * LIMIT))
    return np.clip(np.floor(scaled), 0, cells - 1).astype(np.int64)


def nearest_bin(ab: ArrayLike) -> NDArray[np.int64]:
    """Colors (..., 2) -> the index (...) of the nearest bin of `zoo.bins.ab_grid`, in [0, 313).

    Colors far outside sRGB get the bin that is nearest to the nearest point of the grid.
    """
    table, _ = _bin_table()
    place = np.rint(np.asarray(ab, np.float64) / AB_STEP).astype(np.int64) + len(table) // 2
    place = place.clip(0, len(table) - 1)
    return table[place[..., 0], place[..., 1]]


@cache
def _bin_table() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest bin of each point of the grid, (23, 23), and the bins, (313, 2)."""
    axis = np.arange(-LIMIT, LIMIT + 1, AB_STEP)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    bins = ab_grid().astype(np.float64)
    squared = ((points[..., None, :] - bins) ** 2).sum(axis=-1)
    return squared.argmin(axis=-1), bins


def nearest_center(ab: ArrayLike, centers: NDArray[np.floating]) -> NDArray[np.int64]:
    """Colors (..., 2) -> the index (...) of the nearest of any centers (n, 2); of equally near ones the first."""
    if np.array_equal(centers, _bin_table()[1]):
        return nearest_bin(ab)  # which looks it up
    colors = np.asarray(ab, np.float64)
    nearest = np.zeros(colors.shape[:-1], np.int64)
    least = np.full(colors.shape[:-1], np.inf)
    for i, (a, b) in enumerate(np.asarray(centers, np.float64)):
        squared = (colors[..., 0] - a) ** 2 + (colors[..., 1] - b) ** 2
        nearer = squared < least
        nearest[nearer] = i
        least = np.minimum(least, squared)
    return nearest


def intersection(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """The area (...) that two histograms (..., n) have in common, in [0, 1], each brought to an area of 1.

    Swain and Ballard. Color Indexing. IJCV 7(1), 1991; Gorriz Blanch et al. compare systems by it in their Fig. 4.

    Raises:
        ArgumentError: the shapes differ, or a histogram is empty.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ArgumentError(f"two equal shapes (..., n) are needed, not {one.shape} and {other.shape}")
    totals = one.sum(axis=-1, keepdims=True), other.sum(axis=-1, keepdims=True)
    if not all((total > 0).all() for total in totals):
        raise ArgumentError("a histogram without counts has no area: count at least one color in each")
    return np.asarray(np.minimum(one / totals[0], other / totals[1]).sum(axis=-1))
