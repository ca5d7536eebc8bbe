"""Pictures that make a colorizer do all that it can."""

import numpy as np


def photograph(size: tuple[int, int], batch: int = 1) -> np.ndarray:
    """RGB uint8 (batch, *size, 3) with shades from black to white, strong colors, noise and edges."""
    draw = np.random.default_rng(sum(size))
    y, x = np.linspace(0, 1, size[0])[:, None, None], np.linspace(0, 1, size[1])[None, :, None]
    hue = np.array([0, 2, 4]) + 9 * x
    picture = 300 * y - 20 + 70 * np.sin(hue) * np.sign(np.sin(14 * x * y))
    pictures = picture + draw.normal(0, 12, (batch, *size, 3))
    return np.clip(np.round(pictures), 0, 255).astype(np.uint8)
