"""What a study found, with intervals and tests, and the CSV files of it."""

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from media import atomic
from training.evaluation.frechet import frechet_distance
from training.evaluation.histograms import intersection
from training.evaluation.intervals import bootstrap_means, holm, paired_p_values, percentile_interval, weighted_mean
from training.evaluation.study import measures, systems
from training.evaluation.study.measures import Measure
from training.evaluation.study.parts import Part
from training.evaluation.study.systems import System
from training.evaluation.study.truth import Truth
from training.evaluation.tables import Values

RESULTS, PER_IMAGE, TESTS = "results.csv", "per_image.csv", "tests.csv"


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval; None where there is no interval."""

    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Test:
    """A paired test of two systems by one measure.

    Attributes:
        measure: its name.
        first: a system.
        second: another.
        difference: mean of the first less that of the second, with its interval.
        p: of the permutation test.
        p_holm: the same, adjusted for all pairs of this measure.
    """

    measure: str
    first: str
    second: str
    difference: Figure
    p: float
    p_holm: float


@dataclass(frozen=True)
class Results:
    """All that a study found.

    Attributes:
        data: name of the folder or archive.
        size: side of the pictures in pixels.
        truth: the photographs.
        systems: presets, then references.
        parts: what was measured, by system.
        of_pictures: the measures of pictures.
        of_sets: those of sets.
        figures: by system and measure.
        tests: of all pairs of presets and gray, by all measures of pictures.
    """

    data: str
    size: int
    truth: Truth
    systems: list[System]
    parts: Mapping[str, Part]
    of_pictures: Sequence[Measure]
    of_sets: Sequence[Measure]
    figures: Mapping[str, Mapping[str, Figure]]
    tests: Sequence[Test]

    @property
    def presets(self) -> list[System]:
        """The systems that are no references."""
        return [system for system in self.systems if not system.is_reference]


def summarize(
    data: str,
    size: int,
    truth: Truth,
    compared: Sequence[System],
    parts: Mapping[str, Part],
    backbone: str | None,
    lpips: bool,
) -> Results:
    """The figures of all systems, with their intervals, and the tests."""
    of_pictures, of_sets = measures.of_pictures(backbone, lpips), measures.of_sets(backbone)
    names = [system.name for system in compared]
    means: dict[str, Values] = {}
    resampled: dict[str, Values] = {}
    for measure in of_pictures:
        values, weights = _columns(parts, names, measure)
        means[measure.name] = weighted_mean(values, weights)
        resampled[measure.name] = bootstrap_means(values, weights)
    figures = {}
    for i, name in enumerate(names):
        found = {
            measure.name: Figure(float(means[measure.name][i]), percentile_interval(resampled[measure.name][:, i]))
            for measure in of_pictures
        }
        figures[name] = found | _of_set(names, i, means, resampled, parts, backbone)
    tested = [system.name for system in compared if not system.is_reference or system.name == systems.GRAY]
    tests = [test for measure in of_pictures for test in _tests(parts, tested, measure)]
    return Results(data, size, truth, list(compared), parts, of_pictures, of_sets, figures, tests)


def _columns(parts: Mapping[str, Part], names: Sequence[str], measure: Measure) -> tuple[Values, Values | None]:
    """The values (N, K) of a measure, a column for each system, and their weights."""
    values = np.stack([parts[name].values[measure.name] for name in names], axis=-1)
    if not measure.weight:
        return values, None
    return values, np.stack([parts[name].values[measure.weight] for name in names], axis=-1)


def _of_set(
    names: Sequence[str],
    i: int,
    means: Mapping[str, Values],
    resampled: Mapping[str, Values],
    parts: Mapping[str, Part],
    backbone: str | None,
) -> dict[str, Figure]:
    """The measures of the set for the system at i. The Fréchet distance has no interval: every resample has fewer
    different pictures than the set, of which the distance is larger.
    """
    gray, true = names.index(systems.GRAY), names.index(systems.TRUTH)
    part, truth = parts[names[i]], parts[systems.TRUTH]
    rmse, colorfulness = measures.RMSE.name, measures.COLORFULNESS.name

    def both(of: Mapping[str, Values]) -> tuple[Values, Values, Values]:
        color, true_color = of[colorfulness][..., i], of[colorfulness][..., true]
        return 1 - of[rmse][..., i] / of[rmse][..., gray], color / true_color, np.abs(color - true_color)

    derived = zip(
        (measures.GAIN, measures.RATIO, measures.GAP),
        both(means),
        both(resampled),
        strict=True,
    )
    found = {measure.name: Figure(float(value), percentile_interval(many)) for measure, value, many in derived}
    areas = intersection(part.axes, truth.axes)
    found |= {measure.name: Figure(float(area)) for measure, area in zip(measures.INTERSECTIONS, areas, strict=True)}
    if backbone:
        many = len(part.features) > 1
        distance = frechet_distance(part.features, truth.features) if many else float("nan")
        found[f"{measures.FRECHET}{backbone}"] = Figure(distance)
    return found


def _tests(parts: Mapping[str, Part], names: Sequence[str], measure: Measure) -> list[Test]:
    pairs = list(itertools.combinations(range(len(names)), 2))
    values, weights = _columns(parts, names, measure)
    # Pictures without a figure, for which a result equals the truth, have no differences either.
    usable = np.isfinite(values).all(axis=1)
    if not pairs or not usable.any():
        return []
    differences = np.stack([values[usable, i] - values[usable, j] for i, j in pairs], axis=-1)
    shares = None if weights is None else weights[usable, :1]
    weighted = differences if shares is None else differences * (shares / shares.mean())
    means = weighted_mean(differences, None if shares is None else np.broadcast_to(shares, differences.shape))
    many = bootstrap_means(differences, None if shares is None else np.broadcast_to(shares, differences.shape))
    p_values = paired_p_values(weighted)
    adjusted = holm(p_values)
    return [
        Test(
            measure.name,
            names[i],
            names[j],
            Figure(float(means[k]), percentile_interval(many[:, k])),
            float(p_values[k]),
            float(adjusted[k]),
        )
        for k, (i, j) in enumerate(pairs)
    ]


# === Files ===


def write(out: Path, results: Results) -> None:
    """Write results.csv, per_image.csv and tests.csv."""
    rows = []
    for system in results.systems:
        row: dict[str, object] = {
            "data": results.data,
            "n": len(results.truth),
            "size": results.size,
            "system": system.name,
            "parameters": system.preset.parameters if system.preset else "",
            "psnr_infinite": int(np.isinf(results.parts[system.name].values["psnr"]).sum()),
        }
        for name, figure in results.figures[system.name].items():
            row[name] = number(figure.value)
            if figure.interval is not None:
                row[f"{name}_low"], row[f"{name}_high"] = map(number, figure.interval)
        rows.append(row)
    _write(out / RESULTS, rows)

    images = []
    for system in results.systems:
        values = results.parts[system.name].values
        for i, (picture, folder) in enumerate(zip(results.truth.names, results.truth.classes, strict=True)):
            figures = {measure.name: number(values[measure.name][i]) for measure in results.of_pictures}
            images.append({"system": system.name, "picture": picture, "class": folder, **figures})
    _write(out / PER_IMAGE, images)

    tests = [
        {
            "measure": test.measure,
            "first": test.first,
            "second": test.second,
            "difference": number(test.difference.value),
            "difference_low": number(test.difference.interval[0]) if test.difference.interval else "",
            "difference_high": number(test.difference.interval[1]) if test.difference.interval else "",
            "p": number(test.p),
            "p_holm": number(test.p_holm),
        }
        for test in results.tests
    ]
    _write(out / TESTS, tests)


def number(value: float | np.floating) -> str:
    """A figure as the CSV files have it: six significant digits."""
    return f"{value:.6g}"


def _write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic.replacing(path) as partial:
        with partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
