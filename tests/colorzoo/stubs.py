"""What stands in the place of networks and of training where the command line is tested."""

import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from serving.local.pipeline import Prepared


def rows_of(table: str) -> list[str]:
    return [line.rstrip() for line in table.splitlines()[1:]]


def replace_main(monkeypatch: pytest.MonkeyPatch, module: str, main: Callable[..., None]) -> None:
    stub = types.ModuleType(module)
    stub.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, stub)


@dataclass(frozen=True)
class Row:
    """The fields of a preset that the table shows."""

    name: str = "stub_v1"
    architecture: str = "stub"
    parameters: int = 1_500_000
    size: int = 128
    training_data: str = "[scenes]"
    license: str = "CC0"
    metrics: dict[str, float] = field(default_factory=lambda: {"psnr": 23.25})
    recipe: str = "stub_recipe"


class TiledColorizer:
    """Stands for serving.local.tiled.TiledColorizer."""

    def __init__(self, model: object) -> None:
        self.model = model

    def prepare(self, pixels: np.ndarray, aspect: float = 1.0) -> Prepared:
        return Prepared(pixels, np.zeros((16, 16, 1), np.float32), pixels.dtype)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        return np.zeros((len(frames), 16, 16, 2), np.float32)

    def paint(self, photograph: Prepared, ab: np.ndarray, change: np.ndarray | None = None) -> np.ndarray:
        pixels = photograph.lightness
        rgb = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
        if change is not None:  # of the size of the small photographs of tests
            rgb[..., 0] = np.clip(rgb[..., 0] + change[..., 0], 0, 255)
        return rgb
