"""Several clients' requests in one run of the network: a bounded queue, and threads that take batches from it.

    event loop: put  ->  queue  ->  thread: join, run, split  ->  event loop: answer

A thread takes the oldest request and all others that wait for the same signature with the same shapes. Without a
timeout (the default), an idle server answers at once, and batches form by themselves while it is busy.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import grpc
import numpy as np

from serving.server.errors import RequestError, exhausted, late, status
from serving.server.servable import SignatureFunction, Tensors, bytes_of

_MAX_BATCH_BYTES = 4 << 20  # of inputs: larger requests gain nothing by being joined, and joining them takes memory


@dataclass(frozen=True)
class Limits:
    """How much may wait, and how much is run at once.

    Attributes:
        queue: Maximum number of waiting requests; further ones are refused.
        queue_bytes: Maximum bytes of inputs that wait or are being run; a single request may be larger.
        batch: Maximum number of items (images) of several requests in one run.
        threads: Number of concurrent runs.
        timeout: Maximum seconds that a request waits for others to fill its batch.
    """

    queue: int = 64
    queue_bytes: int = 256 << 20
    batch: int = 16
    threads: int = 2
    timeout: float = 0.0


class RunObserver(Protocol):
    """What `serving.server.metrics.Metrics` offers to this module."""

    def record_run(self, model: str, rows: int, waited: Sequence[float], seconds: float) -> None:
        """`rows` items were run at once; how long each request waited and how long the run took, in seconds."""

    def record_rejection(self, reason: str) -> None:
        """A request was refused: "full" or "late"."""


@dataclass(eq=False)
class _Job:
    model: str
    signature: SignatureFunction
    inputs: Tensors
    rows: int | None  # None: cannot be batched
    size: int
    deadline: float | None
    answer: "asyncio.Future[Tensors]"
    key: Any
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Runs signatures for many callers at once."""

    def __init__(self, limits: Limits, observer: RunObserver) -> None:
        self.limits = limits
        self._observer = observer
        self._waiting: deque[_Job] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True) for number in range(limits.threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(
        self, model: str, signature: SignatureFunction, inputs: Tensors, deadline: float | None = None
    ) -> Tensors:
        """The outputs of `signature` for `inputs`, which it must accept.

        Args:
            model: Its name, for the observer.
            deadline: The `time.monotonic()` after which the client no longer waits, or None.

        Raises:
            RequestError: RESOURCE_EXHAUSTED: the queue is full; DEADLINE_EXCEEDED: its turn came too late; or
                whatever the run raised.
        """
        job = _Job(
            model,
            signature,
            inputs,
            rows=_rows(inputs) if signature.by_rows else None,
            size=bytes_of(inputs),
            deadline=deadline,
            answer=asyncio.get_running_loop().create_future(),
            key=_key(signature, inputs),
        )
        self._put(job)
        try:
            return await job.answer
        except asyncio.CancelledError:
            self._forget(job)
            raise
        finally:
            del job  # otherwise part of a reference cycle: job -> answer -> error -> traceback -> job

    @property
    def length(self) -> int:
        """Number of waiting requests."""
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """Bytes of the inputs that wait or are being run."""
        return self._bytes

    def close(self, timeout: float | None = None) -> bool:
        """Run what waits, and end the threads -> False if some still run after `timeout` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _put(self, job: _Job) -> None:
        limits = self.limits
        with self._changed:
            full = len(self._waiting) >= limits.queue
            large = bool(self._bytes) and self._bytes + job.size > limits.queue_bytes
            if not (full or large or self._closed):
                self._waiting.append(job)
                self._bytes += job.size
                self._changed.notify()
                return
        self._observer.record_rejection("full")
        if full:
            raise exhausted(f"the queue is full: {limits.queue} requests wait; try again later")
        if large:
            raise exhausted(f"the queue is full: requests of {limits.queue_bytes >> 20} MiB wait; try again later")
        raise RequestError(grpc.StatusCode.UNAVAILABLE, "the server is stopping")

    def _forget(self, job: _Job) -> None:
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)
                self._bytes -= job.size

    def _work(self) -> None:
        while batch := self._take():
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._bytes -= sum(job.size for job in batch)
                del batch  # which an idle thread would keep until the next one comes

    def _take(self) -> list[_Job]:
        """The next batch; empty when closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return []
                batch = self._oldest_batch()
                wait = batch[0].since + self.limits.timeout - time.monotonic()
                if wait <= 0 or self._closed or batch[0].rows is None or _total(batch) >= self.limits.batch:
                    for job in batch:
                        self._waiting.remove(job)
                    return batch
                self._changed.wait(wait)

    def _oldest_batch(self) -> list[_Job]:
        """The oldest request, and those that can run with it."""
        first = self._waiting[0]
        batch, size = [first], first.size
        if first.rows is None:
            return batch
        for job in list(self._waiting)[1:]:
            if job.rows is None or job.key != first.key:
                continue
            if _total([*batch, job]) <= self.limits.batch and size + job.size <= _MAX_BATCH_BYTES:
                batch.append(job)
                size += job.size
        return batch

    def _run(self, batch: list[_Job]) -> None:
        now = time.monotonic()
        jobs = []
        for job in batch:
            if job.deadline is not None and now > job.deadline:
                self._observer.record_rejection("late")
                _answer([(job, late())])
            elif not job.answer.cancelled():
                jobs.append(job)
        if not jobs:
            return
        waited = [now - job.since for job in jobs]
        answers = _answers(jobs)
        # Counted before it is answered: a client with an answer finds it in the metrics.
        self._observer.record_run(jobs[0].model, _total(jobs), waited, time.monotonic() - now)
        _answer(answers)


def _answers(jobs: list[_Job]) -> "list[tuple[_Job, Tensors | RequestError]]":
    """All in one run; if that fails, one by one, so that only the sender of the bad image gets the error."""
    signature = jobs[0].signature
    if len(jobs) == 1:
        try:
            return [(jobs[0], signature.run(jobs[0].inputs))]
        except Exception as error:  # whatever the network raises becomes the error of this request
            return [(jobs[0], status(error))]
    try:
        joined = {name: np.concatenate([job.inputs[name] for job in jobs]) for name in jobs[0].inputs}
        outputs = signature.run(joined)
        if any(value.ndim == 0 or len(value) != _total(jobs) for value in outputs.values()):
            raise ValueError("the outputs have other rows than the inputs")
    except Exception:  # as above; the single runs below find the request that causes it
        return [answer for job in jobs for answer in _answers([job])]
    answers: list[tuple[_Job, Tensors | RequestError]] = []
    end = 0
    for job in jobs:
        begin, end = end, end + _total([job])
        answers.append((job, {name: value[begin:end] for name, value in outputs.items()}))
    return answers


def _answer(answers: "Sequence[tuple[_Job, Tensors | RequestError]]") -> None:
    def deliver() -> None:
        for job, answer in answers:
            if job.answer.done():
                continue
            if isinstance(answer, RequestError):
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)

    loop = answers[0][0].answer.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(deliver)


def _key(signature: SignatureFunction, inputs: Tensors) -> Any:
    # Signatures compare by identity, and each version of a model has its own.
    return signature, tuple((name, inputs[name].dtype.str, inputs[name].shape[1:]) for name in sorted(inputs))


def _rows(inputs: Tensors) -> int | None:
    """The number of items if all inputs have the same, or None."""
    counts = {len(value) for value in inputs.values()}
    return counts.pop() if len(counts) == 1 else None


def _total(jobs: Sequence[_Job]) -> int:
    """Number of items; a job that is run by itself counts as one."""
    return sum(1 if job.rows is None else job.rows for job in jobs)
