"""The frames of a film on their way: decoding, the network, painting and encoding overlap.

    a thread: decode, prepare  ->  this thread: predict batches, smooth  ->  a thread: paint, encode

The network colors frames at its own size; the lightness is that of the film at full resolution. A fixed number of
frames is in memory at a time.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from queue import Empty, Full, Queue
from typing import Any, Protocol

import cv2
import numpy as np

from media.film_codecs import Coding
from media.film_segments import SegmentWriter
from media.films import Film, Frame
from serving.local.film_job import FilmJob

BATCH = 8  # frames in a batch of the network; the last one of a film may have fewer
PIXELS_WAITING = 16_000_000  # of frames that wait, before the network and behind it
_PATIENCE = 0.2  # seconds after which a thread that waits looks whether the others still run

State = dict[str, np.ndarray]


class FrameColorizer(Protocol):
    """What `serving.local.film_colorizer.FilmColorizer` offers."""

    def prepare(self, pixels: np.ndarray, aspect: float = 1.0) -> Any:
        """Gray (H, W) or sRGB (H, W, 3), uint8 or uint16 -> what `paint` needs of it, and smoothers of its `frame`."""

    def paint(self, photograph: Any, ab: np.ndarray) -> np.ndarray:
        """A frame and ab (size, size, 2) -> (H, W, 3) of the frame's dtype."""


class Smoother(Protocol):
    """Colors frames one batch after the other, in their order."""

    def colors(self, frames: np.ndarray) -> np.ndarray:
        """The next frames (B, size, size, 1), L in [0, 100] -> ab (B, size, size, 2) in Lab units."""

    def state(self) -> State:
        """All that the next frames depend on."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state, with the very colors that followed it."""


def prepare(film: Film, frame: Frame, coding: Coding, colorizer: FrameColorizer) -> Any:
    """A frame of a film as the network and `paint` take it, at the size at which it is coded."""
    square = coding.aspect != film.aspect(frame)
    pixels = None if square else film.gray(frame)
    if pixels is None:
        pixels = film.pixels(frame, square=square)
    if pixels.shape[:2] != (coding.height, coding.width):  # a broadcast may change it
        pixels = cv2.resize(pixels, (coding.width, coding.height), interpolation=cv2.INTER_AREA)
    return colorizer.prepare(pixels, float(coding.aspect))


@dataclass(frozen=True, eq=False)
class _Item:
    """A frame on its way: when and how long it is shown, in ticks, and behind the network its ab."""

    prepared: Any  # of the FrameColorizer
    tick: int
    duration: int
    ab: np.ndarray | None = None


# What follows the last frame of a segment, and of a film.
_SEGMENT_ENDS, _FILM_ENDS = object(), object()


