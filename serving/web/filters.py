"""The filters beside colorizing: gray, sepia, invert, sharpen, denoise and contrast."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import cv2
import numpy as np

from zoo import color

Filter = Literal["gray", "sepia", "invert", "sharpen", "denoise", "contrast"]
FILTERS: tuple[Filter, ...] = get_args(Filter)

# RGB of the tone, relative to the gray: what most programs call sepia, with rows that sum to the same three factors.
_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_SHARPEN = 0.8  # share of the details that is added once more
_REFERENCE_SIDE = 1000  # pixels of the longer side at which radii are as they are here
_TAILS = 0.5  # percent of the pixels that contrast may make black, and white
_SAMPLES = 1_000_000  # pixels from which these are found


def apply(pixels: np.ndarray, filters: Sequence[Filter]) -> np.ndarray:
    """Apply filters one after the other: sRGB (H, W, 3), uint8 or uint16 -> the same shape and type."""
    for name in filters:
        pixels = _FUNCTIONS[name](pixels)
    return pixels


def _gray(pixels: np.ndarray) -> np.ndarray:
    """The gray of the same lightness."""
    white = np.float32(np.iinfo(pixels.dtype).max)
    rows = max(1, (1 << 18) // pixels.shape[1])
    gray = np.empty_like(pixels)
    for start in range(0, len(pixels), rows):
        part = slice(start, start + rows)
        lightness = color.lightness(pixels[part].astype(np.float32) / white)
        levels = np.asarray(color.gray_of_lightness(lightness)) * white
        gray[part] = np.rint(levels).astype(pixels.dtype)
    return gray


def _sepia(pixels: np.ndarray) -> np.ndarray:
    return _clipped(cv2.transform(pixels.astype(np.float32), _SEPIA), pixels)


def _invert(pixels: np.ndarray) -> np.ndarray:
    return np.iinfo(pixels.dtype).max - pixels


def _sharpen(pixels: np.ndarray) -> np.ndarray:
    """An unsharp mask."""
    values = pixels.astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), _scale(pixels))
    return _clipped(values + _SHARPEN * (values - smooth), pixels)


def _denoise(pixels: np.ndarray) -> np.ndarray:
    """A bilateral filter: what differs by less than noise does is averaged."""
    white = np.iinfo(pixels.dtype).max
    found = cv2.bilateralFilter(pixels.astype(np.float32) / white, 7, 0.08, 2 * _scale(pixels))
    return _clipped(found * white, pixels)


def _contrast(pixels: np.ndarray) -> np.ndarray:
    """Stretch so that the darkest pixels become black and the brightest white; hues stay, as all channels do alike."""
    step = max(1, round((pixels.shape[0] * pixels.shape[1] / _SAMPLES) ** 0.5))
    luma = pixels[::step, ::step].astype(np.float32) @ _LUMA
    dark, bright = np.percentile(luma, (_TAILS, 100 - _TAILS))
    if bright - dark < 1:
        return pixels
    white = np.iinfo(pixels.dtype).max
    return _clipped((pixels.astype(np.float32) - dark) * (white / (bright - dark)), pixels)


def _scale(pixels: np.ndarray) -> float:
    """A radius in pixels that looks alike on a preview and on the whole photograph."""
    return max(0.6, max(pixels.shape[:2]) / _REFERENCE_SIDE)


def _clipped(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, np.iinfo(like.dtype).max)).astype(like.dtype)


_FUNCTIONS: dict[Filter, Callable[[np.ndarray], np.ndarray]] = {
    "gray": _gray,
    "sepia": _sepia,
    "invert": _invert,
    "sharpen": _sharpen,
    "denoise": _denoise,
    "contrast": _contrast,
}
