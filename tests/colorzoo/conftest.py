"""The command line in this process, without networks."""

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import zoo
from colorzoo import quiet
from colorzoo.app import app
from tests.colorzoo.stubs import Row, TiledColorizer
from tests.photographs import write_gray
from zoo.errors import UnknownNameError
from zoo.presets import loading


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(quiet, "import_tensorflow", lambda **_: None)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A zoo without networks; the list holds what was loaded."""
    calls: list[Any] = []

    def load(
        name: str, *, size: int | None = None, temperature: float | None = None, look: str | None = None
    ) -> object:
        if name == "nothing":
            raise UnknownNameError("no preset is called 'nothing': there are\nstub_v1")
        calls.append((name, size, temperature))
        return object()

    monkeypatch.setattr(loading, "load_parts", load)
    monkeypatch.setattr(zoo, "DEFAULT_PRESET", "stub_v1")
    monkeypatch.setattr(zoo, "list_presets", lambda: ["stub_v1"])
    monkeypatch.setattr(zoo, "preset", lambda name: Row(name))
    strips = types.ModuleType("serving.local.tiled")
    strips.TiledColorizer = TiledColorizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "serving.local.tiled", strips)
    yield calls


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_gray(tmp_path / "old", ("a.jpg", "b.png", "c.tif"))
