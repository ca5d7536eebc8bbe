"""TF Serving's REST interface, for curl and everything else that speaks HTTP; and the page that Prometheus reads.

    GET  /v1/models/NAME[/versions/N|/labels/L]            the states of its versions
    GET  /v1/models/NAME[/versions/N|/labels/L]/metadata   its signatures
    POST /v1/models/NAME[/versions/N|/labels/L]:predict    {"instances": [...]} or {"inputs": ...}
    GET  /monitoring/prometheus/metrics

Bytes are {"b64": "..."} in requests and, for outputs whose names end in _bytes, in answers.
"""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from starlette.requests import ClientDisconnect

from serving.client import messages
from serving.server.errors import RequestError, exhausted, invalid
from serving.server.handlers import METADATA, Service, convert
from serving.server.metrics import PATH
from serving.server.servable import SignatureFunction, TensorInfo, Tensors, bytes_of

HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""TF Serving's HTTP codes; those of all other statuses are 500."""

_MAX_BODIES = 4  # of the largest size that may be in memory at a time
_LARGE = 64 << 10  # bytes that take longer to convert from and to JSON than to hand over to a thread

# Python threads switch only between calls of C functions. So large values are converted in pieces of these sizes.
_PIECE_NUMBERS = 1 << 14
_PIECE_BYTES = 3 << 18  # a multiple of 3, which makes 4 letters
_MAX_RANK = 8  # of lists that are converted in pieces; colorizers take 4


def application(service: Service, max_bytes: int) -> FastAPI:
    """The web application.

    Args:
        max_bytes: Limit of the body of a request.
    """
    app = FastAPI(openapi_url=None)
    bodies = _Bodies(max_bytes)

    async def answer(api: str, build: Callable[[messages.Message], Awaitable[bytes]]) -> Response:
        content = b""
        with service.call(api, "REST") as call:
            content = await build(call.spec)
        if call.error is not None:
            return _error(str(call.error), HTTP.get(call.error.code, 500))
        return _response(content, 200)

    @app.get(PATH)
    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type="text/plain")

    @app.get("/v1/models/{path:path}")
    async def look(path: str) -> Response:
        wanted = path.removesuffix("/metadata")

        async def states(spec: messages.Message) -> bytes:
            _fill_spec(spec, wanted)
            return json.dumps(_as_dict(service.states(spec))).encode()

        async def metadata(spec: messages.Message) -> bytes:
            _fill_spec(spec, wanted)
            found, definitions = service.metadata(spec, [METADATA])
            content = {"model_spec": _as_dict(found), "metadata": {METADATA: _as_dict(definitions)}}
            return json.dumps(content).encode()

        if wanted == path:
            return await answer("GetModelStatus", states)
        return await answer("GetModelMetadata", metadata)

    @app.post("/v1/models/{path:path}")
    async def predict(path: str, request: Request) -> Response:
        async def run(spec: messages.Message) -> bytes:
            wanted, colon, method = path.partition(":")
            if not colon or method != "predict":
                raise invalid(f"Malformed request: POST /v1/models/{path}; only :predict is served")
            _fill_spec(spec, wanted)
            async with bodies.read(request) as body:
                return await _predict(service, spec, body)

        return await answer("Predict", run)

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    async def other(path: str, request: Request) -> Response:
        if path.startswith("v1/"):
            return _error(f"Malformed request: {request.method} /{path}", 400)
        return _error("Not Found", 404)

    return app


class _Bodies:
    """Bodies of requests in memory; each of them and all together are bounded."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, whose bytes are counted until the end of the block.

        Raises:
            RequestError: INVALID_ARGUMENT: it is larger than the limit; RESOURCE_EXHAUSTED: there are too many bodies;
                CANCELLED: the client did not send all of it.
        """
        chunks: list[bytes] = []
        held = 0
        try:
            async for chunk in request.stream():
                held += len(chunk)
                self._held += len(chunk)
                if held > self._max_bytes:
                    raise invalid(f"the body is larger than {self._max_bytes} bytes")
                if self._held > self._max_bytes * _MAX_BODIES:
                    raise exhausted("the server has too many large requests; try again later")
                chunks.append(chunk)
            yield b"".join(chunks)
        except ClientDisconnect:
            raise RequestError(grpc.StatusCode.CANCELLED, "the client did not send all of its request") from None
        finally:
            self._held -= held


