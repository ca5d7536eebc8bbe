"""A colorizer with looks: those of a preset that is loaded with the look, and anything between."""

import numpy as np
import pytest

from serving.local.adjustable import AdjustableColorizer
from serving.local.tiled import TiledColorizer
from tests.photographs import easy_field
from tests.serving.web.conftest import CLASSES, DIRECT, LOOKS, SIZE, TEMPERATURE, parts
from zoo.colorizer import Parts


@pytest.fixture(scope="module")
def adjustable() -> AdjustableColorizer:
    return AdjustableColorizer(parts(CLASSES), LOOKS)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    pixels = np.asarray(easy_field(0, 36, 48).convert("L"))
    return TiledColorizer(parts(DIRECT)).prepare(pixels).frame[None]


def loaded(saturation: float, calm: float, temperature: float, frame: np.ndarray) -> np.ndarray:
    """The colors of a colorizer that was made so."""
    network = parts(CLASSES).network
    network.get_layer("temperature").scale = 1 / temperature
    return TiledColorizer(Parts(network, SIZE, saturation, calm=calm)).predict(frame)


def test_a_look_has_the_very_colors_of_its_preset(adjustable: AdjustableColorizer, frame: np.ndarray) -> None:
    setting = LOOKS["calm"]
    expected = loaded(setting["saturation"], setting["calm"], TEMPERATURE, frame)
    assert np.array_equal(adjustable.adjust(look="calm").predict(frame), expected)


def test_temperature_and_saturation(adjustable: AdjustableColorizer, frame: np.ndarray) -> None:
    assert adjustable.temperature == pytest.approx(TEMPERATURE)
    found = adjustable.adjust(look="vivid", temperature=0.2, saturation=0.5).predict(frame)
    assert np.allclose(found, loaded(0.8, 0.5, 0.2, frame), atol=1e-4)
    assert not np.allclose(found, adjustable.adjust(look="vivid", saturation=0.5).predict(frame), atol=0.1)
    assert not adjustable.adjust(saturation=0.0).predict(frame).any()


def test_a_network_that_predicts_colors_directly(frame: np.ndarray) -> None:
    colorizer = AdjustableColorizer(parts(DIRECT), {})
    assert colorizer.temperature is None
    whole = TiledColorizer(parts(DIRECT)).predict(frame)
    assert np.array_equal(colorizer.adjust().predict(frame), whole)
    assert np.allclose(colorizer.adjust(saturation=2.0).predict(frame), 2 * whole, atol=1e-4)


def test_parts_say_what_was_adjusted(adjustable: AdjustableColorizer) -> None:
    adjusted = adjustable.adjust(look="calm", saturation=0.5).parts
    assert (adjusted.saturation, adjusted.calm) == (0.5, 1.0)
    assert adjustable.parts.saturation == 1.25
