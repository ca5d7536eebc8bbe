"""Saved networks, presets and colorizers give the same in a process that knows nothing of this project.

All of them are here, because one process runs them all: it takes longer to start than each of them to run.
"""

import keras
import numpy as np
import pytest

import zoo
from tests.only_keras import Arrays, in_fresh_process
from tests.zoo.networks import loaded, tiny, vivid
from tests.zoo.photographs import photograph

PRESETS = zoo.list_presets()
QUICK = (zoo.DEFAULT_PRESET, "color_unet_scenes_v1")
LIGHTNESS = {"odd": np.random.default_rng(83).uniform(0, 100, (3, 33, 47, 1)).astype(np.float32)}


# Enlarged to the frame, and shrunk; as both types.
BATCHES = {"float": photograph((33, 47), batch=2).astype(np.float32), "uint8": photograph((120, 80), batch=2)}
PHOTOGRAPHS = {"float": photograph((33, 47)).astype(np.float32), "uint8": photograph((150, 120))}


@pytest.fixture(scope="module")
def fresh(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[tuple[str, str], Arrays | str]:
    """What each saved model gives in the other process."""
    folder = tmp_path_factory.mktemp("models")
    models = {("network", name): (tiny(name), LIGHTNESS) for name in zoo.list_models()}
    models["colorizer", "vivid"] = vivid(), BATCHES
    jobs = {}
    for (kind, name), (model, inputs) in models.items():
        model.save(folder / f"{kind}_{name}.keras")
        jobs[f"{kind} {name}"] = folder / f"{kind}_{name}.keras", inputs
    for name in PRESETS:
        if name in QUICK or request.config.getoption("--slow"):
            jobs[f"preset {name}"] = zoo.preset(name).path, PHOTOGRAPHS
    results = in_fresh_process(jobs, folder)
    return {tuple(job.split(" ")): found for job, found in results.items()}


def check(found: Arrays | str, model: keras.Model, inputs: Arrays, atol: float = 0) -> None:
    assert not isinstance(found, str), found
    for name, given in inputs.items():
        here = keras.ops.convert_to_numpy(model(given))
        assert found[name].dtype == here.dtype
        np.testing.assert_allclose(found[name], here, rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("name", zoo.list_models())
def test_a_saved_network_needs_only_keras(name: str, fresh: dict[tuple[str, str], Arrays | str]) -> None:
    check(fresh["network", name], tiny(name), LIGHTNESS, atol=1e-4)


def test_a_saved_colorizer_needs_only_keras(fresh: dict[tuple[str, str], Arrays | str]) -> None:
    check(fresh["colorizer", "vivid"], vivid(), BATCHES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in PRESETS]
)
def test_a_preset_needs_only_keras(name: str, fresh: dict[tuple[str, str], Arrays | str]) -> None:
    check(fresh["preset", name], loaded(name), PHOTOGRAPHS)
