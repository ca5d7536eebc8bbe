"""`colorzoo study` and `colorzoo confidence`: what they pass on and what they print."""

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colorzoo import study
from tests.colorzoo.stubs import replace_main, rows_of
from training.evaluation.study.measures import of_pictures, of_sets
from training.evaluation.study.results import Figure
from zoo.errors import ArgumentError


def found(names: list[str], left_out: list[str]) -> types.SimpleNamespace:
    measures = (*of_pictures(None, False), *of_sets(None))
    systems = [types.SimpleNamespace(name=name, is_reference=name == "gray") for name in names]
    figures = {name: {each.name: Figure(0.25) for each in measures} for name in names}
    return types.SimpleNamespace(
        systems=systems,
        presets=systems[:-1],
        figures=figures,
        of_pictures=of_pictures(None, False),
        of_sets=of_sets(None),
        truth=Photographs(left_out),
        data="test",
    )


class Photographs:
    """Three of them."""

    def __init__(self, left_out: list[str]) -> None:
        self.left_out = left_out

    def __len__(self) -> int:
        return 3


def test_study_passes_its_arguments_on(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Any] = []

    def main(*arguments: Any, **options: Any) -> Any:
        calls.append((arguments, {name: value for name, value in options.items() if name != "progress"}))
        return found(["a", "b", "gray"], ["[x].jpg: cannot be read"])

    replace_main(monkeypatch, "training.evaluation.study.run", main)
    out = tmp_path / "out"
    done = run("study", "--presets", "a", "b", "--data", "x", "-o", out, "--limit", 5, "--runs", "r", "s", "--jobs", 3)
    assert done.exit_code == 0, done.output
    options = {"size": 128, "limit": 5, "vgg19": None, "lpips": False, "runs": [Path("r"), Path("s")], "jobs": 3}
    assert calls == [((["a", "b"], Path("x"), out), options)]
    assert rows_of(done.stdout)[:3] == [
        f"{name:<4}  0.25  0.250       0.25       0.250  0.25       0.25          0.250" for name in ("a", "b", "gray")
    ]
    assert done.stdout.splitlines()[-2:] == [
        "left out: [x].jpg: cannot be read",
        f"2 presets on 3 photographs of test at 128x128, 1 left out -> {out / 'report.html'}",
    ]
    run("study", "--data", "x", "-o", out)
    assert calls[1][0][0] == []


def test_columns_on_the_screen_exist() -> None:
    assert study.COLUMNS.keys() <= {each.name for each in (*of_pictures(None, False), *of_sets(None))}


def test_confidence_prints_a_row_for_each_photograph(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def sheet(**fields: Any) -> types.SimpleNamespace:
        return types.SimpleNamespace(**{"error": "", "name": "", "top": 0.0, "ratio": 0.0} | fields)

    sheets = [sheet(source=Path("[a].jpg"), name="[a]-confidence", top=0.256, ratio=1.5)]
    calls: list[Any] = []
    replace_main(
        monkeypatch, "training.evaluation.confidence_sheets", lambda *arguments: calls.append(arguments[:3]) or sheets
    )
    done = run("confidence", "[a].jpg", "-o", tmp_path, "--preset", "p")
    assert done.exit_code == 0, done.output
    assert calls == [(["[a].jpg"], "p", tmp_path)]
    assert rows_of(done.stdout)[0].split() == ["[a].jpg", "[a]-confidence.png", "0.26", "1.50"]
    sheets.append(sheet(source=Path("b.jpg"), error="cannot be opened"))
    done = run("confidence", "[a].jpg", "b.jpg", "-o", tmp_path)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == f"1 drawn, 1 failed -> {tmp_path}"
    assert rows_of(done.stderr) == ["b.jpg   cannot be opened"]


def test_errors_are_one_line(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ArgumentError("out holds another study")

    replace_main(monkeypatch, "training.evaluation.study.run", fail)
    done = run("study", "--data", "x", "-o", tmp_path)
    assert (done.exit_code, done.stderr) == (2, "colorzoo: out holds another study\n")
