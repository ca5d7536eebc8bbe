"""Segments of a film that is being written: the packets of some frames in a file of their own.

A segment begins with a frame that needs no other, and is on the disk as a whole or not at all, so that a run that was
killed goes on behind the last one.
"""

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from media import atomic
from media.film_codecs import Coding, open_encoder
from zoo.errors import FilmError

_HEAD = struct.Struct("<I?qq")  # size of the packet, whether it is a key frame, its tick and how many it lasts
_FINE = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND


@dataclass(frozen=True)
class Coded:
    """A coded frame.

    Attributes:
        data: its packet.
        key: whether it needs no other frame.
        tick: when it is shown, in units of the time base of the film that was read.
        duration: how long, in the same units.
    """

    data: bytes
    key: bool
    tick: int
    duration: int


class SegmentWriter:
    """Codes the frames of one segment into a file, which appears under its name with `close`; a context manager."""

    def __init__(self, path: Path, coding: Coding, *, global_header: bool) -> None:
        self._path, self._coding = path, coding
        self._partial = atomic.partial_name(path)
        self._file = self._partial.open("wb")
        self._encoder = open_encoder(coding, global_header=global_header)
        self._reformatter = VideoReformatter()
        self._times: deque[tuple[int, int]] = deque()
        self._count = 0

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def add(self, pixels: np.ndarray, tick: int, duration: int) -> None:
        """Code a frame, sRGB (H, W, 3), uint8 or uint16, that is shown from `tick` on.

        Raises:
            FilmError: it cannot be coded.
        """
        frame = VideoFrame.from_ndarray(pixels, "rgb24" if pixels.dtype == np.uint8 else "rgb48le")
        coded = self._reformatter.reformat(
            frame,
            format=self._coding.pixels,
            dst_colorspace=self._coding.matrix,
            dst_color_range=1,
            interpolation=_FINE,
        )
        coded.pts, coded.time_base = self._count, 1 / self._coding.rate
        self._count += 1
        self._times.append((tick, duration))
        self._write(coded)

    def close(self) -> None:
        """Write what the encoder still holds, and give the file its name.

        Raises:
            FilmError: the encoder did not give a packet for each frame.
        """
        self._write(None)
        if self._times:
            raise FilmError(f"{len(self._times)} frames were lost by the encoder {self._coding.encoder}")
        self._file.close()
        atomic.put_in_place(self._partial, self._path, durable=True)

    def _write(self, frame: VideoFrame | None) -> None:
        try:
            packets = self._encoder.encode(frame)
        except (av.FFmpegError, ValueError) as error:
            raise FilmError(f"cannot be coded by {self._coding.encoder}: {error}") from error
        for packet in packets:
            if not self._times:
                raise FilmError(f"the encoder {self._coding.encoder} gave more packets than frames")
            data = bytes(packet)
            self._file.write(_HEAD.pack(len(data), packet.is_keyframe, *self._times.popleft()))
            self._file.write(data)


def read_segments(paths: Iterable[Path]) -> Iterator[Coded]:
    """The coded frames of segments, one after the other."""
    for path in paths:
        with path.open("rb") as file:
            while head := file.read(_HEAD.size):
                size, key, tick, duration = _HEAD.unpack(head)
                yield Coded(file.read(size), key, tick, duration)


def to_packet(coded: Coded) -> "Packet[Any]":
    """A packet of PyAV, without stream and time."""
    packet: Packet[Any] = Packet(coded.data)
    packet.is_keyframe = coded.key
    return packet
