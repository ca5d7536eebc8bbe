"""Files that were saved under TensorFlow, on the other backends of Keras."""

import copy
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.accept_golden import formula_network
from tests.on_backend import colorize
from tests.zoo.networks import loaded
from tests.zoo.photographs import photograph
from zoo.presets import portable
from zoo.weights import leaves

PHOTOGRAPH = photograph((90, 70))
# The smallest, which is synchronized.
QUICK = ["color_unet_scenes_v1"]


def config_of(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json").decode()


def kinds_of(config: str) -> list[str]:
    return [layer["class_name"] for layer in json.loads(config)["config"]["layers"]]


def differences(backend: str, names: list[str], folder: Path) -> dict[str, int]:
    found = colorize(backend, [(name, PHOTOGRAPH) for name in names], folder)
    expected = [ops.convert_to_numpy(loaded(name)(PHOTOGRAPH)).astype(int) for name in names]
    for name, picture in zip(names, expected, strict=True):
        assert np.ptp(picture, axis=-1).mean() > 2, f"{name} leaves the photograph gray"
    return {name: int(np.abs(a - b).max()) for name, a, b in zip(names, found, expected, strict=True)}


def test_presets_give_the_same_picture_on_jax(tmp_path: Path) -> None:
    assert max(differences("jax", QUICK, tmp_path).values()) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_all_presets_give_the_same_picture(backend: str, tmp_path: Path) -> None:
    found = differences(backend, zoo.list_presets(), tmp_path)
    print(backend, found)
    assert max(found.values()) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_empty_batches_and_what_is_not_a_number(backend: str, tmp_path: Path) -> None:
    broken = PHOTOGRAPH.astype(np.float32)
    broken[0, 30, 40] = np.nan, np.inf, -np.inf
    mended = np.nan_to_num(broken, nan=0, posinf=255, neginf=0)
    jobs = []
    for name in zoo.list_models():
        path = tmp_path / f"{name}.keras"
        zoo.create_colorizer(formula_network(name), 32, tta_scales=(1.0,)).save(path)
        jobs += [(path, batch) for batch in (PHOTOGRAPH[:0], broken, mended)]
    found = colorize(backend, jobs, tmp_path)
    for empty, one, other in zip(found[::3], found[1::3], found[2::3], strict=True):
        assert empty.shape == (0, 90, 70, 3)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", zoo.list_presets())
def test_nothing_of_tensorflow_s_is_left(name: str) -> None:
    before = config_of(zoo.preset(name).path)
    after = json.dumps(portable.portable_config(json.loads(before)))
    assert '"synchronized": true' not in after and '"step": -1' not in after
    assert kinds_of(after).count("Flip") == kinds_of(before).count("Flip") + before.count('"step": -1')
    assert len(kinds_of(after)) == len(kinds_of(before))


def test_a_converted_file_gives_the_very_output(tmp_path: Path) -> None:
    x = keras.Input((None, None, 3), name="image")
    y = layers.BatchNormalization(synchronized=True)(layers.Conv2D(4, 3, padding="same")(x[:, :, ::-1]))
    keras.Model(x, y[:, :, ::-1]).save(tmp_path / "old.keras")
    portable.convert(tmp_path / "old.keras", tmp_path / "new.keras")
    assert kinds_of(config_of(tmp_path / "new.keras")).count("Flip") == 2
    old, new = (keras.models.load_model(tmp_path / f"{name}.keras")(PHOTOGRAPH) for name in ("old", "new"))
    np.testing.assert_array_equal(ops.convert_to_numpy(new), ops.convert_to_numpy(old))


def test_only_what_turns_one_axis_around_becomes_a_flip() -> None:
    x = keras.Input((8, 8, 3))
    flips = [x[:, ::-1], x[:, :, ::-1, :]]
    others = [x[:, ::2], x[:, ::-2], x[:, ::-1, ::-1], x[:, 5::-1], x[:, :3:-1], x[:, ::-1, 1:], x[:, 0], x[..., 1]]
    config = json.loads(keras.Model(x, [*flips, *others]).to_json())["config"]
    before = copy.deepcopy(config)
    found = portable.portable_config(config)
    assert config == before
    made = [layer for layer in found["layers"] if layer["class_name"] == "Flip"]
    assert [layer["config"]["axis"] for layer in made] == [1, 2]
    kept = [layer for layer in found["layers"] if layer["class_name"] == "GetItem"]
    assert kept == [layer for layer in before["layers"] if layer["class_name"] == "GetItem"][2:]


def test_loading_converts_on_other_backends_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = keras.Input((None, None, 1))
    network = keras.Model(x, layers.Conv2D(2, 1)(layers.BatchNormalization(synchronized=True, name="norm")(x)))
    path = tmp_path / "old.keras"
    zoo.create_colorizer(network, 16).save(path)
    for backend, synchronized in (("tensorflow", True), ("jax", False)):
        with monkeypatch.context() as patched:
            patched.setattr(portable.keras.backend, "backend", lambda backend=backend: backend)
            with portable.loadable(path) as file:
                assert (f'"synchronized": {json.dumps(synchronized)}' in config_of(file)) and (
                    file == path
                ) is synchronized
        assert file.exists() is synchronized
    assert dict(leaves(zoo.load(path)))[f"{network.name}/norm"].synchronized
