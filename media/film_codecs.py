"""How colored films are coded: the codecs, and which of them a container gets by default.

All frames are coded without B-frames, so that packets come in the order of showing: those of segments that were coded
one by one can be joined, and each of them is a frame, whose time need not go through the encoder.
"""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.codec import Codec as Library
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext

from zoo.errors import ArgumentError, FilmError

# FFmpeg's numbers of what players assume: BT.601 for small pictures, BT.709 for large ones; studio range.
_BT709, _BT601, _STUDIO = 1, 6, 1

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 tells about itself otherwise


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg and what it needs.

    Attributes:
        encoder: its name.
        shallow: pixel format of 8 bits, or None if it has only 10.
        deep: pixel format of 10 bits, or None.
        scale: steps of `option` for each point of quality below 100; 0 where the quality cannot be chosen.
        worst: largest value of `option`.
        option: the encoder's option that sets the quality.
        options: further ones.
        even: whether sides must be even where chroma is subsampled.
        aspect: whether its stream says how wide a pixel is.
    """

    encoder: str
    shallow: str | None
    deep: str | None
    scale: float = 0.0
    worst: int = 0
    option: str = "crf"
    options: tuple[tuple[str, str], ...] = ()
    even: bool = False
    aspect: bool = False


CODECS = {
    # Slower presets of x264 keep more grain in the chroma: the colors of a film that were smoothed flicker more.
    "h264": Codec(
        "libx264", "yuv420p", "yuv420p10le", 0.9, 51, options=(("preset", "veryfast"),), even=True, aspect=True
    ),
    # Closed groups: a film can be cut at each of its key frames.
    "hevc": Codec(
        "libx265", "yuv420p", "yuv420p10le", 1.0, 51, options=(("x265-params", "log-level=error:open-gop=0"),),
        even=True, aspect=True,
    ),
    "vp9": Codec("libvpx-vp9", "yuv420p", None, 1.5, 63, options=(("b", "0"), ("row-mt", "1"), ("cpu-used", "4"))),
    "av1": Codec("libsvtav1", "yuv420p", "yuv420p10le", 1.5, 63, options=(("preset", "8"),)),
    "prores": Codec("prores_ks", None, "yuv422p10le"),
    "ffv1": Codec("ffv1", "yuv444p", "yuv444p10le"),
    "mpeg2": Codec("mpeg2video", "yuv420p", None, 0.15, 31, "q", even=True, aspect=True),
}  # fmt: skip
"""Name -> codec, as `colorzoo video --codec` takes them."""

# Suffix -> the codec of films of 8 bits, and that of films with more.
_DEFAULTS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".ts", ".mts", ".m2ts"), ("h264", "hevc")),
    **dict.fromkeys((".avi", ".flv", ".wmv", ".asf", ".3gp", ".mxf"), ("h264", "h264")),
    **dict.fromkeys((".mpg", ".mpeg", ".vob"), ("mpeg2", "mpeg2")),
    ".webm": ("vp9", "av1"),
}
WRITABLE = frozenset(_DEFAULTS)
"""Suffixes of the films that can be written."""

STEADY = frozenset({".avi", ".mxf"})
"""Suffixes of containers that count frames instead of stating their times."""

_BOXES = {".mp4", ".m4v", ".mov", ".3gp"}  # containers that say how wide a pixel is, whatever the codec


@dataclass(frozen=True)
class Coding:
    """How the frames of one film are coded.

    Attributes:
        codec: a name of `CODECS`.
        quality: 1 to 100.
        width: of a coded frame, in pixels.
        height: of a coded frame, in pixels.
        aspect: width of a pixel over its height.
        rate: frames per second, on average.
        deep: whether frames have 10 bits.
    """

    codec: str
    quality: int
    width: int
    height: int
    aspect: Fraction
    rate: Fraction
    deep: bool

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return CODECS[self.codec].encoder

    @property
    def matrix(self) -> int:
        """FFmpeg's number of the matrix between RGB and YUV."""
        return _BT709 if self.width >= 1280 or self.height > 576 else _BT601

    @property
    def pixels(self) -> str:
        """The pixel format."""
        codec = CODECS[self.codec]
        chosen = codec.deep if self.deep or codec.shallow is None else codec.shallow
        assert chosen is not None, "choose refuses it"
        if codec.even and (self.width % 2 or self.height % 2):
            return chosen.replace("420", "444").replace("422", "444")
        return chosen

    @property
    def options(self) -> dict[str, str]:
        """Of the encoder."""
        codec = CODECS[self.codec]
        options = dict(codec.options)
        if codec.scale:
            least = 2 if codec.option == "q" else 0
            options[codec.option] = str(min(codec.worst, max(least, round((100 - self.quality) * codec.scale))))
        return options

    def set_up(self, context: VideoCodecContext) -> None:
        """Prepare an encoder, or the stream of a container, whose packets are those of the encoder."""
        context.width, context.height, context.pix_fmt = self.width, self.height, self.pixels
        context.framerate, context.time_base = self.rate, 1 / self.rate
        context.sample_aspect_ratio = self.aspect
        context.colorspace, context.color_range = self.matrix, _STUDIO
        context.color_primaries, context.color_trc = _BT709, _BT709
        context.max_b_frames = 0
        options = self.options
        quality = options.pop("q", None)
        if quality is not None:
            context.qmin = context.qmax = int(quality)
        context.options = options


def choose(path: Path, codec: str | None, deep: bool) -> str:
    """The codec of a film that is written to `path`: the one that is asked for, or that of its container.

    Raises:
        ArgumentError: no film of this suffix can be written, or there is no such codec.
        FilmError: the codec has not the bits of the film.
    """
    suffix = path.suffix.lower()
    if suffix not in _DEFAULTS:
        raise ArgumentError(
            f"{path}: films are written as {', '.join(sorted(_DEFAULTS))}: choose one of these suffixes"
        )
    if codec is not None and codec not in CODECS:
        raise ArgumentError(f"codec is {codec!r}: it must be one of {', '.join(CODECS)}")
    chosen = codec or _DEFAULTS[suffix][deep]
    if deep and CODECS[chosen].deep is None:
        raise FilmError(f"has 10 bits and {chosen} only 8: choose another codec, or .mkv for the result")
    return chosen


def keeps_aspect(path: Path, codec: str) -> bool:
    """Whether a film of this name and codec can have pixels that are not square."""
    return CODECS[codec].aspect or path.suffix.lower() in _BOXES


def open_encoder(coding: Coding, *, global_header: bool) -> VideoCodecContext:
    """An encoder for one segment of a film.

    Args:
        coding: of the film.
        global_header: whether the container has the parameters of the codec in its header.
    """
    from av.codec.context import Flags

    context = CodecContext.create(Library(coding.encoder, "w"), "w")
    assert isinstance(context, VideoCodecContext)
    coding.set_up(context)
    if global_header:
        context.flags |= Flags.global_header
    return context
