"""Writing colored films: the coded frames of segments, and everything else of the film that they were made from.

Sound, subtitles, attachments, chapters and metadata are copied: their packets are not decoded.
"""

import heapq
import operator
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard, Stream
from av.video.stream import VideoStream

from media import atomic
from media.film_codecs import STEADY, Coding
from media.film_segments import Coded, to_packet
from zoo.errors import FilmError

_FORMATS = {".m4v": "mp4"}  # where FFmpeg would take another one
_NO_TEXT = b"\0\0"  # of MP4: between two subtitles
# What describes the former file and not the film.
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "creation_time"}


@dataclass(frozen=True)
class Span:
    """The part of a film that is written.

    Attributes:
        start: the moment of its first frame in the film's own count, or None for the film's beginning.
        end: the moment of the first frame behind it, or None for the film's end.
    """

    start: Fraction | None = None
    end: Fraction | None = None


@dataclass
class Opened:
    """A container that is being written, and its streams.

    Attributes:
        container: to write to.
        video: the stream of the colored frames.
        copies: index of a stream of the original -> the stream that its packets go to.
        left_out: what the original has besides, in words.
    """

    container: OutputContainer
    video: VideoStream
    copies: dict[int, Stream] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Check:
    """What is known before any frame is colored.

    Attributes:
        global_header: whether encoders must leave the parameters of the codec to the container.
        left_out: what the original has and the result will not have.
    """

    global_header: bool
    left_out: tuple[str, ...]


def check(path: Path, source: Path, coding: Coding) -> Check:
    """Write the head of a film to a temporary file beside `path`, to see that everything can be stored there.

    Raises:
        FilmError: the folder cannot be written to, or the container does not take one of the streams.
    """
    partial = atomic.partial_name(path)
    try:
        with reading(source) as original, _writing(partial, original, coding) as opened:
            opened.container.start_encoding()
            flags = int(opened.video.codec_context.flags)
            return Check(bool(flags & int(Flags.global_header)), tuple(opened.left_out))
    except (OSError, av.FFmpegError) as error:
        raise FilmError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def join(
    path: Path, source: Path, coding: Coding, frames: Iterable[Coded], time_base: Fraction, span: Span, comment: str
) -> None:
    """Write a film of coded frames and of what its original has besides; it replaces `path`.

    Args:
        path: of the result.
        source: the original.
        coding: of the frames.
        frames: in their order.
        time_base: seconds of a tick of the frames.
        span: the part of the original that is written. Its beginning becomes that of the result.
        comment: is added to the comment of the film.

    Raises:
        FilmError: it cannot be written.
    """
    try:
        with atomic.replacing(path) as partial, reading(source) as original:
            with _writing(partial, original, coding) as opened:
                zero = _zero(original, opened) if span.start is None else span.start
                _describe(opened, original, zero, span, comment)
                opened.container.start_encoding()
                video = _video_packets(opened, frames, time_base, zero)
                others = _copied_packets(opened, original, zero, span)
                for _, packet in heapq.merge(video, others, key=operator.itemgetter(0)):
                    opened.container.mux(packet)
    except (OSError, av.FFmpegError) as error:
        raise FilmError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def reading(source: Path) -> Iterator[InputContainer]:
    """A film whose packets are copied."""
    with av.open(f"file:{source}", metadata_errors="replace") as original:
        yield original


@contextmanager
def _writing(partial: Path, original: InputContainer, coding: Coding) -> Iterator[Opened]:
    """A container with all its streams, whose head is not written yet."""
    with create(partial) as container:
        yield _add_streams(container, original, coding)


def create(partial: Path) -> OutputContainer:
    """A container of the kind that the suffix of a file says; a context manager."""
    return av.open(f"file:{partial}", "w", format=_FORMATS.get(partial.suffix.lower()))


def _add_streams(container: OutputContainer, original: InputContainer, coding: Coding) -> Opened:
    film = original.streams.best("video")
    assert film is not None, "the film was read"
    opened: Opened | None = None
    copies: dict[int, Stream] = {}
    left_out: list[str] = []
    for stream in original.streams:
        what = f"{stream.type} stream {stream.index} ({getattr(stream, 'name', None) or 'of unknown kind'})"
        if stream.index == film.index:
            video = _add_video(container, stream, coding)
            opened = Opened(container, video, copies, left_out)
        elif stream.type == "attachment":
            add_attachment(container, stream, what, left_out)
        elif stream.type in ("audio", "subtitle"):
            try:
                copies[stream.index] = copy_stream(container, stream)
            except (ValueError, av.FFmpegError) as error:
                name = container.format.name
                other = Path(original.name).suffix if name == "matroska" else ".mkv"
                raise FilmError(f"the {what} cannot be stored as {name}: choose {other} for the result") from error
        elif stream.discard is not Discard.all:  # as the titles of chapters in MP4 are, which are copied as chapters
            left_out.append(f"the {what}")
    assert opened is not None, "the film is one of the streams"
    return opened


