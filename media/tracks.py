"""Where the pixels of one frame of a film are in others that are far from it.

The flow from frame to frame (`media.motion`) is followed along, as in Sundaram et al., cited there. Errors do not add
up, since the first frame is bent to where it has come, and the flow between this and the frame at hand is added. What
was hidden and is seen again is looked for where what surrounds it has gone, and believed if its lightness agrees.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from media.motion import Motion, grid_of, look_up

TOLERANCE = 12.0  # difference in L at which a pixel is trusted by exp(-1)
SURROUNDINGS = 0.04  # standard deviation of the Gaussian that means the motion around a pixel, as a share of the width
LOST = 0.3  # trust below which a pixel is looked for where what surrounds it has gone...
FOUND, AGREEMENT = 0.5, 0.7  # ...and what it is worth there, if its lightness alone would be trusted by more than this

Arrays = dict[str, np.ndarray]


class Track:
    """Follows the pixels of a frame through its scene, in either direction of time.

    Attributes:
        places: (H, W, 2) float32, x and y in the first frame of what is seen at the pixels of the last one.
        trust: (H, W) float32 in [0, 1], how sure that is.
    """

    def __init__(self, first: np.ndarray) -> None:
        """Begin at a frame, L (H, W) in [0, 100], H and W >= 12."""
        self._motion = Motion()
        self._first = self._last = first
        self._grid = grid_of(first)
        self.places = self._grid
        self.trust = np.ones(first.shape, np.float32)

    def follow(self, frame: np.ndarray) -> None:
        """Go on to a neighbor of the last frame, L (H, W)."""
        places, seen = self._motion.between(self._last, frame)
        self.places, trust = look_up(self.places, places), look_up(self.trust, places) * seen
        self._fill(trust)
        places = self._motion.places(look_up(self._first, self.places), frame)
        height, width = frame.shape
        self.places = np.clip(look_up(self.places, places), 0, np.array([width - 1, height - 1], np.float32))
        difference = look_up(self._first, self.places) - frame
        agreement = np.exp(-np.square(difference / TOLERANCE))
        found = np.where(agreement > AGREEMENT, np.float32(FOUND), np.float32(0))
        self.trust = np.minimum(np.maximum(trust, found), agreement)
        self._last = frame

    def carry(self, values: np.ndarray) -> np.ndarray:
        """A map (H, W) or (H, W, C), C <= 4, of the first frame -> as the last one sees it."""
        return look_up(values, self.places)

    def state(self) -> Arrays:
        """All that `restore` needs."""
        return {"first": self._first, "last": self._last, "places": self.places, "trust": self.trust}

    @classmethod
    def restore(cls, state: Mapping[str, np.ndarray]) -> "Track":
        """Go on from a state."""
        track = cls(state["first"])
        track._last, track.places, track.trust = state["last"], state["places"], state["trust"]
        return track

    def _fill(self, trust: np.ndarray) -> None:
        """Let lost pixels move as those around them."""
        spread = SURROUNDINGS * trust.shape[1]
        weight = np.square(trust) + np.float32(1e-6)
        moved = cv2.GaussianBlur((self.places - self._grid) * weight[..., None], None, spread)
        moved /= cv2.GaussianBlur(weight, None, spread)[..., None]
        self.places = np.where(trust[..., None] < LOST, self._grid + moved, self.places)
