"""The paths that answer with several results at once: a collage, and a ZIP."""

import re
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from media.sheets import contact_sheet
from serving.web import openapi
from serving.web.errors import WebError, answers, as_web_error
from serving.web.interactive import respond
from serving.web.photographs import Kept
from serving.web.pictures import Picture, encode_preview
from serving.web.service import Service
from serving.web.settings import How, JsonHints, ResultBody, how

COLLAGE, ZIP = 64, 500  # photographs at most
_COLLAGE_PIXELS = 40_000_000
_LONGEST_NAME = 100  # characters

Id = Annotated[str, Field(max_length=64, description="As POST /api/photographs gave it.")]


class CollagePhotograph(JsonHints):
    """A photograph of a collage, and how it is colorized."""

    id: Id


class CollageBody(BaseModel):
    """What a collage shows."""

    model_config = ConfigDict(extra="forbid")

    photographs: list[CollagePhotograph] = Field(min_length=1, max_length=COLLAGE)
    layout: Literal["pairs", "grid"] = Field(
        "pairs", description="pairs: the original beside the result, a row for each. grid: results only."
    )
    cell: int = Field(512, ge=32, le=2048, description="Longer side in pixels of a picture.")
    format: Literal["jpeg", "png"] = "jpeg"
    quality: int = Field(95, ge=1, le=100, description="Of JPEG.")


class ZipPhotograph(ResultBody):
    """A photograph of a ZIP, and how it is colorized."""

    id: Id
    name: str | None = Field(None, max_length=1000, description="That its file gets; its last part, without suffix.")


class ZipBody(BaseModel):
    """What a ZIP holds."""

    model_config = ConfigDict(extra="forbid")

    photographs: list[ZipPhotograph] = Field(min_length=1, max_length=ZIP)


def router(service: Service) -> APIRouter:
    """The paths of one server."""
    paths = APIRouter()
    workers, renderer = service.workers, service.renderer

    @paths.post(
        "/api/collage",
        summary="Originals and results side by side",
        responses=openapi.file("The collage.", "image/jpeg", "image/png")
        | answers("malformed_request", "photograph_gone", "unknown_preset", "not_possible"),
        response_class=Response,
    )
    async def collage(body: CollageBody) -> Response:
        """One picture of photographs that are kept."""
        columns = 2 if body.layout == "pairs" else max(1, round(len(body.photographs) ** 0.5 + 0.49))
        count = len(body.photographs) * (2 if body.layout == "pairs" else 1)
        if count * body.cell**2 > _COLLAGE_PIXELS:
            raise WebError("invalid_parameter", "cell: is too large for so many photographs")
        kept = [(service.photographs.get(each.id), how(each)) for each in body.photographs]
        for _, settings in kept:
            service.engine.check(settings)
        cells: list[np.ndarray] = []
        for photograph, settings in kept:
            cells += await workers.run(_cells(photograph, settings, body), patient=bool(cells))

        def draw() -> Picture:
            rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
            return encode_preview(contact_sheet(rows, titles=(), cell=body.cell), body.format, body.quality)

        response = respond(await workers.run(draw, patient=True))
        suffix = {"jpeg": ".jpg", "png": ".png"}[body.format]
        response.headers["Content-Disposition"] = f'attachment; filename="collage{suffix}"'
        return response

    def _cells(photograph: Kept, settings: How, body: CollageBody) -> Callable[[], list[np.ndarray]]:
        def draw() -> list[np.ndarray]:
            colorized = renderer.small(photograph, settings, body.cell)
            return [photograph.reduced, colorized] if body.layout == "pairs" else [colorized]

        return draw

    @paths.post(
        "/api/zip",
        summary="All results at full resolution",
        responses=openapi.file("The results; of what failed, the reason as NAME-error.txt.", "application/zip")
        | answers("malformed_request", "photograph_gone", "unknown_preset", "not_possible"),
        response_class=StreamingResponse,
    )
    async def archive(body: ZipBody) -> StreamingResponse:
        """Made while it is sent, a photograph at a time."""
        kept = [(service.photographs.get(each.id), how(each)) for each in body.photographs]
        for _, settings in kept:
            service.engine.check(settings)
        names = unique([stem(each.name) for each in body.photographs])
        return StreamingResponse(
            _zip(service, list(zip(names, kept, strict=True))),
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="colorized.zip"'},
        )

    return paths


def stem(name: str | None) -> str:
    """What is left of a file's name: its last part, without folders, suffix and what file systems refuse."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    kept = re.sub(r'[\x00-\x1f\x7f<>:"|?*]', "", last)
    kept = "".join(letter for letter in kept if letter.isprintable())
    return PurePosixPath(kept).stem.strip(" .")[:_LONGEST_NAME] or "colorized"


def unique(names: Sequence[str]) -> list[str]:
    """The names, numbered where they would be equal but for capital letters."""
    taken: set[str] = set()
    found = []
    for name in names:
        number, new = 1, name
        while new.lower() in taken:
            number += 1
            new = f"{name}-{number}"
        taken.add(new.lower())
        found.append(new)
    return found


class _Chunks:
    """Takes the bytes of a ZIP, which cannot be changed once they are sent."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes, /) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        data, self._held = bytes(self._held), bytearray()
        return data


def _making(service: Service, kept: Kept, settings: How) -> Callable[[], Picture]:
    return lambda: service.renderer.result_of(kept, settings)


async def _zip(service: Service, photographs: Sequence[tuple[str, tuple[Kept, How]]]) -> AsyncIterator[bytes]:
    """The bytes of a ZIP, a photograph at a time; pictures are not compressed once more."""
    chunks = _Chunks()
    with zipfile.ZipFile(chunks, "w") as archive:
        for name, (kept, settings) in photographs:
            try:
                picture = await service.workers.run(_making(service, kept, settings), patient=True)
                archive.writestr(name + picture.suffix, picture.data)
            except Exception as error:  # of one photograph; the others go on
                archive.writestr(f"{name}-error.txt", f"{as_web_error(error)}\n")
            yield chunks.take()
    yield chunks.take()
