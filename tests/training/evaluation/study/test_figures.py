"""What the figures of a study show, read from Matplotlib's own objects; and that they are files of PNG and SVG."""

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.evaluation.study.fakes import fake_system, fields, truth_of
from training.evaluation.confidence_maps import Confidence
from training.evaluation.study import report, results, shown, systems
from training.evaluation.study.figures import (
    axis_histograms,
    box_plots,
    color_bins,
    color_plane,
    confidence,
    drawing,
    learning_curves,
    sheets,
)
from training.evaluation.study.measuring import Networks, measure
from training.evaluation.study.parts import Parts
from training.evaluation.study.results import Results


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of two colorizers on 12 pictures."""
    truth, parts = truth_of(fields(12)), Parts(tmp_path_factory.mktemp("parts"))
    compared = [fake_system(), fake_system("copy", lambda rgb: rgb), *systems.references()]
    measure(compared, truth, parts, Networks(), 1, lambda *_: None)
    read = {system.name: parts.read(system.key, 1) for system in compared}
    return results.summarize("fields", 16, truth, compared, read, None, False)


def test_box_plots(found: Results) -> None:
    axes = [each for each in box_plots.draw(found).figure.axes if each.get_visible()]
    assert len(axes) == len(found.of_pictures)
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["tint", "copy", "gray", "truth"]
    medians = [line.get_xdata()[0] for line in axes[0].lines if line.get_linewidth() == 1.6]
    assert medians == pytest.approx([np.median(found.parts[name].values["rmse"]) for name in ("tint", "copy", "gray")])


def test_color_plane(found: Results) -> None:
    _, truth, tint, *_ = color_plane.draw(found).figure.axes
    shown_counts = truth.images[0].get_array().filled(0)
    np.testing.assert_array_equal(shown_counts.T, found.parts["truth"].plane)
    assert (truth.get_title(), tint.get_title()) == ("truth", "tint")
    colors = color_plane.cell_colors()
    assert colors[12, 12] == pytest.approx(np.full(3, 0.567), abs=0.02)  # the gray of L = 60
    red, green, _ = colors[12, 18]  # to the right, where a is positive
    assert red > green
    assert (colors[0, 0] == 1).all()  # sRGB has no such color


def test_axis_histograms(found: Results) -> None:
    figure = axis_histograms.draw(found).figure
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[2:] == ["copy: a, 1.00 in common", "copy: b, 1.00 in common"]
    (line,) = figure.axes[0].lines
    counts = found.parts["tint"].axes[0]
    np.testing.assert_allclose(line.get_ydata(), counts / counts.sum())


def test_bins(found: Results) -> None:
    tint, copy = color_bins.draw_frequencies(found).figure.axes
    heights = [bar.get_height() for bar in copy.patches]
    assert heights == sorted(heights, reverse=True)
    np.testing.assert_allclose(copy.lines[0].get_ydata(), heights)  # what is copied has the bins of the truth
    assert sum(tint.lines[0].get_ydata()) == pytest.approx(1)
    (weights,) = color_bins.draw_weights(found)
    assert [axes.get_title() for axes in weights.figure.axes[:4]] == [
        "color at L = 60",
        "frequency, logarithmic",
        "inverse frequency, logarithmic",
        "weight, λ = 0.5, logarithmic",
    ]


def test_sheets_have_the_figures_below_the_pictures(found: Results) -> None:
    groups = shown.extremes(found.parts["tint"].values["rmse"])
    order = np.argsort(found.parts["tint"].values["rmse"])
    assert (groups["best"], groups["worst"]) == (order[:3].tolist(), order[::-1][:3].tolist())
    colorized = dict(enumerate(found.truth.pictures))
    axes = sheets.draw_preset(found, "tint", groups, colorized).figure.axes
    values = found.parts["tint"].values
    assert axes[1].get_xlabel().startswith(f"RMSE {values['rmse'][order[0]]:.1f}\nPSNR")
    both = sheets.draw_comparison(found, groups, {"tint": colorized, "copy": colorized}).figure.axes
    assert len(both) == 9 * 4
    np.testing.assert_array_equal(both[3].images[0].get_array(), found.truth.pictures[order[0]])


def test_few_photographs_are_in_one_group_only() -> None:
    groups = shown.extremes(np.array([3.0, 1.0, 2.0, 4.0]))
    assert groups == {"best": [1, 2, 0], "median": [], "worst": [3]}


def test_confidence_and_temperatures(found: Results) -> None:
    maps = [Confidence(np.full((16, 16), 0.5, np.float32), np.full((16, 16), 3.0, np.float32)) for _ in range(2)]
    pictures = list(found.truth.pictures[:2])
    drawn = confidence.draw_maps("confidence_x", "x", pictures, pictures, maps=maps)
    assert [axes.get_title() for axes in drawn.figure.axes[:4]] == list(confidence.COLUMNS)
    assert (drawn.figure.axes[2].images[0].get_array() == 0.5).all()
    by_temperature = np.stack([pictures[0]] * len(shown.TEMPERATURES))
    titles = [axes.get_title() for axes in confidence.draw_temperatures("x", pictures[0], by_temperature).figure.axes]
    assert titles == ["gray", "T = 0.1", "T = 0.3", "T = 0.5", "T = 0.7", "T = 1", "original"]


def test_learning_curves_are_files_and_differ_without_hue(tmp_path: Path) -> None:
    logs = {
        "a": {"epoch": [0.0, 1.0], "adversarial": [2.0, 1.0], "loss": [0.2, 0.1]},
        "b": {"epoch": [0.0, 1.0], "loss": [0.3, 0.2]},
    }
    with drawing.style():
        drawn = learning_curves.draw(logs)
        adversarial, regression = drawn.figure.axes
        inlined = drawing.save(drawn, tmp_path)
    assert len(adversarial.lines) == 1
    styles = {(line.get_linestyle(), line.get_marker()) for line in regression.lines}
    assert len(styles) == 2
    assert inlined == (tmp_path / "learning_curves.svg").read_bytes()
    assert 'src="data:image/svg+xml;base64,' in report._figure(drawn, inlined)
    as_picture = dataclasses.replace(drawn, has_pictures=True)
    assert 'src="data:image/jpeg;base64,' in report._figure(as_picture, (tmp_path / "learning_curves.png").read_bytes())
    assert b"after Fig. 3 of Gorriz Blanch et al." in inlined and b"<dc:date>" not in inlined
    with Image.open(io.BytesIO((tmp_path / "learning_curves.png").read_bytes())) as picture:
        assert picture.format == "PNG"
