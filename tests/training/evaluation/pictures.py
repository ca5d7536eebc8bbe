"""Pairs of pictures that the metrics are tested on: odd sizes, 8 and 16 bits, and cases that are easy by hand."""

import numpy as np


def random_pair(size: tuple[int, int] = (13, 17), bits: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy RGB pictures (H, W, 3) that resemble each other."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2**bits, (*size, 3))
    other = np.clip(truth + rng.integers(-(2 ** (bits - 3)), 2 ** (bits - 3), truth.shape), 0, 2**bits - 1)
    dtype = np.uint8 if bits == 8 else np.uint16
    return truth.astype(dtype), other.astype(dtype)


def one_pixel_apart(size: tuple[int, int] = (13, 17), by: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """A constant picture, and the same with one channel of one pixel `by` levels higher."""
    truth = np.full((*size, 3), 100, np.uint8)
    other = truth.copy()
    other[3, 4, 1] += by
    return truth, other
