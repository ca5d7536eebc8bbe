"""Teachers of lite_unet: what a recipe that names some has for a target."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from tests.accept_golden import formula_network
from training import recipes
from training.systems.system import Statistics, System
from zoo import bins, color
from zoo.errors import ArgumentError

CENTERS = bins.ab_grid()
STATISTICS: Statistics = {"centers": CENTERS, "prior": np.full(len(CENTERS), 1 / len(CENTERS), np.float32)}


def tiny(**fields: str) -> System:
    return recipes.load("lite_unet_photos_v1", {"width": "0.08", "init": ""} | fields).system(STATISTICS)


def scores_of(network: keras.Model) -> keras.Model:
    return keras.Model(network.input, network.get_layer("scores").output)


def test_a_share_of_the_target_is_the_mean_of_the_teachers(tmp_path: Path) -> None:
    one, other = formula_network("lite_unet"), formula_network("lite_unet")
    other.get_layer("scores").kernel.assign(-one.get_layer("scores").kernel)
    for name, network in (("one", one), ("other", other)):
        zoo.create_colorizer(network, 32).save(tmp_path / f"{name}.keras")
    rgb = np.random.default_rng(0).uniform(0, 1, (2, 32, 32, 3)).astype(np.float32)
    truth = {"rgb": rgb, "ab": color.rgb_to_lab(rgb)[..., 1:], "mask": np.ones((2, 32, 32), np.float32)}

    system = tiny(teachers=str((f"{tmp_path}/one.keras", f"{tmp_path}/other.keras")), teacher_share="0.25")
    found = ops.convert_to_numpy(system.targets(truth)["encoded"])
    lightness = color.lightness(rgb)
    taught = [ops.convert_to_numpy(ops.softmax(scores_of(network)(lightness))) for network in (one, other)]
    assert np.abs(taught[0] - taught[1]).max() > 1e-3
    alone = ops.convert_to_numpy(tiny().targets(truth)["encoded"])
    np.testing.assert_allclose(found, 0.75 * alone + 0.125 * (taught[0] + taught[1]), atol=1e-5)
    trained = {v.path for model in system.trained["network"] for v in model.trainable_variables}
    assert trained == {v.path for v in system.network.trainable_variables}, "the teachers learn nothing"


def test_a_teacher_of_another_architecture() -> None:
    with pytest.raises(ArgumentError, match="'color_unet_scenes_v1', a color_unet: it must be a lite_unet"):
        tiny(teachers="('color_unet_scenes_v1',)")
