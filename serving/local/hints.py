"""Colors that users want at places of a photograph: points, in JSON, or strokes, in a transparent PNG."""

import json
import math
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from media.photograph import eight_bits
from media.reader import read
from zoo import color
from zoo.arguments import is_number
from zoo.errors import ArgumentError, PhotographError

RADIUS = 0.01
LARGEST_RADIUS = 0.5
OPAQUE = 128  # of 255: fainter pixels are the soft border of a stroke
HARDLY_DIFFERENT = 12.0  # Lab units: colors of one stroke, whose soft border mixes with what was below
MOST_COLORS = 64  # of strokes
PROPORTIONS = 0.02  # by which those of strokes may differ from the photograph's

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Hint:
    """A color that a place of a photograph is to have.

    Attributes:
        x, y: The place, as shares of the width and the height, in [0, 1].
        color: "#rrggbb"; its chroma is used, and the lightness of the photograph.
        radius: Of the disc that gets it in any case, as a share of the longer side, in (0, 0.5].

    Raises:
        ArgumentError: one of them outside its range.
    """

    x: float
    y: float
    color: str
    radius: float = RADIUS

    def __post_init__(self) -> None:
        for name, value in (("x", self.x), ("y", self.y)):
            if not is_number(value) or not 0 <= value <= 1:
                raise ArgumentError(f"{name} is {value!r}: a share of the photograph, in [0, 1], is needed")
        if not isinstance(self.color, str) or not _COLOR.fullmatch(self.color):
            raise ArgumentError(f"color is {self.color!r}: one like '#a03020' is needed")
        if not is_number(self.radius) or not 0 < self.radius <= LARGEST_RADIUS:
            raise ArgumentError(
                f"radius is {self.radius!r}: a share of the longer side, in (0, {LARGEST_RADIUS}], is needed"
            )

    @property
    def ab(self) -> np.ndarray:
        """Its a and b, (2,) float32 in Lab units."""
        return _ab_of(self.color)

    def mask(self, height: int, width: int) -> np.ndarray:
        """The pixels of its disc, at least one, in a photograph of this size: (height, width) bool."""
        rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
        row, column = min(int(self.y * height), height - 1), min(int(self.x * width), width - 1)
        radius = self.radius * max(height, width)
        mask = (rows - self.y * height) ** 2 + (columns - self.x * width) ** 2 <= radius**2
        mask[row, column] = True
        return mask


@dataclass(frozen=True)
class Stroke:
    """A color that any pixels of a photograph are to have.

    Attributes:
        pixels: (H, W) bool, of any size in the proportions of the photograph.
        ab: (2,) in Lab units.
    """

    pixels: np.ndarray
    ab: np.ndarray

    def mask(self, height: int, width: int) -> np.ndarray:
        """Its pixels, at least one, in a photograph of this size: (height, width) bool.

        Raises:
            PhotographError: the photograph has other proportions.
        """
        own_height, own_width = self.pixels.shape
        # A pixel more or less is what rounding makes of the same proportions.
        slack = PROPORTIONS * own_height * width + own_height + width
        if abs(own_height * width - own_width * height) > slack:
            raise PhotographError(
                f"the hints are {own_width} x {own_height}, in other proportions than the photograph's {width} x "
                f"{height}: draw them on a copy of it"
            )
        rows, columns = np.nonzero(self.pixels)
        mask = np.zeros((height, width), bool)
        mask[rows * height // own_height, columns * width // own_width] = True
        if height > own_height or width > own_width:  # which leaves gaps
            enlarged = cv2.resize(self.pixels.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
            mask |= enlarged.astype(bool)
        return mask


def read_hints(path: Path) -> list[Hint] | list[Stroke]:
    """Hints from a file: strokes of a transparent PNG, or points of a JSON file.

    Raises:
        ArgumentError: the file holds no such hints; the text begins with the path.
        PhotographError: it cannot be read.
    """
    if path.suffix.lower() == ".png":
        return _strokes_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PhotographError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        return parse_hints(content)
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from None


def parse_hints(text: str | bytes) -> list[Hint]:
    """Hints from JSON: [{"x": 0.31, "y": 0.52, "color": "#a03020", "radius": 0.01}, ...]; the radius may be left out.

    Raises:
        ArgumentError: the text is not such a list, or a value lies outside its range.
    """
    try:
        items = json.loads(text)
    except ValueError as error:
        raise ArgumentError(f"not JSON: {error}") from None
    if not isinstance(items, list):
        raise ArgumentError("the hints are not a list: [{...}, ...] is needed")
    return [_hint(number, item) for number, item in enumerate(items, 1)]


def _hint(number: int, item: Any) -> Hint:
    known = [field.name for field in fields(Hint)]
    if not isinstance(item, dict):
        raise ArgumentError(f"hint {number} is {item!r}: an object with x, y and color is needed")
    if unknown := sorted(item.keys() - known):
        raise ArgumentError(f"hint {number} has {unknown[0]!r}: known are {', '.join(known)}")
    if missing := [name for name in ("x", "y", "color") if name not in item]:
        raise ArgumentError(f"hint {number} has no {missing[0]}")
    try:
        return Hint(**item)
    except ArgumentError as error:
        raise ArgumentError(f"hint {number}: {error}") from None


def _strokes_of(path: Path) -> list[Stroke]:
    """One stroke for each color of a transparent PNG."""
    photograph = read(path)
    if photograph.alpha is None:
        raise ArgumentError(
            f"{path}: is not transparent: draw the strokes on a transparent layer, and export that alone"
        )
    opaque = eight_bits(photograph.alpha) >= OPAQUE
    if not opaque.any():
        raise ArgumentError(f"{path}: holds no strokes: all of it is transparent")
    if opaque.all():
        raise ArgumentError(f"{path}: is opaque everywhere: only the strokes must be, the rest transparent")
    rgb = np.asarray(Image.fromarray(eight_bits(photograph.pixels)).convert("RGB"))
    codes = rgb[opaque].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    found, numbers, counts = np.unique(codes, return_inverse=True, return_counts=True)
    ab = _ab(np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1).astype(np.uint8))
    # The most frequent color of a stroke is the one that was chosen; those near it are its soft border.
    group = np.full(len(found), -1)
    chosen: list[int] = []
    for index in np.argsort(-counts, kind="stable"):
        near = [k for k, other in enumerate(chosen) if math.dist(ab[index], ab[other]) < HARDLY_DIFFERENT]
        group[index] = near[0] if near else len(chosen)
        if not near:
            chosen.append(index)
        if len(chosen) > MOST_COLORS:
            raise ArgumentError(
                f"{path}: holds more than {MOST_COLORS} colors: strokes of a few are needed, not a picture"
            )
    members = np.full(opaque.shape, -1)
    members[opaque] = group[numbers]
    return [Stroke(members == k, ab[index]) for k, index in enumerate(chosen)]


@lru_cache  # one color takes as long as a whole photograph's distances
def _ab_of(text: str) -> np.ndarray:
    return _ab(np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], np.uint8))


def _ab(rgb: np.ndarray) -> np.ndarray:
    """SRGB (..., 3) uint8 -> ab (..., 2) float32 in Lab units."""
    return np.asarray(color.rgb_to_lab(rgb.astype(np.float32) / 255))[..., 1:]
