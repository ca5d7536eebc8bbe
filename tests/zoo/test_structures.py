"""The pictures of the networks' structures show what is in the graphs."""

import importlib.util
import sys
from collections import Counter
from functools import cache
from xml.etree import ElementTree

import keras
import numpy as np
import pytest

import zoo
from tests.paths import ROOT
from tests.zoo.networks import tiny as network

SIDE = 64  # a multiple of all strides of the tiny networks
WEIGHTED = {
    "convolution",
    "convolution, stride 2",
    "dilated convolution",
    "depthwise convolution",
    "transposed convolution",
    "dense",
}

every_model = pytest.mark.parametrize("name", zoo.list_models())


@cache
def structures():
    spec = importlib.util.spec_from_file_location("structures", ROOT / "scripts" / "structures.py")
    # Dataclasses look their module up.
    module = sys.modules["structures"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def bars(name):
    return structures().trace(network(name), SIDE)


def bar(name, layer):
    (found,) = [each for each in bars(name) if each.name == layer]
    return found


def sources(name, layer):
    return {source.name for source in bar(name, layer).sources}


def weighted_calls(config, calls=1):
    """How often each convolution and dense layer is called, by the saved form of a network."""
    counted = Counter()
    for layer in config["layers"]:
        inner, times = layer["config"], calls * len(layer["inbound_nodes"])
        kind = inner["layer"]["class_name"] if layer["class_name"] == "SpectralNormalization" else layer["class_name"]
        if kind == "Functional":
            counted += weighted_calls(inner, times)
        elif "Conv" in kind or "Dense" in kind:
            counted[inner["name"]] += times
    return counted


@every_model
def test_every_layer_with_a_kernel_is_found_once_for_each_call(name):
    found = Counter(each.name for each in bars(name) if each.kind in WEIGHTED)
    assert found
    assert found == weighted_calls(network(name).get_config())


@pytest.mark.parametrize("name", sorted({*zoo.list_models()} - {"autoencoder"}))  # whose maps are all in inner models
def test_bars_are_as_large_as_the_maps(name):
    layers = {layer.name: layer for layer in network(name).layers}
    outer = [each for each in bars(name)[1:] if not each.model[0] and each.name in layers]
    model = keras.Model(network(name).input, [layers[each.name].output for each in outer])
    maps = model(np.full((1, SIDE, SIDE, 1), 50, np.float32))
    for each, tensor in zip(outer, maps, strict=True):
        *sides, channels = tensor.shape[1:]
        assert (sides or [1, 1], channels) == ([each.side] * 2, each.channels)


@every_model
def test_bars_do_not_cover_each_other(name):
    column, lane = structures().columns(bars(name)), structures().lanes(bars(name))
    assert len({(column[each], lane[each]) for each in bars(name)}) == len(bars(name))
    assert all(column[source] < column[each] for each in bars(name) for source in each.sources)


@pytest.mark.parametrize(
    ("name", "deep", "skip"),
    [("color_unet", "up1_conv2", "down1_pool"), ("ibn_gan", "up1", "down1"), ("pix2pix", "up1_upconv", "down1_conv")],
)
def test_skip_connections(name, deep, skip):
    assert sources(name, "up1_skip") == {deep, skip}
    assert bar(name, "up1_skip").channels == sum(source.channels for source in bar(name, "up1_skip").sources)


def test_hypercolumn():
    assert sources("larsson2016", "maps_8") == {"conv4_1", "conv4_2", "conv4_3"}
    assert sources("larsson2016", "sum") == {"h_fc1_4", "h_fc1_8", "h_fc1_16", "h_fc1_32"}
    assert sources("larsson2016", "scores") == {"sum"}
    # The gray takes part in the decoding.
    assert sources("larsson2016", "ab") == {"scores", "lightness"}
    # The longer a line runs, the higher it is.
    lane = structures().lanes(bars("larsson2016"))
    assert [lane[bar("larsson2016", f"maps_{stride}")] for stride in (32, 16, 8, 4)] == [0, 1, 2, 3]


def test_a_shared_model_is_seen_at_each_of_its_calls():
    low = [each for each in bars("iizuka2016") if each.name == "low_conv1"]
    assert sorted(each.side for each in low) == [16, 32]
    assert len({each.model for each in low}) == 2
    assert {each.model[0] for each in low} == {"low_level"}
    assert [[source.name for source in each.sources] for each in low] == [["lightness"]] * 2
    assert sources("iizuka2016", "global_and_mid") == {"global_fc3", "mid_conv2"}
    # The map of the mid level lends the global features its size, which is no connection.
    assert sources("iizuka2016", "ab") == {"map"}


def test_models_within_a_network():
    assert sources("autoencoder", "dense") == {"latent_vector"}
    assert {each.model[0] for each in bars("autoencoder")} == {"", "encoder", "decoder"}
    layers = ("conv1", "conv3", "latent_vector", "upconv1", "decoder_output", "ab")
    assert [bar("autoencoder", layer).side for layer in layers] == [16, 4, 1, 8, 32, SIDE]


@pytest.mark.parametrize("name", ["color_unet", "iizuka2016"])  # a U-Net, and branches with a model in each
def test_drawing(name, tmp_path):
    first, again = tmp_path / "first.svg", tmp_path / "again.svg"
    for path in (first, again):
        structures().draw(network(name), SIDE, "what it predicts", path)
    assert first.read_bytes() == again.read_bytes()
    written = {element.text for element in ElementTree.parse(first).iter() if element.tag.endswith("}text")}
    assert {each.name for each in bars(name)} | {"what it predicts"} <= written


@every_model
def test_every_model_has_its_picture(name):
    path = ROOT / "docs" / "structures" / f"{name}.svg"
    assert path.is_file(), f"PYTHONPATH=. python scripts/structures.py {name} draws it"
    assert path.stat().st_size < 60_000
    written = [element.text or "" for element in ElementTree.parse(path).iter()]
    assert [text for text in written if text.startswith(f"{name}, ")]
