"""serving.local.reference: colors of what looks alike, by lightness and by features."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import layers, ops

from serving.local import reference
from serving.local.reference import Reference
from serving.local.tiled import TiledColorizer
from serving.local.working import Working, working_size
from zoo import color
from zoo.colorizer import Parts
from zoo.errors import ArgumentError


def network(name: str) -> keras.Model:
    """Gray for all it sees; its feature, at stride 4, tells grainy from smooth."""
    lightness = keras.Input((None, None, 1))
    x = ops.absolute(lightness - layers.AveragePooling2D(3, 1, "same")(lightness))
    grain = layers.AveragePooling2D(4)(x)
    feature = layers.Activation("linear", name="feature")(ops.concatenate([grain - 2.0, 2.0 - grain], axis=-1))
    zero = 0.0 * ops.repeat(ops.repeat(feature, 4, axis=1), 4, axis=2)
    return keras.Model(lightness, zero, name=name)


def by_kind(kinds: np.ndarray, colors: dict[int, tuple[int, int, int]], grain: dict[int, int]) -> np.ndarray:
    """SRGB (H, W, 3): each kind of region with its color and grain."""
    rng = np.random.default_rng(0)
    pixels = np.zeros((*kinds.shape, 3))
    for kind, rgb in colors.items():
        noise = rng.integers(-1, 2, (*kinds.shape, 1)) * grain.get(kind, 0)
        pixels = np.where((kinds == kind)[..., None], np.array(rgb) + noise, pixels)
    return pixels.clip(0, 255).astype(np.uint8)


@pytest.fixture
def with_features(monkeypatch: pytest.MonkeyPatch) -> Iterator[TiledColorizer]:
    monkeypatch.setattr(reference, "ENCODERS", {"with_features": ("feature",)})
    yield TiledColorizer(Parts(network("with_features"), 64))


@pytest.fixture(scope="module")
def plain() -> TiledColorizer:
    return TiledColorizer(Parts(network("plain"), 64))


def guided(colorizer: TiledColorizer, other: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, Working]:
    """The ab of a photograph with a reference, and the photograph."""
    photograph = colorizer.prepare(pixels)
    working = working_size(photograph, colorizer.predict(photograph.frame[None])[0])
    return working.ab + Reference(colorizer, other).change(photograph, working), working


def ab(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(color.rgb_to_lab(np.array(rgb, np.float32) / 255))[1:]


DARK, LIGHT = (120, 30, 40), (150, 200, 240)


def test_by_lightness(plain: TiledColorizer) -> None:
    halves = np.zeros((60, 64), int)
    halves[:, 32:] = 1
    other = by_kind(halves.T[:, :60], {0: DARK, 1: LIGHT}, {0: 2, 1: 2})
    # Darker all in all: only after both have the same mean is its lighter half as light as that of the reference.
    gray = by_kind(halves, {0: (20, 20, 20), 1: (130, 130, 130)}, {0: 2, 1: 2})[..., 0]
    found, _ = guided(plain, other, gray)
    np.testing.assert_allclose(found[5:-5, 5:27].mean(axis=(0, 1)), ab(DARK), atol=4)
    np.testing.assert_allclose(found[5:-5, 37:-5].mean(axis=(0, 1)), ab(LIGHT), atol=4)


def test_by_features_where_lightness_tells_nothing(with_features: TiledColorizer) -> None:
    halves = np.zeros((64, 64), int)
    halves[:, 32:] = 1
    red, blue = (170, 80, 80), (80, 115, 190)  # of about the same lightness
    other = by_kind(halves, {0: red, 1: blue}, {0: 30})
    gray = by_kind(1 - halves, {0: (110, 110, 110), 1: (110, 110, 110)}, {0: 30})[..., 0]
    found, _ = guided(with_features, other, gray)
    assert found[10:-10, 42:-5].mean(axis=(0, 1))[0] > 20  # grainy: red
    assert found[10:-10, 5:22].mean(axis=(0, 1))[1] < -20  # smooth: blue


def test_candidates_that_disagree_count_nothing(plain: TiledColorizer) -> None:
    rng = np.random.default_rng(1)
    lab = np.where(rng.random((60, 64, 1)) < 0.5, (50, 45, 25), (50, 5, -45)) + rng.normal(0, 8, (60, 64, 1)) * (
        1,
        0,
        0,
    )
    other = np.rint(np.asarray(color.lab_to_rgb(lab.astype(np.float32))) * 255).astype(np.uint8)
    gray = rng.integers(90, 140, (60, 64)).astype(np.uint8)
    found, working = guided(plain, other, gray)
    assert np.abs(found - working.ab).mean() < 10
    assert np.abs(lab[..., 1:]).mean() > 25


def test_a_reference_has_colors(plain: TiledColorizer) -> None:
    for pixels in (np.full((20, 20), 99, np.uint8), np.full((20, 20, 3), 99, np.uint16)):
        with pytest.raises(ArgumentError, match="the reference has no colors"):
            Reference(plain, pixels)
