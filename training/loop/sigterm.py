"""SIGTERM, which cluster managers send before they take a machine away: the run saves its state and ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(Exception):
    """A SIGTERM has come to one of the workers, and all of them know."""


class Stop:
    """Notes a SIGTERM. Before the first step it ends the process at once, since there is nothing to save.

    Args:
        status: the exit status of a process that was stopped.
    """

    def __init__(self, status: int) -> None:
        self.status = status
        self._received = self._saves = False

    @property
    def received(self) -> bool:
        """Whether a SIGTERM has come."""
        return self._received

    def begin_to_save(self) -> None:
        """From now on a SIGTERM is only noted, and it is the loop that ends the run."""
        self._saves = True
        if self._received:
            self._end()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        self._received = True
        if not self._saves:
            self._end()

    def _end(self) -> None:
        print("stopped by SIGTERM before the first step; the same command starts again", flush=True)
        raise SystemExit(self.status)


@contextmanager
def stopping(status: int) -> Iterator[Stop]:
    """Handles SIGTERM, where this is the main thread; in others Python has no signals."""
    stop = Stop(status)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.signal(signal.SIGTERM, stop.handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, previous)
