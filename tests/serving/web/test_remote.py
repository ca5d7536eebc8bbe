"""The page's server in front of a server of models: the network is there, and all else is here."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from serving.client import ColorizeClient, Confidence, SignatureError
from serving.local.tiled import TiledColorizer
from serving.web import remote
from serving.web.application import application
from serving.web.limits import Limits
from serving.web.remote import RemoteEngine
from serving.web.service import Service
from tests.films import write_film
from tests.serving.web.conftest import CLASSES, DIRECT, SIZE, add, chroma, encoded, error_of, parts, pixels, rows
from zoo.confidence import confidence

RAW = {"Content-Type": "image/png"}


class Networks:
    """Stands for the client of a server: its network computes here, and sees nothing but frames."""

    def __init__(self, servers: list[str], model: str, **_: object) -> None:
        self.model = model
        self._tiles = TiledColorizer(parts(model))
        network = confidence(self._tiles.parts.network) if model == CLASSES else None
        self._confidence = network

    def ab(self, lightness: np.ndarray) -> np.ndarray:
        assert lightness.shape[1:] == (SIZE, SIZE, 1)
        return self._tiles.predict(lightness)

    def confidence(self, image: bytes) -> Confidence:
        if self._confidence is None:
            raise SignatureError("there is no signature called confidence")
        frame = np.asarray(Image.open(io.BytesIO(image))).astype(np.float32)[None, ..., None] / 655.35
        top = np.asarray(self._confidence(frame)["top"])[0, ..., 0]
        return Confidence(float(top.mean()), encoded(Image.fromarray(np.rint(top * 65535).astype(np.uint16))))

    def ready(self, *, timeout: float) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with (
        mock.patch.object(remote, "ColorizeClient", Networks),
        mock.patch.object(remote, "list_presets", lambda: [CLASSES, DIRECT]),
        mock.patch.object(remote, "preset", lambda name: rows()[name]),
    ):
        engine = RemoteEngine(["models:8500"], [CLASSES, DIRECT])
        with TestClient(application(Service(engine, Limits(requests_per_minute=100_000)))) as client:
            yield client
        engine.close()


def test_results_are_those_of_the_network(client: TestClient, gray: bytes) -> None:
    tiles = TiledColorizer(parts(CLASSES))
    prepared = tiles.prepare(pixels(gray))
    expected = tiles.paint(prepared, tiles.predict(prepared.frame[None])[0])
    found = pixels(client.post("/api/colorize", content=gray, headers=RAW).content)
    assert np.abs(found.astype(int) - expected).max() <= 2
    assert chroma(client.post("/api/colorize?saturation=0", content=gray, headers=RAW).content) < 1


def test_what_is_not_possible_is_said(client: TestClient, gray: bytes) -> None:
    told = client.get("/api/presets").json()
    assert told["mode"] == "server"
    assert {"looks", "temperature", "palette"} <= told["unavailable"].keys()
    row, other = told["presets"]
    assert (told["default"], other["name"]) == (CLASSES, DIRECT)
    assert (row["looks"], row["palette"], row["hints"], row["confidence"]) == ([], False, True, True)
    path = add(client, gray)
    for wrong in ("preview?look=vivid", "preview?temperature=0.5", "result?look=calm", "palette?x=0&y=0"):
        refused = client.get(f"{path}/{wrong}")
        assert error_of(refused, 422) == "not_possible"
        assert "server of the models" in refused.json()["error"]["message"]


def test_hints_and_confidence(client: TestClient, gray: bytes) -> None:
    path = add(client, gray)
    plain = client.get(f"{path}/preview?format=png").content
    fixed = client.post(f"{path}/fix", json={"hints": [{"x": 0.5, "y": 0.5, "color": "#b02020"}], "format": "png"})
    assert fixed.content != plain
    assert 0 < float(client.get(f"{path}/confidence").headers["colorzoo-mean-confidence"]) <= 1

    refused = client.get(f"{path}/confidence?preset={DIRECT}")
    assert error_of(refused, 422) == "not_possible"
    assert error_of(client.get(f"{path}/preview?preset=none"), 422) == "unknown_preset"


def test_films(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_film(tmp_path / "gray.mp4", [np.full((48, 64, 3), 90, np.uint8)] * 3)
    (tmp_path / "jobs").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "jobs"))
    headers = {"Content-Type": "video/mp4"}
    job = client.post("/api/jobs", content=(tmp_path / "gray.mp4").read_bytes(), headers=headers).json()
    with client.stream("GET", job["events"]) as stream:
        last = [line for line in stream.iter_lines() if line.startswith("data: ")][-1]
    assert '"state": "done"' in last, last


def test_a_server_that_is_away(gray: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "ColorizeClient", ColorizeClient)
    engine = RemoteEngine(["127.0.0.1:1"], [CLASSES])
    with TestClient(application(Service(engine, Limits()))) as client:
        assert error_of(client.get("/api/health"), 503) == "server_unavailable"
        assert error_of(client.post("/api/colorize", content=gray, headers=RAW), 503) == "server_unavailable"
    engine.close()
