"""AsyncColorizeClient with the methods of ColorizeClient, so that one suite tests both."""

import asyncio
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from serving.client import AsyncColorizeClient, Outcome


class BlockingClient:
    """Runs each call of an AsyncColorizeClient to its end, in an event loop of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        async def made() -> AsyncColorizeClient:
            return AsyncColorizeClient(*arguments, **options)

        self.loop = asyncio.new_event_loop()
        try:
            self.client = self.loop.run_until_complete(made())
        except Exception:
            self.loop.close()
            raise

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)
        return lambda *arguments, **options: self.loop.run_until_complete(method(*arguments, **options))

    def colorize_many(self, images: Iterable[bytes], **options: Any) -> Iterator[Outcome]:
        outcomes = self.client.colorize_many(images, **options)
        try:
            while True:
                try:
                    yield self.loop.run_until_complete(anext(outcomes))
                except StopAsyncIteration:
                    return
        finally:
            self.loop.run_until_complete(outcomes.aclose())

    def __enter__(self) -> "BlockingClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.loop.run_until_complete(self.client.close())
        self.loop.close()
