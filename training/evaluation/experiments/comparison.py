"""The table of an experiment beside that of its paper, and what became of the claims."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from media import atomic
from training.evaluation.experiments.design import PERCEPTUAL, Claim, Experiment

SIGNIFICANT = 0.05
HOLDS, REVERSED, OPEN = "holds here", "does not hold here", "is not decided here"

Row = Mapping[str, str]


def write_comparison(experiment: Experiment, study: Path, page: Path) -> None:
    """Write the page of an experiment from the tables of its study."""
    figures = {row["system"]: row for row in _read(study / "results.csv")}
    tests = _read(study / "tests.csv")
    first = next(iter(figures.values()))
    lines = [
        f"## {experiment.title}",
        "",
        f"{first['n']} photographs of `{first['data']}` at {first['size']} x {first['size']}; {experiment.note}.",
        "",
        *_table(experiment, figures),
        "",
        *(f"* {_judge(claim, figures, tests)}" for claim in experiment.claims),
    ]
    atomic.write_text(page, "\n".join(lines) + "\n")


def _table(experiment: Experiment, figures: Mapping[str, Row]) -> list[str]:
    """A row for each variant; a figure with its interval, and in the next column that of the paper if it has any."""
    columns = []
    for measure in experiment.measures:
        columns.append((measure, False))
        if any(measure in variant.reported for variant in experiment.variants):
            columns.append((measure, True))
    names = [f"{_column(measure, figures)}{' (paper)' if paper else ''}" for measure, paper in columns]
    rows = [["variant", *names], ["---"] * (1 + len(names))]
    for variant in experiment.variants:
        row = figures[variant.name]
        cells = []
        for measure, paper in columns:
            reported = variant.reported.get(measure)
            cells.append(
                (f"{reported:g}" if reported is not None else "") if paper else _figure(row, _column(measure, figures))
            )
        rows.append([variant.name, *cells])
    return [f"| {' | '.join(row)} |" for row in rows]


def _figure(row: Row, column: str) -> str:
    if not row.get(column):
        return "-"
    text = f"{float(row[column]):.4g}"
    low, high = row.get(f"{column}_low"), row.get(f"{column}_high")
    return f"{text} ({float(low):.4g} to {float(high):.4g})" if low and high else text


def _column(measure: str, figures: Mapping[str, Row]) -> str:
    """The measure's column in the tables of the study."""
    if measure != PERCEPTUAL:
        return measure
    names = [name for name in next(iter(figures.values())) if name.startswith(f"{PERCEPTUAL}_")]
    return min(names, key=len, default=PERCEPTUAL)


def _judge(claim: Claim, figures: Mapping[str, Row], tests: Sequence[Row]) -> str:
    """The claim, whether it holds, and the figures that say so."""
    column = _column(claim.measure, figures)
    if not next(iter(figures.values())).get(column):
        return f"{claim.text} **Not measured**: there is no {column}."
    signs = [_sign(column, low, high, tests) for low in claim.lower for high in claim.higher]
    verdict = HOLDS if min(signs) > 0 else REVERSED if min(signs) < 0 else OPEN
    values = [f"{name} {float(figures[name][column]):.5g}" for name in (*claim.lower, *claim.higher)]
    return f"{claim.text} **This {verdict}**: {column} of {', '.join(values)}."


def _sign(column: str, low: str, high: str, tests: Sequence[Row]) -> int:
    """1 if a paired test finds `low` below `high`, -1 if above, 0 if neither."""
    for row in tests:
        pair = (row["first"], row["second"])
        if row["measure"] == column and set(pair) == {low, high}:
            if float(row["p_holm"]) >= SIGNIFICANT:
                return 0
            difference = float(row["difference"]) * (1 if pair == (low, high) else -1)
            return 1 if difference < 0 else -1
    return 0


def _read(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))
