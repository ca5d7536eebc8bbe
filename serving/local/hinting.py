"""Hints: a place gets the color that a user wants, and with it the region that it belongs to, up to its edges.

What belongs to a hint is found first: pixels that a path joins to it along which all looks like it, in lightness, in
texture and in the network's color (a geodesic distance, as in Bai, Sapiro. A geodesic framework for fast interactive
image and video segmentation and matting. ICCV 2007). Then the optimization of `serving.local.spreading` settles the
colors: the network's where nothing belongs to a hint, softly the hint's where something does, and firmly at the hint.
Among several hints the nearest one counts, by the same distance.
"""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
import scipy.sparse as sparse
from scipy.sparse.csgraph import dijkstra

from serving.local.spreading import NEIGHBORS, Spreader
from serving.local.working import Working

PULL = 1e-2  # weight of what is wanted away from hints
FIRM = 1.0  # and at hints
FAINT = 0.1  # share of a hint's color that is none, and this much less than all that is all
SHARE = 50.0  # what a whole share counts among Lab units, for the tolerance
TOLERANCE = 5e-3

# Differences that count as much as the distance at which the influence of a hint has fallen to 1 / e, if they last for
# REACH pixels: of lightness, of its standard deviation, and of a and b.
LIGHTNESS, TEXTURE, CHROMA = 7.0, 5.0, 25.0
REACH = 40.0
FARTHEST = 1.5  # where nothing differs: that distance, as a share of the longer side
EDGE, EVEN = 0.15, 0.3  # distance added by a step of LIGHTNESS from pixel to pixel, and the part of it that is no edge
LARGEST_DIFFERENCE = 16.0  # squared; so that a thin line can be crossed
END = 2.5  # distance beyond which a hint has no influence
SHARPNESS = 10.0  # of the border between two hints
COARSE = 256  # pixels of the longer side, where distances are measured
GRAIN = (9, 12.0, 5.0)  # the bilateral filter that takes grain away: diameter, lightness, pixels
TEXTURE_SIZE = 0.008  # sigma, as a share of the longer side


class Region(Protocol):
    """A `serving.local.hints.Hint` or `Stroke`."""

    @property
    def ab(self) -> np.ndarray:
        """The color, (2,) in Lab units."""

    def mask(self, height: int, width: int) -> np.ndarray:
        """Where it is wanted in any case, (height, width) bool."""


