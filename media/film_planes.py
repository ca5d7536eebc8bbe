"""The samples of frames as the decoder gives them; those of gray frames become levels without a way through RGB."""

import functools
import re

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

_FORMAT = re.compile(r"yuv(j?)4(?:20|22|44)p(?:(10|12)le)?")
_FULL = 2  # FFmpeg's number of the range from 0 on


def samples(plane: VideoPlane, kind: type[np.generic]) -> np.ndarray:
    """A plane of a frame as a view (H, W) of samples of this type."""
    data: np.ndarray = np.frombuffer(memoryview(plane), kind)
    return data.reshape(plane.height, -1)[:, : plane.width]


def gray_levels(frame: VideoFrame) -> np.ndarray | None:
    """A frame in Y'CbCr without any color -> its sRGB levels (H, W), uint16 if it has more than 8 bits; else None."""
    format = _FORMAT.fullmatch(frame.format.name)
    if format is None:
        return None
    bits = int(format[2] or 8)
    luma, *chroma = (samples(plane, np.uint8 if bits == 8 else np.uint16) for plane in frame.planes)
    if any((plane != 1 << (bits - 1)).any() for plane in chroma):
        return None
    table = _table(bits, bool(format[1]) or frame.color_range == _FULL)
    if bits == 8:
        return np.asarray(cv2.LUT(luma, table))
    return np.take(table, luma, mode="clip")


@functools.cache
def _table(bits: int, full: bool) -> np.ndarray:
    """The level of each luma."""
    codes = np.arange(1 << bits)
    share = codes / (len(codes) - 1) if full else (codes - (16 << (bits - 8))) / (219 << (bits - 8))
    kind = np.uint8 if bits == 8 else np.uint16
    return np.rint(share.clip(0, 1) * np.iinfo(kind).max).astype(kind)