def _fill_spec(spec: messages.Message, path: str) -> None:
    """Put NAME[/versions/N|/labels/L] into a ModelSpec."""
    match path.split("/"):
        case [name] if name:
            spec.name = name
        case [name, "versions", number] if re.fullmatch("[0-9]{1,18}", number):
            spec.name = name
            spec.version.value = int(number)
        case [name, "labels", label] if label:
            spec.name = name
            spec.version_label = label
        case _:
            raise invalid(f"Malformed request: /v1/models/{path} is not NAME[/versions/NUMBER|/labels/LABEL]")


async def _predict(service: Service, spec: messages.Message, body: bytes) -> bytes:
    """The body of a request -> that of the answer; the signature is put into `spec`."""
    large = len(body) > _LARGE
    request = await convert(large, parse, body)
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    spec.signature_name = name
    if ("instances" in request) == ("inputs" in request):
        raise invalid("the request has to have either 'instances' (rows) or 'inputs' (columns)")
    by_rows = "instances" in request
    with service.resolve(spec) as target:
        inputs = await convert(large, to_arrays, request, target.signature)
        outputs = await service.predict(target, inputs)
    return await convert(bytes_of(outputs) > _LARGE, serialize, outputs, by_rows)


# === Requests ===


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in a body.

    Raises:
        RequestError: INVALID_ARGUMENT: it is not one.
    """
    try:
        if len(body) > _LARGE:
            request = json.loads(body, parse_int=_parse_int, parse_float=_parse_float)
        else:
            request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise invalid("the request has to be a JSON object")
    return request


def _parse_int(text: str) -> int:
    # Python functions where json would call C ones: other threads can run before each of them.
    return int(text)


def _parse_float(text: str) -> float:
    return float(text)


def to_arrays(request: dict[str, Any], signature: SignatureFunction) -> Tensors:
    """The 'instances' or 'inputs' of a request -> arrays by name. The lists of numbers in them are used up.

    Raises:
        RequestError: INVALID_ARGUMENT: they do not fit the signature.
    """
    if "instances" in request:
        columns = _columns(request["instances"], signature)
    else:
        columns = _fields(request["inputs"], signature)
    return {name: _array(name, value, signature.inputs[name]) for name, value in columns.items()}


def _columns(instances: Any, signature: SignatureFunction) -> dict[str, Any]:
    """Rows -> a list for each input."""
    if not isinstance(instances, list) or not instances:
        raise invalid("'instances' has to be a list with at least one value")
    if len(signature.inputs) == 1 and not any(_is_object(row) for row in instances):
        return {next(iter(signature.inputs)): instances}
    for row in instances:
        if not _is_object(row) or row.keys() != signature.inputs.keys():
            raise invalid(f"every instance has to have the inputs {{{', '.join(sorted(signature.inputs))}}}")
    return {name: [row[name] for row in instances] for name in signature.inputs}


def _fields(inputs: Any, signature: SignatureFunction) -> dict[str, Any]:
    """Columns -> a list for each input."""
    if not _is_object(inputs):
        if len(signature.inputs) != 1:
            raise invalid(f"'inputs' has to have a value for each of {{{', '.join(sorted(signature.inputs))}}}")
        return {next(iter(signature.inputs)): inputs}
    if inputs.keys() != signature.inputs.keys():
        raise invalid(f"'inputs' has to have the inputs {{{', '.join(sorted(signature.inputs))}}}")
    return dict(inputs)


def _is_object(value: Any) -> bool:
    """Whether it is an object of names and values, rather than bytes."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def _array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    kind = messages.KINDS.get(info.dtype)
    if kind == np.dtype(object):
        strings = _strings(name, value)
        found = np.empty(len(strings) if isinstance(strings, list) else (), object)
        found[...] = strings
        return found
    try:
        found = _numbers(value)
    except (ValueError, RecursionError) as error:
        raise invalid(f"input {name!r}: its lists have different lengths") from error
    if found.dtype.kind not in "iuf":
        raise invalid(f"input {name!r} has to be numbers")
    if kind == np.dtype(np.uint8) and (
        found.dtype.kind == "f" or found.min(initial=0) < 0 or found.max(initial=0) > 255
    ):
        raise invalid(f"input {name!r} has to be whole numbers from 0 to 255")
    return found if kind is None else found.astype(kind)


