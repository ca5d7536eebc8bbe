"""Batches across requests: what is run together, what is refused, who gets which error."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.server.batching import Batcher, Limits
from serving.server.errors import RequestError
from serving.server.servable import SignatureFunction, TensorInfo, Tensors

FLOAT, STRING = 1, 7


class Recorder:
    """Stands for serving.server.metrics.Metrics."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.reasons: list[str] = []

    def record_run(self, model: str, rows: int, waited: Any, seconds: float) -> None:
        self.rows.append(rows)

    def record_rejection(self, reason: str) -> None:
        self.reasons.append(reason)


class Doubling:
    """A signature that doubles x, one run after another as the test lets it; negative x is refused."""

    def __init__(self, shape: tuple[int | None, ...] = (None,)) -> None:
        self.runs: list[list[float]] = []
        self.open = threading.Event()
        self.open.set()
        self.began = threading.Semaphore(0)
        info = TensorInfo(FLOAT, shape)
        self.signature = SignatureFunction("double", {"x": info}, {"y": info}, by_rows=shape[0] is None, run=self.run)

    def run(self, inputs: Tensors) -> Tensors:
        self.runs.append(inputs["x"].ravel().tolist())
        self.began.release()
        assert self.open.wait(30)
        if (inputs["x"] < 0).any():
            raise tf.errors.InvalidArgumentError(None, None, "negative")
        return {"y": inputs["x"] * 2}


def values(*numbers: float) -> Tensors:
    return {"x": np.array(numbers, np.float32)}


def in_batcher(limits: Limits, work: "Callable[[Batcher], Any]") -> Recorder:
    recorder = Recorder()
    batcher = Batcher(limits, recorder)
    try:
        asyncio.run(asyncio.wait_for(work(batcher), 20))
    finally:
        assert batcher.close(30)
    assert batcher.bytes == 0
    return recorder


async def held(batcher: Batcher, double: Doubling, number: float = 0) -> "asyncio.Task[Tensors]":
    """A request whose run has begun and does not end before `double.open` is set."""
    double.open.clear()
    task = asyncio.create_task(batcher.run("m", double.signature, values(number)))
    await asyncio.to_thread(double.began.acquire)
    return task


async def waiting(
    batcher: Batcher, signature: SignatureFunction, requests: list[Tensors]
) -> "list[asyncio.Task[Tensors]]":
    tasks = [asyncio.create_task(batcher.run("m", signature, each)) for each in requests]
    await asyncio.sleep(0)
    return tasks


def test_what_waits_is_run_together_and_split_again():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1), values(2, 3), values(), values(4)])
        assert batcher.length == 4
        double.open.set()
        answers = [answer["y"].tolist() for answer in await asyncio.gather(first, *tasks)]
        assert answers == [[0], [2], [4, 6], [], [8]]

    recorder = in_batcher(Limits(threads=1), work)
    assert double.runs == [[0], [1, 2, 3, 4]]
    assert recorder.rows == [1, 4]


def test_a_batch_has_at_most_so_many_items_unless_one_request_has_more():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1, 2), values(3, 4), values(5), values(*range(6, 12))])
        double.open.set()
        await asyncio.gather(first, *tasks)

    in_batcher(Limits(threads=1, batch=3), work)
    # The fifth item fits beside the first two, and goes ahead of the second request.
    assert double.runs == [[0], [1, 2, 5], [3, 4], [6, 7, 8, 9, 10, 11]]


@pytest.mark.parametrize("other", ["signature", "shape", "type"])
def test_what_differs_is_not_run_together(other):
    double = Doubling((None, None))
    second = replace(double.signature) if other == "signature" else double.signature
    inputs = {"x": np.ones((1, 3 if other == "shape" else 2), np.float64 if other == "type" else np.float32)}

    async def work(batcher):
        double.open.clear()
        first = asyncio.create_task(batcher.run("m", double.signature, {"x": np.zeros((1, 1), np.float32)}))
        await asyncio.to_thread(double.began.acquire)
        tasks = await waiting(batcher, double.signature, [{"x": np.ones((1, 2), np.float32)}])
        tasks += await waiting(batcher, second, [inputs])
        double.open.set()
        await asyncio.gather(first, *tasks)

    in_batcher(Limits(threads=1), work)
    assert len(double.runs) == 3


def test_a_signature_without_rows_is_run_by_itself():
    double = Doubling((1,))

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1), values(2)])
        double.open.set()
        await asyncio.gather(first, *tasks)

    in_batcher(Limits(threads=1), work)
    assert double.runs == [[0], [1], [2]]


def test_inputs_with_different_rows_are_run_by_themselves():
    info = TensorInfo(FLOAT, (None,))
    runs = []

    def run(inputs):
        runs.append(len(inputs["x"]))
        time.sleep(0.02)
        return {"y": inputs["x"][:1]}

    signature = SignatureFunction("odd", {"x": info, "z": info}, {"y": info}, by_rows=True, run=run)

    async def work(batcher):
        inputs = {"x": np.ones(2, np.float32), "z": np.ones(3, np.float32)}
        await asyncio.gather(*await waiting(batcher, signature, [inputs] * 3))

    in_batcher(Limits(threads=1), work)
    assert runs == [2, 2, 2]


