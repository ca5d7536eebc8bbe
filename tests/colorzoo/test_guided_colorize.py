"""`colorzoo colorize` with what guides its colors: what it makes of the options, and what it refuses."""

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.photographs import write_gray

LEFT = {"x": 0.1, "y": 0.5, "color": "#c02020"}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_gray(tmp_path / "old", ("a.png",)) / "a.png"


def reds(path: Path) -> np.ndarray:
    """How much more red than green there is, (H, W)."""
    rgb = np.asarray(Image.open(path)).astype(int)
    return np.asarray(rgb[..., 0] - rgb[..., 1])


def test_points_and_strokes(run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path) -> None:
    points, strokes, new = tmp_path / "hints.json", tmp_path / "hints.png", tmp_path / "new"
    points.write_text(json.dumps([LEFT]))
    pixels = np.zeros((64, 96, 4), np.uint8)
    pixels[28:36, 6:12] = (192, 32, 32, 255)
    Image.fromarray(pixels).save(strokes)
    for number, hints in enumerate((points, strokes), 1):
        done = run("colorize", old, "-o", new, "--hints", hints, "--overwrite")
        assert done.exit_code == 0, done.output
        red = reds(new / "a.png")
        assert red[16, 4] > 40
        assert (red[:, 24:] == 0).all()  # which is lighter by half of the ramp
        with Image.open(new / "a.png") as image:
            assert image.getexif()[305] == f"Colorized by colorzoo {zoo.__version__} with stub_v1 and hints"
        assert len(loaded) == number


@pytest.mark.parametrize(
    ("content", "reason"),
    [("[", "not JSON"), (json.dumps([LEFT | {"x": 2}]), "hint 1: x is 2"), (json.dumps([{}]), "hint 1 has no x")],
)
def test_wrong_hints_are_refused_before_anything_is_loaded(
    run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "hints.json"
    path.write_text(content)
    done = run("colorize", old, "-o", tmp_path / "new", "--hints", path)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"colorzoo: {path}: {reason}") and done.stderr.count("\n") == 1
    assert loaded == []


def test_hints_are_for_one_photograph(run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    path.write_text(json.dumps([LEFT]))
    folder = write_gray(tmp_path / "two", ("a.png", "b.png"))
    done = run("colorize", folder, "-o", tmp_path / "new", "--hints", path)
    assert done.exit_code == 2
    assert done.stderr == f"colorzoo: {path}: the places of hints belong to one photograph, and there are 2\n"
    done = run("colorize", old, "-o", tmp_path / "new", "--hints", tmp_path / "none.json")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert loaded == []


def test_strokes_of_other_proportions(run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path) -> None:
    pixels = np.zeros((96, 96, 4), np.uint8)
    pixels[2:9, 2:9] = 255
    Image.fromarray(pixels).save(tmp_path / "hints.png")
    done = run("colorize", old, "-o", tmp_path / "new", "--hints", tmp_path / "hints.png")
    assert done.exit_code == 1
    assert "the hints are 96 x 96, in other proportions than the photograph's 48 x 32" in done.stderr


def test_reference_and_refinement(
    run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both see the photograph, and the mark names them; hints come last."""
    made: list[str] = []

    class Reddening:
        def __init__(self, colorizer: object, pixels: np.ndarray | None = None) -> None:
            made.append(f"{type(self).__name__} {None if pixels is None else pixels.shape}")

        def change(self, photograph: Any, working: Any) -> np.ndarray:
            return np.full((*working.lightness.shape, 2), 10, np.float32)

    class Another(Reddening):
        pass

    for name, kind in (("Refining", Reddening), ("Reference", Another)):
        module = types.ModuleType(f"serving.local.{name.lower()}")
        setattr(module, name, kind)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    Image.new("RGB", (9, 7), "#205080").save(tmp_path / "other.png")
    (tmp_path / "hints.json").write_text(json.dumps([LEFT]))
    options = ("--refine", "--reference", tmp_path / "other.png", "--hints", tmp_path / "hints.json")
    done = run("colorize", old, "-o", tmp_path / "new", *options)
    assert done.exit_code == 0, done.output
    assert made == ["Reddening None", "Another (7, 9, 3)"]
    assert reds(tmp_path / "new/a.png")[5, 40] == 20
    with Image.open(tmp_path / "new/a.png") as image:
        assert image.getexif()[305].endswith("with stub_v1 and refinement and a reference and hints")


def test_references_that_cannot_be_used(run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    for path, code in ((tmp_path / "none.jpg", 1), (tmp_path / "text.jpg", 1)):
        done = run("colorize", old, "-o", tmp_path / "new", "--reference", path)
        assert (done.exit_code, done.stderr.count("\n")) == (code, 1)
        assert done.stderr.startswith(f"colorzoo: {path}: ")
    assert loaded == []
