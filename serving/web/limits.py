"""What a server of the page accepts, and what it keeps."""

import time
from collections import OrderedDict
from dataclasses import dataclass

from serving.web.errors import WebError

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """All limits of `colorzoo web`.

    Attributes:
        upload_bytes: Of one photograph.
        pixels: Width x height of one photograph.
        upload_seconds: Within which the body of a request has to arrive.
        requests_per_minute: Of one client, to what costs work.
        workers: Photographs that are worked on at a time.
        waiting: Requests, and jobs, that wait for their turn; further ones are refused.
        memory_bytes: Of all photographs that are kept between clicks.
        photographs: That are kept between clicks.
        photograph_seconds: Since its last use, after which one is forgotten.
        film_bytes: Of one film.
        film_seconds: Length of one film.
        result_seconds: After which the result of a job is forgotten.
    """

    upload_bytes: int = 64 * MB
    pixels: int = 100_000_000
    upload_seconds: float = 120
    requests_per_minute: int = 600
    workers: int = 2
    waiting: int = 64
    memory_bytes: int = 1024 * MB
    photographs: int = 200
    photograph_seconds: float = 1800
    film_bytes: int = 256 * MB
    film_seconds: float = 120
    result_seconds: float = 600


class Rates:
    """A bucket of tokens for each client: requests at a steady rate, and some at once."""

    _CLIENTS = 10_000  # that are remembered; whoever was seen longest ago is forgotten first, with a full bucket

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, per_minute / 5)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float | None = None) -> None:
        """Count a request.

        Raises:
            WebError: there have been too many.
        """
        now = time.monotonic() if now is None else now
        tokens, before = self._buckets.pop(client, (self._most, now))
        tokens = min(self._most, tokens + (now - before) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > self._CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            per_minute = round(self._rate * 60)
            wait = (1 - tokens) / self._rate
            raise WebError(
                "too_many_requests", f"the limit is {per_minute} requests in a minute", retry_after=max(1.0, wait)
            )


class Room:
    """Bytes that are held at a time, by whatever is on its way through the server."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, count: int) -> None:
        """Hold some more.

        Raises:
            WebError: there is no room.
        """
        if self.held + count > self._most:
            raise WebError("busy", "the server has too many large requests; try again later")
        self.held += count

    def give_back(self, count: int) -> None:
        """Hold less."""
        self.held -= count
