"""The paths that keep nothing: a picture in, a picture out; and what the server can do and how it is."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from serving.local.smoothing import SMOOTHINGS
from serving.web import openapi
from serving.web.bodies import Upload
from serving.web.errors import WebError, answers
from serving.web.filters import FILTERS
from serving.web.metrics import CONTENT_TYPE
from serving.web.pictures import Picture, as_json
from serving.web.service import Service
from serving.web.settings import MAX_HINTS, MAX_PAGE, ColorizeQuery, How, Model, how, parse
from zoo import __version__
from zoo.presets.metadata import LOOKS


class ConfidenceQuery(BaseModel):
    """Settings of a map of confidence."""

    model_config = ConfigDict(extra="forbid")

    preset: str | None = Field(None, max_length=200, description="A name of /api/presets; by default the best preset.")
    style: Literal["map", "overlay"] = Field(
        "map", description="map: 16-bit gray, 65535 for a probability of 1. overlay: orange where it is low."
    )
    longest: int | None = Field(None, ge=16, le=16384, description="Longer side in pixels; by default full size.")
    page: int | None = Field(None, ge=1, le=MAX_PAGE, description="Of a TIFF or an animation; by default the first.")


def router(service: Service) -> APIRouter:
    """The paths of one server."""
    paths = APIRouter()

    @paths.post(
        "/api/colorize",
        summary="Colorize a photograph",
        openapi_extra=openapi.upload(ColorizeQuery),
        responses=openapi.picture("The colorized photograph.") | answers(*_UPLOAD_ERRORS),
        response_class=Response,
    )
    async def colorize(request: Request, query: Annotated[ColorizeQuery, Query()]) -> Response:
        """Takes a photograph as a form, as a file or as JSON, and answers with a file or, if JSON is accepted, as JSON.

        The file is what `colorzoo colorize` writes. Nothing is kept.
        """
        start = time.perf_counter()
        async with service.bodies.upload(request) as upload:
            settings = how(_merged(ColorizeQuery, query, upload), reference=upload.reference is not None)
            page = _merged(ColorizeQuery, query, upload).page
            service.engine.check(settings)
            picture = await service.workers.run(
                lambda: service.renderer.result(upload.image, settings, page=page, reference=upload.reference)
            )
        return await _answer(service, request, picture, lambda: as_json(picture, time.perf_counter() - start))

    @paths.post(
        "/api/confidence",
        summary="Where the preset is sure of its colors",
        openapi_extra=openapi.upload(ConfidenceQuery),
        responses=openapi.picture("The map, a PNG.", "image/png") | answers(*_UPLOAD_ERRORS),
        response_class=Response,
    )
    async def confidence(request: Request, query: Annotated[ConfidenceQuery, Query()]) -> Response:
        """The probability of the most probable color, for each pixel. Takes a photograph as /api/colorize does."""
        async with service.bodies.upload(request) as upload:
            wanted = _merged(ConfidenceQuery, query, upload)
            name = service.engine.check(How(preset=wanted.preset))
            picture, mean = await service.workers.run(
                lambda: service.renderer.confidence_of(
                    upload.image, name, wanted.page, wanted.longest, wanted.style == "overlay"
                )
            )
        response = await _answer(service, request, picture, lambda: as_json(picture, mean=round(mean, 4)))
        response.headers["Colorzoo-Mean-Confidence"] = f"{mean:.4f}"
        return response

    @paths.get("/api/presets", summary="What this server can do")
    def presets() -> dict[str, Any]:
        """The presets with their looks, the filters and formats, the limits; and what is not possible here, and why."""
        limits = service.limits
        unavailable = service.engine.unavailable()
        return {
            "version": __version__,
            "mode": service.engine.mode,
            "default": service.engine.default,
            "presets": service.engine.describe(),
            "unavailable": unavailable,
            "looks": LOOKS,
            "filters": FILTERS,
            "formats": ["jpeg", "png", "tiff", "webp"],
            "film": {
                "available": "films" not in unavailable,
                "smoothing": SMOOTHINGS,
                "formats": ["mp4", "mov", "mkv", "webm"],
            },
            "limits": {
                "upload_bytes": limits.upload_bytes,
                "pixels": limits.pixels,
                "film_bytes": limits.film_bytes,
                "film_seconds": limits.film_seconds,
                "photographs": limits.photographs,
                "photograph_seconds": limits.photograph_seconds,
                "requests_per_minute": limits.requests_per_minute,
                "hints": MAX_HINTS,
            },
        }

    @paths.get("/api/health", summary="Whether this server works", responses=answers("server_unavailable"))
    async def health() -> dict[str, Any]:
        """Answers 503 while the server of the models is away."""
        if not await service.engine_ready():
            raise WebError("server_unavailable", "the server of the models is away")
        workers = service.workers
        return {"status": "ok", "version": __version__, "waiting": workers.waiting, "running": workers.running}

    @paths.get("/metrics", summary="Counts and times for Prometheus", response_class=Response)
    def metrics() -> Response:
        """In Prometheus's text format."""
        return Response(service.metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    return paths


_UPLOAD_ERRORS = (
    "malformed_request",
    "upload_too_slow",
    "too_many_bytes",
    "too_many_pixels",
    "unsupported_type",
    "unknown_preset",
    "unreadable_image",
    "not_possible",
)


def _merged(model: type[Model], query: BaseModel, upload: Upload) -> Model:
    """The settings of a request: those of its body, and of its query where the body has none."""
    if not upload.fields:
        assert isinstance(query, model)
        return query
    return parse(model, query.model_dump(exclude_unset=True) | upload.fields)


async def _answer(
    service: Service, request: Request, picture: Picture, described: Callable[[], dict[str, object]]
) -> Response:
    """A picture as its bytes, or as JSON if that is what the client accepts."""
    if not wants_json(request):
        return Response(picture.data, media_type=picture.media_type, headers=picture.headers)
    body = await service.workers.run(lambda: JSONResponse(described()), patient=True)
    return body


def wants_json(request: Request) -> bool:
    """Whether a client accepts JSON and no pictures."""
    accepted = request.headers.get("accept", "").lower()
    return "application/json" in accepted and "image/" not in accepted
