"""Perceptual distance and features: EfficientNet-Lite0 as NumPy computes it, VGG19 as Keras Applications has it."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tests.training.evaluation.pictures import random_pair
from tests.training.pretrained.lite0 import encode, made_up_weights, write_package
from tests.two_layers import without_tracing
from training.evaluation import backbones
from training.pretrained import efficientnet_lite0, vgg19
from zoo.errors import ArgumentError, PresetError


@pytest.mark.parametrize("side", [None, 12])
def test_distance_is_equation_7_without_the_square(side: int | None) -> None:
    rgb = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, 2, name="first")(rgb)
    encoder = keras.Model(rgb, [first, keras.layers.Conv2D(5, 3, 2, name="second")(first)], name="tiny")
    backbone = backbones._backbone(encoder, side)
    pairs = [random_pair((12, 12), seed=seed) for seed in range(3)]
    truth, result = (np.stack(part) for part in zip(*pairs, strict=True))
    with without_tracing():
        distance, features = backbone.compare(truth, result)
        alone, _ = backbone.compare(truth[1:2], result[1:2])
    true_maps, maps = ([np.asarray(each) for each in encoder(part.astype(np.float32))] for part in (truth, result))
    expected = [
        [np.abs(one[i] - other[i]).mean() for one, other in zip(true_maps, maps, strict=True)] for i in range(3)
    ]
    np.testing.assert_allclose(distance, np.mean(expected, axis=1), rtol=1e-5)
    np.testing.assert_allclose(features, maps[1].mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(alone, distance[1:2], rtol=1e-6)


@pytest.mark.slow
def test_lite0_compares_maps_as_numpy_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eagerly: None) -> None:
    tensors = made_up_weights()
    write_package(tmp_path, tensors)
    monkeypatch.syspath_prepend(tmp_path)
    backbone = backbones.load(None)
    assert backbone.name == "efficientnet_lite0"
    pairs = [random_pair((33, 40), seed=seed) for seed in range(3)]
    truth, rgb = (np.stack(part) for part in zip(*pairs, strict=True))
    distance, features = backbone.compare(truth, rgb)
    for i in range(2):
        maps = [encode((pictures[i].astype(float) - 127) / 128, tensors) for pictures in (truth, rgb)]
        by_stage = [np.abs(one - other).mean() for one, other in zip(*maps, strict=True)]
        assert distance[i] == pytest.approx(np.mean([by_stage[stage - 1] for stage in (1, 2, 3, 5, 7)]), rel=1e-4)
        np.testing.assert_allclose(features[i], maps[1][-1].mean(axis=(0, 1)), rtol=1e-3, atol=1e-4)
    reversed_distance, _ = backbone.compare(truth[::-1], rgb[::-1])
    np.testing.assert_allclose(reversed_distance[::-1], distance, rtol=1e-6)
    np.testing.assert_allclose(backbone.compare(truth[:1], rgb[:1])[0], distance[:1], rtol=1e-6)
    assert backbone.compare(truth, truth)[0].tolist() == [0, 0, 0]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "no_such_package")
    with pytest.raises(ArgumentError, match=r"colorzoo\[pretrained\]"):
        backbones.load(None)


def test_vgg19_is_that_of_keras_applications(tmp_path: Path) -> None:
    release = keras.applications.VGG19(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path / "vgg19.h5"
    with h5py.File(path, "w") as file:
        for layer in release.layers:
            if layer.weights and layer.name <= "block5_conv1":
                for weight, values in zip(("W_1:0", "b_1:0"), layer.get_weights(), strict=True):
                    file[f"{layer.name}/{layer.name}_{weight}"] = values
    encoder = vgg19.color_encoder(path)
    names = [f"block{block}_conv1" for block in range(1, 6)]
    truth, _ = random_pair((32, 32))
    pictures = truth[None].astype(np.float32)
    expected = keras.Model(release.input, [release.get_layer(name).output for name in names])(
        keras.applications.vgg19.preprocess_input(pictures.copy())
    )
    for one, other in zip(encoder(pictures), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"nothing of the kind")
    with pytest.raises(PresetError, match="a.h5 does not hold the weights of VGG19"):
        vgg19.color_encoder(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["block1_conv1/kernel"] = np.zeros((3, 3, 3, 5))
        file["block1_conv1/bias"] = np.zeros(5)
    with pytest.raises(PresetError, match="b.h5 does not hold the weights of VGG19"):
        vgg19.color_encoder(tmp_path / "b.h5")
