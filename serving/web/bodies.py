"""The bodies of requests: read into memory, within limits of size and time, and taken apart."""

import asyncio
import base64
import binascii
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from serving.web.errors import WebError
from serving.web.limits import Limits, Room

_FIELDS = 20  # of a form
_FIELD_BYTES = 100_000  # of a field that is not a file
_BASE64 = 4 / 3  # bytes of base64 for a byte
_EXTRA_BYTES = 200_000  # of a body, besides the picture


@dataclass
class Upload:
    """A picture that was sent, and what was sent with it.

    Attributes:
        image: The bytes of its file.
        reference: The bytes of another one, whose colors are to be followed, or None.
        fields: Of the form, or of the JSON.
    """

    image: bytes
    reference: bytes | None = None
    fields: dict[str, Any] = field(default_factory=dict)


class Bodies:
    """Reads bodies; all that are in memory at a time are bounded."""

    _AT_ONCE = 6  # bodies of the largest size

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.room = Room(self._AT_ONCE * limits.upload_bytes)

    @asynccontextmanager
    async def upload(self, request: Request) -> AsyncIterator[Upload]:
        """The picture in a body: multipart, JSON with base64, or the file itself. It counts until the block ends.

        Raises:
            WebError: the body is none of these, too large, too slow, or has no picture.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = kind == "multipart/form-data"
        structured = kind == "application/json" or kind.endswith("+json")
        raw = kind.startswith("image/") or kind in ("", "application/octet-stream")
        if not (form or structured or raw):
            raise WebError(
                "unsupported_type", "send image/*, application/octet-stream, multipart/form-data or application/json"
            )
        most = self._limits.upload_bytes
        pictures = 2 if form or structured else 1  # one may be a reference
        limit = int(most * pictures * (_BASE64 if structured else 1)) + (_EXTRA_BYTES if form or structured else 0)
        async with self.body(request, limit) as content:
            if form:
                found = await _parse_form(request, content)
            elif structured:
                found = await asyncio.to_thread(_parse_json, content)
            else:
                found = Upload(content)
            for picture in (found.image, found.reference):
                if picture is not None and len(picture) > most:
                    raise too_large(most)
            if not found.image:
                raise WebError("malformed_request", "there is no picture in the request")
            yield found

    @asynccontextmanager
    async def body(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The bytes of a body, which count until the block ends.

        Raises:
            WebError: it is larger than the limit, or too slow, or there are too many bodies.
        """
        held = 0
        chunks = bytearray()
        try:
            async for chunk in arriving(request, limit, self._limits.upload_seconds):
                self.room.take(len(chunk))
                held += len(chunk)
                chunks += chunk
            yield bytes(chunks)
        finally:
            self.room.give_back(held)


async def arriving(request: Request, limit: int, seconds: float) -> AsyncGenerator[bytes]:
    """The chunks of a body as they arrive.

    Raises:
        WebError: it is larger than `limit` bytes, or takes longer than so many seconds.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large(limit)
    count = 0
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    stream = request.stream()
    try:
        while True:
            try:
                chunk = await asyncio.wait_for(anext(stream), end - loop.time())
            except StopAsyncIteration:
                return
            count += len(chunk)
            if count > limit:
                raise too_large(limit)
            yield chunk
    except TimeoutError:
        raise WebError("upload_too_slow", f"the request did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise WebError("malformed_request", "the request ended before its end") from None


def too_large(limit: int) -> WebError:
    """The error of a body, or a file in it, above a limit in bytes."""
    return WebError("too_many_bytes", f"is larger than the limit of {limit:,} bytes")


class _InMemory(MultiPartParser):
    """Never puts a file on the disk: its size is bounded before."""

    spool_max_size = sys.maxsize


async def _parse_form(request: Request, content: bytes) -> Upload:
    async def stream() -> AsyncGenerator[bytes]:
        yield content

    parser = _InMemory(request.headers, stream(), max_files=2, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    try:
        items = (await parser.parse()).multi_items()
    except MultiPartException as error:
        raise WebError("malformed_request", f"the form cannot be read: {error.message}") from error
    except Exception as error:  # of boundaries and headers that no program writes
        raise WebError("malformed_request", "the form cannot be read") from error
    found = Upload(b"")
    for name, value in items:
        if not isinstance(value, UploadFile):
            found.fields[name] = value
            continue
        data = await value.read()
        await value.close()
        if name == "image":
            found.image = data
        elif name == "reference":
            found.reference = data
        else:
            raise WebError("invalid_parameter", f"{name[:50]!r}: files are called image and reference")
    return found


def _parse_json(content: bytes) -> Upload:
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise WebError("malformed_request", "the body is not JSON") from error
    if not isinstance(fields, dict):
        raise WebError("malformed_request", 'the body is not a JSON object such as {"image": "<base64>"}')
    image, reference = fields.pop("image", None), fields.pop("reference", None)
    return Upload(_decode(image, "image"), None if reference is None else _decode(reference, "reference"), fields)


def _decode(text: object, name: str) -> bytes:
    if not isinstance(text, str):
        raise WebError("malformed_request", f"{name}: must be the base64 of a file, or a data: URL")
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise WebError("malformed_request", f"{name}: is not base64") from error
