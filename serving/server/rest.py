"""TF Serving's REST interface, for curl and everything else that speaks HTTP; and the page that Prometheus reads.

GET  /v1/models/NAME[/versions/N|/labels/L]            the states of its versions
GET  /v1/models/NAME[/versions/N|/labels/L]/metadata   its signatures
POST /v1/models/NAME[/versions/N|/labels/L]:predict    {"instances": [...]} or {"inputs": ...}
GET  /monitoring/prometheus/metrics
"""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from fastapi import FastAPI, Request, Response
from google.protobuf import json_format
from starlette.requests import ClientDisconnect

from serving.client import messages
from serving.server.errors import RequestError, exhausted, invalid
from serving.server.handlers import METADATA, Service, convert
from serving.server.metrics import PATH
from serving.server.rest_json import LARGE, parse, serialize, to_arrays
from serving.server.servable import bytes_of

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
    large = len(body) > LARGE
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
    return await convert(bytes_of(outputs) > LARGE, serialize, outputs, by_rows)


def _as_dict(message: messages.Message) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def _error(text: str, code: int) -> Response:
    return _response(json.dumps({"error": text}).encode(), code)


def _response(content: bytes, code: int) -> Response:
    return Response(content, status_code=code, media_type="application/json")
