"""`colorzoo presets` and `colorzoo models`."""

from collections.abc import Callable
from typing import Any

import pytest

import zoo
from tests.colorzoo.stubs import rows_of
from zoo.registry import architecture


def test_presets(run: Callable[..., Any], loaded: list[Any]) -> None:
    done = run("presets")
    assert done.exit_code == 0, done.output
    for words in ("stub_v1", "1,500,000", "128", "[scenes]", "CC0", "psnr 23.25", "stub_recipe"):
        assert words in done.stdout


def test_models(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    create_model = zoo.create_model
    # One network in its full size shows that they are what is counted; all seven take five seconds.
    monkeypatch.setattr(
        zoo,
        "create_model",
        lambda name: create_model(name, **({} if name == "color_unet" else architecture(name).tiny)),
    )
    done = run("models")
    assert done.exit_code == 0, done.output
    for words in ("color_unet", "142,016", "2018", "ColorUNet", "arXiv:1811.03120"):
        assert words in done.stdout
    (line,) = [line for line in rows_of(done.stdout) if line.startswith("autoencoder")]
    assert "undated" in line.split()
