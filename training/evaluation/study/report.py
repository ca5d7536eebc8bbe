"""A study on one page: `report.html`, which needs no other file."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from training.evaluation.study.figures.drawing import Drawing
from training.evaluation.study.measures import Measure
from training.evaluation.study.results import Figure, Results, Test
from training.runs import page
from training.runs.page import Cell

NAME = "report.html"
ARROWS = {"low": "↓", "high": "↑", "near": "≈"}
SIGNIFICANT = 0.05
PROTOCOL = (
    "Photographs are resized to {size} x {size} pixels, colorized from their lightness, and compared in 8 bits, by "
    "the protocol of Araújo and Veloso; figures of sets are means over photographs. Below each figure is its 95 % "
    "bootstrap interval over the photographs. ↓ lower is better, ↑ higher is better, ≈ near the truth's is better. "
    "Press a heading to sort by it."
)
TESTED = (
    "Two-sided sign-flip permutation tests of the differences, photograph by photograph; p is adjusted by "
    "Holm's method over all pairs of a measure. They speak of other photographs of this kind, not of other runs."
)


def write(out: Path, results: Results, drawings: Sequence[tuple[Drawing, bytes]]) -> None:
    """Write the page.

    Args:
        out: folder of the study.
        results: what it found.
        drawings: figures with the file that `drawing.save` returned.
    """
    n, count = len(results.truth), len(results.presets)
    names = ", ".join(system.name for system in results.presets)
    left_out = results.truth.left_out
    classes = len(set(results.truth.classes))
    folders = f" from {classes} folders" if classes > 1 else ""
    body = [
        f"<h1>{page.text(f'{count} presets on {n} photographs of {results.data}')}</h1>",
        page.paragraph(f"{n} photographs{folders}, {len(left_out)} left out. Presets: {names}."),
        page.paragraph(PROTOCOL.format(size=results.size)),
        *page.section("Results", _table(results), _legend(results)),
        *page.section("Paired tests", page.paragraph(TESTED), *_tests(results)),
        *page.section("Figures", *(_figure(*each) for each in drawings)),
    ]
    if left_out:
        reasons = "".join(f"<li>{page.text(reason)}</li>" for reason in left_out)
        body += page.section("Photographs left out", f"<ul>{reasons}</ul>")
    page.write(out / NAME, f"Study on {results.data}", body)


def _table(results: Results) -> str:
    columns = [*results.of_pictures, *results.of_sets]
    rows = []
    for system in results.systems:
        cells = [Cell(system.name, system.name)]
        cells += [_cell(results.figures[system.name][measure.name], measure) for measure in columns]
        rows.append(cells)
    return page.sortable(["system", *(f"{each.title} {ARROWS[each.better]}" for each in columns)], rows)


def _cell(figure: Figure, measure: Measure) -> Cell:
    note = ""
    if figure.interval is not None and np.isfinite(figure.interval).all():
        note = " – ".join(f"{bound:.{measure.digits}f}" for bound in figure.interval)
    shown = f"{figure.value:.{measure.digits}f}" if np.isfinite(figure.value) else "∞" if figure.value > 0 else "-"
    # Scripts of a page take "inf" for text.
    return Cell(shown, figure.value if np.isfinite(figure.value) else 1e300, note)


def _legend(results: Results) -> str:
    rows = [(each.title, each.name, each.source) for each in (*results.of_pictures, *results.of_sets)]
    return page.fold("What the figures are", page.table(("figure", "column of results.csv", "source"), rows))


def _tests(results: Results) -> list[str]:
    found = []
    for measure in results.of_pictures:
        tests = [test for test in results.tests if test.measure == measure.name]
        if tests:
            clear = sum(test.p_holm < SIGNIFICANT for test in tests)
            summary = f"{measure.title}: {clear} of {len(tests)} pairs differ (p < {SIGNIFICANT:g})"
            columns = ("first", "second", "first - second", "p", "p (Holm)")
            found.append(page.fold(summary, page.sortable(columns, [_test(test, measure) for test in tests])))
    return found


def _test(test: Test, measure: Measure) -> list[Cell]:
    return [
        Cell(test.first, test.first),
        Cell(test.second, test.second),
        _cell(test.difference, measure),
        *(Cell(f"{p:.2g}", p) for p in (test.p, test.p_holm)),
    ]


def _figure(drawing: Drawing, data: bytes) -> str:
    """A figure, whose title is in it."""
    if not drawing.has_pictures:
        return page.image(data, "svg+xml", drawing.title)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return page.image(page.jpeg(pixels), "jpeg", drawing.title)
