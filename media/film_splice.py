"""Replacing the pictures of a part of a film that Colorzoo wrote: all other packets stay as they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from media import atomic
from media.film_writer import add_attachment, copy_stream, create, is_no_text, kept, reading
from zoo.errors import FilmError


@dataclass(frozen=True)
class Written:
    """How the pictures of a film are coded.

    Attributes:
        codec: FFmpeg's name.
        header: the parameters that all packets need.
        keys: for each frame, whether it needs no other one.
    """

    codec: str
    header: bytes
    keys: tuple[bool, ...]


def look(path: Path) -> Written:
    """The coding of a film without B-frames, whose packets come in the order of showing.

    Raises:
        FilmError: it cannot be read.
    """
    try:
        with reading(path) as film:
            stream = film.streams.best("video")
            if stream is None:
                raise FilmError("holds no video")
            keys = tuple(packet.is_keyframe for packet in film.demux(stream) if packet.size)
            context: Any = stream.codec_context
            return Written(context.name, context.extradata or b"", keys)
    except (OSError, av.FFmpegError) as error:
        raise FilmError(f"cannot be read: {error.strerror or error}") from error


def splice(path: Path, part: Path, first: int) -> None:
    """Give a film the pictures of another one of the same coding, from frame `first` on; it replaces `path`.

    Args:
        path: of the film. The frame behind the part must be one that needs no other.
        part: the pictures; the first one needs no other.
        first: number of the frame that becomes the first one of the part.

    Raises:
        FilmError: one of them cannot be read, or the film cannot be written.
    """
    try:
        with atomic.replacing(path) as partial, reading(path) as film, reading(part) as other:
            new = _pictures(other)
            replaced = range(first, first + len(look(part).keys))
            with create(partial) as container:
                copies = {}
                for stream in film.streams:
                    if stream.type == "attachment":
                        add_attachment(container, stream, "", [])
                    elif stream.type in ("video", "audio", "subtitle"):
                        copies[stream.index] = copy_stream(container, stream)
                container.metadata.update(kept(film.metadata))
                if chapters := film.chapters():
                    container.set_chapters(chapters)
                video = film.streams.best("video")
                container.start_encoding()
                number = 0
                for packet in film.demux([film.streams[index] for index in copies]):
                    if (packet.dts is None and packet.pts is None) or is_no_text(packet):
                        continue  # the former is the end of a stream
                    copy = copies[packet.stream.index]
                    if packet.stream is video and packet.size:
                        packet = _with_picture(packet, next(new)) if number in replaced else packet
                        number += 1
                    packet.stream = copy
                    container.mux(packet)
    except (OSError, av.FFmpegError) as error:
        raise FilmError(f"{path} cannot be written: {error.strerror or error}") from error


def _pictures(film: Any) -> "Iterator[Packet[Any]]":
    return (packet for packet in film.demux(film.streams.best("video")) if packet.size)


def _with_picture(packet: "Packet[Any]", new: "Packet[Any]") -> "Packet[Any]":
    """A packet shown when another one was."""
    new.pts, new.dts, new.duration, new.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    return new
