"""Small films to read: pictures as FFmpeg codes them, and colors as the standards' equations code them."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.video.frame import VideoFrame

from media.films import SMALL
from tests.photographs import color_field

RATE = 25
# The number of each matrix in FFmpeg, and its Kr and Kb.
MATRICES = {"bt709": (1, 0.2126, 0.0722), "bt601": (6, 0.299, 0.114), "bt2020": (9, 0.2627, 0.0593)}
COLORS = np.array(
    [
        *([255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255]),
        *([200, 120, 60], [60, 120, 200], [40, 90, 30], [128, 128, 128], [255, 255, 255], [0, 0, 0]),
    ]
)
PATCH = 32


def patches(height: int = 96, width: int = 128) -> np.ndarray:
    """COLORS in patches of 32 x 32 pixels in the upper left, gray in the rest, (height, width, 3)."""
    picture = np.full((height, width, 3), 128)
    picture[: 3 * PATCH, : 4 * PATCH] = COLORS.reshape(3, 4, 3).repeat(PATCH, axis=0).repeat(PATCH, axis=1)
    return picture


def centers(picture: np.ndarray) -> np.ndarray:
    """The 12 colors in the middle of the patches."""
    return picture[PATCH // 2 : 3 * PATCH : PATCH, PATCH // 2 : 4 * PATCH : PATCH].reshape(12, 3)


def coded(rgb: np.ndarray, matrix: str, *, full: bool = False, pix_fmt: str = "yuv444p", tagged: bool = True) -> Any:
    """R'G'B' (H, W, 3) in 0 to 255 as a frame of Y'CbCr, by the equations of ITU-R BT.601, 709 and 2020."""
    number, kr, kb = MATRICES[matrix]
    red, green, blue = np.moveaxis(np.asarray(rgb, np.float64) / 255, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = ((blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr))
    bits = 10 if "10" in pix_fmt else 8
    step = 2 ** (bits - 8)
    top = 2**bits - 1
    planes = [luma * top if full else (16 + 219 * luma) * step]
    planes += [c * top + 128 * step if full else (128 + 224 * c) * step for c in chroma]
    if "420" in pix_fmt:
        planes[1:] = [plane[::2, ::2] for plane in planes[1:]]
    frame = VideoFrame(rgb.shape[1], rgb.shape[0], pix_fmt)
    for target, plane in zip(frame.planes, planes, strict=True):
        samples = np.rint(plane).clip(0, top).astype("<u2" if bits > 8 else np.uint8)
        data = np.zeros((target.height, target.line_size), np.uint8)
        row = samples.view(np.uint8).reshape(target.height, -1)
        data[:, : row.shape[1]] = row
        target.update(data.tobytes())
    if tagged:
        frame.colorspace, frame.color_range = number, 2 if full else 1
    return frame


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray | VideoFrame],
    *,
    codec: str = "ffv1",
    pix_fmt: str = "bgr0",
    ratio: Fraction | None = None,
    rotation: int = 0,
    interlaced: bool = False,
    times: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
    name: str = "",
) -> Path:
    """Codes pictures, RGB uint8 (H, W, 3) or frames of `coded`, without loss by default; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [p if isinstance(p, VideoFrame) else VideoFrame.from_ndarray(np.ascontiguousarray(p)) for p in pictures]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        stream.gop_size = 5
        stream.metadata["title"] = name
        stream.bit_rate = 4_000_000
        context = stream.codec_context
        if frames[0].format.name == pix_fmt:
            context.colorspace, context.color_range = frames[0].colorspace, frames[0].color_range
            context.color_primaries, context.color_trc = frames[0].color_primaries, frames[0].color_trc
        if interlaced:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        if ratio:
            context.sample_aspect_ratio = ratio
        if rotation:
            stream.set_display_rotation(rotation)
        if times:
            context.time_base = Fraction(1, 1000)
        for i, frame in enumerate(frames):
            frame.time_base = Fraction(1, 1000) if times else Fraction(1, RATE)
            frame.pts = round(1000 * times[i]) if times else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def pan(seed: int, count: int, step: int, height: int = 72, width: int = 128) -> list[np.ndarray]:
    """A camera that moves over a field of color, `step` pixels from frame to frame."""
    field = np.asarray(color_field(seed, height, width + step * count))
    return [field[:, i * step : i * step + width] for i in range(count)]


def field(seed: int) -> np.ndarray:
    """A picture of the size at which scenes and sieve look at frames."""
    return np.asarray(color_field(seed, *SMALL))


def brightened(picture: np.ndarray, levels: float) -> np.ndarray:
    """With so many gray levels more, as far as there are any."""
    return (picture.astype(float) + levels).clip(0, 255).astype(np.uint8)