def test_outputs_with_other_rows_than_the_inputs_are_never_split():
    info = TensorInfo(FLOAT, (None,))

    def run(inputs):
        time.sleep(0.02)
        return {"y": inputs["x"].sum(keepdims=True)}

    signature = SignatureFunction("sum", {"x": info}, {"y": info}, by_rows=True, run=run)

    async def work(batcher):
        answers = await asyncio.gather(*await waiting(batcher, signature, [values(1, 2), values(3), values(4, 5)]))
        assert [answer["y"].tolist() for answer in answers] == [[3], [3], [9]]

    in_batcher(Limits(threads=1), work)


def test_only_the_bad_request_of_a_batch_fails():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1), values(-1), values(3)])
        double.open.set()
        answers = await asyncio.gather(first, *tasks, return_exceptions=True)
        assert [each["y"].tolist() for each in (answers[0], answers[1], answers[3])] == [[0], [2], [6]]
        assert isinstance(answers[2], RequestError)
        assert (answers[2].code, str(answers[2])) == (grpc.StatusCode.INVALID_ARGUMENT, "negative")

    in_batcher(Limits(threads=1), work)


def test_a_full_queue_refuses_at_once():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1), values(2)])
        with pytest.raises(RequestError, match="queue is full: 2 requests wait") as caught:
            await batcher.run("m", double.signature, values(3))
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        double.open.set()
        await asyncio.gather(first, *tasks)
        assert (await batcher.run("m", double.signature, values(4)))["y"].tolist() == [8]

    recorder = in_batcher(Limits(queue=2, threads=1), work)
    assert recorder.reasons == ["full"]


def test_the_bytes_that_wait_or_are_run_are_bounded():
    double = Doubling()

    async def work(batcher):
        large = values(*range(100))
        assert (await batcher.run("m", double.signature, large))["y"][99] == 198  # alone it may be too large
        first = await held(batcher, double)
        with pytest.raises(RequestError, match="queue is full"):
            await batcher.run("m", double.signature, values(*range(5)))
        task = asyncio.create_task(batcher.run("m", double.signature, values(1)))
        await asyncio.sleep(0)
        assert batcher.bytes == 8
        double.open.set()
        await asyncio.gather(first, task)

    in_batcher(Limits(queue_bytes=20, threads=1), work)


def test_strings_count_with_their_bytes():
    info = TensorInfo(STRING, (None,))
    signature = SignatureFunction("echo", {"s": info}, {"s": info}, by_rows=True, run=lambda inputs: inputs)

    async def work(batcher):
        batcher.close()  # so that nothing is taken from the queue
        with pytest.raises(RequestError, match="stopping"):
            await batcher.run("m", signature, {"s": np.array([b"abc"], object)})
        batcher._closed = False
        task = asyncio.create_task(batcher.run("m", signature, {"s": np.array([b"abc", b"de"], object)}))
        await asyncio.sleep(0)
        assert batcher.bytes == 5
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert batcher.bytes == 0

    in_batcher(Limits(threads=1), work)


def test_a_request_whose_deadline_passed_is_not_run():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        task = asyncio.create_task(batcher.run("m", double.signature, values(1), time.monotonic() + 0.01))
        await asyncio.sleep(0.05)
        double.open.set()
        with pytest.raises(RequestError, match="deadline passed") as caught:
            await task
        assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        await first

    recorder = in_batcher(Limits(threads=1), work)
    assert double.runs == [[0]]
    assert recorder.reasons == ["late"]


def test_a_cancelled_request_leaves_the_queue():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1), values(2)])
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
        assert batcher.length == 1
        double.open.set()
        await asyncio.gather(first, tasks[1])

    in_batcher(Limits(queue=2, threads=1), work)
    assert double.runs == [[0], [2]]


def test_without_a_timeout_an_idle_server_does_not_wait():
    double = Doubling()

    async def work(batcher):
        began = time.monotonic()
        await batcher.run("m", double.signature, values(1))
        return time.monotonic() - began

    began = time.monotonic()
    in_batcher(Limits(threads=1), work)
    assert time.monotonic() - began < 5


def test_with_a_timeout_a_request_waits_for_company():
    double = Doubling()

    async def work(batcher):
        first = asyncio.create_task(batcher.run("m", double.signature, values(1)))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, batcher.run("m", double.signature, values(2)))

    in_batcher(Limits(threads=2, batch=2, timeout=20), work)
    assert double.runs == [[1, 2]]


def test_closing_answers_what_waits():
    double = Doubling()

    async def work(batcher):
        first = await held(batcher, double)
        tasks = await waiting(batcher, double.signature, [values(1), values(2)])
        assert not await asyncio.to_thread(batcher.close, 0.05)
        double.open.set()
        assert len(await asyncio.gather(first, *tasks)) == 3

    in_batcher(Limits(threads=1), work)


def test_an_error_of_any_kind_is_an_answer():
    info = TensorInfo(FLOAT, (None,))

    def run(inputs):
        raise KeyError("weights")

    signature = SignatureFunction("broken", {"x": info}, {"y": info}, by_rows=True, run=run)

    async def work(batcher):
        for _ in range(3):  # the thread goes on
            with pytest.raises(RequestError, match="KeyError") as caught:
                await batcher.run("m", signature, values(1))
            assert caught.value.code is grpc.StatusCode.INTERNAL

    in_batcher(Limits(threads=1), work)


def test_requests_of_many_threads_of_work_get_their_own_answers():
    double = Doubling()

    async def work(batcher):
        answers = await asyncio.gather(*(batcher.run("m", double.signature, values(n, n + 1)) for n in range(500)))
        assert [answer["y"].tolist() for answer in answers] == [[2 * n, 2 * n + 2] for n in range(500)]

    in_batcher(Limits(queue=500, threads=3), work)
