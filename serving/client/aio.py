"""AsyncColorizeClient: for asyncio."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Literal, Self

import grpc
import numpy as np

from . import rpc
from .base import BaseClient, at_least_one
from .errors import ClientClosedError, ServingClientError
from .results import Confidence, Outcome, Signature


class AsyncColorizeClient(BaseClient):
    """ColorizeClient for asyncio, with the same arguments and methods; it is made and used in one event loop."""

    _grpc = grpc.aio

    async def colorize(
        self, image: bytes, *, format: Literal["png", "jpeg"] = "png", timeout: float | None = None
    ) -> bytes:
        """As ColorizeClient.colorize."""
        return await self._call(rpc.colorize(self._spec, image, format), timeout)

    async def colorize_many(
        self,
        images: Iterable[bytes] | AsyncIterable[bytes],
        *,
        concurrency: int = 8,
        format: Literal["png", "jpeg"] = "png",
        timeout: float | None = None,
    ) -> AsyncIterator[Outcome]:
        """As ColorizeClient.colorize_many; the images may come from an asynchronous iterable too."""

        async def outcome(index: int, image: bytes) -> Outcome:
            try:
                return Outcome(index, await self.colorize(image, format=format, timeout=timeout), None)
            except ClientClosedError:
                raise
            except ServingClientError as error:
                return Outcome(index, None, error)

        waiting: deque[asyncio.Task[Outcome]] = deque()
        at_least_one(concurrency)
        try:
            async for index, image in _enumerate(images):
                waiting.append(asyncio.create_task(outcome(index, image)))
                if len(waiting) == concurrency:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()

    async def rgb(self, image: np.ndarray, *, timeout: float | None = None) -> np.ndarray:
        """As ColorizeClient.rgb."""
        return await self._call(rpc.rgb(self._spec, image), timeout)

    async def ab(self, lightness: np.ndarray, *, timeout: float | None = None) -> np.ndarray:
        """As ColorizeClient.ab."""
        return await self._call(rpc.ab(self._spec, lightness), timeout)

    async def confidence(self, image: bytes, *, timeout: float | None = None) -> Confidence:
        """As ColorizeClient.confidence."""
        return await self._call(rpc.confidence(self._spec, image), timeout)

    async def ready(self, *, timeout: float | None = None) -> bool:
        """As ColorizeClient.ready."""
        try:
            return await self._call(rpc.ready(self._spec), timeout, retries=0)
        except rpc.NOT_READY:
            return False

    async def signature(self, *, timeout: float | None = None) -> dict[str, Signature]:
        """As ColorizeClient.signature."""
        return await self._call(rpc.signatures(self._spec), timeout)

    async def close(self) -> None:
        """Closes the connection; calls that wait for an answer, and later ones, end with ClientClosedError."""
        self._closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, call: rpc.Rpc[rpc.Result], timeout: float | None, retries: int | None = None) -> rpc.Result:
        data, budget = self._begin(call, timeout, retries)
        while True:
            self._check_open()
            try:
                answer = await self._calls[call.method](data, timeout=budget.left())
            except asyncio.CancelledError as error:
                # gRPC cancels the calls of a channel that is closed; this task itself was not cancelled.
                task = asyncio.current_task()
                if self._closed and task is not None and not task.cancelling():
                    raise self._closed_error() from error
                raise
            except grpc.RpcError as error:
                if self._closed:
                    raise self._closed_error() from error
                pause = budget.pause_after(error)
                if pause is None:
                    raise call.error(error, self._server) from error
            else:
                return call.read(answer)
            await asyncio.sleep(pause)


async def _enumerate(images: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    index = 0
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield index, image
            index += 1
    else:
        for image in images:
            yield index, image
            index += 1
