"""serving.local.refining: sure pixels give their colors to the others of their region."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from serving.local.refining import Refining
from serving.local.tiled import TiledColorizer
from serving.local.working import working_size
from zoo.colorizer import Parts
from zoo.errors import ArgumentError


def network() -> keras.Model:
    """Red or blue: sure of red in the upper part of a frame of 32 pixels, and below unsure, so that it is violet."""
    lightness = keras.Input((None, None, 1))
    rows = ops.cumsum(ops.ones_like(lightness), axis=1)
    score = layers.AveragePooling2D(4)(ops.relu(15.0 - rows))
    scores = layers.Activation("linear", name="scores")(ops.concatenate([score, 0.0 * score], axis=-1))
    probabilities = layers.Softmax(name="probabilities")(scores)
    ab = ops.matmul(probabilities, np.array([[50, 30], [20, -60]], np.float32))
    return keras.Model(lightness, ops.repeat(ops.repeat(ab, 4, axis=1), 4, axis=2), name="two_classes")


def test_sure_pixels_spread_in_their_region() -> None:
    colorizer = TiledColorizer(Parts(network(), 32))
    pixels = np.full((64, 64), 90, np.uint8)
    pixels[:, 40:] = 190
    pixels[:24, 40:] = 90  # so that the light part holds no sure pixel
    photograph = colorizer.prepare(pixels)
    working = working_size(photograph, colorizer.predict(photograph.frame[None])[0])
    refined = working.ab + Refining(colorizer).change(photograph, working)
    assert np.linalg.norm(working.ab[50, 10] - (35, -15)) < 3
    assert np.linalg.norm(refined[50, 10] - (50, 30)) < 20
    assert np.linalg.norm(refined[5, 10] - working.ab[5, 10]) < 1
    assert np.linalg.norm(refined[50, 55] - working.ab[50, 55]) < 18


def test_networks_without_classes_are_refused() -> None:
    lightness = keras.Input((None, None, 1))
    direct = keras.Model(lightness, ops.concatenate([lightness, lightness], axis=-1), name="directly")
    with pytest.raises(ArgumentError, match="directly predicts colors directly"):
        Refining(TiledColorizer(Parts(direct, 32)))
