"""Where the scenes of a film begin, from small pictures of its frames.

A new scene begins where two neighbors differ in their grays and in the histogram of their colors.
"""

import cv2
import numpy as np

from media.films import SMALL

BLANK = 5.0  # levels: the standard deviation of every channel; of 2,500 photographs of scenes, the least was 15
CUT_GRAY = 15.0  # gray levels between neighbors at a cut, at least...
CUT_COLORS = 0.35  # ...and the share of the pixels that moved to other bins of the histogram
HISTOGRAM = 8  # bins for each channel
FLASH = 4  # frames after which a scene that comes back is a new one


class SceneDetector:
    """Numbers the scenes of one film, from 1, as its frames come by."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._before: np.ndarray | None = None  # the last frame of the scene before
        self._scene, self._scene_before, self._highest, self._age = 1, 1, 1, 0

    def number(self, small: np.ndarray) -> int:
        """The scene of the next frame, a small picture (*SMALL, 3) uint8."""
        self._age += 1
        if self._last is not None and is_cut(self._last, small):
            back = self._before is not None and self._age <= FLASH and not is_cut(self._before, small)
            flash = back and self._last.mean() > small.mean()  # and not a fade through black
            scene = self._scene_before if flash else self._highest + 1
            self._before, self._scene_before = self._last, self._scene
            self._scene, self._highest, self._age = scene, max(scene, self._highest), 0
        self._last = small
        return self._scene


def to_gray(small: np.ndarray) -> np.ndarray:
    """A small picture (*SMALL, 3) uint8 -> mean gray of areas of 4 x 4 of its pixels, float32."""
    height, width = SMALL
    gray = small @ np.array([0.299, 0.587, 0.114], np.float32)
    return gray.reshape(height // 4, 4, width // 4, 4).mean((1, 3))


def score(one: np.ndarray, other: np.ndarray) -> float:
    """The mean absolute difference of two pictures of `to_gray`, in levels of 0 to 255."""
    return float(np.abs(one - other).mean())


def is_blank(small: np.ndarray) -> bool:
    """Whether a small picture (*SMALL, 3) uint8 has nearly one tone."""
    return bool(cv2.meanStdDev(small)[1].max() < BLANK)


def is_cut(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two neighbors, small pictures (*SMALL, 3) uint8, belong to different scenes.

    Both criteria must hold: fast motion moves gray but keeps the colors, flicker moves colors over the border of a
    bin but hardly changes the gray. A blank frame ends a scene, so that a fade through black is a cut, too.
    """
    if is_blank(one) or is_blank(other):
        return is_blank(one) != is_blank(other)
    changed = np.abs(_histogram(one) - _histogram(other)).sum() / 2
    return bool(changed >= CUT_COLORS and score(to_gray(one), to_gray(other)) >= CUT_GRAY)


def _histogram(small: np.ndarray) -> np.ndarray:
    bins = (small.reshape(-1, 3) // (256 // HISTOGRAM)) @ np.array([HISTOGRAM**2, HISTOGRAM, 1])
    return np.bincount(bins, minlength=HISTOGRAM**3) / len(bins)
