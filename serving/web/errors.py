"""The errors of the HTTP interface, in one format: {"error": {"code": ..., "message": ...}}."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from serving.client.errors import ServerUnavailableError, ServingClientError
from zoo.errors import ArgumentError, ColorzooError, FilmError, PhotographError, UnknownNameError

STATUS = {
    "malformed_request": 400,
    "foreign_origin": 403,
    "not_found": 404,
    "photograph_gone": 404,
    "job_gone": 404,
    "method_not_allowed": 405,
    "upload_too_slow": 408,
    "not_finished": 409,
    "too_many_bytes": 413,
    "too_many_pixels": 413,
    "film_too_long": 413,
    "unsupported_type": 415,
    "unknown_host": 421,
    "invalid_parameter": 422,
    "unknown_preset": 422,
    "unreadable_image": 422,
    "unreadable_film": 422,
    "not_possible": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "server_failed": 502,
    "busy": 503,
    "server_unavailable": 503,
}
"""Code -> HTTP status."""

_BY_STATUS = {404: "not_found", 405: "method_not_allowed"}
_RETRY = 5  # seconds after which to try again what is unavailable, unless it is known better
_LOGGER = logging.getLogger("colorzoo.web")


class WebError(ColorzooError):
    """A request that is refused.

    Args:
        code: A key of STATUS.
        message: Why, for whoever sent the request; without names of files.
        retry_after: Seconds after which it may be accepted.
    """

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.status = code, STATUS[code]
        self.retry_after = _RETRY if retry_after is None and self.status in (429, 503) else retry_after

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"error": {"code": self.code, "message": str(self)}}

    def response(self) -> Response:
        """The answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(max(1, round(self.retry_after)))}
        if self.code == "upload_too_slow":
            headers["Connection"] = "close"  # otherwise its rest would be awaited
        return JSONResponse(self.body(), self.status, headers)


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """What every refused request is answered with."""

    error: ErrorDetail


def answers(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of a path, for its description in OpenAPI: those given, and what concerns every request."""
    found: dict[int, list[str]] = {}
    for code in (*codes, "invalid_parameter", "too_many_requests", "busy"):
        found.setdefault(STATUS[code], []).append(code)
    return {
        status: {
            "model": ErrorBody,
            "description": ", ".join(dict.fromkeys(names)),
            **({"headers": _RETRY_AFTER} if status in (429, 503) else {}),
        }
        for status, names in sorted(found.items())
    }


_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}


def as_web_error(error: BaseException) -> WebError:
    """What is answered when this was raised; what nobody raises on purpose is logged and not given away."""
    if isinstance(error, WebError):
        return error
    message = " ".join(str(error).split())
    if isinstance(error, ServerUnavailableError):
        return WebError("server_unavailable", message)
    if isinstance(error, ServingClientError):
        return WebError("server_failed", message)
    for kind, code in (
        (UnknownNameError, "unknown_preset"),
        (ArgumentError, "invalid_parameter"),
        (FilmError, "unreadable_film"),
        (PhotographError, "unreadable_image"),
    ):
        if isinstance(error, kind):
            return WebError(code, message)
    if isinstance(error, MemoryError):
        return WebError("busy", "there is not enough memory for this picture now")
    _LOGGER.error("internal error", exc_info=error)
    return WebError("internal_error", "something went wrong here; the log of the server says what")


def handle_errors(app: FastAPI) -> None:
    """Answer all errors in the one format."""

    def known(_: Request, error: Exception) -> Response:
        return as_web_error(error).response()

    def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        faults = error.errors()
        malformed = any(fault["type"] == "json_invalid" for fault in faults)
        code = "malformed_request" if malformed else "invalid_parameter"
        return WebError(code, describe_faults(faults)).response()

    def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _BY_STATUS.get(error.status_code, "malformed_request")
        messages = {"not_found": "there is nothing at this path", "method_not_allowed": "this path has no such method"}
        response = WebError(code, messages.get(code, str(error.detail))).response()
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(ColorzooError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, known)


def describe_faults(faults: Sequence[Mapping[str, Any]]) -> str:
    """What pydantic found, in one line."""
    found = []
    for fault in faults:
        place = ".".join(str(part) for part in fault["loc"] if part not in ("query", "body", "path"))
        reason = str(fault["msg"]).removeprefix("Value error, ")
        found.append(f"{place}: {reason}" if place else reason)
    return "; ".join(dict.fromkeys(found))