class Pipeline:
    """Brings the frames of one film into segments.

    Attributes:
        first: the moment of the first frame that was wanted, in the film's own count.
        behind: the moment of the first frame behind the wanted ones, or None.
    """

    def __init__(
        self,
        film: Film,
        coding: Coding,
        colorizer: FrameColorizer,
        smoother: Smoother,
        job: FilmJob,
        global_header: bool,
        segment: int,
        lead: int = 0,
    ) -> None:
        """Take what the frames need.

        Args:
            film: opened for this alone.
            coding: of the result.
            colorizer: prepares and paints.
            smoother: colors the frames; new.
            job: where the segments go.
            global_header: see `media.film_writer.Check`.
            segment: frames in a segment.
            lead: of the wanted frames, the number of those that are colored only for what the smoother makes of the
                next ones. Both are multiples of BATCH.
        """
        self.first: Fraction | None = None
        self.behind: Fraction | None = None
        self._film, self._coding, self._colorizer, self._smoother = film, coding, colorizer, smoother
        self._job, self._global_header, self._segment = job, global_header, segment
        self._lead = lead
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        waiting = max(2, PIXELS_WAITING // (coding.width * coding.height))
        self._read: _Channel = _Channel(min(waiting, 2 * BATCH), self._stop)
        self._colored: _Channel = _Channel(min(waiting, 2 * BATCH), self._stop)

    def carry_out(self, done: int, start: float, end: float | None, progress: Callable[[int], object]) -> int:
        """Write the segments from number `done` on; returns the number of frames in all of them.

        Args:
            done: number of segments that are there.
            start: seconds from the beginning of the film to the first frame.
            end: seconds to the first frame behind the last one, or None.
            progress: called with the number of frames in segments.

        Raises:
            FilmError: frames cannot be decoded or coded.
        """
        if done:
            self._smoother.restore(self._job.read_state(done))
        frames = done * self._segment
        skipped = self._lead + frames if done else 0
        threads = [
            self._begin(lambda: self._decode(skipped, start, end)),
            self._begin(lambda: self._code(done, progress)),
        ]
        try:
            frames += self._color(done)
        except _Stopped:
            pass  # the failure of the other thread is raised below
        except BaseException:
            self._stop.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        for failure in self._failures:
            raise failure
        return frames

    def _begin(self, work: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work()
            except _Stopped:
                pass
            except BaseException as error:  # raised by `carry_out`
                self._failures.append(error)
                self._stop.set()

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _decode(self, skipped: int, start: float, end: float | None) -> None:
        """Put the wanted frames into the first channel, but for the first ones, which are in segments already."""
        last: _Item | None = None
        length = max(1, round(1 / self._film.rate / self._film.time_base))
        for count, frame in enumerate(self._wanted(start, end)):
            tick = self._tick(frame)
            if last is not None:
                self._read.put(replace(last, duration=max(1, tick - last.tick)))
                last = None
            if count >= skipped:
                prepared = prepare(self._film, frame, self._coding, self._colorizer)
                last = _Item(prepared, tick, length)
        if last is not None:
            self._read.put(last)
        self._read.put(_FILM_ENDS)

    def _wanted(self, start: float, end: float | None) -> Iterator[Frame]:
        for frame in self._film.frames():
            if frame.time < start:
                continue
            if end is not None and frame.time >= end:
                self.behind = self._moment(frame)
                return
            if self.first is None:
                self.first = self._moment(frame)
            yield frame

    def _moment(self, frame: Frame) -> Fraction:
        return frame.number / self._film.rate if frame.moment is None else frame.moment

    def _tick(self, frame: Frame) -> int:
        return round(self._moment(frame) / self._film.time_base)

    def _color(self, number: int) -> int:
        """Color all frames, in batches that begin with the segments; returns how many there were."""
        total = count = 0
        lead = 0 if number else self._lead
        batch: list[_Item] = []
        while True:
            item = self._read.get()
            if isinstance(item, _Item):
                batch.append(item)
            if batch and (item is _FILM_ENDS or len(batch) == BATCH):
                colors = self._smoother.colors(np.stack([each.prepared.frame for each in batch]))
                if lead:
                    lead -= len(batch)
                else:
                    for each, ab in zip(batch, colors, strict=True):
                        self._colored.put(replace(each, ab=ab))
                    count += len(batch)
                batch = []
            if count == self._segment:
                number += 1
                self._job.write_state(number, self._smoother.state())
            if count == self._segment or (count and item is _FILM_ENDS):
                self._colored.put(_SEGMENT_ENDS)
                total, count = total + count, 0
            if item is _FILM_ENDS:
                self._colored.put(_FILM_ENDS)
                return total

    def _code(self, number: int, progress: Callable[[int], object]) -> None:
        """Paint the frames and write the segments from `number` on."""
        done = number * self._segment
        while (item := self._colored.get()) is not _FILM_ENDS:
            path = self._job.segment(number)
            with SegmentWriter(path, self._coding, global_header=self._global_header) as writer:
                while isinstance(item, _Item):
                    assert item.ab is not None, "it was colored"
                    writer.add(self._colorizer.paint(item.prepared, item.ab), item.tick, item.duration)
                    done += 1
                    progress(done)
                    item = self._colored.get()
                writer.close()
            number += 1


class _Stopped(Exception):
    """Another thread has failed."""


class _Channel:
    """A queue between two threads; waiting ends when the film is given up."""

    def __init__(self, size: int, stop: threading.Event) -> None:
        self._queue: Queue[object] = Queue(size)
        self._stop = stop

    def put(self, item: object) -> None:
        while True:
            if self._stop.is_set():
                raise _Stopped
            try:
                return self._queue.put(item, timeout=_PATIENCE)
            except Full:
                pass

    def get(self) -> object:
        while True:
            try:
                return self._queue.get(timeout=_PATIENCE)
            except Empty:
                if self._stop.is_set():
                    raise _Stopped from None
