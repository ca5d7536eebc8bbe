"""Films: reading their frames in the colors that a player shows.

PyAV decodes. All kinds of films are normalized here, and only here: a picture arrives upright, with square
pixels, progressive, in 8-bit sRGB. Matrix and range are those of the stream, or of the frame. Without a
matrix, that of players is assumed: BT.709 from 1280 columns or more than 576 lines, BT.601 below. BT.2020, Display
P3 and HDR (PQ, HLG) are converted to the gamut and the curve of sRGB; other films are shown as they are coded,
since BT.709 and sRGB share their gamut and screens use one curve for the other.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from media.film_planes import gray_levels
from zoo.errors import FilmError

SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .m2ts .m2v .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv".split()
)
SMALL = (72, 128)  # height and width of the small pictures, whatever the film's proportions

# FFmpeg's numbers of color matrices: RGB, unknown and reserved say nothing about YUV; these five can be converted.
_BT709, _BT601, _BT2020 = 1, 6, 9
_NO_MATRIX, _MATRICES = {0, 2, 3}, {_BT709, 4, 5, _BT601, 7, _BT2020}
_HDR = {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}
_WIDE = {ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432}
# Without these flags libswscale repeats chroma samples instead of interpolating them.
_FINE = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND
_COARSE = Interpolation.AREA | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
_STRETCH = 4  # a sample aspect ratio beyond this is a broken header
_ENCRYPTED = "is encrypted: films can be read only without copy protection"
_TIMED = {"mov", "matroska", "avi", "flv", "asf"}  # containers whose header says how long the film is


class Film:
    """One opened film, read once from its beginning; a context manager.

    Attributes:
        total: number of frames according to the header, or None if it does not say.
        faults: filled while the film is read: reasons why frames are missing.
        end: seconds from the beginning to the end of what was read.

    Raises:
        FilmError: not a film, or one that cannot be decoded; the text does not name the file.
    """

    def __init__(self, path: Path) -> None:
        try:
            if not path.stat().st_size:
                raise FilmError("is empty")
            # The prefix keeps a colon in a file's name from being taken for a protocol.
            self._container = av.open(f"file:{path}", metadata_errors="replace")
        except OSError as error:
            raise FilmError(f"cannot be opened: {error.strerror or error}") from error
        except av.FFmpegError as error:
            raise FilmError(f"is not a film, or its header is damaged: {error.strerror}") from error
        try:
            self._stream = self._video()
        except FilmError:
            self._container.close()
            raise
        self._stream.thread_type = "AUTO"
        self.faults: list[str] = []
        self.end = 0.0
        self._shrink, self._small, self._full = VideoReformatter(), VideoReformatter(), VideoReformatter()

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def total(self) -> int | None:  # noqa: D102
        if self._stream.frames:
            return self._stream.frames
        if not (self._container.duration and self._stream.average_rate):
            return None
        return round(self._container.duration / av.time_base * self._stream.average_rate)

    def frames(self) -> Iterator["Frame"]:
        """All frames that can be decoded, one in memory at a time.

        Raises:
            FilmError: the colors cannot be converted, a packet is encrypted, or no frame can be decoded.
        """
        rate = self._stream.average_rate or Fraction(25)
        number = -1
        for number, decoded in enumerate(_deinterlace(self._decode())):
            time = float(number / rate) if decoded.time is None else decoded.time - self._start
            _complete(decoded)
            yield Frame(number, time, decoded.is_corrupt, decoded)
        if number < 0:
            raise FilmError(f"no frame can be decoded{': ' + self.faults[0] if self.faults else ''}")

    def small(self, frame: "Frame") -> np.ndarray:
        """A frame -> (*SMALL, 3) uint8 sRGB, averaged over areas, without rotation or change of proportions."""
        height, width = SMALL
        decoded = frame.decoded
        curve, primaries = _target(decoded)
        interpolation = _COARSE
        if primaries is not None:
            # The conversion of gamuts is slow on a large frame, so it comes after the averaging; and together with
            # it, libswscale 9 gives wrong colors for these flags without BICUBIC.
            decoded = self._shrink.reformat(decoded, width, height, interpolation=_COARSE)
            interpolation = _FINE
        return self._small.reformat(
            decoded,
            width,
            height,
            "rgb24",
            interpolation=interpolation,
            dst_color_trc=curve,
            dst_color_primaries=primaries,
        ).to_ndarray()

    def full(self, frame: "Frame") -> np.ndarray:
        """A frame -> (H, W, 3) uint8, BGR in sRGB, upright and with square pixels."""
        decoded = frame.decoded
        curve, primaries = _target(decoded)
        pixels = self._full.reformat(
            decoded,
            round(decoded.width * self._ratio),
            decoded.height,
            "bgr24",
            interpolation=_FINE,
            dst_color_trc=curve,
            dst_color_primaries=primaries,
        ).to_ndarray()
        return np.rot90(pixels, round(decoded.rotation / 90))

    def pixels(self, frame: "Frame", *, square: bool = False) -> np.ndarray:
        """A frame -> (H, W, 3) sRGB, upright; uint8, or uint16 if the film has more than 8 bits.

        Args:
            frame: of this film.
            square: whether the pixels are made square; otherwise they are those of the film, whose width over their
                height is `aspect`.
        """
        decoded = frame.decoded
        curve, primaries = _target(decoded)
        pixels = self._full.reformat(
            decoded,
            round(decoded.width * self._ratio) if square else decoded.width,
            decoded.height,
            "rgb48le" if _bits(decoded) > 8 else "rgb24",
            interpolation=_FINE,
            dst_color_trc=curve,
            dst_color_primaries=primaries,
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(pixels, round(decoded.rotation / 90)))

    def gray(self, frame: "Frame") -> np.ndarray | None:
        """A frame without any color -> its levels (H, W), upright, as `pixels` gives them, and quicker; else None."""
        decoded = frame.decoded
        levels = None if any(_target(decoded)) else gray_levels(decoded)
        return None if levels is None else np.ascontiguousarray(np.rot90(levels, round(decoded.rotation / 90)))

    def aspect(self, frame: "Frame") -> Fraction:
        """The width of an upright pixel of a frame over its height."""
        return 1 / self._ratio if round(frame.decoded.rotation / 90) % 2 else self._ratio

    def packet_times(self) -> Iterator[float | None]:
        """The time of each packet of the pictures, in seconds from the beginning, without decoding them.

        As `frames` it reads the film to its end, and fills in `faults` and `end`.
        """
        problems: list[str] = []
        cut_off = False
        for packet in self._packets(problems):
            if packet is not None and packet.stream.index == self._stream.index and packet.size:
                cut_off = packet.is_corrupt
                yield None if packet.pts is None else float(packet.pts * packet.time_base) - self._start
        if problems or cut_off:
            self.faults.insert(0, f"is damaged after {self.end:.1f} seconds: {(*problems, 'data are missing')[0]}")

    def seek(self, seconds: float) -> None:
        """Let the next `frames` begin at the last frame before a time that can be decoded alone."""
        start = self._container.start_time or 0
        self._container.seek(start + round(seconds * av.time_base))

    @property
    def seconds(self) -> float | None:
        """The duration according to the header, or None if it does not say."""
        return self._container.duration / av.time_base if self._container.duration else None

    @property
    def time_base(self) -> Fraction:
        """Seconds of the unit in which the film states times."""
        return self._stream.time_base or 1 / self.rate

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self._stream.average_rate or Fraction(25)

    @property
    def _ratio(self) -> Fraction:
        ratio = self._stream.sample_aspect_ratio or Fraction(1)
        return ratio if 1 / _STRETCH <= ratio <= _STRETCH else Fraction(1)

    def _video(self) -> VideoStream:
        if "pipe" in self._container.format.name or self._container.format.name == "image2":
            raise FilmError("is a picture, not a film")
        stream = self._container.streams.best("video")
        if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
            raise FilmError("holds no video")
        if not stream.codec_context:
            raise FilmError("is coded in a way that cannot be decoded")
        if any(key.lower() == "enc_key_id" for each in self._container.streams for key in each.metadata):
            raise FilmError(_ENCRYPTED)  # Matroska and WebM
        return stream

    def _decode(self) -> Iterator[VideoFrame]:
        problems: list[str] = []

        def decode(packet: "Packet[Any] | None") -> list[VideoFrame]:
            cut_off = packet is not None and packet.is_corrupt  # its error is lost where threads decode
            try:
                frames = self._stream.decode(packet)
            except av.FFmpegError as error:
                problems.append(str(error.strerror))
                return []
            if cut_off:
                problems.append("data are missing")
            return frames

        for packet in self._packets(problems):
            if packet is None or packet.stream.index == self._stream.index:
                yield from decode(packet)
        if problems:
            places = f" in {len(problems)} places" if len(problems) > 1 else ""
            self.faults.insert(0, f"is damaged{places}: {problems[0]}")

    def _packets(self, problems: list[str]) -> "Iterator[Packet[Any] | None]":
        """All packets of all streams, since sound may last longer than pictures; None after an error of reading.

        Raises:
            FilmError: one of them is encrypted, as all but the first seconds of a film may be.
        """
        packets = self._container.demux()
        try:
            for packet in packets:
                if packet.has_sidedata("encryption_info"):  # MP4 and MOV
                    raise FilmError(_ENCRYPTED)
                if packet.pts is not None:
                    self.end = max(
                        self.end, float((packet.pts + (packet.duration or 0)) * packet.time_base) - self._start
                    )
                yield packet
        except av.FFmpegError as error:
            problems.append(str(error.strerror))
            yield None
        duration = (self._container.duration or 0) / av.time_base
        timed = self._container.format.name.split(",")[0] in _TIMED
        if timed and duration - self.end > max(0.5, duration / 100):
            self.faults.append(f"ends after {self.end:.1f} of {duration:.1f} seconds")

    @property
    def _start(self) -> float:
        return (self._container.start_time or 0) / av.time_base


@dataclass(frozen=True)
class Frame:
    """One frame of a film, in the order of showing.

    Attributes:
        number: 0, 1, 2, ... of all frames that were decoded.
        time: seconds from the beginning of the film.
        damaged: whether the decoder had to conceal missing parts.
        decoded: the frame that `Film.small` and `Film.full` convert.
    """

    number: int
    time: float
    damaged: bool
    decoded: VideoFrame

    @property
    def moment(self) -> Fraction | None:
        """Seconds in the film's own count, which need not begin at 0; None if the film does not say."""
        pts, base = self.decoded.pts, self.decoded.time_base
        return None if pts is None or base is None else pts * base

    @property
    def deep(self) -> bool:
        """Whether it has more than 8 bits."""
        return _bits(self.decoded) > 8


