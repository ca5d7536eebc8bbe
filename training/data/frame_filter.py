"""Which frames of a film are kept; `training.data.frames` says why."""

from dataclasses import dataclass

import numpy as np

from media.colorless import colorless
from media.scenes import is_blank, score, to_gray

THRESHOLD = 15.0  # gray levels
DROPPED = ("near-identical", "gray", "toned", "blank", "damaged", "passed over")


@dataclass(frozen=True)
class Settings:
    """What decides which frames are kept, and how they are written.

    threshold: least score against the last kept frame of the scene, in gray levels; 0 keeps identical frames, too.
    every: minimum seconds between frames that are looked at; 0 looks at all.
    format: of the files, "jpeg" (quality 95, 4:4:4) or "png".
    """

    threshold: float = THRESHOLD
    every: float = 0.0
    format: str = "jpeg"


class FrameFilter:
    """Decides on the frames of one film, in their order, from their small pictures (*SMALL, 3) uint8."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._looked_at: float | None = None
        self._kept: dict[int, np.ndarray] = {}  # of each scene the last: it may go on after a flash

    def verdict(self, small: np.ndarray, time: float, scene: int) -> str:
        """Why the frame is dropped, one of DROPPED, or "" if it is kept."""
        if self._looked_at is not None and 0 <= time - self._looked_at < self.settings.every:
            return "passed over"
        self._looked_at = time
        if is_blank(small):
            return "blank"
        gray = to_gray(small)
        if scene in self._kept and score(gray, self._kept[scene]) < self.settings.threshold:
            return "near-identical"
        reason = colorless(small[None])[0]
        if not reason:
            self._kept[scene] = gray
        return reason
