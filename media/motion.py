"""Where the pixels of a film's frame were in the frame before, by dense optical flow.

Flow: DIS, Kroeger, Timofte, Dai, Van Gool. Fast Optical Flow using Dense Inverse Search. ECCV 2016. Where flow and
backward flow disagree, a pixel was hidden: Sundaram, Brox, Keutzer. Dense Point Trajectories by GPU-Accelerated Large
Displacement Optical Flow. ECCV 2010, equation 5. Where the lightness differs as well, the flow is wrong.
"""

import cv2
import numpy as np

# Sundaram's constants: of the squared lengths of both flows, and in squared pixels.
CONSISTENCY_SHARE, CONSISTENCY_PIXELS = 0.01, 0.5
LIGHTNESS_CHANGE = 12.0  # difference in L beyond which a pixel is not the one that it was


class Motion:
    """Finds the motion between neighboring frames of one size.

    Args:
        fast: in two thirds of the time, at twice the scale.
    """

    def __init__(self, *, fast: bool = False) -> None:
        preset = cv2.DISOPTICAL_FLOW_PRESET_FAST if fast else cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
        self._flow = cv2.DISOpticalFlow.create(preset)

    def between(self, before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two neighboring frames, L (H, W) in [0, 100], H and W >= 12 -> where the later one's pixels were.

        Returns:
            Places (H, W, 2) float32, x and y in the earlier frame; and (H, W) bool, whether the pixel was in sight.
        """
        height, width = now.shape
        first, second = _levels(before), _levels(now)
        backward, forward = self._flow.calc(second, first, None), self._flow.calc(first, second, None)
        places = grid_of(now) + backward
        there = look_up(forward, places)
        mismatch = np.square(backward + there).sum(-1)
        lengths = np.square(backward).sum(-1) + np.square(there).sum(-1)
        seen = mismatch <= CONSISTENCY_SHARE * lengths + CONSISTENCY_PIXELS
        seen &= np.abs(look_up(before, places) - now) <= LIGHTNESS_CHANGE
        inside = (places >= 0) & (places <= np.array([width - 1, height - 1], np.float32))
        return places, seen & inside.all(-1)

    def places(self, before: np.ndarray, now: np.ndarray) -> np.ndarray:
        """The places of `between` alone, in half the time."""
        return np.asarray(grid_of(now) + self._flow.calc(_levels(now), _levels(before), None))


def grid_of(frame: np.ndarray) -> np.ndarray:
    """The places (H, W, 2) float32, x and y, of the pixels of a frame (H, W) themselves."""
    height, width = frame.shape
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)


def _levels(frame: np.ndarray) -> np.ndarray:
    return np.rint(frame * 2.55).astype(np.uint8)


def look_up(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A map (H, W) or (H, W, C), C <= 4, at places (H, W, 2), between its pixels linearly."""
    return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
