"""The queue of photographs and films that whoever sent them does not wait for, with place and progress."""

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from serving.web.errors import WebError, as_web_error
from serving.web.limits import Limits
from serving.web.workers import Workers

State = Literal["waiting", "running", "done", "failed", "cancelled"]
FINAL = ("done", "failed", "cancelled")

FILMS_WAITING = 4
_PER_SECOND = 5  # events that are sent of one job
_HEARTBEAT = 15  # seconds after which a silent stream says that it lives
_RESULTS = 4  # results of the largest size, of films on the disk and of photographs in memory, that are kept


class _Cancelled(Exception):
    """Whoever wanted it does not want it any more."""


@dataclass(frozen=True)
class Output:
    """What a job has made.

    Attributes:
        content: The bytes of a file, or where it lies.
        media_type: Of HTTP.
        name: That it is saved under.
        headers: That are sent with it.
        warnings: What is to be said about it.
    """

    content: bytes | Path = field(repr=False)
    media_type: str
    name: str
    headers: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


Work = Callable[[Callable[[int, int], None]], Output]  # gets what it calls with the number of done and of all


class Job:
    """One piece of work; its attributes change in the event loop only.

    Args:
        folder: That is removed with it.
    """

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        self.id = secrets.token_urlsafe(16)
        self.kind, self.folder = kind, folder
        self.state: State = "waiting"
        self.place: int | None = None
        self.done = 0
        self.of: int | None = None
        self.output: Output | None = None
        self.error: WebError | None = None
        self.cancelled = False
        self.began = self.ended = 0.0
        self._changed = asyncio.Event()
        self._when_ended: Callable[[], object] = lambda: None

    def when_ended(self, function: Callable[[], object]) -> None:
        """Call a function once the work has ended."""
        self._when_ended = function

    def settle(self) -> None:
        """The work has ended."""
        self._when_ended()

    def describe(self) -> dict[str, Any]:
        """As events have it."""
        found: dict[str, Any] = {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "done": self.done,
            "of": self.of,
            "events": f"/api/jobs/{self.id}/events",
            "result": f"/api/jobs/{self.id}/result",
        }
        if self.state == "waiting":
            found["place"] = self.place
        if self.state == "running":
            share = self.done / self.of if self.of else 0.0
            elapsed = time.monotonic() - self.began
            found["seconds_left"] = round(elapsed / share - elapsed, 1) if share > 0 else None
        if self.output is not None:
            found |= {"type": self.output.media_type, "bytes": self.output.size, "warnings": list(self.output.warnings)}
        if self.error is not None:
            found |= self.error.body()
        return found

    def touch(self) -> None:
        """Tell who follows it that something has changed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changes(self) -> AsyncIterator[dict[str, Any] | None]:
        """What it is now, and after each change, until it has ended; None where nothing happened for a while."""
        while True:
            changed = self._changed
            described = self.describe()
            yield described
            if described["state"] in FINAL:  # it may have ended while that was sent
                return
            await asyncio.sleep(1 / _PER_SECOND)
            while not changed.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), _HEARTBEAT)
                except TimeoutError:
                    yield None

    def end(self, state: State) -> None:
        """Settle how it ended."""
        self.state, self.ended = state, time.monotonic()
        self.touch()

    def discard(self) -> None:
        """Leave nothing of it on the disk."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


class Jobs:
    """All jobs of a server; used in the event loop only.

    Args:
        workers: That photographs share with the requests that wait for their pictures.
    """

    def __init__(self, limits: Limits, workers: Workers) -> None:
        self._limits, self._workers = limits, workers
        self._films = Workers(1, FILMS_WAITING)  # beside the others, so that no photograph waits for a film
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._jobs)

    def check(self, kind: str) -> None:
        """Refuse a job before its file is read.

        Raises:
            WebError: too many wait already.
        """
        self.expire()
        waiting = sum(job.state == "waiting" and job.kind == kind for job in self._jobs.values())
        most = FILMS_WAITING if kind == "film" else self._limits.waiting
        if waiting >= most or len(self._jobs) >= 4 * self._limits.waiting:
            raise WebError("busy", f"{waiting} jobs are waiting already", retry_after=30 if kind == "film" else None)

    def add(self, kind: str, work: Work, folder: Path | None = None) -> Job:
        """Put a piece of work into the queue.

        Args:
            kind: "photograph" or "film".
            folder: That is removed with the job.
        """
        job = Job(kind, folder)
        self._jobs[job.id] = job
        task = asyncio.create_task(self._carry_out(job, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._count_places(kind)
        return job

    async def _carry_out(self, job: Job, work: Work) -> None:
        loop = asyncio.get_running_loop()
        workers = self._films if job.kind == "film" else self._workers

        def begin() -> None:
            job.state, job.began = "running", time.monotonic()
            job.touch()
            self._count_places(job.kind)

        def advance(done: int, of: int) -> None:
            job.done, job.of = done, of
            job.touch()

        def progress(done: int, of: int) -> None:
            if job.cancelled:
                raise _Cancelled
            loop.call_soon_threadsafe(advance, done, of)

        def run() -> Output:
            progress(0, 0)
            return work(progress)

        try:
            output = await workers.run(run, begin, patient=True)
        except _Cancelled:
            job.end("cancelled")
        except Exception as error:
            job.error = as_web_error(error)
            job.end("failed")
        else:
            job.output = output
            job.end("cancelled" if job.cancelled else "done")
        job.settle()
        if job.state != "done":
            await asyncio.to_thread(job.discard)
        self._make_room()

    def _count_places(self, kind: str) -> None:
        waiting = [job for job in self._jobs.values() if job.kind == kind and job.state == "waiting"]
        for place, job in enumerate(waiting, 1):
            if job.place != place:
                job.place = place
                job.touch()

    def get(self, id: str) -> Job:
        """A job.

        Raises:
            WebError: there is none of this id, or not any more.
        """
        self.expire()
        if id not in self._jobs:
            raise WebError("job_gone", "there is no such job, or not any more")
        return self._jobs[id]

    def remove(self, id: str) -> None:
        """Cancel a job, and forget it and its result."""
        job = self._jobs.pop(id, None)
        if job is None:
            return
        job.cancelled = True
        if job.state in FINAL:
            job.discard()
        elif job.state == "waiting":
            job.end("cancelled")
            self._count_places(job.kind)

    def expire(self) -> None:
        """Forget what ended a while ago."""
        end = time.monotonic() - self._limits.result_seconds
        for job in [job for job in self._jobs.values() if job.state in FINAL and job.ended < end]:
            self.remove(job.id)

    def _make_room(self) -> None:
        """Forget the oldest results if all of them take too much."""
        for kind, most in (
            ("photograph", _RESULTS * self._limits.upload_bytes),
            ("film", _RESULTS * self._limits.film_bytes),
        ):
            done = sorted(
                (job for job in self._jobs.values() if job.kind == kind and job.output is not None),
                key=lambda job: job.ended,
            )
            held = sum(job.output.size for job in done if job.output is not None)
            for job in done[:-1]:
                if held <= most:
                    break
                held -= job.output.size if job.output is not None else 0
                self.remove(job.id)

    def close(self) -> None:
        """End all, and leave nothing on the disk."""
        for id in list(self._jobs):
            with suppress(RuntimeError):
                self._jobs[id].discard()
            self.remove(id)
        self._films.close()
