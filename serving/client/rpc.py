"""The calls that both clients make: what is sent, how the answer is read, and what each failure means."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import numpy as np

from .errors import (
    BadImageError,
    BusyError,
    DeadlineError,
    InvalidRequestError,
    ModelNotFoundError,
    ServerFailedError,
    ServerUnavailableError,
    ServingClientError,
    SignatureError,
    TooLargeError,
    TooLargeOrBusyError,
)
from .messages import (
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    SHORT_NAMES,
    STATES,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    Message,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
    array,
    tensor,
)
from .results import Confidence, Signature, TensorKind

Result = TypeVar("Result")

PREDICT = f"/{PREDICTION_SERVICE}/Predict"
METADATA = f"/{PREDICTION_SERVICE}/GetModelMetadata"
STATUS = f"/{MODEL_SERVICE}/GetModelStatus"

# Method -> class of its answer.
ANSWERS = {PREDICT: PredictResponse, METADATA: GetModelMetadataResponse, STATUS: GetModelStatusResponse}

# Format of the answer -> signature of the model, and its output.
ANSWER_FORMATS = {"png": ("serving_default", "png_bytes"), "jpeg": ("jpeg", "jpeg_bytes")}

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds before a retry; they double

# Errors that mean that the model is not ready.
NOT_READY = (ServerUnavailableError, DeadlineError, ModelNotFoundError)

MEANINGS: dict[grpc.StatusCode, tuple[type[ServingClientError], str]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: (DeadlineError, "no answer in time"),
    grpc.StatusCode.NOT_FOUND: (ModelNotFoundError, "the server has not loaded this model or version"),
    grpc.StatusCode.FAILED_PRECONDITION: (SignatureError, "the model has no such signature"),
    grpc.StatusCode.UNIMPLEMENTED: (SignatureError, "this is not a server of TF Serving's interface"),
}


@dataclass(frozen=True)
class Rpc(Generic[Result]):
    """One call, the same for threads and asyncio.

    Attributes:
        method: Its path, one of `ANSWERS`.
        request: What is sent.
        read: From the answer to the result; raises SignatureError if it is not what a colorizer answers.
        refused: The error if the server finds the request's content wrong.
    """

    method: str
    request: Message
    read: Callable[[Message], Result]
    refused: type[InvalidRequestError] = InvalidRequestError

    def error(self, error: grpc.RpcError, server: str) -> ServingClientError:
        """The exception for the status that the call ended with; `server` names the server and the model."""
        code, details = error.code(), " ".join((error.details() or "").split())[:500]
        kind, text = _meaning(code, details, self.refused)
        return kind(f"{server}: {text} ({code.name}{': ' if details else ''}{details})")


class RetryBudget:
    """The time and the retries that one call has left.

    gRPC can retry by itself (`retryPolicy`), but at most four times: a second or so, while a server that is being
    restarted needs many. It is turned off, so that `retries` is exact and the two do not multiply. Nor do calls wait
    for the connection (`wait_for_ready`): a wrong address would only show as a timeout.
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


def colorize(spec: Message, image: bytes, format: str) -> Rpc[bytes]:
    """An image file -> the colorized image file.

    Raises:
        InvalidRequestError: the format is not one of `ANSWER_FORMATS`.
        BadImageError: the image is empty.
    """
    if format not in ANSWER_FORMATS:
        raise InvalidRequestError(f"format: {format!r} is not one of {', '.join(ANSWER_FORMATS)}")
    signature, output = ANSWER_FORMATS[format]
    request = _predict(spec, signature, "image_bytes", [_check_image(image)])
    return Rpc(PREDICT, request, lambda answer: _one_string(answer, output), BadImageError)


