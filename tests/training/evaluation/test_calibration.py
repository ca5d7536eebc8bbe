"""The grid of lambda, temperature and saturation against the network itself."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

import zoo
from training.data.datasets import Photographs
from training.evaluation.calibration import LAMBDAS, SATURATIONS, TEMPERATURES, Balance, calibrate, select, try_settings
from zoo import color
from zoo.errors import ArgumentError
from zoo.registry import architecture

CENTERS = np.array([[0, 0], [30, -20], [-25, 40]], np.float32)
PRIOR = np.array([0.7, 0.2, 0.1], np.float32)


def test_the_grid_holds_the_network_as_it_is() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    photographs = Photographs(frames, np.full((3, 2), 16, np.int32), ["a", "b", "c"], ["1", "2", "3"], [])
    network = zoo.create_model("color_unet", bins=CENTERS, filters=(4, 8), temperature=0.6)
    kernel = network.get_layer("scores").kernel
    kernel.assign(kernel * 20)
    lab = ops.convert_to_numpy(color.rgb_to_lab(frames.astype(np.float32) / 255))
    ab = ops.convert_to_numpy(network(lab[..., :1]))[:, ::2, ::2] * 1.2
    found = {
        (b.rebalance_lambda, b.temperature, b.saturation): b for b in try_settings(network, photographs, PRIOR, 0.9)
    }
    assert len(found) == len(LAMBDAS) * len(TEMPERATURES) * len(SATURATIONS)

    truth = lab[:, ::2, ::2, 1:]
    errors, gray = (np.sqrt((d**2).mean(axis=(1, 2, 3))).mean() for d in (ab - truth, truth))
    # At the lambda it was trained with, nothing is added to the scores.
    assert found[0.9, 0.6, 1.2].rmse == pytest.approx(errors / gray, rel=1e-4)
    assert found[0.3, 0.6, 1.2].rmse != pytest.approx(errors / gray, rel=1e-4)
    assert found[0.9, 0.6, 1.8].colorfulness > found[0.9, 0.6, 1.0].colorfulness > 0


@pytest.mark.parametrize(("name", "temperatures"), [("zhang2016", TEMPERATURES), ("pix2pix", (1.0,))])
def test_networks_without_a_prior_or_a_temperature(name: str, temperatures: tuple[float, ...]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    photographs = Photographs(frames, np.full((3, 2), 16, np.int32), ["a", "b", "c"], ["1", "2", "3"], [])
    network = zoo.create_model(name, **architecture(name).tiny)
    if name == "zhang2016":
        bias = network.get_layer("scores").bias
        bias.assign(np.random.default_rng(1).normal(0, 3, bias.shape))
    found = {(b.temperature, b.saturation): b for b in try_settings(network, photographs)}
    assert len(found) == len(temperatures) * len(SATURATIONS)

    lab = ops.convert_to_numpy(color.rgb_to_lab(frames.astype(np.float32) / 255))
    truth = lab[:, ::2, ::2, 1:]
    # The network is left at the last of the temperatures.
    ab = ops.convert_to_numpy(network(lab[..., :1]))[:, ::2, ::2] * 1.4
    errors, gray = (np.sqrt((d**2).mean(axis=(1, 2, 3))).mean() for d in (ab - truth, truth))
    assert found[temperatures[-1], 1.4].rmse == pytest.approx(errors / gray, rel=1e-3)
    if len(temperatures) > 1:
        assert found[temperatures[0], 1.4].rmse != pytest.approx(errors / gray, rel=1e-3)


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="missing is not the folder of a training run"):
        calibrate(tmp_path / "missing", tmp_path)
    (tmp_path / "recipe.json").write_text('{"architecture": "color_unet"}')
    with pytest.raises(ArgumentError, match="is not the folder of a training run: it holds no statistics.npz"):
        calibrate(tmp_path, tmp_path)
    np.savez(tmp_path / "statistics.npz", prior=PRIOR)
    with pytest.raises(ArgumentError, match="has no best.keras: no epoch of the run is done"):
        calibrate(tmp_path, tmp_path)


def test_settings_that_are_colorful_enough_come_by_their_error() -> None:
    settings = [Balance(1.0, 1.0, 1.0, rmse, rmse) for rmse in (0.9, 0.7, 0.8)]
    assert [each.rmse for each in select(settings, 0.75)] == [0.8, 0.9]
    with pytest.raises(ArgumentError, match="^no setting reaches a colorfulness of 2 times that of the photographs"):
        select(settings, 2.0)
