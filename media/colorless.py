"""Which pictures have no colors: gray ones, and those that are toned as a whole."""

import numpy as np
from keras import ops

from zoo import color
from zoo.color import GRAY_LIMIT

# A photograph is toned if its color is a function of its lightness: if what remains of ab beside a parabola over L has
# a lower RMS than this, in Lab units.
TONED_LIMIT = 1.0


def colorless(frames: np.ndarray) -> list[str]:
    """Frames (B, S, S, 3) uint8 -> for each "gray", "toned" or, for a color photograph, ""."""
    sampled = frames[:, ::4, ::4].reshape(len(frames), -1, 3).astype(np.float32) / 255
    lab = ops.convert_to_numpy(color.rgb_to_lab(sampled))
    reasons = []
    for picture in lab:
        light, ab = picture[:, :1] / 100, picture[:, 1:]
        parabola = np.concatenate([np.ones_like(light), light, light**2], axis=1)
        rest = ab - parabola @ np.linalg.lstsq(parabola, ab, rcond=None)[0]
        if np.abs(ab).max() <= GRAY_LIMIT:
            reasons.append("gray")
        else:
            reasons.append("toned" if np.sqrt((rest**2).mean()) < TONED_LIMIT else "")
    return reasons
