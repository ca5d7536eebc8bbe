"""A photograph at the size at which colors are guided: sparse systems of its full size would take minutes."""

from dataclasses import dataclass

import cv2
import numpy as np

from serving.local.pipeline import Prepared
from zoo import pipeline
from zoo.blocks import resample

LONGEST = 512  # pixels of the longer side


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
    height, width = lightness.shape
    planes = resample(ab.transpose(2, 0, 1), *_from_frame(photograph, height, width, ab.shape[0]))
    return Working(lightness, np.asarray(planes).transpose(1, 2, 0))


def shrink(plane: np.ndarray, longest: int) -> np.ndarray:
    """Plane (H, W) float32 -> its means (h, w), with at most `longest` pixels on the longer side."""
    height, width = plane.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return plane
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))


def _from_frame(photograph: Prepared, height: int, width: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrices (height, size) and (width, size) from a frame to a photograph that was shrunk to height x width."""
    full_height, full_width = photograph.lightness.shape
    longest = max(full_height, full_width * photograph.aspect)
    rows = _places(height), np.float32(longest * height / full_height)
    columns = _places(width), np.float32(longest / photograph.aspect * width / full_width)
    down, across = (np.asarray(pipeline.from_frame(places, size, side)) for places, side in (rows, columns))
    return down, across


def _places(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)[:, None]
