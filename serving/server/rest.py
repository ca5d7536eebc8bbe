"""TF Serving's REST interface, so that curl works; and the page that Prometheus reads.

    GET  /v1/models/NAME[/versions/N|/labels/L]            the states of its versions
    GET  /v1/models/NAME[/versions/N|/labels/L]/metadata   its signatures
    POST /v1/models/NAME[/versions/N|/labels/L]:predict    {"instances": [...]} or {"inputs": ...}
    GET  /monitoring/prometheus/metrics

Bytes are {"b64": "..."} in and, for outputs whose names end in _bytes, out.
"""

import base64
import binascii
import json
import re
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from starlette.requests import ClientDisconnect

from serving.client import messages
from serving.server import logs
from serving.server.errors import RequestError, exhausted, invalid, status
from serving.server.handlers import METADATA, Service
from serving.server.metrics import PATH
from serving.server.servable import Signature, TensorInfo

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
"""TF Serving's HTTP codes; all others are 500."""

_BODIES = 4  # of the largest size may be on their way at a time


def application(service: Service, most_bytes: int) -> FastAPI:
    """The web application.

    Args:
        most_bytes: Of the body of a request.
    """
    app = FastAPI(openapi_url=None)
    bodies = _Bodies(most_bytes)

    async def answered(
        api: str, spec: messages.Message, answer: Callable[[messages.Message], Awaitable[dict[str, Any]]]
    ) -> Response:
        began = time.perf_counter()
        error: RequestError | None = None
        try:
            content = await answer(spec)
            return _json(content, 200)
        except Exception as raised:  # whatever it is, the client gets a status
            error = status(raised)
            if error.code is grpc.StatusCode.INTERNAL:
                logs.failure("internal error", method=api, trace=traceback.format_exc())
            return _json({"error": str(error)}, HTTP.get(error.code, 500))
        finally:
            service.answered(api, "REST", spec, began, error)

    @app.get(PATH)
    async def metrics() -> Response:
        return Response(service.metrics.page(), media_type="text/plain")

    @app.get("/v1/models/{path:path}")
    async def look(path: str) -> Response:
        wanted = path.removesuffix("/metadata")

        async def states(spec: messages.Message) -> dict[str, Any]:
            return _as_dict(service.states(_filled(spec, wanted)))

        async def metadata(spec: messages.Message) -> dict[str, Any]:
            found, definitions = service.metadata(_filled(spec, wanted), [METADATA])
            return {"model_spec": _as_dict(found), "metadata": {METADATA: _as_dict(definitions)}}

        spec = messages.ModelSpec()
        if wanted == path:
            return await answered("GetModelStatus", spec, states)
        return await answered("GetModelMetadata", spec, metadata)

    @app.post("/v1/models/{path:path}")
    async def predict(path: str, request: Request) -> Response:
        async def run(spec: messages.Message) -> dict[str, Any]:
            wanted, colon, method = path.partition(":")
            if not colon or method != "predict":
                raise invalid(f"Malformed request: POST /v1/models/{path}; only :predict is served")
            _filled(spec, wanted)
            async with bodies.read(request) as body:
                return await _predicted(service, spec, body)

        return await answered("Predict", messages.ModelSpec(), run)

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    async def other(path: str, request: Request) -> Response:
        if path.startswith("v1/"):
            return _json({"error": f"Malformed request: {request.method} /{path}"}, 400)
        return _json({"error": "Not Found"}, 404)

    return app


class _Bodies:
    """Bodies of requests in memory, which are bounded each by itself and together."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body; it counts until the end of the block. Raises RequestError if there is no room for it."""
        chunks: list[bytes] = []
        held = 0
        try:
            async for chunk in request.stream():
                held += len(chunk)
                self._held += len(chunk)
                if held > self._most:
                    raise invalid(f"the body is larger than {self._most} bytes")
                if self._held > self._most * _BODIES:
                    raise exhausted("the server has too many large requests; try again later")
                chunks.append(chunk)
            yield b"".join(chunks)
        except ClientDisconnect:
            raise RequestError(grpc.StatusCode.CANCELLED, "the client did not send all of its request") from None
        finally:
            self._held -= held