def rgb(spec: Message, image: np.ndarray) -> Rpc[np.ndarray]:
    """Pixels, uint8 (H, W, 3) or (N, H, W, 3) -> colorized pixels of the same shape.

    Raises:
        InvalidRequestError: the array has another type or shape, or is empty.
    """
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or image.shape[-1] != 3 or not image.size:
        raise InvalidRequestError(f"array: uint8 (H, W, 3) or (N, H, W, 3) is needed, not {_kind(image)}")
    batch = image if image.ndim == 4 else image[None]

    def read(answer: Message) -> np.ndarray:
        return _writable(_output(answer, "colorized", np.uint8, batch.shape)).reshape(image.shape)

    return Rpc(PREDICT, _predict(spec, "rgb", "image", batch), read)


def ab(spec: Message, lightness: np.ndarray) -> Rpc[np.ndarray]:
    """L in [0, 100], float32 (H, W), (H, W, 1) or (N, H, W, 1) -> ab in Lab units, float32 (..., H, W, 2).

    Raises:
        InvalidRequestError: the array has another type or shape, or is empty.
    """
    planes = lightness[..., None] if lightness.ndim == 2 else lightness
    if lightness.dtype != np.float32 or planes.ndim not in (3, 4) or planes.shape[-1] != 1 or not planes.size:
        raise InvalidRequestError(
            f"lightness: float32 (H, W), (H, W, 1) or (N, H, W, 1) is needed, not {_kind(lightness)}"
        )
    batch = planes if planes.ndim == 4 else planes[None]

    def read(answer: Message) -> np.ndarray:
        return _writable(_output(answer, "ab", np.float32, (*batch.shape[:3], 2))).reshape(*planes.shape[:-1], 2)

    return Rpc(PREDICT, _predict(spec, "lightness", "lightness", batch), read)


def confidence(spec: Message, image: bytes) -> Rpc[Confidence]:
    """An image file -> the confidence of the network in its colors."""

    def read(answer: Message) -> Confidence:
        mean = _output(answer, "mean_confidence", np.float32, (1,))
        return Confidence(float(mean[0]), _one_string(answer, "confidence_bytes"))

    request = _predict(spec, "confidence", "image_bytes", [_check_image(image)])
    return Rpc(PREDICT, request, read, BadImageError)


def ready(spec: Message) -> Rpc[bool]:
    """Whether the requested version of the model is available."""

    def read(answer: Message) -> bool:
        return any(version.state == STATES["AVAILABLE"] for version in answer.model_version_status)

    return Rpc(STATUS, GetModelStatusRequest(model_spec=spec), read)


def signatures(spec: Message) -> Rpc[dict[str, Signature]]:
    """The signatures of the model by name."""

    def read(answer: Message) -> dict[str, Signature]:
        found = SignatureDefMap.FromString(answer.metadata["signature_def"].value).signature_def
        # TensorFlow lists the operation that initializes a model among its signatures.
        names = sorted(name for name in found if not name.startswith("__saved_model"))
        return {name: Signature(_kinds(found[name].inputs), _kinds(found[name].outputs)) for name in names}

    return Rpc(METADATA, GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"]), read)


def _predict(spec: Message, signature: str, name: str, value: np.ndarray | Sequence[bytes]) -> Message:
    request = PredictRequest(model_spec=spec)
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tensor(value))
    return request


def _check_image(image: bytes) -> bytes:
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


def _meaning(
    code: grpc.StatusCode, details: str, refused: type[InvalidRequestError]
) -> tuple[type[ServingClientError], str]:
    said = details.lower()
    if _is_unavailable(code, details):
        return ServerUnavailableError, "the server cannot be reached or is not ready"
    if code == grpc.StatusCode.INVALID_ARGUMENT:
        # TF Serving uses this code for labels and signatures that do not exist.
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
    return MEANINGS.get(code, (ServerFailedError, "the server failed"))


def _is_unavailable(code: grpc.StatusCode, details: str) -> bool:
    # The second one may come from a server that was killed.
    return code == grpc.StatusCode.UNAVAILABLE or (code == grpc.StatusCode.UNKNOWN and "Stream removed" in details)
