"""Joining colors with the frames of films, by a table.

What `TiledColorizer.paint` computes for each pixel of a photograph, fitting of the gamut included, is computed here
once, for 65 levels of gray, of a and of b. Between these FFmpeg's lut3d interpolates in tetrahedra: five times as
fast, and off by a few of 255 levels at most, where a color leaves the gamut. Gray stays exactly what it was.
"""

import functools
import math
import tempfile
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from media.film_planes import samples
from serving.local.tiled import TiledColorizer
from zoo import color, pipeline

NODES = 65  # of the table, in each direction: an odd number, so that gray is one of them
REACH = 128.0  # largest a and b of the table, in Lab units
_CODES = "gbrp16le"  # FFmpeg's pixel format: planes of green, blue and red
_LAST = 65535  # code of the last node, and white of 16 bits
_DIGITS = 5  # decimals of the table


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """A frame on its way through a colorizer.

    Attributes:
        frame: what the network sees, see `serving.local.pipeline.Prepared`.
        aspect: width of a pixel over its height.
        levels: (H, W), the sRGB levels of the gray that has the frame's lightness; uint8, or uint16.
        deep: whether its pixels had 16 bits.
    """

    frame: np.ndarray
    aspect: float
    levels: np.ndarray
    deep: bool


class FilmColorizer:
    """See `serving.local.film_pipeline.FrameColorizer`. Frames are painted in one thread."""

    def __init__(self, colorizer: TiledColorizer) -> None:
        self._prepare = colorizer.prepare
        self._graph: Graph | None = None
        self._shape: tuple[int, ...] = ()

    def prepare(self, pixels: np.ndarray, aspect: float = 1.0) -> FilmFrame:
        """See `serving.local.film_pipeline.FrameColorizer`."""
        prepared = self._prepare(pixels, aspect)
        levels = pixels if pixels.ndim == 2 else _levels(prepared.lightness)
        return FilmFrame(prepared.frame, aspect, levels, pixels.dtype == np.uint16)

    def paint(self, photograph: FilmFrame, ab: np.ndarray) -> np.ndarray:
        """See `serving.local.film_pipeline.FrameColorizer`."""
        height, width = photograph.levels.shape
        if self._shape != (height, width):
            self._graph, self._shape = _table_graph(height, width), (height, width)
        assert self._graph is not None, "it was made for the shape"
        levels = photograph.levels
        a, b = cv2.split(_enlarge(_codes(ab), height, width, photograph.aspect))
        codes = VideoFrame(width, height, _CODES)
        in_green, in_blue, in_red = (samples(plane, np.uint16) for plane in codes.planes)
        in_green[:], in_blue[:] = a, b
        np.multiply(levels, np.uint16(257 if levels.dtype == np.uint8 else 1), out=in_red)
        self._graph.vpush(codes)
        painted = self._graph.vpull()
        assert isinstance(painted, VideoFrame), "the filter is one of pictures"
        green, blue, red = (samples(plane, np.uint16) for plane in painted.planes)
        if not photograph.deep:
            red, green, blue = (cv2.convertScaleAbs(plane, alpha=1 / 257) for plane in (red, green, blue))
        return np.asarray(cv2.merge([red, green, blue]))


def _codes(ab: np.ndarray) -> np.ndarray:
    """Lab units -> places in the table, uint16."""
    return np.rint(((ab + REACH) * (_LAST / (2 * REACH))).clip(0, _LAST)).astype(np.uint16)


def _enlarge(values: np.ndarray, height: int, width: int, aspect: float) -> np.ndarray:
    """A map of the network's frame (size, size, 2) -> that of the film's frame (height, width, 2)."""
    scale = max(height, width * aspect) / len(values)
    used = values[: math.ceil(height / scale) + 1]  # the rest is border
    larger = cv2.resize(used, None, fx=scale / aspect, fy=scale, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(larger[:height, :width])


def _levels(lightness: np.ndarray) -> np.ndarray:
    """L in [0, 100] -> the level of that gray, uint16; any shape."""
    return np.take(_grays(), np.rint(lightness * (_LAST / 100)).astype(np.uint16))


@functools.cache
def _grays() -> np.ndarray:
    """The level of the gray of each lightness 0, ..., 100, in 65536 steps."""
    lab = np.zeros((_LAST + 1, 3), np.float32)
    lab[:, 0] = np.linspace(0, 100, _LAST + 1)
    return np.rint(np.asarray(color.lab_to_rgb(lab))[:, 0] * _LAST).astype(np.uint16)


def _table_graph(height: int, width: int) -> Graph:
    """A filter that looks up frames of codes, gray in red, a in green and b in blue."""
    graph = Graph()
    source = graph.add_buffer(
        width=width, height=height, format=VideoFormat(_CODES, width, height), time_base=Fraction(1, 25)
    )
    with tempfile.NamedTemporaryFile(suffix=".cube") as file:
        file.write(_table())
        file.flush()
        graph.link_nodes(source, graph.add("lut3d", file=file.name, interp="tetrahedral"), graph.add("buffersink"))
        graph.configure()
    return graph


@functools.cache
def _table() -> bytes:
    """A file of the format .cube: R, G and B for each gray, a and b; gray varies fastest."""
    gray = np.linspace(0, 1, NODES, dtype=np.float32)
    linear = np.asarray(color.srgb_to_linear(gray))
    lightness = np.asarray(color.lightness_of_linear(np.repeat(linear[:, None], 3, axis=-1)))[:, 0]
    chroma = np.linspace(-REACH, REACH, NODES, dtype=np.float32)
    b, a, light = (axis.reshape(-1, 1) for axis in np.meshgrid(chroma, chroma, lightness, indexing="ij"))
    rgb = np.asarray(pipeline.recompose(light, np.concatenate([a, b], axis=-1)))
    steps = 10**_DIGITS
    texts = np.array(
        [f"{step / steps:.{_DIGITS}f} ".encode() for step in range(steps + 1)]
    )  # faster than formatting each
    rows = texts[np.rint(rgb * steps).astype(int)].view(np.uint8).reshape(len(rgb), -1)
    rows[:, -1] = ord("\n")
    return f"LUT_3D_SIZE {NODES}\n".encode() + rows.tobytes()
