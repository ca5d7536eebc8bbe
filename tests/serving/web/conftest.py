"""A server of the page around a tiny network, and photographs to send to it."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from fastapi.testclient import TestClient
from keras import layers, ops
from PIL import Image
from playwright.sync_api import Browser

from serving.local.adjustable import AdjustableColorizer
from serving.web.application import application
from serving.web.engine import LocalEngine
from serving.web.limits import Limits
from serving.web.service import Service
from tests.browsers import chromium
from tests.photographs import easy_field
from tests.serving.web.pages import in_thread
from zoo.bins import ab_grid
from zoo.blocks import enlarge_like
from zoo.colorizer import Parts
from zoo.presets.metadata import DEFAULT_PRESET, Preset, preset

SIZE = 32
TEMPERATURE = 0.5
CLASSES, DIRECT = "classes_v1", "direct_v1"
LOOKS = {
    "calm": {"temperature": TEMPERATURE, "saturation": 1.0, "calm": 1.0},
    "natural": {"temperature": TEMPERATURE, "saturation": 1.25, "calm": 0.5},
    "vivid": {"temperature": TEMPERATURE, "saturation": 1.6, "calm": 0.5},
}


def by_classes() -> keras.Model:
    """Dark is blue and light is yellow, and the less sure the grayer it is."""
    centers = ab_grid()
    lightness = keras.Input((None, None, 1))
    scoring = layers.Conv2D(len(centers), 1, name="scores")
    scores = scoring(layers.Rescaling(0.01)(layers.AveragePooling2D(4)(lightness)))
    toward_yellow = centers @ np.array([0, 1], np.float32) / 10
    scoring.set_weights([4 * toward_yellow[None, None, None], -2 * toward_yellow - abs(centers[:, 0]) / 5])
    sharp = layers.Rescaling(1 / TEMPERATURE, name="temperature")(scores)
    probabilities = layers.Softmax(name="probabilities")(sharp)
    colors = np.concatenate([centers, np.linalg.norm(centers, axis=-1, keepdims=True)], axis=-1)
    means = layers.Identity(name="means")(enlarge_like(ops.matmul(probabilities, colors), lightness, 4))
    return keras.Model(lightness, layers.Identity(name="ab")(means[..., :2]), name="by_classes")


def directly() -> keras.Model:
    lightness = keras.Input((None, None, 1))
    return keras.Model(lightness, ops.concatenate([0 * lightness + 20.0, 0.4 * lightness], axis=-1), name="directly")


def parts(name: str) -> Parts:
    if name == CLASSES:
        return Parts(by_classes(), SIZE, saturation=1.25, calm=0.5)
    return Parts(directly(), SIZE)


def rows() -> dict[str, Preset]:
    row = replace(preset(DEFAULT_PRESET), size=SIZE, prior=[])
    return {
        CLASSES: replace(row, name=CLASSES, looks=LOOKS, arguments={"temperature": TEMPERATURE}),
        DIRECT: replace(row, name=DIRECT, looks={}, arguments={}),
    }


@pytest.fixture(scope="session")
def engine() -> LocalEngine:
    return LocalEngine(rows(), lambda row: AdjustableColorizer(parts(row.name), row.looks), CLASSES)


@pytest.fixture(scope="module")
def service(engine: LocalEngine) -> Service:
    return Service(engine, Limits(requests_per_minute=100_000))


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(application(service)) as client:
        yield client


@pytest.fixture
def serve(engine: LocalEngine) -> Iterator[Callable[..., TestClient]]:
    """Starts another server, with limits of its own."""
    open_clients: list[TestClient] = []

    def start(hosts: set[str] | None = None, **limits: Any) -> TestClient:
        values = {"requests_per_minute": 100_000} | limits
        client = TestClient(application(Service(engine, Limits(**values)), hosts))
        open_clients.append(client)
        return client.__enter__()

    yield start
    for client in open_clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def address(engine: LocalEngine) -> Iterator[str]:
    """Of the page, on a server of its own."""
    with in_thread(Service(engine, Limits(requests_per_minute=100_000))) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, format, **options)
    return content.getvalue()


@pytest.fixture(scope="session")
def gray() -> bytes:
    """A gray photograph, 48 x 36."""
    return encoded(easy_field(0, 36, 48).convert("L"))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def chroma(data: bytes) -> float:
    """How far the channels of a picture differ, in levels, on average."""
    return float(np.ptp(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int), axis=2).mean())


def error_of(response: Any, status: int) -> str:
    """The code of a refusal, which has the one format."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message"}
    assert body["error"]["message"]
    assert ("retry-after" in response.headers) == (status in (429, 503))
    return str(body["error"]["code"])


def add(client: TestClient, data: bytes) -> str:
    """Sends a photograph that is to be kept -> the path of it."""
    response = client.post("/api/photographs", content=data, headers={"Content-Type": "image/png"})
    assert response.status_code == 201, response.text
    return f"/api/photographs/{response.json()['id']}"
