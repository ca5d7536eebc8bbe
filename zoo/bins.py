"""Quantized color: the classes that classification networks score, and the ways to and from them.

* 313 in-gamut ab bins on a grid of 10 (Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016).
* the n most frequent cells of a 10 x 10 grid over UV (Billaut et al. ColorUNet. 2018).
* histograms of 32 uniform bins on [0, 1], or of bins of equal Gaussian shares (Larsson et al. ECCV 2016).

Soft encoding, prior, class-rebalancing weights and annealed mean are Zhang's (sections 2.2 and 2.3 of the paper).
"""

from statistics import NormalDist

import keras
import numpy as np
from keras import ops

from zoo import color
from zoo.color import Tensor
from zoo.errors import ArgumentError

AB_STEP = 10
UV_CELLS = 10  # per axis
UV_LIMITS = np.array([0.45, 0.65], np.float32)  # the grid spans [-limit, limit] in U and in V


def ab_grid() -> np.ndarray:
    """The 313 ab bins, (313, 2) float32 in Lab units, a ascending, then b.

    A multiple-of-10 grid point is a bin when its Chebyshev distance to the convex hull of sRGB's projection on the ab
    plane is below 10: these are the corners of all grid cells that the hull's interior enters.
    """
    ramp = np.linspace(0, 1, 6)
    corners = np.array([[i, j] for i in (0.0, 1.0) for j in (0.0, 1.0)])
    # The hull of the cube's projection is spanned by the projections of its twelve edges.
    edges = [np.insert(corner, axis, t) for axis in range(3) for corner in corners for t in ramp]
    lab = keras.ops.convert_to_numpy(color.rgb_to_lab(np.array(edges, np.float32)))
    square = np.array([[i, j] for i in (-AB_STEP, AB_STEP) for j in (-AB_STEP, AB_STEP)])
    hull = _convex_hull((lab[:, None, 1:] + square).reshape(-1, 2))

    axis = np.arange(-110, 111, AB_STEP)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    start, side = hull, np.roll(hull, -1, axis=0) - hull
    offset = points[:, None] - start
    inside = (side[:, 0] * offset[..., 1] - side[:, 1] * offset[..., 0] > 0).all(axis=1)
    return points[inside].astype(np.float32)


def _convex_hull(points: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of points (n, 2), counterclockwise (Andrew's monotone chain)."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]

    def chain(sequence: np.ndarray) -> list[np.ndarray]:
        kept: list[np.ndarray] = []
        for p in sequence:
            while len(kept) > 1:
                u, v = kept[-1] - kept[-2], p - kept[-1]
                if u[0] * v[1] - u[1] * v[0] > 0:
                    break
                kept.pop()
            kept.append(p)
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]))


def uv_cell(uv: Tensor) -> Tensor:
    """UV (..., 2) -> index (...) int32 in [0, 100) of its cell on the 10 x 10 grid; colors beyond it are clamped."""
    cells = ops.floor((uv + UV_LIMITS) * (UV_CELLS / 2 / UV_LIMITS))
    cells = ops.cast(ops.clip(cells, 0, UV_CELLS - 1), "int32")
    return cells[..., 0] * UV_CELLS + cells[..., 1]


def frequent_classes(counts: np.ndarray, n: int) -> np.ndarray:
    """Counts of the 100 UV cells -> the class in [0, n) of every cell, (100,) int32.

    The n most frequent cells are the classes, the most frequent first; every other cell belongs to the class that is
    nearest on the grid (ColorUNet, section 2.1).

    Raises:
        ArgumentError: fewer than n cells hold any color, or n is below 2.
    """
    occupied = int((counts > 0).sum())
    if not 2 <= n <= occupied:
        raise ArgumentError(f"bins is {n}: it must lie between 2 and {occupied}, the UV cells that occur")
    kept = np.argsort(-counts, kind="stable")[:n]
    grid = np.stack(np.divmod(np.arange(UV_CELLS**2), UV_CELLS), axis=-1)
    distance = ((grid[:, None] - grid[kept]) ** 2).sum(-1)
    return distance.argmin(1).astype(np.int32)


