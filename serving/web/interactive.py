"""The paths of photographs that are kept between clicks: previews, maps, palettes, hints and results."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serving.web import openapi
from serving.web.errors import answers
from serving.web.photographs import Kept, keep
from serving.web.pictures import Picture
from serving.web.service import Service
from serving.web.settings import (
    MAX_PAGE,
    How,
    Look,
    PreviewBody,
    PreviewFormat,
    PreviewQuery,
    ResultBody,
    ResultQuery,
    how,
    parse,
)

Id = Annotated[
    str, Path(max_length=64, description="As POST /api/photographs gave it.", examples=["Zk3xQ0b1mJt7rW2yVn8pLA"])
]
Longest = Field(1600, ge=16, le=4096, description="Longer side in pixels; pictures are never enlarged.")


class PageQuery(BaseModel):
    """Which page of a photograph is kept."""

    model_config = ConfigDict(extra="forbid")

    page: int | None = Field(None, ge=1, le=MAX_PAGE, description="Of a TIFF or an animation; by default the first.")


class OriginalQuery(BaseModel):
    """Settings of a photograph as it was sent."""

    model_config = ConfigDict(extra="forbid")

    longest: int = Longest
    gray: bool = Field(False, description="Without its colors.")
    format: PreviewFormat = "jpeg"
    quality: int = Field(90, ge=1, le=100, description="Of JPEG and WebP.")


class OverlayQuery(BaseModel):
    """Settings of a map of confidence."""

    model_config = ConfigDict(extra="forbid")

    preset: str | None = Field(None, max_length=200, description="A name of /api/presets; by default the best preset.")
    style: Literal["map", "overlay"] = Field(
        "overlay", description="map: 16-bit gray, 65535 for a probability of 1. overlay: orange where it is low."
    )
    longest: int = Longest


class PaletteQuery(BaseModel):
    """A place, and the colors that it has now."""

    model_config = ConfigDict(extra="forbid")

    x: float = Field(ge=0, le=1, description="Share of the width, from the left.", examples=[0.31])
    y: float = Field(ge=0, le=1, description="Share of the height, from the top.", examples=[0.5])
    preset: str | None = Field(None, max_length=200, description="A name of /api/presets; by default the best preset.")
    look: Look | None = Field(None, description="How much color; by default as the preset has it.")
    temperature: float | None = Field(None, ge=0.05, le=5, description="Of the annealed mean.")
    saturation: float = Field(1.0, ge=0, le=3, description="Factor on the colors of the look.")


class PlausibleColor(BaseModel):
    """A color that may be right at a place."""

    color: str = Field(description="At the lightness of the place.", examples=["#4f7a2b"])
    probability: float = Field(description="0 where the preset does not tell.")


class PaletteBody(BaseModel):
    """The colors of a place."""

    x: float
    y: float
    current: str = Field(description="Without hints.", examples=["#6f7a55"])
    colors: list[PlausibleColor] = Field(description="The most probable one first.")


class PhotographBody(BaseModel):
    """A photograph that is kept."""

    id: str
    width: int
    height: int
    pages: int
    format: str = Field(description="That results are written in by default.")
    colored: bool = Field(description="Whether it has colors of its own.")
    warnings: list[str]
    seconds_left: float = Field(description="Until it is forgotten, if it is not used.")


def router(service: Service) -> APIRouter:
    """The paths of one server."""
    paths = APIRouter()
    photographs, renderer, workers = service.photographs, service.renderer, service.workers

    def describe(kept: Kept) -> PhotographBody:
        return PhotographBody(
            id=kept.id,
            width=kept.width,
            height=kept.height,
            pages=kept.pages,
            format=kept.format,
            colored=kept.colored,
            warnings=list(kept.warnings),
            seconds_left=service.limits.photograph_seconds,
        )

    @paths.post(
        "/api/photographs",
        status_code=201,
        summary="Keep a photograph between clicks",
        openapi_extra=openapi.upload(PageQuery, reference=False),
        responses=answers(*_UPLOAD_ERRORS),
    )
    async def add(request: Request, query: Annotated[PageQuery, Query()]) -> PhotographBody:
        """Its id is a secret. It is kept in memory only, until it is deleted, or was not used for a while."""
        async with service.bodies.upload(request) as upload:
            page = parse(PageQuery, upload.fields).page or query.page
            kept = await workers.run(lambda: keep(upload.image, renderer.read(upload.image, page), page))
            photographs.add(kept)
        return describe(kept)

    @paths.get("/api/photographs/{id}", summary="What is kept", responses=answers(*_GONE))
    async def look(id: Id) -> PhotographBody:
        """As it was told when it was sent."""
        return describe(photographs.get(id))

    @paths.delete("/api/photographs/{id}", status_code=204, summary="Forget a photograph")
    async def forget(id: Id) -> None:
        """At once; it does not matter whether it was there."""
        photographs.remove(id)

    @paths.get(
        "/api/photographs/{id}/original",
        summary="The photograph as it was sent, reduced",
        responses=openapi.file("The photograph.", *_PREVIEWS) | answers(*_GONE),
        response_class=Response,
    )
    async def original(id: Id, query: Annotated[OriginalQuery, Query()]) -> Response:
        """Upright, and without its colors if wanted."""
        kept = photographs.get(id)
        return respond(
            await workers.run(lambda: renderer.original(kept, query.longest, query.gray, query.format, query.quality))
        )

    @paths.get(
        "/api/photographs/{id}/preview",
        summary="The photograph in color, reduced",
        responses=openapi.file("The preview.", *_PREVIEWS) | answers(*_GONE, "unknown_preset", "not_possible"),
        response_class=Response,
    )
    async def preview(id: Id, query: Annotated[PreviewQuery, Query()]) -> Response:
        """Quick, since the network runs once for all sizes and filters."""
        return await show(id, how(query), query.longest)

    @paths.post(
        "/api/photographs/{id}/fix",
        summary="The photograph with colors at places",
        responses=openapi.file("The preview.", *_PREVIEWS)
        | answers(*_GONE, "malformed_request", "unknown_preset", "not_possible"),
        response_class=Response,
    )
    async def fix(id: Id, body: PreviewBody) -> Response:
        """A preview with hints, which are not kept: each request has all of them, and undoing is to leave one out."""
        return await show(id, how(body), body.longest)

    async def show(id: str, settings: How, longest: int) -> Response:
        kept = photographs.get(id)
        service.engine.check(settings)
        return respond(await workers.run(lambda: renderer.preview(kept, settings, longest)))

    @paths.get(
        "/api/photographs/{id}/palette",
        summary="Plausible colors of a place",
        responses=answers(*_GONE, "unknown_preset", "not_possible"),
    )
    async def palette(id: Id, query: Annotated[PaletteQuery, Query()]) -> PaletteBody:
        """The classes that the network finds probable there; or a ring of hues, if it has none."""
        kept = photographs.get(id)
        settings = How(query.preset, query.look, query.temperature, query.saturation)
        service.engine.check(settings)
        current, found = await workers.run(lambda: renderer.palette(kept, settings, query.x, query.y))
        service.later(lambda: renderer.prepare_hints(kept, settings, query.x, query.y, current))
        colors = [PlausibleColor(color=each.color, probability=round(each.probability, 4)) for each in found]
        return PaletteBody(x=query.x, y=query.y, current=current, colors=colors)

    @paths.get(
        "/api/photographs/{id}/confidence",
        summary="Where the preset is sure of its colors",
        responses=openapi.file("The map, a PNG.", "image/png") | answers(*_GONE, "unknown_preset", "not_possible"),
        response_class=Response,
    )
    async def confidence(id: Id, query: Annotated[OverlayQuery, Query()]) -> Response:
        """To be laid over the picture, or as a map."""
        kept = photographs.get(id)
        name = service.engine.check(How(preset=query.preset))
        picture, mean = await workers.run(
            lambda: renderer.confidence(kept, name, query.longest, query.style == "overlay")
        )
        response = respond(picture)
        response.headers["Colorzoo-Mean-Confidence"] = f"{mean:.4f}"
        return response

    @paths.put(
        "/api/photographs/{id}/reference",
        status_code=204,
        summary="Send a photograph whose colors are to be followed",
        openapi_extra=openapi.upload(reference=False),
        responses=answers(*_GONE, *_UPLOAD_ERRORS, "not_possible"),
    )
    async def refer(id: Id, request: Request) -> None:
        """It is followed where the settings have `reference=true`, and kept as long as the photograph."""
        kept = photographs.get(id)
        async with service.bodies.upload(request) as upload:
            reference = await workers.run(lambda: renderer.read_reference(upload.image))
            await workers.run(lambda: kept.follow(reference), patient=True)

    @paths.delete(
        "/api/photographs/{id}/reference",
        status_code=204,
        summary="Forget the photograph whose colors are followed",
        responses=answers(*_GONE),
    )
    async def refer_no_more(id: Id) -> None:
        """At once; it does not matter whether there was one."""
        kept = photographs.get(id)
        await workers.run(lambda: kept.follow(None), patient=True)

    @paths.get(
        "/api/photographs/{id}/result",
        summary="The photograph in color, at full resolution",
        responses=openapi.file("The result.", *_RESULTS) | answers(*_GONE, "unknown_preset", "not_possible"),
        response_class=Response,
    )
    async def result(id: Id, query: Annotated[ResultQuery, Query()]) -> Response:
        """As `colorzoo colorize` writes it, with the metadata of the photograph and the mark of the preset."""
        return await finish(id, how(query))

    @paths.post(
        "/api/photographs/{id}/result",
        summary="The photograph in color, at full resolution",
        responses=openapi.file("The result.", *_RESULTS)
        | answers(*_GONE, "malformed_request", "unknown_preset", "not_possible"),
        response_class=Response,
    )
    async def result_with_hints(id: Id, body: ResultBody) -> Response:
        """As GET does, for many hints."""
        return await finish(id, how(body))

    async def finish(id: str, settings: How) -> Response:
        kept = photographs.get(id)
        service.engine.check(settings)
        picture = await workers.run(lambda: renderer.result_of(kept, settings))
        response = respond(picture)
        response.headers["Content-Disposition"] = f'attachment; filename="colorized{picture.suffix}"'
        return response

    return paths


def respond(picture: Picture) -> Response:
    """A picture as its bytes."""
    return Response(picture.data, media_type=picture.media_type, headers=picture.headers)


_GONE = ("photograph_gone",)
_UPLOAD_ERRORS = (
    "malformed_request",
    "upload_too_slow",
    "too_many_bytes",
    "too_many_pixels",
    "unsupported_type",
    "unreadable_image",
)
_PREVIEWS = ("image/jpeg", "image/png", "image/webp")
_RESULTS = (*_PREVIEWS, "image/tiff")
