"""Colors that a network finds plausible at a place of a photograph, for those who choose among them."""

from dataclasses import dataclass

import numpy as np

from serving.local.pipeline import Prepared
from serving.local.working import Working, working_size
from zoo import color, pipeline
from zoo.class_steps import ClassSteps, has_classes
from zoo.colorizer import Parts

LIGHTEST, DARKEST = 80.0, 30.0  # lightness at which colors are shown: beyond it sRGB has hardly any
CANDIDATES = 64  # classes that are looked at, the most probable ones
OF_HISTOGRAMS = (12, 6)  # bins of each, where a color is made of two histograms
GRAY = 8.0  # chroma in Lab units below which a color has no hue
APART, HUES_APART, CHROMAS_APART = 12.0, 25.0, 30.0  # colors of a list: distance; and degrees, or chroma
LEAST = 1e-3  # probability of a class that is named
RING = 40.0  # chroma of the ring of hues


@dataclass(frozen=True)
class Plausible:
    """A color that may be right at a place.

    Attributes:
        color: "#rrggbb", sRGB at the lightness of the place, from 30 to 80.
        probability: That the color at the place is nearer to this one than to the others of the list, in [0, 1]; 0
            where the network does not tell.
    """

    color: str
    probability: float


class Palette:
    """The plausible colors of one photograph.

    Those of a network with classes are its classes, at temperature 1, as they were learned; they are spread apart, so
    that a list does not consist of shades of brown. Other networks have no such opinion: their list is their own color
    and a ring of hues of medium chroma.

    Args:
        parts: of a colorizer.
        photograph: of this colorizer.
        ab: (size, size, 2), the colors of its frame.
    """

    def __init__(self, parts: Parts, photograph: Prepared, ab: np.ndarray) -> None:
        self._photograph, self._working, self._parts = photograph, working_size(photograph, ab), parts
        self._steps = ClassSteps(parts) if has_classes(parts.network) else None
        self._views: list[np.ndarray] = []
        if self._steps is not None:
            self._views = [np.asarray(view)[0] for view in self._steps.probabilities(photograph.frame[None])]

    def at(self, x: float, y: float, count: int) -> list[Plausible]:
        """At most `count` colors, the most probable one first, for shares x and y of the width and the height."""
        lightness, own = _look_at(self._working, x, y)
        lightness = min(max(lightness, DARKEST), LIGHTEST)
        if self._steps is None:
            angles = np.arctan2(own[1], own[0]) + 2 * np.pi * np.arange(count - 1) / max(1, count - 1)
            ring = RING * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
            ab, shares = np.concatenate([own[None], ring]), np.zeros(count)
        else:
            ab, probabilities = _candidates(self._steps, self._probabilities(x, y), lightness)
            lab = np.concatenate([np.full((len(ab), 1), lightness), ab], axis=-1).astype(np.float32)
            ab = np.asarray(color.fit_gamut(lab))[:, 1:]
            chosen = _spread_apart(ab, probabilities, count)
            nearest = np.linalg.norm(ab[:, None] - ab[chosen], axis=-1).argmin(axis=1)
            shares = np.asarray(np.bincount(nearest, probabilities, len(chosen)))
            order = np.argsort(-shares, kind="stable")
            ab, shares = ab[chosen][order], shares[order]
        light = np.full((len(ab), 1), lightness, np.float32)
        rgb = np.asarray(pipeline.recompose(light, ab.astype(np.float32)))
        levels = np.rint(rgb * 255).astype(int)
        return [
            Plausible("#{:02x}{:02x}{:02x}".format(*level), float(p)) for level, p in zip(levels, shares, strict=True)
        ]

    def _probabilities(self, x: float, y: float) -> np.ndarray:
        """Of the classes at a place, (K,): the mean over the views, linear between their cells."""
        height, width = self._photograph.lightness.shape
        longest = max(height, width * self._photograph.aspect)
        down, across = y * height / longest, x * width * self._photograph.aspect / longest
        found = []
        for number, view in enumerate(self._views):
            mirrored = self._parts.view_sides and number % 2
            found.append(_between_cells(view, down, 1 - across if mirrored else across))
        return np.asarray(np.mean(found, axis=0))


def _look_at(photograph: Working, x: float, y: float) -> tuple[float, np.ndarray]:
    """The lightness and the ab (2,) at a place."""
    height, width = photograph.lightness.shape
    place = min(int(y * height), height - 1), min(int(x * width), width - 1)
    return float(photograph.lightness[place]), photograph.ab[place]


def _between_cells(cells: np.ndarray, down: float, across: float) -> np.ndarray:
    """Cells (h, w, K), and a place as shares of h and w -> (K,)."""
    for share in (down, across):
        place = min(max(share * len(cells) - 0.5, 0.0), len(cells) - 1.0)
        first = int(place)
        second = min(first + 1, len(cells) - 1)
        cells = cells[first] * (1 - (place - first)) + cells[second] * (place - first)
    return cells


def _candidates(steps: ClassSteps, probabilities: np.ndarray, lightness: float) -> tuple[np.ndarray, np.ndarray]:
    """The probable classes (N): their ab (N, 2) on a gray of this lightness, and their probabilities (N,)."""
    parts = steps.split(probabilities)
    limits = (CANDIDATES,) if len(parts) == 1 else OF_HISTOGRAMS
    tops = [np.argsort(-part, kind="stable")[:limit] for part, limit in zip(parts, limits, strict=True)]
    bins = np.stack([grid.ravel() for grid in np.meshgrid(*tops, indexing="ij")], axis=-1)
    certain = np.zeros((len(bins), len(parts), len(parts[0])), np.float32)
    for part in range(len(parts)):
        certain[np.arange(len(bins)), part, bins[:, part]] = 1
    found = np.prod([part[bins[:, number]] for number, part in enumerate(parts)], axis=0)
    return steps.decode(certain.reshape(len(bins), -1), lightness), found


def _spread_apart(ab: np.ndarray, probabilities: np.ndarray, count: int) -> list[int]:
    """Indices of at most `count` colors (N, 2), from the most probable one on, none near an earlier one."""
    chroma, hue = np.linalg.norm(ab, axis=-1), np.degrees(np.arctan2(ab[:, 1], ab[:, 0]))
    chosen: list[int] = []
    for index in np.argsort(-probabilities, kind="stable"):
        if len(chosen) == count or (chosen and probabilities[index] < LEAST):
            break
        turn = np.abs((hue[chosen] - hue[index] + 180) % 360 - 180)
        gray = np.minimum(chroma[chosen], chroma[index]) < GRAY
        other_hue = gray | (turn >= HUES_APART) | (np.abs(chroma[chosen] - chroma[index]) >= CHROMAS_APART)
        if np.all((np.linalg.norm(ab[chosen] - ab[index], axis=-1) >= APART) & other_hue):
            chosen.append(int(index))
    return chosen
