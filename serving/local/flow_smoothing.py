"""Colors of a film without flicker, along the motion of what is seen.

The kernel of `serving.local.smoothing` follows what is seen: what a pixel was colored before is looked up where it was
before (`media.motion`), and where it was not in sight, the kernel begins anew. It is a recursion without end instead of
T = 20 frames, whose tail weighs 1.5 %, so that memory is one map.

A network's colors also pulse, over whole regions. Of what the mean of a region differs by from that of the colors that
the same matter had before, half is therefore taken from it.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from media.motion import Motion, look_up
from serving.local.film_pipeline import State
from serving.local.smoothing import DECAY, Cuts
from serving.local.tiled import TiledColorizer

REGION = 1 / 8  # standard deviation of the Gaussian that means regions, as a share of the frame's side
LEAST_SEEN = 0.1  # share of a region that must have been in sight before, to tell that it pulses
_COARSE = 4  # pixels, over which maps are averaged before they are blurred: regions are far larger
HELD = 0.5  # share of its change; with more, wrong colors stay longer: the RMSE of some clips rises by more than 2 %


class FlowSmoother:
    """The kernel along optical flow, over ab; see `serving.local.film_pipeline.Smoother`."""

    def __init__(self, colorizer: TiledColorizer) -> None:
        self._predict = colorizer.predict
        self._cuts = Cuts()
        self._motion = Motion(fast=True)  # what is finer gives no calmer colors
        self._lightness: np.ndarray | None = None  # of the frame before, (size, size)
        self._colors = np.empty(0, np.float32)  # smoothed, of the frame before, (size, size, 2)
        self._weight = np.empty(0, np.float32)  # sum of the weights behind them, (size, size)

    def colors(self, frames: np.ndarray) -> np.ndarray:
        """See `serving.local.film_pipeline.Smoother`."""
        return np.stack([self._smooth(frame, ab) for frame, ab in zip(frames, self._predict(frames), strict=True)])

    def _smooth(self, frame: np.ndarray, ab: np.ndarray) -> np.ndarray:
        lightness = frame[..., 0]
        before, self._lightness = self._lightness, lightness
        if self._cuts.is_next(frame) or before is None:
            self._colors, self._weight = ab, np.ones(ab.shape[:2], np.float32)
            return ab
        places, seen = self._motion.between(before, lightness)
        earlier = look_up(self._colors, places)
        weight = np.float32(np.exp(-DECAY)) * look_up(self._weight, places) * seen
        ab = ab - HELD * _regions(ab - earlier, seen)
        self._weight = 1 + weight
        share = (weight / self._weight)[..., None]
        self._colors = ab + share * (earlier - ab)
        return self._colors

    def state(self) -> State:
        """See `serving.local.film_pipeline.Smoother`."""
        if self._lightness is None:
            return {}
        kept = {"lightness": self._lightness, "colors": self._colors, "weight": self._weight}
        return {**kept, **self._cuts.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `serving.local.film_pipeline.Smoother`."""
        if state:
            self._lightness, self._colors, self._weight = state["lightness"], state["colors"], state["weight"]
            self._cuts.restore(state)


def _regions(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Maps (H, W, 2) -> their means over regions, of the pixels that were seen; towards 0 where few were."""
    height, width = seen.shape
    known = seen.astype(np.float32)
    small = (-(-width // _COARSE), -(-height // _COARSE))
    sums = cv2.resize(cv2.merge([*cv2.split(values * known[..., None]), known]), small, interpolation=cv2.INTER_AREA)
    sums = cv2.GaussianBlur(sums, None, REGION * small[1])
    means = sums[..., :2] / np.maximum(sums[..., 2:], LEAST_SEEN)
    return np.asarray(cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
