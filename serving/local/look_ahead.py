"""The colors of the next reference of a scene, carried backwards in time.

A second reading of the film runs ahead, until it finds the reference, or a cut. The lightness of the frames on the way,
at the network's size, and the colors that are carried back to them lie in a file without a name, which is gone with the
process. It has room for REACH frames: so far are colors carried backwards, whatever the length of a scene.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from media.tracks import Track
from serving.local.smoothing import Cuts

REACH = 3000  # frames: two minutes of a film of 25 frames per second, and 0.5 GB on the disk
FADE = 50  # frames in which colors come up that are carried from as far as that


@dataclass(frozen=True)
class Reference:
    """A colored still.

    Attributes:
        time: of its frame, in seconds from the film's beginning, or a little less.
        colors: reads its ab (size, size, 2), in the frame of a network of this size.
    """

    time: float
    colors: Callable[[int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Carried:
    """Colors that were carried to a frame.

    Attributes:
        ab: (size, size, 2).
        trust: (size, size) in [0, 1].
        distance: frames to the reference.
    """

    ab: np.ndarray
    trust: np.ndarray
    distance: int


@dataclass(frozen=True, eq=False)
class Ahead:
    """A frame of the second reading: its time in seconds, and what reads its L (size, size) in [0, 100]."""

    time: float
    lightness: Callable[[], np.ndarray]


class LookAhead:
    """Knows the references behind the frame that is colored; closed as a file.

    Args:
        frames: the second reading, from frame `number` on.
        number: of the first of these frames.
        references: in the order of time; those before the first frame do not count.
        folder: for the file.
        reach: frames over which colors are carried backwards.
    """

    def __init__(
        self, frames: Iterator[Ahead], number: int, references: Sequence[Reference], folder: Path, reach: int = REACH
    ) -> None:
        self._frames, self._number, self._reach = frames, number, reach
        self._references = list(references)
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        self._held: Ahead | None = None  # the frame at which the last look ended
        self._here: Reference | None = None  # the reference of the frame from which it began
        self._begin = number  # of the frames that were looked at
        self._end: float = number  # the first frame that was not
        self._next: int | None = None  # the frame of the reference at the end of them
        self._size = 0

    def close(self) -> None:
        """Give the room on the disk back."""
        self._file.close()

    def at(self, number: int) -> tuple[Reference | None, Carried | None]:
        """The reference of a frame, and what is carried back to it; frames are asked for in their order."""
        if number >= self._end:
            self._look()
        here = self._here if number == self._begin else None
        if self._next is None or self._next - number >= self._reach:
            return here, None
        return here, self._read(number, self._next - number)

    def _look(self) -> None:
        """Look from the next frame on for the next reference in the scene."""
        frame = self._held or next(self._frames, None)
        self._held = self._here = self._next = None
        self._begin = self._number
        if frame is None:
            self._end = math.inf
            return
        while self._references and self._references[0].time <= frame.time:
            self._here = self._references.pop(0)
        if not self._references:
            self._end = math.inf  # nothing is read in vain
            return
        cuts = Cuts()
        number = self._begin
        while True:
            lightness = frame.lightness()
            self._size = lightness.shape[0]
            if cuts.is_next(lightness[..., None]) and number > self._begin:
                break
            if number > self._begin and self._references[0].time <= frame.time:
                self._next = number
                self._walk_back(number, self._references[0].colors(self._size), lightness)
                break
            self._write_lightness(number, lightness)
            number += 1
            frame = next(self._frames, None)
            if frame is None:
                self._end = math.inf
                return
        self._held, self._number, self._end = frame, number, number

    def _walk_back(self, last: int, colors: np.ndarray, lightness: np.ndarray) -> None:
        track = Track(lightness)
        for number in range(last - 1, max(self._begin, last - self._reach + 1) - 1, -1):
            track.follow(self._read_lightness(number))
            room = self._reach - (last - number)
            fading = np.float32(min(1.0, room / FADE)) if self._reach > FADE else np.float32(1)
            self._seek(number, carried=True)
            self._file.write(track.carry(colors).astype(np.float16).tobytes())
            self._file.write(np.rint(track.trust * fading * 255).astype(np.uint8).tobytes())

    def _read(self, number: int, distance: int) -> Carried:
        pixels = self._size * self._size
        self._seek(number, carried=True)
        ab = np.frombuffer(self._file.read(4 * pixels), np.float16).astype(np.float32)
        trust = np.frombuffer(self._file.read(pixels), np.uint8).astype(np.float32) / 255
        return Carried(ab.reshape(self._size, self._size, 2), trust.reshape(self._size, self._size), distance)

    def _write_lightness(self, number: int, lightness: np.ndarray) -> None:
        self._seek(number, carried=False)
        self._file.write(np.rint(lightness * 2.55).astype(np.uint8).tobytes())

    def _read_lightness(self, number: int) -> np.ndarray:
        self._seek(number, carried=False)
        levels = np.frombuffer(self._file.read(self._size * self._size), np.uint8)
        return levels.reshape(self._size, self._size).astype(np.float32) / np.float32(2.55)

    def _seek(self, number: int, *, carried: bool) -> None:
        """Go to the place of a frame: 6 bytes for each pixel, of which the first one is the lightness."""
        pixels = self._size * self._size
        self._file.seek((number % self._reach) * 6 * pixels + carried * pixels)
