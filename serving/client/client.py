"""Clients of a colorizer behind gRPC: TF Serving, or `colorzoo serve`.

with ColorizeClient("localhost:8500", "color_unet_wide_scenes_v2") as client:
    Path("new.png").write_bytes(client.colorize(Path("old.jpg").read_bytes()))

`AsyncColorizeClient` has the same methods for asyncio. Neither imports TensorFlow or Keras.

ServingClientError
├── ServerUnavailableError   UNAVAILABLE: not reachable or not ready, after all retries
├── DeadlineError            DEADLINE_EXCEEDED: no answer in time
├── ModelNotFoundError       NOT_FOUND: no such model, version or label is loaded
├── SignatureError           FAILED_PRECONDITION, UNIMPLEMENTED: the model is not of the kind that was asked
├── InvalidRequestError      INVALID_ARGUMENT: an argument is wrong; a ValueError too
│   └── BadImageError        the bytes are no picture that the server can decode, or it has too many pixels
├── TooLargeOrBusyError      RESOURCE_EXHAUSTED
│   ├── TooLargeError        a message is larger than a limit
│   └── BusyError            the server's queue is full
└── ServerError              every other status
"""

import asyncio
import os
import random
import socket
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import grpc
import numpy as np

from serving.client.messages import (
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    SHORT_NAMES,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    Message,
    ModelSpec,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    array,
    tensor,
)

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds before a retry; they double
AVAILABLE = 30  # of ModelVersionStatus.State

PREDICT = f"/{PREDICTION_SERVICE}/Predict"
METADATA = f"/{PREDICTION_SERVICE}/GetModelMetadata"
STATUS = f"/{MODEL_SERVICE}/GetModelStatus"
ANSWERS = {PREDICT: PredictResponse, METADATA: GetModelMetadataResponse, STATUS: GetModelStatusResponse}

# Format of the answer -> signature of the model, and its output.
FORMATS = {"png": ("serving_default", "png_bytes"), "jpeg": ("jpeg", "jpeg_bytes")}


class ServingClientError(Exception):
    """Base of all errors of the clients: one line, and where the server sent a status, that as the cause."""


class ServerUnavailableError(ServingClientError):
    """The server cannot be reached or is not ready, after all retries."""


class DeadlineError(ServingClientError):
    """No answer came in time. The server may still work on it."""


class ModelNotFoundError(ServingClientError):
    """The server has not loaded this model, or not this version or label of it."""


class SignatureError(ServingClientError):
    """The model has no such signature, or answers otherwise than a colorizer."""


class InvalidRequestError(ServingClientError, ValueError):
    """An argument is wrong, as the client or the server found."""


class BadImageError(InvalidRequestError):
    """The server cannot decode these bytes, or they are a picture of too many pixels."""


class TooLargeOrBusyError(ServingClientError):
    """The server has no room for the request, or a message is too large."""


class TooLargeError(TooLargeOrBusyError):
    """A request or an answer is larger than a limit of the client or of the server."""


class BusyError(TooLargeOrBusyError):
    """The server's queue is full; later it may have room."""


class ServerError(ServingClientError):
    """The server failed in a way for which there is no other error here."""


