"""A photograph at the size at which colors are guided: sparse systems of its full size would take minutes."""

from dataclasses import dataclass

import cv2
import numpy as np

from serving.local.pipeline import Prepared
from zoo import pipeline
from zoo.blocks import resample

LONGEST = 448  # pixels of the longer side


@dataclass(frozen=True)
class Working:
    """A photograph at working size.

    Attributes:
        lightness: (h, w) float32 in [0, 100].
        ab: (h, w, 2) float32 in Lab units.
    """

    lightness: np.ndarray
    ab: np.ndarray


def working_size(photograph: Prepared, ab: np.ndarray) -> Working:
    """A photograph and the ab (size, size, 2) of its frame, with at most LONGEST pixels on the longer side."""
    lightness = shrink(photograph.lightness.astype(np.float32, copy=False), LONGEST)
    return Working(lightness, from_frame(photograph, ab, *lightness.shape))


def shrink(plane: np.ndarray, longest: int) -> np.ndarray:
    """Plane (H, W) or (H, W, C) -> the means of its pixels, at most `longest` along the longer side; never enlarged."""
    height, width = plane.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return plane
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def from_frame(photograph: Prepared, values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map (size, size, C) of the frame of a photograph -> that of the photograph, shrunk to (height, width, C)."""
    full_height, full_width = photograph.lightness.shape
    longest = max(full_height, full_width * photograph.aspect)
    rows = _matrix(height, len(values), longest * height / full_height)
    columns = _matrix(width, len(values), longest / photograph.aspect * width / full_width)
    return np.asarray(resample(values.transpose(2, 0, 1), rows, columns)).transpose(1, 2, 0)


def _matrix(count: int, size: int, longest: float) -> np.ndarray:
    places = np.arange(count, dtype=np.float32)[:, None]
    return np.asarray(pipeline.from_frame(places, size, np.float32(longest)))
