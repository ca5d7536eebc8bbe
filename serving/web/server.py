"""The server of the page."""

import asyncio
from collections.abc import Callable, Collection

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from serving.listening import serve_page
from serving.web.application import application
from serving.web.guard import LOOPBACK
from serving.web.service import Service

_GRACE = 5  # seconds for the requests that are being answered when the server is stopped
_CONNECTIONS = 1000
_HEADERS = 20  # seconds within which the head of a request has to arrive


class _Impatient(H11Protocol):
    """Hangs up on who connects and does not say, within a while, what is wanted."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(_HEADERS, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None:
            self.transport.close()


def config(app: ASGIApp) -> uvicorn.Config:
    """How an application is served."""
    return uvicorn.Config(
        app,
        http=_Impatient,
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE,
    )


def serve(
    service: Service, host: str, port: int, announce: Callable[[str], object], hosts: Collection[str] = ()
) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        port: 0 chooses a free one.
        announce: Called with the address of the page, once it can be opened.
        hosts: Names that requests may be for. By default those of this machine if the server listens on one of these,
            so that no page of another site reaches it under a name of its own; and any name otherwise.

    Raises:
        ServerStartError: the port is taken.
    """
    own = host in LOOPBACK or host.startswith("127.")
    allowed = {*hosts, host, *LOOPBACK} if hosts or own else None
    serve_page(config(application(service, allowed)), host, port, announce)
