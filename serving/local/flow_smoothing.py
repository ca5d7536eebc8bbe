"""Colors of a film without flicker, along the motion of what is seen.

The kernel of `serving.local.smoothing` follows dense optical flow: what a pixel was colored before is looked up where
it was before (DIS: Kroeger, Timofte, Dai, Van Gool. Fast Optical Flow using Dense Inverse Search. ECCV 2016). Where
flow and backward flow disagree, a pixel was hidden (Sundaram, Brox, Keutzer. Dense Point Trajectories by
GPU-Accelerated Large Displacement Optical Flow. ECCV 2010, equation 5), and where the lightness differs, the flow is
wrong: there the kernel begins anew. It is a recursion without end instead of T = 20 frames, whose tail weighs 1.5 %, so
that memory is one map.

A network's colors also drift and pulse as a whole. What a frame differs in, on average, from the colors that the same
matter had before is therefore taken from it, but for a share of 1 / n at the n-th frame of a scene: so the mean of what
stays in sight is that over all frames of the scene.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from serving.local.film_pipeline import State
from serving.local.smoothing import DECAY, Cuts
from serving.local.tiled import TiledColorizer

# Sundaram's constants: of the squared lengths of both flows, and in squared pixels.
CONSISTENCY_SHARE, CONSISTENCY_PIXELS = 0.01, 0.5
LIGHTNESS_CHANGE = 12.0  # difference in L beyond which a pixel is not the one that it was
LEAST_SEEN = 0.1  # share of the frame that must have been in sight before, to tell a pulse


class FlowSmoother:
    """The kernel along optical flow, over ab; see `serving.local.film_pipeline.Smoother`."""

    def __init__(self, colorizer: TiledColorizer) -> None:
        self._predict = colorizer.predict
        self._cuts = Cuts()
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._lightness: np.ndarray | None = None  # of the frame before, (size, size) uint8
        self._colors = np.empty(0, np.float32)  # smoothed, of the frame before, (size, size, 2)
        self._weight = np.empty(0, np.float32)  # sum of the weights behind them, (size, size)
        self._age = 0  # frames of the scene

    def colors(self, frames: np.ndarray) -> np.ndarray:
        """See `serving.local.film_pipeline.Smoother`."""
        return np.stack([self._smooth(frame, ab) for frame, ab in zip(frames, self._predict(frames), strict=True)])

    def _smooth(self, frame: np.ndarray, ab: np.ndarray) -> np.ndarray:
        lightness = np.rint(frame[..., 0] * 2.55).astype(np.uint8)
        before, self._lightness = self._lightness, lightness
        self._age += 1
        if self._cuts.is_next(frame) or before is None:
            self._age = 1
            self._colors, self._weight = ab, np.ones(ab.shape[:2], np.float32)
            return ab
        back, seen = motion(self._flow, before, lightness)
        earlier = look_up(self._colors, back)
        weight = np.exp(-DECAY) * look_up(self._weight, back) * seen
        if seen.mean() >= LEAST_SEEN:
            pulse = (ab - earlier)[seen].mean(axis=0)
            ab = ab - pulse * (1 - 1 / self._age)
        self._weight = 1 + weight
        share = (weight / self._weight)[..., None]
        self._colors = ab + share * (earlier - ab)
        return self._colors

    def state(self) -> State:
        """See `serving.local.film_pipeline.Smoother`."""
        if self._lightness is None:
            return {}
        kept = {"lightness": self._lightness, "colors": self._colors, "weight": self._weight}
        return {**kept, "age": np.array(self._age), **self._cuts.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `serving.local.film_pipeline.Smoother`."""
        if state:
            self._lightness, self._colors, self._weight = state["lightness"], state["colors"], state["weight"]
            self._age = int(state["age"])
            self._cuts.restore(state)


def motion(flow: cv2.DISOpticalFlow, before: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two neighboring frames, gray (H, W) uint8 -> where each pixel of the later one was, and whether it was in sight.

    Returns:
        Places (H, W, 2) float32, x and y in the earlier frame; (H, W) bool.
    """
    height, width = now.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    backward, forward = flow.calc(now, before, None), flow.calc(before, now, None)
    places = grid + backward
    there = look_up(forward, places)
    mismatch = np.square(backward + there).sum(-1)
    lengths = np.square(backward).sum(-1) + np.square(there).sum(-1)
    seen = mismatch <= CONSISTENCY_SHARE * lengths + CONSISTENCY_PIXELS
    change = np.abs(look_up(before.astype(np.float32), places) - now)
    seen &= change <= LIGHTNESS_CHANGE * 2.55
    inside = (places >= 0) & (places <= np.array([width - 1, height - 1], np.float32))
    return places, seen & inside.all(-1)


def look_up(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A map (H, W) or (H, W, 2) at places (H, W, 2), between its pixels linearly."""
    return cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
