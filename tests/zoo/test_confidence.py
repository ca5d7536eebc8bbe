"""Certainty against the probabilities themselves, sorted in numpy."""

import itertools
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from tests.accept_golden import formula_network, golden_lightness
from zoo.confidence import confidence
from zoo.errors import ArgumentError

LIGHTNESS = golden_lightness()


def scores_of(network: keras.Model) -> np.ndarray:
    scorer = keras.Model(network.input, network.get_layer("scores").output)
    return np.asarray(ops.convert_to_numpy(scorer(LIGHTNESS)), np.float64)


def softmax(scores: np.ndarray) -> np.ndarray:
    sharp = np.exp(scores - scores.max(-1, keepdims=True))
    return sharp / sharp.sum(-1, keepdims=True)


@cache
def sharpened(name: str) -> keras.Model:
    network = formula_network(name)
    layer = network.get_layer("scores")
    layer.set_weights([4 * w for w in layer.get_weights()])
    return network


def test_color_unet() -> None:
    network = sharpened("color_unet")
    found = {name: ops.convert_to_numpy(value) for name, value in confidence(network)(LIGHTNESS).items()}
    ordered = np.sort(softmax(scores_of(network)), -1)[:, :24, :21]
    assert {name: value.shape for name, value in found.items()} == {"top": (1, 24, 21, 1), "ratio": (1, 24, 21, 1)}
    np.testing.assert_allclose(found["top"], ordered[..., -1:], rtol=1e-4)
    np.testing.assert_allclose(found["ratio"], ordered[..., -1:] / ordered[..., -2:-1], rtol=1e-3)
    assert found["top"].std() > 0.01


@pytest.mark.parametrize("name", ["zhang2016", "larsson2016"])
def test_coarse_scores(name: str) -> None:
    network = sharpened(name)
    found = {key: ops.convert_to_numpy(value) for key, value in confidence(network)(LIGHTNESS).items()}
    assert found["top"].shape == found["ratio"].shape == (1, 24, 21, 1)
    assert (found["top"] > 0).all() and (found["top"] <= 1).all() and (found["ratio"] >= 1 - 1e-5).all()
    all_scores = scores_of(network)[0]
    scores = all_scores[1, 1]
    parts = [softmax(part) for part in np.split(scores, 2 if name == "larsson2016" else 1)]
    joint = np.sort([np.prod(pair) for pair in itertools.product(*parts)])
    # The middle of 2 x 2 cells is the mean of theirs: a picture of 4 x 4 pixels a cell has a pixel beside each center.
    near = found["top"][0, 4:8, 4:8].mean()
    cells = [
        np.prod([softmax(part).max() for part in np.split(all_scores[y, x], len(parts))])
        for y, x in itertools.product((0, 1, 2), repeat=2)
    ]
    assert min(cells) - 1e-6 <= near <= max(cells) + 1e-6
    assert joint[-1] == pytest.approx(cells[4], rel=1e-6)


@pytest.mark.parametrize("name", ["color_unet", "zhang2016", "larsson2016"])
def test_it_lies_where_the_colors_lie(name: str) -> None:
    """Between two cells, colors and confidence change at the same pixels."""
    network = sharpened(name)
    scores = network.get_layer("scores").output
    coarse = keras.Model(network.input, scores)(np.full((1, 64, 64, 1), 50, np.float32)).shape
    given = np.zeros(coarse, np.float32)
    parts = 2 if name == "larsson2016" else 1
    for start in range(0, coarse[-1], coarse[-1] // parts):
        given[:, :, : coarse[2] // 2, start] = 9  # sure of one class on the left, of none on the right
    half = np.full((1, 64, 64, 1), 50, np.float32)
    ab = keras.Model([scores, network.input], network.output)([given, half])
    top = network_confidence_of(network)([given, half])["top"]
    assert changing(ops.convert_to_numpy(top)) == changing(ops.convert_to_numpy(ab))


def changing(found: np.ndarray) -> list[int]:
    """The columns of a map (1, H, W, C) that are neither as the first one nor as the last one."""
    line = found[0, 32]
    ends = [np.abs(line - line[end]).max(axis=-1) for end in (0, -1)]
    return np.flatnonzero(np.minimum(*ends) > 1e-3 * np.ptp(line)).tolist()


def network_confidence_of(network: keras.Model) -> keras.Model:
    """The last part of `confidence`, which takes the scores themselves."""
    return confidence(network).get_layer("confidence")


def test_the_second_best_pair_differs_in_one_histogram() -> None:
    network = sharpened("larsson2016")
    model = confidence(network)
    found = model(np.full((1, 8, 8, 1), 40, np.float32))
    top, ratio = (ops.convert_to_numpy(found[name]) for name in ("top", "ratio"))
    scorer = keras.Model(network.input, network.get_layer("scores").output)
    scores = np.asarray(scorer(np.full((1, 8, 8, 1), 40, np.float32)), np.float64)[0, 0, 0]
    hue, chroma = (softmax(part) for part in np.split(scores, 2))
    joint = np.sort((hue[:, None] * chroma).ravel())
    assert top[0, 0, 0, 0] == pytest.approx(joint[-1], rel=1e-3)
    assert ratio[0, 0, 0, 0] == pytest.approx(joint[-1] / joint[-2], rel=1e-2)


def test_a_network_that_was_loaded(tmp_path: Path) -> None:
    keras.utils.clear_session()  # begins to count operations anew
    network = formula_network("color_unet")
    network.save(tmp_path / "network.keras")
    expected = confidence(network)(LIGHTNESS)["top"]
    keras.utils.clear_session()  # as another process would
    loaded = keras.models.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(confidence(loaded)(LIGHTNESS)["top"], expected, rtol=1e-5)


def test_networks_without_classes() -> None:
    with pytest.raises(ArgumentError, match="ibn_gan predicts colors directly: it has no class probabilities"):
        confidence(zoo.create_model("ibn_gan", levels=3, width=0.05))
