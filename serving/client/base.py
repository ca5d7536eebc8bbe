"""What both clients share: the server, the requested model, and the limits of a call."""

from collections.abc import Sequence
from typing import Any, ClassVar

import grpc
from google.protobuf.message import EncodeError

from . import channel
from .errors import ClientClosedError, InvalidRequestError, TooLargeError
from .messages import Message, ModelSpec
from .rpc import ANSWERS, RetryBudget, Rpc

LAST_VERSION = (1 << 63) - 1  # an int64 on the wire
# Seconds. gRPC takes intervals as milliseconds in an int32, and treats an infinite deadline as one that has passed.
LONGEST_WAIT = channel.INT32_MAX // 1000


class BaseClient:
    """A channel, and everything about calls that is the same for threads and asyncio.

    See ColorizeClient for the arguments.
    """

    _grpc: ClassVar[Any]  # the module whose channels are used: grpc or grpc.aio

    def __init__(
        self,
        address: str | Sequence[str],
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        credentials: "channel.TLS | grpc.ChannelCredentials | None" = None,
        max_message: int = 64 << 20,
        keepalive: float = 300.0,
    ) -> None:
        if retries < 0:
            raise InvalidRequestError(f"retries: {retries} is negative; 0 means a single attempt")
        if max_message != channel.UNLIMITED and not 0 < max_message <= channel.INT32_MAX:
            raise InvalidRequestError(
                f"max_message: {max_message} is not between 1 and {channel.INT32_MAX} bytes; -1 means unlimited"
            )
        self.timeout = _seconds("timeout", timeout)
        self.retries = retries
        self.max_message = max_message
        self._spec = _model_spec(model, version, label)
        addresses = [address] if isinstance(address, str) else list(address)
        which = f" {label}" if label is not None else "" if version is None else f" version {version}"
        self._server = f"{', '.join(addresses)}: {model}{which}"
        self._closed = False
        target = channel.target(addresses)
        options = channel.options(max_message, _seconds("keepalive", keepalive))
        if credentials is None:
            self._channel = self._grpc.insecure_channel(target, options)
        else:
            options += channel.secure_options(addresses)
            self._channel = self._grpc.secure_channel(target, channel.channel_credentials(credentials), options)
        # Requests are serialized once, before the first attempt, so that these take bytes.
        self._calls = {
            method: self._channel.unary_unary(method, None, answer.FromString) for method, answer in ANSWERS.items()
        }

    def _begin(self, rpc: Rpc[Any], timeout: float | None, retries: int | None) -> tuple[bytes, RetryBudget]:
        """The bytes to send, and the time and retries that the call has."""
        self._check_open()
        try:
            data = rpc.request.SerializeToString(deterministic=True)
        except EncodeError as error:
            raise TooLargeError("the request is larger than the 2 GiB that protobuf can encode") from error
        if self.max_message != channel.UNLIMITED and len(data) > self.max_message:
            raise TooLargeError(f"the request has {len(data)} bytes; max_message is {self.max_message}")
        limit = self.timeout if timeout is None else _seconds("timeout", timeout)
        return data, RetryBudget(limit, self.retries if retries is None else retries)

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> ClientClosedError:
        return ClientClosedError(f"{self._server}: the client is closed; make a new one")


def at_least_one(concurrency: int) -> int:
    """Return the argument `concurrency` of `colorize_many`.

    Raises:
        InvalidRequestError: it is less than 1.
    """
    if concurrency < 1:
        raise InvalidRequestError(f"concurrency: {concurrency} is less than 1")
    return concurrency


def _model_spec(model: str, version: int | None, label: str | None) -> Message:
    if not model:
        raise InvalidRequestError("model: is empty; the name of a model on the server is needed")
    if version is not None and label is not None:
        raise InvalidRequestError(f"version and label: got {version} and {label!r}; give only one of them")
    if version is not None and not 0 <= version <= LAST_VERSION:
        raise InvalidRequestError(f"version: {version} is not between 0 and {LAST_VERSION}")
    try:
        spec = ModelSpec(name=model)
        # Set one by one, since a version that is None must stay unset.
        if version is not None:
            spec.version.value = version
        if label is not None:
            spec.version_label = label
    except UnicodeError as error:
        raise InvalidRequestError(f"model or label: {model!r}, {label!r} cannot be sent as UTF-8") from error
    return spec


def _seconds(name: str, value: float) -> float:
    if not 0 < value <= LONGEST_WAIT:
        raise InvalidRequestError(f"{name}: {value} is not between 0 and {LONGEST_WAIT} seconds")
    return value
