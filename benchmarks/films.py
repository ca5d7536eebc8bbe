"""Synthetic films: a camera that moves over the sample photographs, with cuts, and a tone."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from examples.demo import samples

SHOT = 4.0  # seconds between two cuts
NEAR, FAR = 1.5, 1.1  # how many times as large as the frame a photograph is, at the ends of a shot
SOUND = 48_000  # samples of the tone in a second


def frames(seconds: float, height: int, width: int, rate: int) -> Iterator[np.ndarray]:
    """The frames of a film, sRGB (height, width, 3) uint8; each shot is of the next photograph."""
    photographs = [pixels for pixels in samples().values() if pixels.ndim == 3]
    for number in range(round(seconds * rate)):
        shot, part = divmod(number / rate / SHOT, 1)
        yield view(photographs[int(shot) % len(photographs)], height, width, part, backwards=bool(shot % 2))


def view(photograph: np.ndarray, height: int, width: int, part: float, *, backwards: bool = False) -> np.ndarray:
    """What the camera sees of a photograph (h, w, 3) after `part`, 0 to 1, of a shot, (height, width, 3)."""
    part = 1 - part if backwards else part
    rows, columns = photograph.shape[:2]
    scale = max(height / rows, width / columns) * (FAR + (NEAR - FAR) * part)
    left, top = part * (columns - width / scale), (0.5 + 0.4 * np.sin(3 * part)) * (rows - height / scale)
    matrix = np.array([[scale, 0, -scale * left], [0, scale, -scale * top]])
    return cv2.warpAffine(photograph, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def write(path: Path, seconds: float, height: int, width: int, rate: int) -> Path:
    """Code the gray film and its tone with H.264 and AAC; returns the path."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "20"})
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        tone = container.add_stream("aac", rate=SOUND, layout="mono")
        for number, pixels in enumerate(frames(seconds, height, width, rate)):
            frame = VideoFrame.from_ndarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), "gray8")
            frame.pts = number
            container.mux(pictures.encode(frame))
            times = np.arange(number * SOUND // rate, (number + 1) * SOUND // rate) / SOUND
            block = AudioFrame.from_ndarray(np.float32(0.1 * np.sin(2 * np.pi * 440 * times))[None], "fltp", "mono")
            block.sample_rate = SOUND
            block.pts = number * SOUND // rate
            container.mux(tone.encode(block))
        container.mux(pictures.encode())
        container.mux(tone.encode())
    return path
