"""All figures of a study, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras

from training.evaluation.study import shown
from training.evaluation.study.figures import (
    axis_histograms,
    box_plots,
    color_bins,
    color_plane,
    confidence,
    learning_curves,
    sheets,
)
from training.evaluation.study.figures.drawing import Drawing
from training.evaluation.study.measures import COLORFULNESS, RMSE
from training.evaluation.study.results import Results
from training.evaluation.study.systems import TRUTH
from training.evaluation.study.truth import Progress
from training.runs.curves import Log, read_log
from zoo.errors import ArgumentError

UNSURE = 1  # photographs of each level in the maps of confidence


def read_runs(runs: Sequence[Path]) -> dict[str, Log]:
    """The logs of training runs, each a folder or its log.csv, by the name of the folder or file.

    Raises:
        ArgumentError: a run without a log, or with an empty one.
    """
    logs: dict[str, Log] = {}
    for run in runs:
        path = run / "log.csv" if run.is_dir() else run
        try:
            log = read_log(path)
        except (OSError, ValueError, KeyError) as error:
            raise ArgumentError(f"{run} is neither the folder of a run nor a log.csv: {error}") from error
        if "epoch" not in log:
            raise ArgumentError(f"{path} has no epochs: name a run that has gone through at least one")
        logs[run.name.removesuffix(".csv")] = log
    return logs


def draw(results: Results, logs: Mapping[str, Log], progress: Progress) -> Iterator[Drawing]:
    """Every figure, as it is drawn; presets are loaded once more to show photographs."""
    yield box_plots.draw(results)
    yield color_plane.draw(results)
    if results.presets:
        yield axis_histograms.draw(results)
        yield color_bins.draw_frequencies(results)
    yield from color_bins.draw_weights(results)
    if logs:
        yield learning_curves.draw(logs)
    yield from _draw_photographs(results, progress)


def _draw_photographs(results: Results, progress: Progress) -> Iterator[Drawing]:
    names = [system.name for system in results.presets]
    if not names:
        return
    common = shown.common_extremes(results.parts, names)
    everywhere = [position for group in common.values() for position in group]
    # One of each level; the maps of one photograph tell little of the others.
    mapped = [position for group in common.values() for position in group[:UNSURE]]
    true_colorfulness = results.parts[TRUTH].values[COLORFULNESS.name]
    vivid = max(common["best"] + common["median"], key=lambda position: true_colorfulness[position])
    colorized = {}
    of_presets = []
    for done, system in enumerate(results.presets):
        progress(done, len(names), "Drawing")
        own = shown.extremes(results.parts[system.name].values[RMSE.name])
        positions = [*mapped, *(i for i in everywhere if i not in mapped)]
        positions += sorted({i for group in own.values() for i in group} - {*positions})
        pictures = results.truth.pictures[positions]
        found = shown.show(system, pictures, maps=len(mapped), at_temperatures=positions.index(vivid))
        keras.backend.clear_session()
        colorized[system.name] = dict(zip(positions, found.colorized, strict=True))
        of_presets.append(sheets.draw_preset(results, system.name, own, colorized[system.name]))
        if found.maps:
            first = list(pictures[: len(mapped)]), list(found.colorized[: len(mapped)])
            name = f"confidence_{system.name}"
            of_presets.append(confidence.draw_maps(name, system.name, *first, maps=found.maps))
        if found.by_temperature is not None:
            of_presets.append(
                confidence.draw_temperatures(system.name, results.truth.pictures[vivid], found.by_temperature)
            )
    yield sheets.draw_comparison(results, common, colorized)
    yield from of_presets