def _add_video(container: OutputContainer, film: Stream, coding: Coding) -> VideoStream:
    try:
        video = container.add_stream(coding.encoder, rate=coding.rate)
    except ValueError as error:
        raise FilmError(f"{coding.codec} cannot be stored as {container.format.name}: choose another codec") from error
    assert isinstance(video, VideoStream)
    coding.set_up(video.codec_context)
    video.time_base = 1 / coding.rate if _counts_frames(container) else film.time_base or 1 / coding.rate
    video.metadata.update(kept(film.metadata))
    video.disposition = film.disposition
    return video


def _counts_frames(container: OutputContainer) -> bool:
    """Whether a container counts its frames instead of stating their times."""
    return f".{container.format.name}" in STEADY


def copy_stream(container: OutputContainer, stream: Any) -> Stream:
    """A stream for the packets of another one, which says the same about itself."""
    # Without `opaque`, a film would need an encoder of the name that its decoder has.
    copy: Stream = container.add_stream_from_template(stream, opaque=True)
    copy.metadata.update(kept(stream.metadata))
    copy.disposition = stream.disposition
    return copy


def add_attachment(container: OutputContainer, stream: Any, what: str, left_out: list[str]) -> None:
    """Copy a file that is attached, or take note that the container does not hold any."""
    if "matroska" not in container.format.name:
        left_out.append(f"the {what}")
        return
    container.add_attachment(stream.metadata.get("filename", "attachment"), stream.mimetype or "", stream.data)


def is_no_text(packet: "Packet[Any]") -> bool:
    """Whether it is what lies between two subtitles of MP4, and what FFmpeg writes anew."""
    return packet.stream.name == "mov_text" and bytes(packet) == _NO_TEXT


def kept(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata that a copy has, too."""
    return {key: value for key, value in metadata.items() if key.lower() not in _OF_THE_FILE}


def _zero(original: InputContainer, opened: Opened) -> Fraction:
    """The moment at which a film begins, if that is above 0: broadcasts count from anywhere."""
    starts = [
        stream.start_time * stream.time_base
        for stream in original.streams
        if stream.start_time is not None and stream.time_base is not None and stream.type in ("video", "audio")
    ]
    return max(Fraction(0), min(starts, default=Fraction(0)))


def _describe(opened: Opened, original: InputContainer, zero: Fraction, span: Span, comment: str) -> None:
    """Copy chapters and metadata."""
    metadata = kept(original.metadata)
    former = next((metadata.pop(key) for key in list(metadata) if key.lower() == "comment"), "")
    opened.container.metadata.update(metadata)
    opened.container.metadata["comment"] = f"{former}; {comment}" if former else comment
    chapters = []
    for chapter in original.chapters():
        base = chapter["time_base"] or Fraction(1)
        start, end = chapter["start"] * base, chapter["end"] * base
        if end <= zero or (span.end is not None and start >= span.end):
            continue
        start, end = max(start, zero), end if span.end is None else min(end, span.end)
        chapters.append({**chapter, "start": round((start - zero) / base), "end": round((end - zero) / base)})
    if chapters:
        opened.container.set_chapters(chapters)  # type: ignore[arg-type]


def _video_packets(
    opened: Opened, frames: Iterable[Coded], time_base: Fraction, zero: Fraction
) -> Iterator[tuple[float, "Packet[Any]"]]:
    steady = _counts_frames(opened.container)
    last: int | None = None
    for coded in frames:
        moment = coded.tick * time_base - zero
        packet = to_packet(coded)
        packet.stream = opened.video
        packet.time_base = 1 / opened.video.codec_context.framerate if steady else time_base
        pts = round(moment / packet.time_base)
        # Times that were rounded may meet.
        pts = pts if last is None else max(pts, last + 1)
        packet.pts = packet.dts = last = pts
        packet.duration = 1 if steady else coded.duration
        yield float(moment), packet


def _copied_packets(
    opened: Opened, original: InputContainer, zero: Fraction, span: Span
) -> Iterator[tuple[float, "Packet[Any]"]]:
    """The packets of the streams that are copied, cut to the span and counted from its beginning."""
    streams = [original.streams[index] for index in opened.copies]
    latest = 0.0
    for packet in original.demux(streams) if streams else ():
        if packet.dts is None and packet.pts is None:
            continue  # the end of a stream
        if is_no_text(packet):
            continue
        base = packet.time_base
        shift = round(zero / base)
        begins = packet.pts if packet.pts is not None else packet.dts
        assert begins is not None, "one of them is there"
        ends = begins + (packet.duration or 0)
        subtitle = packet.stream.type == "subtitle"
        if span.start is not None and (ends <= shift if subtitle else begins < shift):
            continue
        if span.end is not None and begins * base >= span.end:
            continue
        if subtitle and begins < shift and span.start is not None:
            packet.duration, packet.pts, packet.dts = ends - shift, shift, shift
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        latest = max(latest, float((packet.dts if packet.dts is not None else begins - shift) * base))
        packet.stream = opened.copies[packet.stream.index]
        yield latest, packet
