"""ColorizeClient: for threads and plain functions."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Literal, Self

import grpc
import numpy as np

from . import rpc
from .base import BaseClient, at_least_one
from .errors import ClientClosedError, ServingClientError
from .results import Confidence, Outcome, Signature


class ColorizeClient(BaseClient):
    """A client of one model on one or several servers; its methods may be called from several threads.

    A call takes at most `timeout` seconds, all retries and the pauses between them included; every method takes a
    `timeout` of its own. Only what ends with UNAVAILABLE is tried again, after pauses that double from 0.1 to 1 s: to
    outlast a server that is started again, raise both `retries` and `timeout`. With several servers they take turns,
    and one that is dead is left out.

    All methods raise a subclass of ServingClientError.

    Args:
        address: HOST:PORT, of which a name with several addresses means several servers, or a target of gRPC such as
            dns:///colorizer:8500 or unix:/run/colorizer; or a sequence of HOST:PORT, which are looked up here. Behind
            TLS the certificates of all of these must hold the host name of the first.
        model: Its name on the server.
        version: The number of a version, 0 to 2**63 - 1; by default the latest that is loaded.
        label: The label of a version, such as "stable", in its place.
        timeout: Seconds for one image, greater than 0 and at most 2,147,483 (24 days).
        retries: Further attempts, at least 0.
        credentials: TLS, or channel credentials of gRPC; by default nothing is encrypted.
        max_message: Maximum size of a request and of an answer, in bytes; -1 means unlimited, as in gRPC.
        keepalive: Seconds between pings while a call waits. Servers hang up on clients that ping more often than they
            allow, by default every 300 s.

    Raises:
        InvalidRequestError: an argument outside its range, or files of TLS that cannot be read.
        ServerUnavailableError: of several addresses, one cannot be looked up.
    """

    _grpc = grpc

    def colorize(self, image: bytes, *, format: Literal["png", "jpeg"] = "png", timeout: float | None = None) -> bytes:
        """The bytes of an image file -> those of the colorized picture of the same size, as PNG or JPEG.

        The file's orientation tag is ignored: a picture stored on its side stays on its side.
        """
        return self._call(rpc.colorize(self._spec, image, format), timeout)

    def colorize_many(
        self,
        images: Iterable[bytes],
        *,
        concurrency: int = 8,
        format: Literal["png", "jpeg"] = "png",
        timeout: float | None = None,
    ) -> Iterator[Outcome]:
        """Colorizes images in their order, up to `concurrency` at a time; one that fails is an outcome with its error.

        Images are taken from the iterable as results are taken from here, `concurrency` ahead. Only
        ClientClosedError is raised, since it concerns all images.
        """

        def outcome(index: int, image: bytes) -> Outcome:
            try:
                return Outcome(index, self.colorize(image, format=format, timeout=timeout), None)
            except ClientClosedError:
                raise
            except ServingClientError as error:
                return Outcome(index, None, error)

        waiting: deque[Future[Outcome]] = deque()
        pool = ThreadPoolExecutor(at_least_one(concurrency), thread_name_prefix="colorize")
        try:
            for index, image in enumerate(images):
                waiting.append(pool.submit(outcome, index, image))
                if len(waiting) == concurrency:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def rgb(self, image: np.ndarray, *, timeout: float | None = None) -> np.ndarray:
        """Gray or color pictures, uint8 (H, W, 3) or (N, H, W, 3), RGB 0..255 -> colorized ones of the same shape."""
        return self._call(rpc.rgb(self._spec, image), timeout)

    def ab(self, lightness: np.ndarray, *, timeout: float | None = None) -> np.ndarray:
        """L float32 (H, W), (H, W, 1) or (N, H, W, 1) in [0, 100] -> ab float32 (..., H, W, 2) in Lab units."""
        return self._call(rpc.ab(self._spec, lightness), timeout)

    def confidence(self, image: bytes, *, timeout: float | None = None) -> Confidence:
        """The bytes of an image file -> the network's confidence in its colors.

        Raises:
            SignatureError: the network scores no classes.
        """
        return self._call(rpc.confidence(self._spec, image), timeout)

    def ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server has loaded the requested version of the model; False if it cannot be reached."""
        try:
            return self._call(rpc.ready(self._spec), timeout, retries=0)
        except rpc.NOT_READY:
            return False

    def signature(self, *, timeout: float | None = None) -> dict[str, Signature]:
        """Inputs and outputs of the model, for each of its signatures by name."""
        return self._call(rpc.signatures(self._spec), timeout)

    def close(self) -> None:
        """Closes the connection; calls that wait for an answer, and later ones, end with ClientClosedError."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, call: rpc.Rpc[rpc.Result], timeout: float | None, retries: int | None = None) -> rpc.Result:
        data, budget = self._begin(call, timeout, retries)
        while True:
            self._check_open()
            try:
                answer = self._calls[call.method](data, timeout=budget.left())
            except (grpc.RpcError, ValueError) as error:
                # Closed by another thread: gRPC cancels what is under way, and refuses new calls with a ValueError.
                if self._closed:
                    raise self._closed_error() from error
                if not isinstance(error, grpc.RpcError):
                    raise
                pause = budget.pause_after(error)
                if pause is None:
                    raise call.error(error, self._server) from error
            else:
                return call.read(answer)
            time.sleep(pause)
