"""serving.local.hints: points and strokes from files, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving.local.hints import MOST_COLORS, Hint, Stroke, parse_hints, read_hints
from zoo.errors import ArgumentError, PhotographError

RED = {"x": 0.31, "y": 0.52, "color": "#a03020"}


def strokes(path: Path, colors: dict[tuple[int, int, int, int], tuple[slice, slice]]) -> Path:
    """A transparent PNG of 60 x 40 with rectangles of these colors."""
    pixels = np.zeros((40, 60, 4), np.uint8)
    for color, place in colors.items():
        pixels[place] = color
    Image.fromarray(pixels).save(path)
    return path


def test_points() -> None:
    text = json.dumps([RED, RED | {"radius": 0.05}])
    assert parse_hints(text) == [Hint(0.31, 0.52, "#a03020"), Hint(0.31, 0.52, "#a03020", 0.05)]
    assert parse_hints("[]") == []


def test_color_is_taken_without_its_lightness() -> None:
    np.testing.assert_allclose(Hint(0, 0, "#777777").ab, 0, atol=0.01)
    np.testing.assert_allclose(Hint(0, 0, "#FF0000").ab, (80.1, 67.2), atol=0.1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[", "not JSON"),
        ("{}", "the hints are not a list"),
        ("[3]", "hint 1 is 3: an object with x, y and color is needed"),
        (json.dumps([RED, RED | {"colour": 1}]), "hint 2 has 'colour': known are x, y, color, radius"),
        (json.dumps([{"x": 0.5, "y": 0.5}]), "hint 1 has no color"),
        (json.dumps([RED | {"x": 1.4}]), r"hint 1: x is 1.4: a share of the photograph, in \[0, 1\], is needed"),
        (json.dumps([RED | {"y": -0.1}]), "hint 1: y is -0.1"),
        (json.dumps([RED | {"y": "0.1"}]), "hint 1: y is '0.1'"),
        (json.dumps([RED | {"x": True}]), "hint 1: x is True"),
        ('[{"x": NaN, "y": 0, "color": "#000000"}]', "hint 1: x is nan"),
        (json.dumps([RED | {"color": "red"}]), "hint 1: color is 'red': one like '#a03020' is needed"),
        (json.dumps([RED | {"color": [1, 2, 3]}]), r"hint 1: color is \[1, 2, 3\]"),
        (json.dumps([RED | {"radius": 0}]), "hint 1: radius is 0"),
        (json.dumps([RED | {"radius": 0.6}]), "hint 1: radius is 0.6"),
    ],
)
def test_points_that_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        parse_hints(text)
    path = tmp_path / "hints.json"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=reason) as caught:
        read_hints(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_disc_of_a_point() -> None:
    mask = Hint(0.5, 0.25, "#000000", 0.1).mask(40, 80)
    rows, columns = np.nonzero(mask)
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == (10, 40)
    assert mask.sum() == pytest.approx(np.pi * 8**2, rel=0.05)
    for x, y in ((0, 0), (1, 1), (0.5, 0.5)):  # never empty, at the corners neither
        assert Hint(x, y, "#000000", 1e-6).mask(3, 3).sum() == 1
    assert Hint(1, 1, "#000000", 1e-6).mask(3, 5)[2, 4]


def test_strokes_of_one_color_are_one(tmp_path: Path) -> None:
    red, faint, green = (200, 30, 30, 255), (200, 30, 30, 90), (30, 160, 40, 255)
    places = {faint: np.s_[0:9, 0:20], red: np.s_[2:6, 2:12], green: np.s_[20:30, 40:50]}
    found = read_hints(strokes(tmp_path / "hints.png", {**places, (194, 34, 34, 200): np.s_[6:7, 2:12]}))
    assert [stroke.mask(40, 60).sum() for stroke in found] == [100, 50]  # the soft border belongs to the red one
    np.testing.assert_allclose(found[1].ab, Hint(0, 0, "#c81e1e").ab)
    assert found[0].mask(40, 60)[20:30, 40:50].all()


@pytest.mark.parametrize("scale", [0.1, 0.5, 1, 3.3])
def test_strokes_have_any_size(scale: float) -> None:
    pixels = np.zeros((40, 60), bool)
    pixels[10:12, 20:50] = True
    mask = Stroke(pixels, np.zeros(2)).mask(round(40 * scale), round(60 * scale))
    rows, columns = np.nonzero(mask)
    assert (rows.mean() + 0.5) / scale == pytest.approx(11, abs=0.6 / scale)
    assert (columns.mean() + 0.5) / scale == pytest.approx(35, abs=0.6 / scale)
    assert np.ptp(columns) / scale == pytest.approx(30, abs=2 / scale)


def test_strokes_of_other_proportions_are_refused() -> None:
    stroke = Stroke(np.ones((40, 60), bool), np.zeros(2))
    stroke.mask(133, 200)
    with pytest.raises(
        PhotographError, match="the hints are 60 x 40, in other proportions than the photograph's 300 x"
    ):
        stroke.mask(300, 300)


def test_pictures_without_strokes_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "opaque.png")
    with pytest.raises(ArgumentError, match="opaque.png: is not transparent"):
        read_hints(tmp_path / "opaque.png")
    with pytest.raises(ArgumentError, match="full.png: is opaque everywhere"):
        read_hints(strokes(tmp_path / "full.png", {(9, 9, 9, 255): np.s_[:, :]}))
    with pytest.raises(ArgumentError, match="none.png: holds no strokes"):
        read_hints(strokes(tmp_path / "none.png", {}))
    many = {(c * 16, 255 - c * 16, d * 16, 255): np.s_[c : c + 1, d : d + 1] for c in range(16) for d in range(16)}
    with pytest.raises(ArgumentError, match=f"many.png: holds more than {MOST_COLORS} colors"):
        read_hints(strokes(tmp_path / "many.png", many))
    with pytest.raises(PhotographError, match="missing"):
        read_hints(tmp_path / "missing.json")
    with pytest.raises(PhotographError, match="missing"):
        read_hints(tmp_path / "missing.png")
