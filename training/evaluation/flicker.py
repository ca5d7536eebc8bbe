"""How much the colors of a film flicker, and how far they are from the true ones.

The true film, in color, gives the motion: colors should stay with what they belong to, and where nothing moves, they
should stay. Measures, all lower for less flicker:

* Warping error: ab of a frame against that of the frame before, along the true film's flow, where a pixel was in
  sight; the root of the mean square over pixels and both channels, in Lab units. The idea is that of Lai et al.,
  Learning Blind Video Temporal Consistency, ECCV 2018, who have it in RGB.
* CDC, color distribution consistency: the Jensen-Shannon divergence, to base 2, of the histograms of R, G and B (256
  bins) of frames that are 1, 2 and 4 frames apart, averaged over channels, pairs and then distances. Liu et al.,
  Temporally Consistent Video Colorization with Deep Feature Propagation and Self-regularization Learning, 2021.
* Variation in still areas: as the warping error, where the true film moves by less than a quarter of a pixel and its
  lightness by less than one unit, between the very same pixels.

Pairs of frames with a cut between them do not count. Frames are measured at a small size.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from media.films import SMALL
from media.motion import Motion, look_up
from media.scenes import is_cut
from training.evaluation.metrics import colorfulness
from zoo import color

DISTANCES = (1, 2, 4)  # of CDC, in frames
STILL_PIXELS, STILL_LIGHTNESS = 0.25, 1.0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Flicker:
    """Means over a film.

    Attributes:
        frames: that were compared.
        warping: warping error, in Lab units.
        cdc: color distribution consistency.
        still: variation in still areas, in Lab units; NaN where nothing is still.
        rmse: ab against the true film, in Lab units.
        colorfulness: that of Hasler and Susstrunk.
    """

    frames: int
    warping: float
    cdc: float
    still: float
    rmse: float
    colorfulness: float


class FlickerMeter:
    """Compares the frames of a film with those of the true film, one after the other."""

    def __init__(self) -> None:
        self._motion = Motion()
        self._before: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._small: Pixels | None = None
        self._histograms: deque[NDArray[np.float64]] = deque(maxlen=max(DISTANCES) + 1)
        self._warping: list[float] = []
        self._still: list[float] = []
        self._divergences: dict[int, list[float]] = {distance: [] for distance in DISTANCES}
        self._errors: list[float] = []
        self._colorfulness: list[float] = []

    def add(self, true: Pixels, pixels: Pixels) -> None:
        """The next frame of the true film and that of the other, sRGB (H, W, 3) uint8 of one size."""
        self.add_lab(true, _lab(true), pixels, _lab(pixels))

    def add_lab(self, true: Pixels, true_lab: NDArray[np.float32], pixels: Pixels, lab: NDArray[np.float32]) -> None:
        """As `add`, where Lab (H, W, 3) is known without the rounding of RGB."""
        self._errors.append(_root_mean_square(lab[..., 1:] - true_lab[..., 1:]))
        self._colorfulness.append(float(colorfulness(pixels)))
        height, width = SMALL
        small = cv2.resize(true, (width, height), interpolation=cv2.INTER_AREA)
        if self._small is not None and is_cut(self._small, small):
            self._before = None
            self._histograms.clear()
        self._small = small
        light, ab = np.ascontiguousarray(true_lab[..., 0]), np.ascontiguousarray(lab[..., 1:])
        if self._before is not None:
            self._compare(*self._before, light, ab)
        self._before = light, ab
        self._histograms.append(_histograms(pixels))
        for distance in DISTANCES:
            if len(self._histograms) > distance:
                pair = self._histograms[-1], self._histograms[-1 - distance]
                self._divergences[distance].append(jensen_shannon(*pair))

    def _compare(
        self,
        light_before: NDArray[np.float32],
        ab_before: NDArray[np.float32],
        light: NDArray[np.float32],
        ab: NDArray[np.float32],
    ) -> None:
        places, seen = self._motion.between(light_before, light)
        if seen.any():
            self._warping.append(_root_mean_square((ab - look_up(ab_before, places))[seen]))
        rows, columns = np.indices(light.shape)
        moved = np.hypot(places[..., 0] - columns, places[..., 1] - rows)
        still = seen & (moved < STILL_PIXELS) & (np.abs(light - light_before) < STILL_LIGHTNESS)
        if still.any():
            self._still.append(_root_mean_square((ab - ab_before)[still]))

    def figures(self) -> Flicker:
        """The means over all frames so far."""
        return Flicker(
            len(self._errors),
            _mean(self._warping),
            _mean([_mean(values) for values in self._divergences.values() if values]),
            _mean(self._still),
            _mean(self._errors),
            _mean(self._colorfulness),
        )


def jensen_shannon(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The Jensen-Shannon divergence, to base 2, of histograms (C, n) whose rows sum to 1; the mean over the rows."""
    middle = (first + second) / 2

    def relative(p: NDArray[np.float64]) -> NDArray[np.float64]:
        ratio = np.divide(p, middle, out=np.ones_like(p), where=p > 0)
        return np.asarray((p * np.log2(ratio)).sum(-1))

    return float(((relative(first) + relative(second)) / 2).mean())


def _lab(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(color.rgb_to_lab(pixels.astype(np.float32) / 255))


def _histograms(pixels: Pixels) -> NDArray[np.float64]:
    channels = pixels.reshape(-1, 3).T
    return np.stack([np.bincount(channel, minlength=256) / channel.size for channel in channels])


def _root_mean_square(differences: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(differences, dtype=np.float64).mean()))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
