"""The sheets of blinded comparisons: which side is which, and how the answers are counted."""

import csv
import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.paths import ROOT
from tests.photographs import color_field
from zoo.errors import DataError

PAIRS = 11  # more than a sheet holds, and not a whole number of rows


@cache
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pairs", ROOT / "scripts" / "pairs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sheets of photographs beside black pictures, and what belongs to them."""
    for i in range(PAIRS):
        path = tmp_path / "photographs" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        color_field(i, 256, 256).save(path)
    monkeypatch.setattr(script(), "_colorizer", {"original": lambda x: x, "black": lambda x: x * 0}.__getitem__)
    script().make("original", "black", [tmp_path / "photographs"], tmp_path / "out", PAIRS, seed=0)
    return tmp_path / "out"


def key(out: Path) -> list[dict[str, str]]:
    return json.loads((out / "key.json").read_text())["pairs"]


def answer(out: Path, answers: dict[int, str]) -> None:
    with (out / "answers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("pair", "answer"), *answers.items()])


def test_key_says_on_which_side_the_first_is(sheets: Path) -> None:
    black = {}
    for path in sorted(sheets.glob("pairs-*.png")):
        pixels = np.asarray(Image.open(path)).astype(int)
        first = int(path.stem.removeprefix("pairs-"))
        for place in range(min(script().PAIRS_ON_A_SHEET, PAIRS - first + 1)):
            row, column = divmod(place, script().PAIRS_IN_A_ROW)
            height = pixels.shape[0] // -(-(PAIRS - first + 1) // 2) if first > 1 else pixels.shape[0] // 4
            y = row * height + height // 2
            sides = [pixels[y, 8 + 264 * (2 * column + side) + 128].max() for side in (0, 1)]
            black[first + place] = "lr"[int(np.argmin(sides))]
            assert min(sides) == 0 < max(sides)
    assert {pair["pair"]: pair["first"] for pair in key(sheets)} == {
        number: {"l": "r", "r": "l"}[side] for number, side in black.items()
    }
    assert set(black.values()) == {"l", "r"}


def test_every_photograph_is_asked_about_once(sheets: Path) -> None:
    names = [pair["photograph"] for pair in key(sheets)]
    assert len(set(names)) == PAIRS and {name.split("/")[1] for name in names} == {"a", "b"}


def test_score_has_the_interval_of_wilson(sheets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {"l": "R ", "r": "L "}
    answer(sheets, {p["pair"]: p["first"] if p["pair"] > 3 else other[p["first"]] for p in key(sheets)})
    script().score(sheets)
    # (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n) of p = 8 / 11
    assert capsys.readouterr().out == "original was chosen over black in 8 of 11 pairs: 73% (43% to 90%)\n"


@pytest.mark.parametrize("left_out", ["", "x", None])
def test_an_answer_is_missing(sheets: Path, left_out: str | None) -> None:
    answers = {pair["pair"]: "l" for pair in key(sheets)} | {2: left_out}
    answer(sheets, {number: side for number, side in answers.items() if side is not None})
    with pytest.raises(DataError, match="no l or r for the pairs 2"):
        script().score(sheets)
