"""The picture that exports are checked with, and servers warmed up with."""

import numpy as np
import tensorflow as tf


def rough_field(height: int, width: int) -> np.ndarray:
    """RGB (height, width, 3) float32 of soft colors, some of them beyond 0..255."""
    grid = np.random.default_rng(0).uniform(0, 255, (6, 8, 3)).astype(np.float32)
    return np.asarray(tf.image.resize(grid, (height, width), "bicubic"))


def picture(height: int, width: int) -> np.ndarray:
    """RGB (height, width, 3) uint8 of soft colors with some noise."""
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3)).astype(np.float32)
    return np.clip(rough_field(height, width) + noise, 0, 255).astype(np.uint8)
