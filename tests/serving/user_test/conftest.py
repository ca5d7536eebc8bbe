"""A prepared experiment of tiny pictures, and its server without a network."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from serving.local.pipeline import Prepared
from serving.user_test.application import application
from serving.user_test.experiment import RESULTS, Experiment, begin, usable
from serving.user_test.prepare import prepare
from serving.user_test.store import Store
from tests.photographs import write_fields

PRESETS = ("first_v1", "second_v1", "third_v1")


class Negative:
    """Stands for a colorizer; what it makes is unlike every original."""

    def prepare(self, pixels: np.ndarray) -> Prepared:
        return Prepared(pixels, np.zeros((8, 8, 1), np.float32), pixels.dtype)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        return np.zeros((len(frames), 8, 8, 2), np.float32)

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        return 255 - photograph.lightness


def make_experiment(data: Path, presets: tuple[str, ...] = PRESETS, **settings: int) -> Experiment:
    names = sorted(path.relative_to(data).as_posix() for path in data.rglob("*.*"))
    numbers = {"size": 16, "trials": 48} | settings
    return Experiment(presets, tuple("0" for _ in presets), tuple(names), **numbers)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Experiment]:
    """The folder of an experiment with 60 photographs, of which tests change nothing but the results."""
    data = write_fields(tmp_path_factory.mktemp("data"), 60, size=(18, 20))
    folder = tmp_path_factory.mktemp("experiment")
    experiment = make_experiment(data)
    begin(folder, experiment)
    assert not prepare(folder, experiment, data, lambda _: Negative(), lambda *_: None)
    return folder, experiment


@pytest.fixture
def serve(prepared: tuple[Path, Experiment], tmp_path: Path) -> Callable[[], TestClient]:
    """Starts the server on the same results, as often as it is called."""
    folder, experiment = prepared

    def start() -> TestClient:
        store = Store(tmp_path / RESULTS)
        return TestClient(application(folder, experiment, usable(folder, experiment), store, random.Random(5)))

    return start


@pytest.fixture
def client(serve: Callable[[], TestClient]) -> TestClient:
    return serve()
