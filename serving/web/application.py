"""The web application: the page, and the paths of its HTTP interface.

GET  /                                    the page, and the files that it loads
POST /api/colorize, /api/confidence       a photograph in, a picture out; nothing is kept
POST /api/photographs, /api/photographs/ID/...    photographs that are kept in memory between clicks
POST /api/jobs, /api/jobs/ID/...          the queue, for photographs and short films
POST /api/collage, /api/zip               several results at once
GET  /api/presets, /api/health            what the server can do, and how it is
GET  /metrics                             for Prometheus
GET  /api/openapi.json                    the description of all this
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from serving.web import bundles, interactive, queueing, stateless
from serving.web.errors import answers, handle_errors
from serving.web.guard import Guard
from serving.web.limits import Rates
from serving.web.service import Service
from zoo import __version__

PAGE = Path(__file__).parent / "page"

_DESCRIPTION = """Colorizes photographs and short films.

Every refusal is `{"error": {"code": ..., "message": ...}}`; with the status 429 or 503, `Retry-After` says when to try
again. Settings have the same names in queries, forms and JSON."""


def application(service: Service, hosts: Collection[str] | None = None) -> ASGIApp:
    """The web application of a server.

    Args:
        service: What it does its work with; closed when the application ends.
        hosts: Names that requests may be for; None for any.
    """
    return Guard(described(service), hosts, Rates(service.limits.requests_per_minute), service.metrics)


def described(service: Service) -> FastAPI:
    """The application without what surrounds it; see `application`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(service.forget_in_time())
        yield
        sweeping.cancel()
        service.close()

    app = FastAPI(
        title="Colorzoo",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page loads from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    handle_errors(app)
    for part in (stateless, interactive, bundles, queueing):
        app.include_router(part.router(service), responses=answers())
    # Not a mount, which would take other methods of known paths as well.
    app.router.default = StaticFiles(directory=PAGE, html=True)
    return app
