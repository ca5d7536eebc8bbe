"""Pictures of any size -> square frames: padded, cropped or stretched, or windows at the picture's own resolution."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

RESIZE_MODES = ("pad", "center_crop", "stretch", "random_crop")
THUMBNAIL = 64  # pixels


class Resize(NamedTuple):
    """How a whole picture becomes a frame of size x size pixels: one of RESIZE_MODES but for "random_crop"."""

    size: int
    mode: str
    enlarge: bool = True  # for "pad": without it, a picture smaller than the frame keeps its size

    def frame(self, picture: Image.Image) -> tuple[np.ndarray, tuple[int, int]]:
        """RGB picture -> frame (size, size, 3) uint8; height and width of the picture in it."""
        match self.mode:
            case "pad":
                return pad(picture, self.size, enlarge=self.enlarge)
            case "center_crop":
                return center_crop(picture, self.size)
            case "stretch":
                return stretch(picture, self.size)
        raise ValueError(f"{self.mode!r} does not make frames of whole pictures")


@dataclass(frozen=True)
class Window:
    """Square windows of pictures at their own resolution, cut out whenever a picture is used.

    size: side of the window in pixels. shortest: range that the picture's shorter side is scaled into first, drawn
    anew each time; (0, 0) leaves the picture as it is, unless it is smaller than the window.
    """

    size: int
    shortest: tuple[int, int] = (0, 0)

    def cut(self, picture: Image.Image, generator: np.random.Generator | None) -> np.ndarray:
        """RGB picture -> (size, size, 3) uint8: a random window, or without a generator the middle one."""
        low, high = (side or min(picture.size) for side in self.shortest)
        shorter = max(self.size, int(generator.integers(low, high + 1)) if generator else low)
        width, height = (max(self.size, round(side * shorter / min(picture.size))) for side in picture.size)
        left, top = (
            int(generator.integers(0, spare + 1)) if generator else spare // 2
            for spare in (width - self.size, height - self.size)
        )
        if (width, height) == picture.size:
            return np.asarray(picture.crop((left, top, left + self.size, top + self.size)))
        scale = (picture.width / width, picture.height / height)
        box = (left * scale[0], top * scale[1], (left + self.size) * scale[0], (top + self.size) * scale[1])
        box = (box[0], box[1], min(box[2], picture.width), min(box[3], picture.height))
        return np.asarray(picture.resize((self.size, self.size), Image.Resampling.LANCZOS, box=box))


def pad(picture: Image.Image, size: int, *, enlarge: bool = True) -> tuple[np.ndarray, tuple[int, int]]:
    """RGB picture -> frame (size, size, 3) uint8, the border repeated below and right; (height, width).

    Args:
        picture: of any size.
        size: what its longer side is scaled to, in pixels.
        enlarge: whether a smaller picture is scaled as well.
    """
    scale = size / max(picture.size)
    if not enlarge:
        scale = min(1.0, scale)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
    return np.pad(pixels, ((0, size - height), (0, size - width), (0, 0)), mode="edge"), (height, width)


def center_crop(picture: Image.Image, size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """RGB picture -> its middle square as (size, size, 3) uint8; (size, size)."""
    return Window(size, (size, size)).cut(picture, None), (size, size)


def stretch(picture: Image.Image, size: int) -> tuple[np.ndarray, tuple[int, int]]:
    """RGB picture -> all of it as (size, size, 3) uint8, its aspect not kept; (size, size)."""
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)), (size, size)
