"""The queue of work on photographs: a few at a time, the next ones in their order, and no more than fit."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from serving.web.errors import WebError

Result = TypeVar("Result")

_FIRST_GUESS = 1.0  # seconds of a piece of work, before any is known


class Workers:
    """Threads, and the requests that wait for them.

    Attributes:
        waiting: Pieces of work that have not begun.
        running: Pieces of work that have begun and not ended.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self._workers, self._most = workers, waiting
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="web")
        self.waiting = self.running = 0
        self._seconds = _FIRST_GUESS  # that the latest pieces of work took

    async def run(
        self, work: Callable[[], Result], started: Callable[[], object] = lambda: None, *, patient: bool = False
    ) -> Result:
        """The result of a piece of work, in its turn.

        Args:
            work: Called in a thread.
            started: Called in the event loop once it is its turn.
            patient: It is a further part of something that was let in, and waits however much does.

        Raises:
            WebError: too much waits already.
        """
        if self.waiting >= self._most and not patient:
            raise WebError(
                "busy",
                f"{self.waiting} requests are waiting already",
                retry_after=max(1.0, self.waiting * self._seconds / self._workers),
            )
        loop = asyncio.get_running_loop()
        begun: float | None = None

        def note_start() -> None:
            nonlocal begun
            begun = time.monotonic()
            self.waiting -= 1
            self.running += 1
            started()

        def begin() -> Result:
            loop.call_soon_threadsafe(note_start)
            return work()

        def end(_: Future[Result]) -> None:
            with suppress(RuntimeError):  # the loop is closed: the server was stopped
                loop.call_soon_threadsafe(lambda: self._note_end(begun))

        self.waiting += 1
        future = self._pool.submit(begin)
        future.add_done_callback(end)
        return await asyncio.wrap_future(future)

    def _note_end(self, begun: float | None) -> None:
        if begun is None:
            self.waiting -= 1
            return
        self.running -= 1
        self._seconds += 0.1 * (time.monotonic() - begun - self._seconds)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
