"""training.evaluation.learned_distance: what it needs is named, and what it hands to the package."""

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training.evaluation.learned_distance import load_lpips
from zoo.errors import ArgumentError


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stands for PyTorch and lpips, whose distance is the mean difference; returns the folder of weights."""

    class LPIPS:
        def __init__(self, *, net: str, verbose: bool) -> None:
            assert (net, verbose) == ("alex", False)

        def eval(self) -> Any:
            return lambda one, other: np.abs(one - other).mean(axis=(1, 2, 3), keepdims=True)

    hub = SimpleNamespace(get_dir=lambda: str(tmp_path))
    stub = SimpleNamespace(hub=hub, from_numpy=lambda array: array, no_grad=nullcontext)
    monkeypatch.setitem(sys.modules, "torch", stub)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "lpips", SimpleNamespace(LPIPS=LPIPS))  # type: ignore[arg-type]
    return tmp_path / "checkpoints"


def test_pictures_are_scaled_and_turned(torch: Path) -> None:
    torch.mkdir()
    (torch / "alexnet-owt-7be5be79.pth").touch()
    distances = load_lpips()(
        np.zeros((2, 5, 7, 3), np.uint8), np.stack([np.full((5, 7, 3), v, np.uint8) for v in (0, 255)])
    )
    assert distances.tolist() == [0, 2]


def test_missing_weights_are_named_and_not_downloaded(torch: Path) -> None:
    with pytest.raises(ArgumentError, match=r"weights of AlexNet, alexnet-\*\.pth, in .*checkpoints"):
        load_lpips()


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ArgumentError, match="torch.*pip install lpips"):
        load_lpips()
