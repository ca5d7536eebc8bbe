"""The queue: place, progress and results of photographs and films, and what is left of them."""

import asyncio
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from serving.web.engine import LocalEngine
from serving.web.jobs import Job
from serving.web.service import Service
from serving.web.settings import How
from tests.films import pan, write_film
from tests.serving.web.conftest import error_of
from tests.talkies import read

RAW = {"Content-Type": "image/png"}
FILM = {"Content-Type": "video/mp4"}


def events(client: TestClient, job: dict[str, Any]) -> list[dict[str, Any]]:
    """All events of a job, from now to its end."""
    with client.stream("GET", job["events"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def put(client: TestClient, data: bytes, headers: dict[str, str] = RAW, **settings: Any) -> dict[str, Any]:
    response = client.post("/api/jobs", content=data, headers=headers, params=settings)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/jobs/{job['id']}"
    return job


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where films lie."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("film") / "gray.mp4"
    frames = [frame.mean(axis=2, keepdims=True).repeat(3, axis=2).astype("uint8") for frame in pan(0, 20, 2, 48, 64)]
    write_film(path, frames)
    return path.read_bytes()


@pytest.fixture
def held(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No photograph is colorized before this is set."""
    release = threading.Event()
    original = engine.colorizer

    def wait(how: How) -> Any:
        assert release.wait(60)
        return original(how)

    monkeypatch.setattr(engine, "colorizer", wait)
    yield release
    release.set()


def test_a_photograph(client: TestClient, gray: bytes) -> None:
    job = put(client, gray, look="vivid")
    last = events(client, job)[-1]
    assert (last["kind"], last["state"], last["type"]) == ("photograph", "done", "image/png")
    result = client.get(job["result"])
    assert len(result.content) == last["bytes"]
    assert result.content == client.post("/api/colorize?look=vivid", content=gray, headers=RAW).content
    saved = client.get(job["result"], params={"download": "true"})
    assert saved.headers["content-disposition"] == 'attachment; filename="colorized.png"'
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert error_of(client.get(job["result"]), 404) == "job_gone"


def test_places_in_the_queue(serve: Callable[..., TestClient], gray: bytes, held: threading.Event) -> None:
    client = serve(workers=1, waiting=3)
    jobs = [put(client, gray) for _ in range(4)]
    look = [client.get(f"/api/jobs/{job['id']}").json() for job in jobs]
    assert [(each["state"], each.get("place")) for each in look] == [
        ("running", None),
        *(("waiting", place) for place in (1, 2, 3)),
    ]
    assert error_of(client.get(jobs[1]["result"]), 409) == "not_finished"
    assert error_of(client.post("/api/jobs", content=gray, headers=RAW), 503) == "busy"
    assert error_of(client.post("/api/colorize", content=gray, headers=RAW), 503) == "busy"
    client.delete(f"/api/jobs/{jobs[1]['id']}")
    assert client.get(f"/api/jobs/{jobs[2]['id']}").json()["place"] == 1
    held.set()
    assert [events(client, job)[-1]["state"] for job in (jobs[0], *jobs[2:])] == ["done"] * 3


def test_a_photograph_that_fails(client: TestClient, service: Service) -> None:
    job = put(client, b"\x89PNG\r\n\x1a\n" + bytes(100))
    last = events(client, job)[-1]
    assert last["state"] == "failed"
    assert last["error"]["code"] == "unreadable_image"
    assert error_of(client.get(job["result"]), 422) == "unreadable_image"
    assert service.bodies.room.held == 0


def test_a_film(client: TestClient, film: bytes, folders: Path) -> None:
    job = put(client, film, FILM, smoothing="none")
    found = events(client, job)
    assert found[-1]["state"] == "done", found[-1]
    assert (found[-1]["kind"], found[-1]["type"]) == ("film", "video/mp4")
    assert (found[-1]["done"], found[-1]["of"]) == (20, 20)
    result = client.get(job["result"])
    part = client.get(job["result"], headers={"Range": "bytes=0-99"})
    assert (part.status_code, part.content) == (206, result.content[:100])
    assert [path.name for path in folders.rglob("*") if path.is_file()] == ["colorized.mp4"]
    copy = folders / "copy.mp4"
    copy.write_bytes(result.content)
    frames = read(copy).frames
    assert len(frames) == 20
    assert np.ptp(frames[0].to_ndarray(format="rgb24").astype(int), axis=2).mean() > 10
    client.delete(f"/api/jobs/{job['id']}")
    assert [path.name for path in folders.iterdir()] == ["copy.mp4"]


def test_a_film_that_is_cancelled(client: TestClient, film: bytes, folders: Path, held: threading.Event) -> None:
    job = put(client, film, FILM)
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    held.set()
    follower = put(client, film, FILM, smoothing="none", end=0.2)
    assert events(client, follower)[-1]["state"] == "done"
    client.delete(f"/api/jobs/{follower['id']}")
    assert not list(folders.iterdir())


@pytest.mark.parametrize(
    "data, settings, status, code",
    [
        (b"#EXTM3U\nfile:///etc/passwd\n", {}, 422, "unreadable_image"),
        (b"#EXTM3U\nfile:///etc/passwd\n", {"kind": "film"}, 422, "unreadable_film"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", {"kind": "film"}, 422, "unreadable_film"),
        (b"", {}, 400, "malformed_request"),
        (b"", {"kind": "photograph"}, 400, "malformed_request"),
        (bytes(4) + b"ftypisom" + bytes(8), {"format": "png"}, 422, "invalid_parameter"),
        (bytes(4) + b"ftypisom" + bytes(8), {"start": 2, "end": 1}, 422, "invalid_parameter"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), {"format": "mp4"}, 422, "invalid_parameter"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), {"preset": "none"}, 422, "unknown_preset"),
    ],
)
def test_what_is_refused_at_once(
    client: TestClient, folders: Path, data: bytes, settings: dict[str, str], status: int, code: str
) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    assert error_of(client.post("/api/jobs", content=data, headers=headers, params=settings), status) == code
    assert not list(folders.iterdir())


def test_films_that_fail(serve: Callable[..., TestClient], film: bytes, folders: Path) -> None:
    client = serve(film_seconds=0.5, film_bytes=len(film))
    too_long = events(client, put(client, film, FILM))[-1]
    assert too_long["error"]["code"] == "film_too_long"
    assert "is 0.8 s long; the limit is 0.5 s" in too_long["error"]["message"]
    broken = events(client, put(client, film[:200], FILM))[-1]
    assert broken["error"]["code"] == "unreadable_film"
    assert str(folders) not in json.dumps(broken)
    assert error_of(client.post("/api/jobs", content=film + b"\0", headers=FILM), 413) == "too_many_bytes"
    assert not list(folders.iterdir())


def test_nothing_is_left_when_the_server_ends(serve: Callable[..., TestClient], film: bytes, folders: Path) -> None:
    client = serve()
    assert events(client, put(client, film, FILM, smoothing="none"))[-1]["state"] == "done"
    assert list(folders.iterdir())
    client.__exit__(None, None, None)
    assert not list(folders.iterdir())


def test_results_are_forgotten(serve: Callable[..., TestClient], gray: bytes) -> None:
    client = serve(result_seconds=0.0)
    job = put(client, gray)
    events(client, job)
    assert error_of(client.get(job["result"]), 404) == "job_gone"


def test_a_job_that_ends_while_an_event_is_sent_has_a_last_one() -> None:
    async def follow() -> list[str]:
        job, states = Job("photograph"), []
        async for described in job.changes():
            assert described is not None
            states.append(described["state"])
            if len(states) == 1:
                job.end("failed")
        return states

    assert asyncio.run(follow()) == ["waiting", "failed"]