@dataclass(frozen=True)
class TLS:
    """The files of an encrypted connection, in PEM; they are read once, when the client is made.

    Attributes:
        ca: Certificates of the authorities that may have signed the server's; by default those that come with gRPC.
        key: The client's private key, for mutual TLS.
        certificate: The client's certificate, which goes with the key.
    """

    ca: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one image of many: `image` is the encoded result, or else `error` says why there is none."""

    index: int
    image: bytes | None
    error: ServingClientError | None


@dataclass(frozen=True)
class Confidence:
    """How sure the network is: its mean probability, and a 16-bit gray PNG in which 65535 is probability 1."""

    mean: float
    png: bytes


@dataclass(frozen=True)
class TensorKind:
    """Type of an input or output, such as uint8 (None, None, None, 3); None is any size, or as `shape` any rank."""

    dtype: str
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """The named inputs and outputs of one way to call a model."""

    inputs: dict[str, TensorKind]
    outputs: dict[str, TensorKind]


@dataclass(frozen=True)
class _Exchange(Generic[Result]):
    """One call: where it goes, what is sent, how the answer is read, and what is wrong if the server refuses it."""

    method: str
    request: Message
    read: Callable[[Message], Result]
    refused: type[InvalidRequestError] = InvalidRequestError


def _colorize(spec: Message, image: bytes, format: str) -> _Exchange[bytes]:
    if format not in FORMATS:
        raise InvalidRequestError(f"format: {format!r} is not one of {', '.join(FORMATS)}")
    signature, output = FORMATS[format]
    request = _predict(spec, signature, "image_bytes", [_checked(image)])
    return _Exchange(PREDICT, request, lambda answer: _one_string(answer, output), BadImageError)


def _rgb(spec: Message, image: np.ndarray) -> _Exchange[np.ndarray]:
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3 or not image.size:
        raise InvalidRequestError(f"array: uint8 (H, W, 3) or (N, H, W, 3) is needed, not {_kind(image)}")
    batch = image if image.ndim == 4 else image[None]

    def read(answer: Message) -> np.ndarray:
        return _writable(_output(answer, "colorized", np.uint8, batch.shape)).reshape(image.shape)

    return _Exchange(PREDICT, _predict(spec, "rgb", "image", batch), read)


def _ab(spec: Message, lightness: np.ndarray) -> _Exchange[np.ndarray]:
    planes = lightness[..., None] if lightness.ndim == 2 else lightness
    if lightness.dtype != np.float32 or planes.ndim not in (3, 4) or planes.shape[-1] != 1 or not planes.size:
        raise InvalidRequestError(
            f"lightness: float32 (H, W), (H, W, 1) or (N, H, W, 1) is needed, not {_kind(lightness)}"
        )
    batch = planes if planes.ndim == 4 else planes[None]

    def read(answer: Message) -> np.ndarray:
        return _writable(_output(answer, "ab", np.float32, (*batch.shape[:3], 2))).reshape(*planes.shape[:-1], 2)

    return _Exchange(PREDICT, _predict(spec, "lightness", "lightness", batch), read)


def _confidence(spec: Message, image: bytes) -> _Exchange[Confidence]:
    def read(answer: Message) -> Confidence:
        mean = _output(answer, "mean_confidence", np.float32, (1,))
        return Confidence(float(mean[0]), _one_string(answer, "confidence_bytes"))

    request = _predict(spec, "confidence", "image_bytes", [_checked(image)])
    return _Exchange(PREDICT, request, read, BadImageError)


def _ready(spec: Message) -> _Exchange[bool]:
    request = GetModelStatusRequest(model_spec=spec)
    return _Exchange(STATUS, request, lambda answer: any(v.state == AVAILABLE for v in answer.model_version_status))


def _signatures(spec: Message) -> _Exchange[dict[str, Signature]]:
    def read(answer: Message) -> dict[str, Signature]:
        found = SignatureDefMap.FromString(answer.metadata["signature_def"].value).signature_def
        # TensorFlow lists the operation that initialises a model among its signatures.
        names = sorted(name for name in found if not name.startswith("__saved_model"))
        return {name: Signature(_kinds(found[name].inputs), _kinds(found[name].outputs)) for name in names}

    return _Exchange(METADATA, GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"]), read)


def _predict(spec: Message, signature: str, name: str, value: np.ndarray | Sequence[bytes]) -> Message:
    request = PredictRequest(model_spec=spec)
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tensor(value))
    return request


def _checked(image: bytes) -> bytes:
    if not isinstance(image, bytes):
        raise InvalidRequestError(f"image: the bytes of an image file are needed, not {type(image).__name__}")
    if not image:
        raise BadImageError("image: is empty; the bytes of an image file are needed")
    return image


def _kind(value: np.ndarray) -> str:
    return f"{value.dtype} {value.shape}"


def _kinds(infos: Any) -> dict[str, TensorKind]:
    return {name: _tensor_kind(infos[name]) for name in sorted(infos)}


def _tensor_kind(info: Message) -> TensorKind:
    sizes = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    return TensorKind(
        SHORT_NAMES.get(info.dtype, f"type {info.dtype}"), None if info.tensor_shape.unknown_rank else sizes
    )


def _output(answer: Message, name: str, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    if name not in answer.outputs:
        raise SignatureError(f"the model answered without {name}: it gave {', '.join(sorted(answer.outputs))}")
    try:
        value = array(answer.outputs[name])
    except ValueError as error:
        raise SignatureError(f"{name}: {error}") from error
    if value.dtype != dtype or value.shape != shape:
        raise SignatureError(f"{name}: the model answered with {_kind(value)}, not {np.dtype(dtype)} {shape}")
    return value


def _writable(value: np.ndarray) -> np.ndarray:
    return np.require(value, requirements="W")


def _one_string(answer: Message, name: str) -> bytes:
    found: bytes = _output(answer, name, object, (1,))[0]
    return found


def _error(error: grpc.RpcError, exchange: _Exchange[Any], server: str) -> ServingClientError:
    """The exception for the status that a call ended with; `server` says where it went, and to which model."""
    code, details = error.code(), " ".join((error.details() or "").split())[:500]
    kind, text = _meaning(code, details, exchange.refused)
    return kind(f"{server}: {text} ({code.name}{': ' if details else ''}{details})")


def _meaning(
    code: grpc.StatusCode, details: str, refused: type[InvalidRequestError]
) -> tuple[type[ServingClientError], str]:
    said = details.lower()
    if _is_unavailable(code, details):
        return ServerUnavailableError, "the server cannot be reached or is not ready"
    if code == grpc.StatusCode.INVALID_ARGUMENT:
        # TF Serving says so where it means that nothing is found.
        if "version label" in said:
            return ModelNotFoundError, "there is no such version"
        if "signature" in said:
            return SignatureError, "the model takes other inputs"
        return refused, "the server cannot take this image" if refused is BadImageError else "the server refused it"
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED:
        if "larger than" in said:
            return TooLargeError, "a message is larger than the limit; raise max_message, or send a smaller picture"
        if "queue" in said:
            return BusyError, "the server is busy; try again later"
        return TooLargeOrBusyError, "the server has no room for this"
    return STATUSES.get(code, (ServerError, "the server failed"))


STATUSES: dict[grpc.StatusCode, tuple[type[ServingClientError], str]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: (DeadlineError, "no answer in time"),
    grpc.StatusCode.NOT_FOUND: (ModelNotFoundError, "the server has not loaded this model or version"),
    grpc.StatusCode.FAILED_PRECONDITION: (SignatureError, "the model has no such signature"),
    grpc.StatusCode.UNIMPLEMENTED: (SignatureError, "this is no server of TF Serving's interface"),
}


def _is_unavailable(code: grpc.StatusCode, details: str) -> bool:
    # A server that is killed may leave the second one behind.
    return code == grpc.StatusCode.UNAVAILABLE or (code == grpc.StatusCode.UNKNOWN and "Stream removed" in details)


class _Attempts:
    """The time and the retries that one call has left.

    gRPC can retry by itself (`retryPolicy`), but at most four times: a second or so, where a server that is started
    again needs many. It is left out, so that `retries` means what it says and the two do not multiply. Nor do calls
    wait for the connection (`wait_for_ready`): a wrong address would only show when the time is up, as slowness.
    """

    def __init__(self, timeout: float, retries: int) -> None:
        self.end = time.monotonic() + timeout
        self.retries = retries
        self.pause = FIRST_PAUSE

    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.end - time.monotonic())

    def pause_after(self, error: grpc.RpcError) -> float | None:
        """Seconds to wait before the next attempt, or None if there should be none."""
        # The jitter keeps many clients of a server that comes back from calling all at once.
        pause = self.pause * random.uniform(0.5, 1)
        if not self.retries or not _is_unavailable(error.code(), error.details() or "") or pause >= self.left():
            return None
        self.retries -= 1
        self.pause = min(2 * self.pause, LONGEST_PAUSE)
        return pause


class _Client:
    """What both clients are made of: the server, the model that is meant, and the limits of a call."""

    _grpc: ClassVar[Any]

    def __init__(
        self,
        address: str | Sequence[str],
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        credentials: "TLS | grpc.ChannelCredentials | None" = None,
        max_message: int = 64 << 20,
        keepalive: float = 300.0,
    ) -> None:
        if not model:
            raise InvalidRequestError("model: is empty; the name of a model on the server is needed")
        if version is not None and label is not None:
            raise InvalidRequestError(f"version and label: {version} and {label!r} are two answers; give one of them")
        if retries < 0:
            raise InvalidRequestError(f"retries: {retries} is negative; 0 means a single attempt")
        self.timeout = _positive("timeout", timeout)
        self.retries = retries
        self.max_message = max_message
        # Set one by one, since a version that is None must stay unset.
        self._spec = ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        if label is not None:
            self._spec.version_label = label
        which = "" if version is None else f" version {version}"
        addresses = [address] if isinstance(address, str) else list(address)
        self._server = f"{', '.join(addresses)}: {model}{which if label is None else f' {label}'}"
        options = [
            ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
            ("grpc.max_send_message_length", max_message),
            ("grpc.max_receive_message_length", max_message),
            ("grpc.keepalive_time_ms", round(1000 * _positive("keepalive", keepalive))),
            ("grpc.keepalive_timeout_ms", 20_000),
            # Between attempts to connect; left alone they grow to two minutes, long after a server is back.
            ("grpc.initial_reconnect_backoff_ms", round(1000 * FIRST_PAUSE)),
            ("grpc.min_reconnect_backoff_ms", round(1000 * FIRST_PAUSE)),
            ("grpc.max_reconnect_backoff_ms", round(1000 * LONGEST_PAUSE)),
        ]
        target = _target(addresses)
        if credentials is None:
            self._channel = self._grpc.insecure_channel(target, options)
        else:
            if len(addresses) > 1:
                # The target holds numbers, and certificates hold names.
                options.append(("grpc.ssl_target_name_override", _host_and_port(addresses[0])[0]))
            secret = _channel_credentials(credentials) if isinstance(credentials, TLS) else credentials
            self._channel = self._grpc.secure_channel(target, secret, options)
        # Requests are serialized once, before the first attempt, so that these take bytes.
        self._calls = {
            method: self._channel.unary_unary(method, None, answer.FromString) for method, answer in ANSWERS.items()
        }

    def _begin(self, exchange: _Exchange[Any], timeout: float | None, retries: int | None) -> tuple[bytes, _Attempts]:
        data = exchange.request.SerializeToString()
        if len(data) > self.max_message:
            raise TooLargeError(f"the request has {len(data)} bytes; max_message is {self.max_message}")
        limit = self.timeout if timeout is None else _positive("timeout", timeout)
        return data, _Attempts(limit, self.retries if retries is None else retries)


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise InvalidRequestError(f"{name}: {value} seconds are not more than 0")
    return value


def _channel_credentials(tls: TLS) -> grpc.ChannelCredentials:
    if (tls.key is None) != (tls.certificate is None):
        raise InvalidRequestError("credentials: key and certificate go together; give both or neither")
    read = []
    for name, path in (("ca", tls.ca), ("key", tls.key), ("certificate", tls.certificate)):
        try:
            with open(path or os.devnull, "rb") as file:
                read.append(file.read() or None)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InvalidRequestError(
                f"credentials: {name} {os.fspath(path or '')} cannot be read: {reason}"
            ) from error
    return grpc.ssl_channel_credentials(*read)


def _target(addresses: Sequence[str]) -> str:
    """What gRPC calls the place of one or several servers."""
    if not addresses:
        raise InvalidRequestError("address: there is none; HOST:PORT is needed")
    if len(addresses) == 1:
        # A scheme such as dns:/// or unix: is gRPC's business.
        (address,) = addresses
        if "/" not in address and not address.startswith(("unix:", "ipv4:", "ipv6:")):
            _host_and_port(address)
            return f"dns:///{address}"
        return address
    # Only the targets ipv4: and ipv6: list several servers, and they take no names.
    places = [_host_and_port(address) for address in addresses]
    try:
        return "ipv4:" + ",".join(f"{_resolved(host, port, socket.AF_INET)}:{port}" for host, port in places)
    except socket.gaierror:
        pass
    try:
        return "ipv6:" + ",".join(f"[{_resolved(host, port, socket.AF_INET6)}]:{port}" for host, port in places)
    except socket.gaierror as error:
        raise ServerUnavailableError(f"{', '.join(addresses)}: no such host ({error.strerror})") from error


def _resolved(host: str, port: int, family: socket.AddressFamily) -> str:
    flags = socket.AI_V4MAPPED if family == socket.AF_INET6 else 0
    return str(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)[0][4][0])


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidRequestError(f"address: {address!r} is not HOST:PORT; TF Serving's port is 8500")
    return host.removeprefix("[").removesuffix("]"), int(port)


# Where the server or the model is not there, it is not ready.
_NOT_READY = (ServerUnavailableError, DeadlineError, ModelNotFoundError)


class ColorizeClient(_Client):
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
        version: The number of a version; by default the latest that is loaded.
        label: The label of a version, such as "stable", in its place.
        timeout: Seconds for one image, greater than 0.
        retries: Further attempts, at least 0.
        credentials: TLS, or channel credentials of gRPC; by default nothing is encrypted.
        max_message: Most bytes of a request, and of an answer.
        keepalive: Seconds between pings while a call waits. Servers hang up on clients that ping more often than they
            allow, by default every 300 s.

    Raises:
        InvalidRequestError: an argument outside its range, or files of TLS that cannot be read.
        ServerUnavailableError: of several addresses, one cannot be looked up.
    """

    _grpc = grpc

    def colorize(self, image: bytes, *, format: Literal["png", "jpeg"] = "png", timeout: float | None = None) -> bytes:
        """The bytes of an image file -> those of the colorized picture of the same size, as PNG or JPEG.

        The file's orientation tag is ignored: what lies on its side is colorized lying.
        """
        return self._call(_colorize(self._spec, image, format), timeout)

    def colorize_many(
        self,
        images: Iterable[bytes],
        *,
        concurrency: int = 8,
        format: Literal["png", "jpeg"] = "png",
        timeout: float | None = None,
    ) -> Iterator[Outcome]:
        """Colorizes images in their order, up to `concurrency` at a time; one that fails is an outcome with its error.

        Images are taken from the iterable as results are taken from here, `concurrency` ahead.
        """

        def outcome(index: int, image: bytes) -> Outcome:
            try:
                return Outcome(index, self.colorize(image, format=format, timeout=timeout), None)
            except ServingClientError as error:
                return Outcome(index, None, error)

        waiting: deque[Future[Outcome]] = deque()
        pool = ThreadPoolExecutor(_at_least_one(concurrency), thread_name_prefix="colorize")
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
        return self._call(_rgb(self._spec, image), timeout)

    def ab(self, lightness: np.ndarray, *, timeout: float | None = None) -> np.ndarray:
        """L float32 (H, W), (H, W, 1) or (N, H, W, 1) in [0, 100] -> ab float32 (..., H, W, 2) in Lab units."""
        return self._call(_ab(self._spec, lightness), timeout)

    def confidence(self, image: bytes, *, timeout: float | None = None) -> Confidence:
        """The bytes of an image file -> how sure the network is of its colors; SignatureError if it does not say."""
        return self._call(_confidence(self._spec, image), timeout)

    def ready(self, *, timeout: float | None = None) -> bool:
        """Whether the server has the model, in the version that is meant; False where it cannot be reached."""
        try:
            return self._call(_ready(self._spec), timeout, retries=0)
        except _NOT_READY:
            return False

    def signature(self, *, timeout: float | None = None) -> dict[str, Signature]:
        """Inputs and outputs of the model, for each of its signatures by name."""
        return self._call(_signatures(self._spec), timeout)

    def close(self) -> None:
        """Closes the connection; calls that wait for an answer fail."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, exchange: _Exchange[Result], timeout: float | None, retries: int | None = None) -> Result:
        data, attempts = self._begin(exchange, timeout, retries)
        while True:
            try:
                return exchange.read(self._calls[exchange.method](data, timeout=attempts.left()))
            except grpc.RpcError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise _error(error, exchange, self._server) from error
            time.sleep(pause)


class AsyncColorizeClient(_Client):
    """ColorizeClient for asyncio, with the same arguments and methods; it is made and used in one event loop."""

    _grpc = grpc.aio

    async def colorize(
        self, image: bytes, *, format: Literal["png", "jpeg"] = "png", timeout: float | None = None
    ) -> bytes:
        """As ColorizeClient.colorize."""
        return await self._call(_colorize(self._spec, image, format), timeout)

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
            except ServingClientError as error:
                return Outcome(index, None, error)

        waiting: deque[asyncio.Task[Outcome]] = deque()
        _at_least_one(concurrency)
        try:
            async for index, image in _enumerated(images):
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
        return await self._call(_rgb(self._spec, image), timeout)

    async def ab(self, lightness: np.ndarray, *, timeout: float | None = None) -> np.ndarray:
        """As ColorizeClient.ab."""
        return await self._call(_ab(self._spec, lightness), timeout)

    async def confidence(self, image: bytes, *, timeout: float | None = None) -> Confidence:
        """As ColorizeClient.confidence."""
        return await self._call(_confidence(self._spec, image), timeout)

    async def ready(self, *, timeout: float | None = None) -> bool:
        """As ColorizeClient.ready."""
        try:
            return await self._call(_ready(self._spec), timeout, retries=0)
        except _NOT_READY:
            return False

    async def signature(self, *, timeout: float | None = None) -> dict[str, Signature]:
        """As ColorizeClient.signature."""
        return await self._call(_signatures(self._spec), timeout)

    async def close(self) -> None:
        """Closes the connection; calls that wait for an answer are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, exchange: _Exchange[Result], timeout: float | None, retries: int | None = None) -> Result:
        data, attempts = self._begin(exchange, timeout, retries)
        while True:
            try:
                return exchange.read(await self._calls[exchange.method](data, timeout=attempts.left()))
            except grpc.RpcError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise _error(error, exchange, self._server) from error
            await asyncio.sleep(pause)


def _at_least_one(concurrency: int) -> int:
    if concurrency < 1:
        raise InvalidRequestError(f"concurrency: {concurrency} is less than 1")
    return concurrency


async def _enumerated(images: Iterable[bytes] | AsyncIterable[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    index = 0
    if isinstance(images, AsyncIterable):
        async for image in images:
            yield index, image
            index += 1
    else:
        for image in images:
            yield index, image
            index += 1
