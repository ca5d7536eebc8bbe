"""What surrounds the application: who may ask, how often, what answers say to browsers, and the log.

A request for another host, or from a page of another site, is refused before anything is read of it. The log has
methods, paths of the description, statuses, sizes and times, and neither addresses nor names nor ids.
"""

import logging
import time
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.web.errors import WebError, as_web_error
from serving.web.limits import Rates
from serving.web.metrics import Metrics

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, as its own browsers call it."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_CHEAP = {"/api/health", "/api/presets", "/api/openapi.json"}  # asked often, and answered from what is there
_LOGGER = logging.getLogger("colorzoo.web")


class Guard:
    """An ASGI application around another one.

    Args:
        app: The other one.
        hosts: Names that requests may be for; None for any.
        rates: Of requests, for each client.
        metrics: Counts requests.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, rates: Rates, metrics: Metrics) -> None:
        self.app = app
        self._hosts, self._rates, self._metrics = hosts, rates, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status, received, sent = 0, 0, 0
        api = scope["path"].startswith("/api/")

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store" if api else "no-cache")
            sent += len(message.get("body", b""))
            await send(message)

        try:
            self._admit(scope, api)
            await self.app(scope, counted_receive, counted_send)
        except Exception as error:
            # The application has answered and logged what it did not expect, and raises it for servers that would log
            # it once more.
            if not status:
                await as_web_error(error).response()(scope, counted_receive, counted_send)
        finally:
            seconds = time.perf_counter() - start
            path = _described(scope)
            self._metrics.record(scope["method"] if status != 405 else "other", path, status, seconds)
            _LOGGER.info(
                "%s %s %s in=%d out=%d seconds=%.3f", scope["method"][:10], path, status, received, sent, seconds
            )

    def _admit(self, scope: Scope, api: bool) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _split(f"//{host}").hostname if _plain(host) else None
        if self._hosts is not None and name not in self._hosts:
            raise WebError("unknown_host", "this server does not answer for the host of the request")
        origin = headers.get("origin")
        if api and origin is not None and _split(origin).netloc.lower() != host.lower():
            raise WebError("foreign_origin", "pages of other sites may not use this server")
        if api and scope["path"] not in _CHEAP and scope["method"] != "DELETE":
            self._rates.take(scope["client"][0] if scope.get("client") else "")


def _plain(host: str) -> bool:
    """Whether a Host header is nothing but a host and a port."""
    return not any(letter in host for letter in "/\\?#@ ") and host.isprintable()


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # brackets without an address of IPv6
        return urlsplit("")


def _described(scope: Scope) -> str:
    """The path as the description has it, without ids; that of files of the page is not told."""
    path = getattr(scope.get("route"), "path", "")
    if path and scope["path"].startswith(("/api/", "/metrics")):
        return str(path)
    return "unknown" if scope["path"].startswith("/api/") else "page"
