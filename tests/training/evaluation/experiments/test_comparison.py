"""training.evaluation.experiments.comparison: the table beside the paper's, and the verdicts."""

import csv
from dataclasses import replace

import pytest

from training.evaluation.experiments.comparison import write_comparison
from training.evaluation.experiments.design import PERCEPTUAL, Claim, Experiment, Variant

EXPERIMENT = Experiment(
    title="Two networks (Somebody et al.)",
    recipe="none",
    shared={},
    photographs=9,
    size=64,
    variants=(Variant("a", reported={"rmse": 9.5, PERCEPTUAL: 60.0}), Variant("b+c"), Variant("d")),
    measures=("rmse", "gain", PERCEPTUAL),
    claims=(),
    note="small",
)
FIGURES = {"a": (10.0, 0.2, 0.5), "b+c": (12.3456, 0.1, 0.25), "d": (12.0, 0.1, 0.25)}
# a is clearly below b+c; nobody can tell d from them.
TESTS = [("rmse", "a", "b+c", -2.3, 0.001), ("rmse", "d", "a", 2.0, 0.2), ("rmse", "d", "b+c", -0.3, 0.9)]


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def study(tmp_path):
    row = {"data": "val", "n": 9, "size": 64}
    columns = ("rmse", "gain", "perceptual_lite0")
    results = []
    for name, values in FIGURES.items():
        results.append(row | {"system": name} | dict(zip(columns, values, strict=True)))
        results[-1] |= {"rmse_low": values[0] - 1, "rmse_high": values[0] + 1, "perceptual_lite0_low": 0.1}
    write(tmp_path / "results.csv", [*results, results[0] | {"system": "gray"}])
    tests = [dict(zip(("measure", "first", "second", "difference", "p_holm"), test, strict=True)) for test in TESTS]
    write(tmp_path / "tests.csv", tests)
    return tmp_path


def page(study, *claims):
    write_comparison(replace(EXPERIMENT, claims=claims), study, study / "page.md")
    return (study / "page.md").read_text().splitlines()


def test_figures_stand_beside_those_of_the_paper(study):
    assert page(study) == [
        "## Two networks (Somebody et al.)",
        "",
        "9 photographs of `val` at 64 x 64; small.",
        "",
        "| variant | rmse | rmse (paper) | gain | perceptual_lite0 | perceptual_lite0 (paper) |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | 10 (9 to 11) | 9.5 | 0.2 | 0.5 | 60 |",
        "| b+c | 12.35 (11.35 to 13.35) |  | 0.1 | 0.25 |  |",
        "| d | 12 (11 to 13) |  | 0.1 | 0.25 |  |",
        "",
    ]


@pytest.mark.parametrize(
    ("lower", "higher", "verdict"),
    [
        (("a",), ("b+c",), "holds here"),
        (("b+c",), ("a",), "does not hold here"),
        (("a",), ("b+c", "d"), "is not decided here"),
        (("a", "d"), ("b+c",), "is not decided here"),
        (("b+c",), ("a", "d"), "does not hold here"),
    ],
)
def test_claims_are_judged_by_paired_tests(study, lower, higher, verdict):
    line = page(study, Claim("It is better.", "rmse", lower, higher))[-1]
    values = ", ".join(f"{name} {FIGURES[name][0]:.5g}" for name in (*lower, *higher))
    assert line == f"* It is better. **This {verdict}**: rmse of {values}."


def test_measure_without_a_backbone(study):
    text = (study / "results.csv").read_text().replace("perceptual_lite0", "other")
    (study / "results.csv").write_text(text)
    lines = page(study, Claim("It is better.", PERCEPTUAL, ("a",), ("d",)))
    assert lines[6] == "| a | 10 (9 to 11) | 9.5 | 0.2 | - | 60 |"
    assert lines[-1] == "* It is better. **Not measured**: there is no perceptual."
