"""The page of the user test and its HTTP interface.

GET  /                                        the page, and the files that it loads
GET  /api/experiment                          what the page has to know before somebody consents
POST /api/participants                        {"consent": true, "age_group"?} -> {"participant": TOKEN, "state": ...}
GET  /api/participants/TOKEN                  the state: a trial to be shown, a question, or the end
POST /api/participants/TOKEN/shown            {"trial": N}, before the two pictures appear
POST /api/participants/TOKEN/answer           {"trial": N, "first": true, "timing"?} -> the next state, and in practice
                                              whether it was right
POST /api/participants/TOKEN/lost             {"trial": N}, where the showing was interrupted -> the next state
GET  /pictures/TOKEN/gray, /first, /second    the pictures of the current trial, until they are shown

Which picture is artificial is on the disk only: names are drawn by chance, both pictures have the same number of bytes,
and the answer to a request says it after the participant has answered, in practice.
"""

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from PIL import Image
from pydantic import BaseModel, Field
from starlette.middleware.base import RequestResponseEndpoint

from serving.user_test import experiment as experiments
from serving.user_test import schedule
from serving.user_test.experiment import SECONDS, Experiment
from serving.user_test.store import Store, Timing, UnknownParticipantError, WrongMomentError

AGE_GROUPS = ("under 20", "20-29", "30-39", "40-49", "50-59", "60 and over")
PAGE = Path(__file__).parent / "page"
HEADERS = {
    # Nothing is loaded from another host, and no other page can frame this one or read its pictures.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # A picture that lies in the browser's cache could be looked at again.
    "Cache-Control": "no-store",
}

Milliseconds = Field(ge=0, le=24 * 3600 * 1000)


class _Consent(BaseModel):
    consent: Literal[True]
    age_group: Literal[AGE_GROUPS] | None = None  # type: ignore[valid-type]  # a tuple that the page reads, too


class _Moment(BaseModel):
    trial: int


class _Timing(BaseModel):
    first: float = Milliseconds
    second: float = Milliseconds
    response: float = Milliseconds


class _Answer(_Moment):
    first: bool
    timing: _Timing | None = None


def application(
    folder: Path, experiment: Experiment, usable: Sequence[int], store: Store, rng: random.Random
) -> FastAPI:
    """The web application of a prepared experiment.

    Args:
        usable: Numbers of the photographs to draw from.
        rng: Draws what participants see.
    """
    app = FastAPI(openapi_url=None)

    def state_of(participant: str) -> dict[str, Any]:
        current = store.current(participant)
        if current is None:
            found, count = store.score(participant)
            return {"phase": "end", "found": found, "trials": count}
        number = current.trial.number
        practice = current.trial.preset is None
        state = {
            "practice": practice,
            "trial": number,
            "number": number if practice else number - experiment.practice,
            "of": experiment.practice if practice else experiment.trials,
        }
        if current.shown:
            return state | {"phase": "question"}
        names = ("gray", "first", "second")
        return state | {"phase": "gray", "pictures": {name: f"pictures/{current.token}/{name}" for name in names}}

    @app.middleware("http")
    async def protect(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(UnknownParticipantError)
    def unknown(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(WrongMomentError)
    def wrong_moment(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 409)

    @app.get("/api/experiment")
    def describe() -> dict[str, Any]:
        return {
            "practice": experiment.practice,
            "trials": experiment.trials,
            "seconds": SECONDS,
            "size": experiment.size,
            "age_groups": AGE_GROUPS,
        }

    @app.post("/api/participants", status_code=201)
    def begin(body: _Consent) -> dict[str, Any]:
        participant = store.add_participant(schedule.draw(experiment, usable, rng), body.age_group)
        return {"participant": participant, "state": state_of(participant)}

    @app.get("/api/participants/{participant}")
    def look(participant: str) -> dict[str, Any]:
        return state_of(participant)

    @app.post("/api/participants/{participant}/shown", status_code=204)
    def show(participant: str, body: _Moment) -> None:
        store.show(participant, body.trial)

    @app.post("/api/participants/{participant}/answer")
    def answer(participant: str, body: _Answer) -> dict[str, Any]:
        timing = None if body.timing is None else Timing(**body.timing.model_dump())
        trial = store.answer(participant, body.trial, body.first, timing)
        told = {"right": body.first == trial.artificial_first} if trial.preset is None else {}
        return told | {"state": state_of(participant)}

    @app.post("/api/participants/{participant}/lost")
    def lose(participant: str, body: _Moment) -> dict[str, Any]:
        store.lose(participant, body.trial, lambda trial, seen: schedule.redraw(trial, usable, seen, rng))
        return {"state": state_of(participant)}

    @app.get("/pictures/{token}/{name}")
    def picture(token: str, name: Literal["gray", "first", "second"]) -> Response:
        trial = store.trial(token)
        if trial is None:
            return JSONResponse({"detail": "this picture is not to be shown now"}, 404)
        artificial = "practice" if trial.preset is None else str(experiment.presets.index(trial.preset))
        if name == "gray":
            file = "gray"
        else:
            file = artificial if (name == "first") == trial.artificial_first else "original"
        return Response(_uncompressed(experiments.picture(folder, trial.photograph, file)), media_type="image/png")

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def _uncompressed(path: Path) -> bytes:
    """The picture as a PNG whose number of bytes follows from its size alone; compressed, less color is fewer bytes."""
    content = io.BytesIO()
    Image.open(path).convert("RGB").save(content, "PNG", compress_level=0)
    return content.getvalue()
