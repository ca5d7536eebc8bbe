"""Small films with sound, subtitles, chapters and metadata, and what is read back of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.codec.context import Flags
from av.packet import Packet
from av.video.frame import VideoFrame

from tests.films import pan

RATE = 25
SUBTITLES = {".mp4": "mov_text", ".mov": "mov_text", ".webm": "webvtt"}
CHAPTERS = [
    {"id": 1, "start": 0, "end": 200, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}},
    {"id": 2, "start": 200, "end": 400, "time_base": Fraction(1, 1000), "metadata": {"title": "two"}},
]


def gray_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """A camera that moves over a gray field, (height, width, 3) uint8."""
    return [np.repeat(np.asarray(frame)[..., 1:2], 3, axis=-1) for frame in pan(3, count, 2, height, width)]


def write_talkie(
    path: Path,
    *,
    count: int = 10,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    sound: str | None = "aac",
    layout: str = "mono",
    subtitles: bool = False,
    chapters: bool = False,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    ratio: Fraction | None = None,
    interlaced: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write `count` frames at 25 per second, or at `times` in seconds, and sound of the same length."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        context = stream.codec_context
        if ratio:
            context.sample_aspect_ratio = ratio
        if rotation:
            stream.set_display_rotation(rotation)
        if times:
            context.time_base = Fraction(1, 1000)
        if interlaced:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        voice = container.add_stream(sound, rate=48000, layout=layout) if sound else None
        texts = container.add_mux_stream(SUBTITLES.get(path.suffix, "subrip")) if subtitles else None
        container.metadata["title"] = "A film"
        if chapters:
            container.set_chapters(CHAPTERS)
        if texts:
            texts.time_base = Fraction(1, 1000)
        for i, pixels in enumerate(gray_frames(count)):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels))
            frame.time_base = Fraction(1, 1000) if times else Fraction(1, RATE)
            frame.pts = round(1000 * times[i]) if times else i
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if texts:
            for start, text in ((40, b"one"), (240, b"two")):
                packet = Packet(len(text).to_bytes(2) + text if path.suffix in (".mp4", ".mov") else text)
                packet.stream, packet.time_base = texts, Fraction(1, 1000)
                packet.pts = packet.dts = start
                packet.duration = 100
                container.mux(packet)
        if voice:
            format = voice.codec_context.format.name
            shape = (voice.codec_context.layout.nb_channels, 48000 * count // RATE)
            samples = np.random.default_rng(0).normal(0, 0.1, shape)
            kind, white = {"flt": (np.float32, 1), "s16": (np.int16, 2**15), "s32": (np.int32, 2**31)}[
                format.rstrip("p")
            ]
            data = (samples.clip(-0.9, 0.9) * white).astype(kind)
            data = data if format.endswith("p") else np.ascontiguousarray(data.T.reshape(1, -1))
            block = AudioFrame.from_ndarray(data, format, layout)
            block.sample_rate, block.pts = 48000, 0
            container.mux(voice.encode(block))
            container.mux(voice.encode())
    return path


@dataclass
class Read:
    """What a film holds: times of frames in seconds, packets by kind of stream, chapters, metadata."""

    times: list[float]
    frames: list[VideoFrame]
    packets: dict[str, list[bytes]]
    chapters: list[tuple[float, float, str]]
    metadata: dict[str, str]
    aspect: Fraction
    duration: float


def read(path: Path) -> Read:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames, packets = [], {"audio": [], "subtitle": []}
        for packet in container.demux():
            if packet.stream.type == "video":
                frames += packet.decode()
            elif packet.size:
                packets[packet.stream.type].append(bytes(packet))
        chapters = [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"]["title"])
            for c in container.chapters()
        ]
        return Read(
            [frame.time for frame in frames],
            frames,
            packets,
            chapters,
            {key.lower(): value for key, value in container.metadata.items()},
            video.sample_aspect_ratio or Fraction(1),
            (container.duration or 0) / 1e6,
        )
