"""Films that cannot be colorized, and what must be said about them."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from tests.films import pan, write_film
from tests.talkies import write_talkie

HALF = r"(ends after [\d.]+ of 2.4 seconds|is damaged after [\d.]+ seconds: data are missing); the part before that"
NO_FILM = "is not a film, or its header is damaged: "
ENCRYPTED = "is encrypted: films can be read only without copy protection"
CENC = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "01" * 16, "encryption_kid": "02" * 16}


def halve(path: Path, **options: str) -> None:
    write_film(path, pan(0, 60, 1), codec="libx264", pix_fmt="yuv420p", options=options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ac3", rate=48000, layout="mono")
        block = AudioFrame.from_ndarray(np.zeros((1, 9600), np.float32), "fltp", "mono")
        block.sample_rate = 48000
        container.mux([*stream.encode(block), *stream.encode()])


def write_head(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        container.start_encoding()


def encrypt_matroska(path: Path) -> None:
    """Say in the head that the pictures are encrypted, in the place of the stream's name; FFmpeg writes no such."""

    def element(name: str, content: bytes) -> bytes:
        return bytes([*bytes.fromhex(name), 0x80 | len(content)]) + content

    aes, key = element("47e1", b"\5"), element("47e2", bytes(16))
    encryption = element("6d80", element("6240", element("5033", b"\1") + element("5035", aes + key)))
    name = "x" * (len(encryption) - 3)
    write_film(path, pan(0, 3, 2), name=name)
    data = path.read_bytes()
    assert data.count(element("536e", name.encode())) == 1
    path.write_bytes(data.replace(element("536e", name.encode()), encryption))


SPOILED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "garbage": (".mkv", lambda path: path.write_bytes(b"no film" * 100), NO_FILM),
    "empty": (".mkv", Path.touch, "is empty"),
    "only sound": (".mkv", write_sound, "holds no video"),
    "no frames": (".mkv", write_head, f"no frame can be decoded|{NO_FILM}End of file"),
    "no frames, MP4": (".mp4", write_head, "holds no video|no frame can be decoded"),
    "truncated": (".mkv", halve, HALF),
    "truncated, head first": (".mp4", lambda path: halve(path, movflags="faststart"), HALF),
    "truncated, head last": (".mp4", halve, NO_FILM),
    "encrypted": (".mp4", lambda path: write_talkie(path, options=CENC), ENCRYPTED),
    "encrypted, Matroska": (".mkv", encrypt_matroska, ENCRYPTED),
}
"""Kind -> suffix, what writes it, and a pattern of what must be said."""
