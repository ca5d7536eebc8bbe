"""What is measured of a batch: every measure, in any order of the photographs, with networks to compare by."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.evaluation.study.fakes import fake_system, fields, truth_of
from training.evaluation.backbones import Backbone
from training.evaluation.study import measures, results, systems
from training.evaluation.study.measuring import Networks, measure
from training.evaluation.study.parts import Part, Parts


def compare(truth: np.ndarray, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    difference = np.abs(truth.astype(np.float32) - rgb).mean(axis=(1, 2, 3))
    return difference, rgb.astype(np.float32).mean(axis=(1, 2))


NETWORKS = Networks(Backbone("fake", compare), lambda truth, rgb: np.full(len(truth), 0.25))


def systems_compared() -> list[systems.System]:
    return [fake_system(), *(system for system in systems.references() if system.name in ("gray", "truth"))]


def measured(folder: Path, pictures: np.ndarray, networks: Networks = NETWORKS, jobs: int = 2) -> dict[str, Part]:
    truth, parts = truth_of(pictures), Parts(folder)
    compared = systems_compared()
    measure(compared, truth, parts, networks, jobs, lambda *_: None)
    return {system.name: parts.read(system.key, -(-len(truth) // 16)) for system in compared}


def test_every_measure_has_a_value_for_every_picture(tmp_path: Path) -> None:
    found = measured(tmp_path, fields(3))
    names = {each.name for each in measures.of_pictures("fake", True)}
    for part in found.values():
        assert part.values.keys() == names | {measures.WEIGHT}
        assert {len(values) for values in part.values.values()} == {3}
        assert part.plane.sum() == part.bins.sum() == part.true_bins.sum() == 3 * 16 * 16
        assert part.axes.sum(axis=1).tolist() == [3 * 16 * 16] * 2
        assert part.features.shape == (3, 3)
    assert found["truth"].values["perceptual_fake"].tolist() == [0, 0, 0]
    assert found["tint"].values["lpips_alexnet"].tolist() == [0.25] * 3


def test_order_batches_and_threads_change_nothing(tmp_path: Path) -> None:
    pictures = fields(18)
    forward = measured(tmp_path / "a", pictures, Networks())
    backward = measured(tmp_path / "b", pictures[::-1], Networks(), jobs=1)
    for name in forward:
        for measure_, values in forward[name].values.items():
            np.testing.assert_allclose(backward[name].values[measure_][::-1], values, atol=1e-6)
        np.testing.assert_array_equal(backward[name].plane, forward[name].plane)


def test_summary_by_hand(tmp_path: Path) -> None:
    pictures = fields(5)
    truth = truth_of(pictures)
    found = measured(tmp_path, pictures)
    compared = systems_compared()
    summary = results.summarize("d", 16, truth, compared, found, "fake", True)
    figures, values = summary.figures["tint"], {name: part.values for name, part in found.items()}
    assert figures["rmse"].value == pytest.approx(values["tint"]["rmse"].mean())
    assert figures["gain"].value == pytest.approx(1 - values["tint"]["rmse"].mean() / values["gray"]["rmse"].mean())
    color, true_color = (values[name]["colorfulness"] for name in ("tint", "truth"))
    assert figures["colorfulness_gap"].value == pytest.approx(abs(color.mean() - true_color.mean()))
    assert figures["colorfulness_difference"].value == pytest.approx(np.abs(color - true_color).mean())
    assert figures["colorfulness_ratio"].value == pytest.approx(color.mean() / true_color.mean())
    weights = values["tint"][measures.WEIGHT]
    assert weights.mean() == pytest.approx(1) and weights.std() > 0.01
    expected = np.average(values["tint"]["auc_rebalanced"], weights=weights)
    assert figures["auc_rebalanced"].value == pytest.approx(expected)
    for name, figure in figures.items():
        if figure.interval is not None:
            assert figure.interval[0] <= figure.value <= figure.interval[1], name
    assert summary.figures["truth"]["frechet_fake"].value == pytest.approx(0, abs=1e-6)
    assert figures["frechet_fake"].value > 0
    (test,) = [each for each in summary.tests if each.measure == "auc_rebalanced"]
    gray = np.average(values["gray"]["auc_rebalanced"], weights=weights)
    assert test.difference.value == pytest.approx(expected - gray)