def class_statistics(classes: np.ndarray, counts: np.ndarray, ab_sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per-cell counts (100,) and sums of ab (100, 2) -> the classes' mean ab (n, 2) and their prior (n,), float32."""
    n = int(classes.max()) + 1
    count = np.bincount(classes, counts, n)
    centers = np.stack([np.bincount(classes, ab_sums[:, i], n) for i in range(2)], axis=-1) / count[:, None]
    return centers.astype(np.float32), (count / count.sum()).astype(np.float32)


def uniform_uv_centers(n: int) -> np.ndarray:
    """Mean ab (n, 2) of the n most frequent UV cells of a uniform sample of sRGB.

    The classes of a network that is built without data; recipes replace them by those of their photographs.
    """
    ramp = np.linspace(0, 1, 32, dtype=np.float32)
    rgb = np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = ops.convert_to_numpy(uv_cell(color.rgb_to_yuv(rgb)[..., 1:]))
    ab = ops.convert_to_numpy(color.rgb_to_lab(rgb))[:, 1:]
    counts = np.bincount(cells, minlength=UV_CELLS**2)
    ab_sums = np.stack([np.bincount(cells, ab[:, i], UV_CELLS**2) for i in range(2)], axis=-1)
    return class_statistics(frequent_classes(counts, n), counts, ab_sums)[0]


def histogram_bin(value: Tensor, bins: int = 32) -> Tensor:
    """Values (...) in [0, 1] -> index (...) int32 of their bin; 1 belongs to the last one (Larsson, section 3)."""
    return ops.cast(ops.clip(ops.floor(value * bins), 0, bins - 1), "int32")


def histogram_centers(bins: int = 32) -> np.ndarray:
    """Centers (bins,) float32 of uniform bins on [0, 1]."""
    return ((np.arange(bins) + 0.5) / bins).astype(np.float32)


def histograms_at(classes: Tensor, locations: Tensor, bins: int = 32, window: int = 1) -> Tensor:
    """Classes (B, H, W) int in [0, bins), locations (B, N, 2) -> histograms (B, N, bins) around them; rows sum to 1.

    Args:
        classes: of every pixel, as `histogram_bin` or `gaussian_bin` give them.
        locations: rows and columns of pixels of the picture, whole numbers.
        window: side in pixels, odd, of the square that is counted; 1 gives one-hot rows. The authors' training counts
            7 x 7 pixels. Beyond the border of the picture the border counts again.

    Raises:
        ArgumentError: the window is not odd.
    """
    if window < 1 or window % 2 == 0:
        raise ArgumentError(f"window is {window}: it must be odd")
    batch, height, width = ops.shape(classes)
    count = ops.shape(locations)[1]
    offsets = np.arange(window, dtype=np.int32) - window // 2
    places = ops.expand_dims(ops.cast(locations, "int32"), -1) + offsets  # (B, N, 2 axes, window)
    rows = ops.clip(places[:, :, 0], 0, height - 1)
    columns = ops.clip(places[:, :, 1], 0, width - 1)
    index = ops.expand_dims(rows * width, -1) + ops.expand_dims(columns, -2)
    found = ops.take_along_axis(ops.reshape(classes, (batch, -1)), ops.reshape(index, (batch, -1)), axis=1)
    return ops.mean(ops.one_hot(ops.reshape(found, (batch, count, window**2)), bins), axis=2)


def histogram_median(probabilities: Tensor) -> Tensor:
    """Histograms (..., n) over [0, 1] -> the center (..., 1) of the bin in which the cumulative sum reaches a half."""
    below = ops.cast(ops.cumsum(probabilities, axis=-1) < 0.5, "float32")
    return (ops.sum(below, axis=-1, keepdims=True) + 0.5) * (1 / probabilities.shape[-1])


def circular_expectation(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Histograms (..., n) over one turn -> angle (..., 1) in [0, 1] turns and length (..., 1) in [0, 1] of the mean.

    The mean is that of unit vectors in the directions of the centers of the bins: its length is 1 where one bin has
    everything and 0 where opposite directions cancel (Larsson, section 3).
    """
    angles = 2 * np.pi * histogram_centers(probabilities.shape[-1])
    mean = ops.matmul(probabilities, np.stack([np.cos(angles), np.sin(angles)], axis=-1))
    x, y = mean[..., :1], mean[..., 1:]
    turns = ops.arctan2(y, x) * (1 / (2 * np.pi))
    # The root has no slope at 0.
    return turns - ops.floor(turns), ops.sqrt(ops.maximum(x * x + y * y, 1e-12))


def gaussian_bin(value: Tensor, bins: int = 32, sigma: float = 25.0) -> Tensor:
    """Values (...) of a or b -> index (...) int32 of their bin, each of which holds 1/bins of a Gaussian around 0.

    Fine bins where colors are frequent, near gray. Source: Larsson, section 3: sigma = 25 Lab units.
    """
    return histogram_bin(ops.erf(value * (1 / (sigma * 2**0.5))) * 0.5 + 0.5, bins)


def gaussian_centers(bins: int = 32, sigma: float = 25.0) -> np.ndarray:
    """Centers (bins,) float32 of the bins of `gaussian_bin`: half of a bin's share lies on either side."""
    gaussian = NormalDist(0, sigma)
    return np.array([gaussian.inv_cdf(share) for share in histogram_centers(bins).tolist()], np.float32)


def soft_encode(ab: Tensor, centers: np.ndarray, *, neighbors: int | None = 5, sigma: float = 5.0) -> Tensor:
    """Colors ab (..., 2) -> distributions (..., n) over the centers (n, 2); rows sum to 1.

    The `neighbors` nearest centers, or without a number all of them, share the color with weights
    exp(-distance^2 / (2 sigma^2)); centers that tie for the last place all take part. Source: Zhang, section 2.1:
    5 neighbors, sigma = 5 Lab units. All differ little from these, as far ones weigh next to nothing, and cost less.
    """
    if neighbors is None:
        # The exponent without |ab|^2, in which the centers do not differ.
        exponent = ops.matmul(ab, centers.T) - 0.5 * np.square(centers).sum(-1)
        return ops.softmax(exponent * (1 / sigma**2), axis=-1)
    # Channel by channel: sums over a last axis of two are several times slower.
    squared = ops.square(ab[..., :1] - centers[:, 0]) + ops.square(ab[..., 1:] - centers[:, 1])
    nearest = -ops.top_k(-squared, neighbors)[0]
    # Counted from the nearest center, so that far colors do not underflow to zero everywhere.
    weight = ops.exp((nearest[..., :1] - squared) * (1 / (2 * sigma**2)))
    weight = ops.where(squared <= nearest[..., -1:], weight, 0.0)
    return weight / ops.sum(weight, axis=-1, keepdims=True)


def rebalancing_weights(prior: np.ndarray, lam: float) -> np.ndarray:
    """Prior (n,) -> weights (n,) ((1 - lam) prior + lam / n)^-1, scaled so that the expected weight is 1.

    lam = 1 weighs all classes equally; the closer lam is to 0, the more a rare color counts
    (Zhang, equation 4; ColorUNet, section 2.1).

    Raises:
        ArgumentError: lam outside [0, 1], or 0 with a class that never occurs.
    """
    if not 0 <= lam <= 1 or (lam == 0 and not (prior > 0).all()):
        raise ArgumentError(f"lambda is {lam}: it must lie in [0, 1], above 0 where a class never occurs")
    weights = 1 / ((1 - lam) * prior + lam / len(prior))
    return (weights / (prior * weights).sum()).astype(np.float32)


def annealed_mean(logits: Tensor, centers: np.ndarray, temperature: float) -> Tensor:
    """Scores (..., n) -> colors (..., 2): the mean of the centers (n, 2) under softmax(logits / temperature).

    Temperature 1 gives the mean of the predicted distribution, temperature 0 its mode (Zhang, equation 5).

    Raises:
        ArgumentError: a negative temperature.
    """
    if temperature < 0:
        raise ArgumentError(f"temperature is {temperature}: it must be 0 (the mode) or above")
    if temperature == 0:
        return ops.take(centers, ops.argmax(logits, axis=-1), axis=0)
    return ops.matmul(ops.softmax(logits * (1 / temperature), axis=-1), centers)
