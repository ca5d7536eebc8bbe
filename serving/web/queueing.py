"""The paths of the queue: jobs, their events and their results."""

import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from media.formats import recognize
from serving.web import openapi
from serving.web.bodies import arriving, too_large
from serving.web.errors import WebError, answers
from serving.web.jobs import Job, Output
from serving.web.service import Service
from serving.web.settings import MAX_FILTERS, MAX_PAGE, Filters, How, Look, parse_hints

Id = Annotated[str, Path(max_length=64, description="As POST /api/jobs gave it.", examples=["Zk3xQ0b1mJt7rW2yVn8pLA"])]
_HEAD = 16  # bytes by which kinds of files are told apart


class JobQuery(BaseModel):
    """Settings of a job. Those of the other kind are ignored."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["auto", "photograph", "film"] = Field("auto", description="By default what the file is.")
    preset: str | None = Field(None, max_length=200, description="A name of /api/presets; by default the best preset.")
    look: Look | None = Field(None, description="How much color; by default as the preset has it.")
    temperature: float | None = Field(None, ge=0.05, le=5, description="Of photographs.")
    saturation: float = Field(1.0, ge=0, le=3, description="Of photographs.")
    filters: Filters = Field([], max_length=MAX_FILTERS, description="Of photographs.")
    hints: str = Field("", max_length=50_000, description="Of photographs: JSON.")
    page: int | None = Field(None, ge=1, le=MAX_PAGE, description="Of photographs: of a TIFF or an animation.")
    format: Literal["jpeg", "png", "tiff", "webp", "mp4", "mov", "mkv", "webm"] | None = Field(
        None, description="By default that of the photograph, and mp4 for films."
    )
    quality: int | None = Field(None, ge=1, le=100, description="By default 95, and 80 for films.")
    smoothing: Literal["flow", "temporal", "none"] = Field("flow", description="Of films.")
    start: float = Field(0.0, ge=0, le=1e6, description="Of films: seconds at which the result begins.")
    end: float | None = Field(None, gt=0, le=1e6, description="Of films: seconds at which it ends.")


def router(service: Service) -> APIRouter:
    """The paths of one server."""
    paths = APIRouter()
    jobs = service.jobs

    @paths.post(
        "/api/jobs",
        status_code=202,
        summary="Put a photograph or a short film into the queue",
        openapi_extra=openapi.raw("image/*", "video/*", "application/octet-stream"),
        responses=answers(*_ERRORS),
    )
    async def add(request: Request, query: Annotated[JobQuery, Query()]) -> JSONResponse:
        """The body is the file itself. Photographs stay in memory; films lie in a folder that is removed."""
        type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not (type.startswith(("image/", "video/")) or type in ("", "application/octet-stream")):
            raise WebError("unsupported_type", "send the file itself, as image/*, video/* or application/octet-stream")
        job = await _receive(service, request, query)
        return JSONResponse(job.describe(), 202, {"Location": f"/api/jobs/{job.id}"})

    @paths.get("/api/jobs/{id}", summary="How far a job is", responses=answers("job_gone"))
    async def look(id: Id) -> dict[str, Any]:
        """Its state, its place in the queue or its progress, and what became of it."""
        return jobs.get(id).describe()

    @paths.delete("/api/jobs/{id}", status_code=204, summary="Cancel a job, or forget its result")
    async def forget(id: Id) -> None:
        """At once; it does not matter whether it was there."""
        jobs.remove(id)

    @paths.get(
        "/api/jobs/{id}/events",
        summary="How far a job is, as it goes on",
        responses=openapi.file("Server-sent events, each a job as JSON.", "text/event-stream") | answers("job_gone"),
        response_class=StreamingResponse,
    )
    async def events(id: Id) -> StreamingResponse:
        """One event now and one at every change; the stream ends with the job."""
        return StreamingResponse(_events(jobs.get(id)), media_type="text/event-stream")

    @paths.get(
        "/api/jobs/{id}/result",
        summary="What a job has made",
        responses=openapi.file("The file.", "image/jpeg", "image/png", "video/mp4")
        | answers("job_gone", "not_finished", "unreadable_image", "film_too_long"),
        response_class=Response,
    )
    async def result(id: Id, download: bool = False) -> Response:
        """It is kept until it is deleted, or for a while."""
        return _respond(jobs.get(id), download)

    return paths


async def _receive(service: Service, request: Request, query: JobQuery) -> Job:
    """Read a file and put it into the queue."""
    jobs, limits = service.jobs, service.limits
    jobs.check("film" if query.kind == "film" else "photograph")
    stream = arriving(request, max(limits.film_bytes, limits.upload_bytes), limits.upload_seconds)
    head = b""
    async for chunk in stream:
        head += chunk
        if len(head) >= _HEAD:
            break
    film = query.kind == "film" or (query.kind == "auto" and recognize(head[:_HEAD]) is None)
    if film:
        return await _receive_film(service, stream, head, query)
    settings = _of_photograph(query)
    service.engine.check(settings)
    held = 0
    data = bytearray()
    try:
        async for chunk in _all(head, stream):
            service.bodies.room.take(len(chunk))
            held += len(chunk)
            data += chunk
            if len(data) > limits.upload_bytes:
                raise too_large(limits.upload_bytes)
    except BaseException:
        service.bodies.room.give_back(held)
        raise
    content = bytes(data)
    if not content:
        service.bodies.room.give_back(held)
        raise WebError("malformed_request", "there is no file in the request")

    def work(progress: Any) -> Output:
        picture = service.renderer.result(content, settings, page=query.page)
        return Output(picture.data, picture.media_type, f"colorized{picture.suffix}", picture.headers, picture.warnings)

    job = jobs.add("photograph", work)
    job.when_ended(lambda: service.bodies.room.give_back(held))
    return job


async def _receive_film(service: Service, stream: AsyncIterator[bytes], head: bytes, query: JobQuery) -> Job:
    jobs, limits = service.jobs, service.limits
    if reason := service.engine.unavailable().get("films"):
        raise WebError("not_possible", reason)
    from serving.web.film_work import MEDIA_TYPES, FilmHow, colorize, looks_like_a_film

    if not head:
        raise WebError("malformed_request", "there is no file in the request")
    if not looks_like_a_film(head[:_HEAD]):
        code = "unreadable_film" if query.kind == "film" else "unreadable_image"
        raise WebError(code, "is neither a photograph nor a film of a kind that is read here")
    if query.format is not None and query.format not in MEDIA_TYPES:
        raise WebError("invalid_parameter", f"format: films are written as {', '.join(MEDIA_TYPES)}")
    if query.end is not None and query.end <= query.start:
        raise WebError("invalid_parameter", "end: is not behind the start")
    format = query.format or "mp4"
    wanted = FilmHow(
        How(preset=query.preset, look=query.look),
        query.smoothing,
        query.start,
        query.end,
        query.quality or 80,
        format,  # type: ignore[arg-type]  # one of MEDIA_TYPES
    )
    service.engine.check(wanted.how)
    jobs.check("film")
    folder = FilePath(tempfile.mkdtemp(prefix="colorzoo-web-"))  # which only this user can read
    source = folder / "film"
    try:
        count = 0
        with source.open("wb") as file:
            async for chunk in _all(head, stream):
                count += len(chunk)
                if count > limits.film_bytes:
                    raise too_large(limits.film_bytes)
                file.write(chunk)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

    def work(progress: Any) -> Output:
        path, warnings = colorize(source, wanted, service.engine, limits.film_seconds, progress)
        return Output(path, MEDIA_TYPES[format], path.name, {}, warnings)

    return jobs.add("film", work, folder)


def _of_photograph(query: JobQuery) -> How:
    if query.format in ("mp4", "mov", "mkv", "webm"):
        raise WebError("invalid_parameter", "format: photographs are written as jpeg, png, tiff or webp")
    return How(
        preset=query.preset,
        look=query.look,
        temperature=query.temperature,
        saturation=query.saturation,
        filters=tuple(query.filters),
        hints=tuple(parse_hints(query.hints)) if query.hints.strip() else (),
        format=query.format,  # type: ignore[arg-type]  # not one of films
        quality=query.quality or 95,
    )


async def _all(head: bytes, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in stream:
        yield chunk


async def _events(job: Job) -> AsyncIterator[str]:
    number = 0
    async for state in job.changes():
        if state is None:
            yield ": still here\n\n"
            continue
        number += 1
        yield f"id: {number}\ndata: {json.dumps(state)}\n\n"


def _respond(job: Job, download: bool) -> Response:
    if job.error is not None:
        raise job.error
    if job.output is None:
        raise WebError("not_finished", f"the job is {job.state}")
    output = job.output
    headers = dict(output.headers)
    if download:
        headers["Content-Disposition"] = f'attachment; filename="{output.name}"'
    if isinstance(output.content, FilePath):
        return FileResponse(output.content, media_type=output.media_type, headers=headers)
    return Response(output.content, media_type=output.media_type, headers=headers)


_ERRORS = (
    "malformed_request",
    "upload_too_slow",
    "too_many_bytes",
    "unsupported_type",
    "unknown_preset",
    "unreadable_image",
    "unreadable_film",
    "not_possible",
)