def _filled(spec: messages.Message, path: str) -> messages.Message:
    """Put what NAME[/versions/N|/labels/L] says into a ModelSpec."""
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
            raise invalid(f"Malformed request: /v1/models/{path} is no NAME[/versions/NUMBER|/labels/LABEL]")
    return spec


async def _predicted(service: Service, spec: messages.Message, body: bytes) -> dict[str, Any]:
    """The body of a request -> what to answer; fills the signature into `spec`."""
    request = _parsed(body)
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    spec.signature_name = name
    if ("instances" in request) == ("inputs" in request):
        raise invalid("the request has to have either 'instances' (rows) or 'inputs' (columns)")
    with service.models.using(spec) as (_, model):
        signature = model.signature(name)
    by_rows = "instances" in request
    columns = _columns(request["instances"], signature) if by_rows else _named(request["inputs"], signature)
    inputs = {key: _array(key, value, signature.inputs[key]) for key, value in columns.items()}
    _, outputs = await service.predict(spec, inputs)
    values = {key: _plain(key, value) for key, value in outputs.items()}
    if not by_rows:
        return {"outputs": next(iter(values.values())) if len(values) == 1 else values}
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    if len({len(value) for value in values.values() if isinstance(value, list)}) != 1:
        raise invalid("the outputs have no rows in common: ask with 'inputs' in place of 'instances'")
    rows = zip(*values.values(), strict=True)
    return {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise invalid("the request has to be a JSON object")
    return request


def _columns(instances: Any, signature: Signature) -> dict[str, Any]:
    """Rows -> a list for each input."""
    if not isinstance(instances, list) or not instances:
        raise invalid("'instances' has to be a list with at least one value")
    if len(signature.inputs) == 1 and not any(_is_named(row) for row in instances):
        return {next(iter(signature.inputs)): instances}
    for row in instances:
        if not _is_named(row) or row.keys() != signature.inputs.keys():
            raise invalid(f"every instance has to have the inputs {{{', '.join(sorted(signature.inputs))}}}")
    return {name: [row[name] for row in instances] for name in signature.inputs}


def _named(inputs: Any, signature: Signature) -> dict[str, Any]:
    if not _is_named(inputs):
        if len(signature.inputs) != 1:
            raise invalid(f"'inputs' has to have a value for each of {{{', '.join(sorted(signature.inputs))}}}")
        return {next(iter(signature.inputs)): inputs}
    if inputs.keys() != signature.inputs.keys():
        raise invalid(f"'inputs' has to have the inputs {{{', '.join(sorted(signature.inputs))}}}")
    return dict(inputs)


def _is_named(value: Any) -> bool:
    """Whether it is an object of names and values, and not bytes."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def _array(name: str, value: Any, info: TensorInfo) -> np.ndarray:
    kind = messages.KINDS.get(info.dtype)
    if kind == np.dtype(object):
        strings = _strings(name, value)
        found = np.empty(len(strings) if isinstance(strings, list) else (), object)
        found[...] = strings
        return found
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise invalid(f"input {name!r}: its lists have different lengths") from error
    if found.dtype.kind not in "iuf":
        raise invalid(f"input {name!r} has to be numbers")
    if kind == np.dtype(np.uint8) and (
        found.dtype.kind == "f" or found.min(initial=0) < 0 or found.max(initial=0) > 255
    ):
        raise invalid(f"input {name!r} has to be whole numbers from 0 to 255")
    return found if kind is None else found.astype(kind)


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
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(f"input {name!r}: Unable to base64 decode: {error}") from error
    raise invalid(f'input {name!r} has to be strings or {{"b64": "..."}}')


def _plain(name: str, value: np.ndarray) -> Any:
    """An output -> what JSON can say."""
    if value.dtype != object:
        return value.tolist()
    if name.endswith("_bytes"):
        encoded = [{"b64": base64.b64encode(each).decode()} for each in value.flat]
    else:
        encoded = [each.decode("utf-8", "replace") for each in value.flat]
    return encoded if value.ndim else encoded[0]


def _as_dict(message: messages.Message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(content: dict[str, Any], code: int) -> Response:
    return Response(json.dumps(content), status_code=code, media_type="application/json")