def _bits(frame: VideoFrame) -> int:
    """The bits of the largest sample."""
    return max(component.bits for component in frame.format.components)


def _complete(frame: VideoFrame) -> None:
    """Fill in the matrix, where the frame has none, and the primaries of HDR."""
    if frame.color_trc in _HDR and frame.color_primaries not in _WIDE:
        frame.color_primaries = ColorPrimaries.BT2020
    if frame.format.is_rgb:
        return
    if frame.colorspace in _NO_MATRIX:
        large = frame.width >= 1280 or frame.height > 576
        frame.colorspace = _BT2020 if frame.color_trc in _HDR else _BT709 if large else _BT601
    if frame.colorspace not in _MATRICES:
        raise FilmError(f"has colors that cannot be converted (matrix {frame.colorspace})")


def _target(frame: VideoFrame) -> tuple[ColorTrc | None, ColorPrimaries | None]:
    """The curve and the gamut to convert to; None where the coded values can be shown as they are."""
    curve = ColorTrc.IEC61966_2_1 if frame.color_trc in _HDR else None
    return curve, ColorPrimaries.BT709 if frame.color_primaries in _WIDE else None


def _deinterlace(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """The frames, the interlaced ones made progressive by FFmpeg's bwdif; their number stays the same."""
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    for frame in frames:
        if graph and shape != (frame.width, frame.height, frame.format.name):
            graph.vpush(None)
            yield from _pull(graph)
            graph = None
        if not (graph or frame.interlaced_frame):
            yield frame
            continue
        if not graph:
            graph = Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
            )
            graph.link_nodes(source, graph.add("bwdif", mode="send_frame", deint="interlaced"), graph.add("buffersink"))
            shape = (frame.width, frame.height, frame.format.name)
        graph.vpush(frame)
        yield from _pull(graph)
    if graph:
        graph.vpush(None)
        yield from _pull(graph)


def _pull(graph: Graph) -> Iterator[VideoFrame]:
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield graph.vpull()