def _numbers(value: Any) -> np.ndarray:
    """`np.asarray` of nested lists; those of rank 3 and more are converted, and freed, row by row."""
    if not 2 < _rank(value) <= _MAX_RANK:
        return np.asarray(value)
    arrays = []
    for index, each in enumerate(value):
        arrays.append(_numbers(each))
        value[index] = each = None
    return np.stack(arrays)


def _rank(value: Any) -> int:
    rank = 0
    while isinstance(value, list) and value and rank <= _MAX_RANK:
        rank, value = rank + 1, value[0]
    return rank


def _strings(name: str, value: Any) -> bytes | list[bytes]:
    """Strings or {"b64": ...}, alone or in a list."""
    if isinstance(value, list):
        return [_string(name, each) for each in value]
    return _string(name, value)


def _string(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str):
        try:
            return _from_base64(value["b64"])
        except (binascii.Error, ValueError) as error:
            raise invalid(f"input {name!r}: Unable to base64 decode: {error}") from error
    raise invalid(f'input {name!r} has to be strings or {{"b64": "..."}}')


def _from_base64(text: str) -> bytes:
    size = _PIECE_BYTES // 3 * 4
    # Padding is an error anywhere but at the end, which shows only where all is decoded at once.
    if len(text) <= size or text.find("=", 0, len(text) - 2) >= 0:
        return base64.b64decode(text, validate=True)
    return b"".join(base64.b64decode(text[begin : begin + size], validate=True) for begin in range(0, len(text), size))


# === Answers ===


def serialize(outputs: Tensors, by_rows: bool) -> bytes:
    """Outputs by name -> the body of the answer: {"predictions": [...]} by rows, or else {"outputs": ...}.

    Raises:
        RequestError: INVALID_ARGUMENT: the outputs have different numbers of rows.
    """
    if len(outputs) == 1:
        ((name, value),) = outputs.items()
        return f'{{"{"predictions" if by_rows else "outputs"}": {_to_json(name, value)}}}'.encode()
    if not by_rows:
        columns = ", ".join(f"{json.dumps(name)}: {_to_json(name, value)}" for name, value in outputs.items())
        return f'{{"outputs": {{{columns}}}}}'.encode()
    counts = {value.shape[:1] for value in outputs.values()}
    if len(counts) != 1 or counts == {()}:
        raise invalid("the outputs have no rows in common: ask with 'inputs' in place of 'instances'")
    rows = [
        ", ".join(f"{json.dumps(name)}: {_to_json(name, value[row])}" for name, value in outputs.items())
        for row in range(*counts.pop())
    ]
    return f'{{"predictions": [{", ".join(f"{{{row}}}" for row in rows)}]}}'.encode()


def _to_json(name: str, value: Any) -> str:
    """An output as JSON, the same text as that of `json.dumps`, made in pieces."""
    if isinstance(value, bytes):
        return _bytes_to_json(name, value)
    value = np.asarray(value)
    if value.dtype == object:
        texts = [_bytes_to_json(name, each) for each in value.flat]
        return f"[{', '.join(texts)}]" if value.ndim else texts[0]
    if value.size <= _PIECE_NUMBERS:
        return json.dumps(value.tolist())
    if value.ndim > 1:
        return f"[{', '.join(_to_json(name, each) for each in value)}]"
    pieces = (value[begin : begin + _PIECE_NUMBERS] for begin in range(0, len(value), _PIECE_NUMBERS))
    return f"[{', '.join(json.dumps(piece.tolist())[1:-1] for piece in pieces)}]"


def _bytes_to_json(name: str, value: bytes) -> str:
    if not name.endswith("_bytes"):
        return json.dumps(value.decode("utf-8", "replace"))
    pieces = (value[begin : begin + _PIECE_BYTES] for begin in range(0, len(value), _PIECE_BYTES))
    return f'{{"b64": "{"".join(base64.b64encode(piece).decode() for piece in pieces)}"}}'


def _as_dict(message: messages.Message) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def _error(text: str, code: int) -> Response:
    return _response(json.dumps({"error": text}).encode(), code)


def _response(content: bytes, code: int) -> Response:
    return Response(content, status_code=code, media_type="application/json")