class Hinting:
    """What hints change in one photograph.

    Distances, the solver's hierarchy and the latest solution are kept: a further hint, or another color, is quick.
    """

    def __init__(self, photograph: Working) -> None:
        self._photograph = photograph
        self._spreader: Spreader | None = None
        self._features = _features(photograph)
        self._distances: dict[bytes, np.ndarray] = {}
        self._latest: np.ndarray | None = None

    def change(self, hints: Sequence[Region]) -> np.ndarray | None:
        """What hints add to the colors: (h, w, 2) in Lab units, or None without hints.

        Raises:
            PhotographError: strokes have other proportions than the photograph.
        """
        if not hints:
            self._latest = None
            return None
        photograph = self._photograph
        masks = [hint.mask(*photograph.lightness.shape) for hint in hints]
        # In units of a color's share, and of Lab; the share, so that the network's color can be replaced, not shifted.
        colors = np.stack([[SHARE, *hint.ab] for hint in hints])
        self._distances = {key: self._distance(key, mask) for key, mask in zip(map(_key, masks), masks, strict=True)}
        wanted = _mix(np.stack([self._distances[_key(mask)] for mask in masks]), colors)
        weight = np.full(wanted.shape[:2], PULL, np.float32)
        for mask, color in zip(masks, colors, strict=True):
            wanted[mask], weight[mask] = color, FIRM
        if self._spreader is None:
            self._spreader = Spreader(photograph.lightness, PULL)
        self._latest = self._spreader.spread(wanted, weight, start=self._latest, tolerance=TOLERANCE)
        return _replaced(photograph.ab, self._latest[..., :1] / SHARE, self._latest[..., 1:])

    def _distance(self, key: bytes, mask: np.ndarray) -> np.ndarray:
        """From a mask (h, w) to each pixel (h, w); END where it is larger."""
        if key in self._distances:
            return self._distances[key]
        count, parts = cv2.connectedComponents(mask.astype(np.uint8))
        nearest = np.min([_distance(self._features, parts == part) for part in range(1, count)], axis=0)
        return np.asarray(cv2.resize(nearest, mask.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _key(mask: np.ndarray) -> bytes:
    return np.packbits(mask).tobytes()


def _replaced(ab: np.ndarray, share: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """What is added to ab (h, w, 2) where a share (h, w, 1) of it is replaced by colors, which are times the share."""
    # The faint rest, far around a region, would tint the whole photograph; and its inside is to have the very color.
    clear = np.clip((share - FAINT) / (1 - 2 * FAINT), 0, 1)
    return np.asarray(clear * (colors / np.maximum(share, FAINT) - ab), np.float32)


def _mix(distances: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Distances (N, h, w) from hints with these colors (N, C) -> what is wanted where, (h, w, C)."""
    nearest = distances.min(axis=0)
    shares = np.exp((nearest - distances) * SHARPNESS)
    shares *= _influence(nearest) / shares.sum(axis=0)
    return np.asarray(np.einsum("nhw,nc->hwc", shares, colors))


def _influence(distance: np.ndarray) -> np.ndarray:
    return np.where(distance < END, np.exp(-(distance**2)), 0.0)


def _features(photograph: Working) -> np.ndarray:
    """What tells regions apart, (h, w, 4), each scaled by the difference that counts as much as a distance of 1."""
    lightness = photograph.lightness
    height, width = lightness.shape
    sigma = TEXTURE_SIZE * max(height, width)
    mean = cv2.GaussianBlur(lightness, (0, 0), sigma)
    variance = cv2.GaussianBlur(lightness * lightness, (0, 0), sigma) - mean * mean
    # An edge is not the texture of what it bounds: the smallest value nearby is that of one side alone.
    across = 2 * round(2 * sigma) + 1
    texture = cv2.erode(np.sqrt(np.maximum(variance, 0)), np.ones((across, across), np.uint8))
    features = np.dstack(
        [cv2.bilateralFilter(lightness, *GRAIN) / LIGHTNESS, texture / TEXTURE, photograph.ab / CHROMA]
    )
    scale = min(1.0, COARSE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(features.astype(np.float32), size, interpolation=cv2.INTER_AREA))


def _distance(features: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """From a mask, of any size, along the paths with the smallest sum of differences from it: (h, w) float32."""
    height, width = features.shape[:2]
    rows, columns = np.nonzero(mask)
    seeds = np.zeros((height, width), bool)
    seeds[rows * height // mask.shape[0], columns * width // mask.shape[1]] = True
    looks = features[seeds]
    spread = np.minimum(looks.var(axis=0), 1)  # a disc that is larger than its region must not stand for all around it
    difference = ((features - np.median(looks, axis=0)) ** 2 / (1 + spread)).sum(axis=2)
    cost = 1 / (FARTHEST * max(height, width)) + np.minimum(difference, LARGEST_DIFFERENCE) / REACH
    cost[seeds] = 0
    light = features[..., 0]
    places = np.arange(height * width, dtype=np.int32).reshape(height, width)
    starts, ends, lengths = [], [], []
    for down, right in NEIGHBORS:
        here = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        there = slice(down, height), slice(max(0, right), width - max(0, -right))
        starts.append(places[here].ravel())
        ends.append(places[there].ravel())
        edge = np.maximum(np.abs(light[here] - light[there]) - EVEN, 0) * EDGE
        lengths.append(((cost[here] + cost[there]) * (0.5 * np.hypot(down, right)) + edge).ravel())
    pairs = np.concatenate(starts), np.concatenate(ends)
    graph = sparse.coo_array((np.concatenate(lengths), pairs), shape=(places.size,) * 2).tocsr()
    found = dijkstra(graph, directed=False, indices=np.flatnonzero(seeds), min_only=True, limit=END)
    return np.minimum(found, END).reshape(height, width).astype(np.float32)
