"""A photograph between clicks: hints recolor their region, the rest stays, and the order of hints does not matter."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from serving.local.guided import UNSEEN, GuidedPhotograph, _Canvas
from serving.local.hints import Hint
from serving.local.tiled import TiledColorizer
from zoo import color
from zoo.bins import ab_grid
from zoo.blocks import enlarge_like
from zoo.colorizer import Parts
from zoo.errors import ArgumentError

SIZE = 32
RED, BLUE = "#b03030", "#3040c0"


def by_classes() -> keras.Model:
    """A network with classes: dark is blue, light is yellow."""
    lightness = keras.Input((None, None, 1))
    x = layers.AveragePooling2D(4)(lightness) * 0.01
    centers = ab_grid()
    scores = layers.Conv2D(len(centers), 1, name="scores")
    scores_of_x = scores(x)
    toward_yellow = centers @ np.array([0, 1], np.float32) / 10
    scores.set_weights([4 * toward_yellow[None, None, None], -2 * toward_yellow - abs(centers[:, 0]) / 5])
    probabilities = layers.Softmax(name="probabilities")(scores_of_x)
    ab = enlarge_like(ops.matmul(probabilities, centers), lightness, 4)
    return keras.Model(lightness, ab, name="by_classes")


def by_two_histograms() -> keras.Model:
    """A network whose colors are made of two bins each: red or green, and strong or gray; mostly red, mostly gray."""
    lightness = keras.Input((None, None, 1))
    x = layers.AveragePooling2D(4)(lightness) * 0.0
    scores = layers.Activation("linear", name="scores")(ops.concatenate([x + 1.0, x, x, x + 1.0], axis=-1))
    parts = [layers.Softmax()(scores[..., :2]), layers.Softmax()(scores[..., 2:])]
    probabilities = layers.Concatenate(name="probabilities")(parts)
    hue = ops.matmul(probabilities[..., :2], np.array([[50, 30], [-45, 40]], np.float32))
    return keras.Model(lightness, enlarge_like(hue * probabilities[..., 2:3], lightness, 4), name="by_two_histograms")


def directly() -> keras.Model:
    lightness = keras.Input((None, None, 1))
    return keras.Model(lightness, ops.concatenate([0 * lightness + 20.0, 0.4 * lightness], axis=-1), name="directly")


@pytest.fixture(scope="module")
def colorizer() -> TiledColorizer:
    return TiledColorizer(Parts(by_classes(), SIZE, tta_scales=(1.0,)))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Two regions, dark and light, with a little grain."""
    gray = np.random.default_rng(0).integers(-2, 3, (60, 90)) + np.where(np.arange(90) < 45, 80, 170)
    return gray.astype(np.uint8)


@pytest.fixture
def guided(colorizer: TiledColorizer, pixels: np.ndarray) -> GuidedPhotograph:
    return GuidedPhotograph(colorizer, pixels)


def plain(colorizer: TiledColorizer, pixels: np.ndarray) -> np.ndarray:
    photograph = colorizer.prepare(pixels)
    return colorizer.paint(photograph, colorizer.predict(photograph.frame[None])[0])


def ab_of(painted: np.ndarray) -> np.ndarray:
    return np.asarray(color.rgb_to_lab(painted.astype(np.float32) / np.iinfo(painted.dtype).max))[..., 1:]


def test_without_hints_it_is_the_plain_result(
    colorizer: TiledColorizer, guided: GuidedPhotograph, pixels: np.ndarray
) -> None:
    expected = plain(colorizer, pixels)
    np.testing.assert_array_equal(guided.paint(), expected)
    assert (guided.paint([Hint(0.2, 0.5, RED)]) != expected).any()
    np.testing.assert_array_equal(guided.paint(), expected)


def test_a_faint_change_is_undone_as_well(colorizer: TiledColorizer, pixels: np.ndarray) -> None:
    photograph = colorizer.prepare(pixels)
    ab = colorizer.predict(photograph.frame[None])[0]
    canvas, faint = _Canvas(colorizer, photograph, ab), np.full((6, 9, 2), 0.8 * UNSEEN, np.float32)
    changed = canvas.paint(faint)
    assert (changed != canvas.paint(None)).any()
    np.testing.assert_array_equal(canvas.paint(None), colorizer.paint(photograph, ab))


def test_two_hints_on_two_regions_do_not_leak(guided: GuidedPhotograph) -> None:
    ab = ab_of(guided.paint([Hint(0.2, 0.5, RED), Hint(0.8, 0.3, BLUE)]))
    # The light side has less blue than the hint: sRGB has no more at that lightness.
    light = np.full((1, 1), 69.0, np.float32)
    fitted = np.asarray(color.fit_gamut(np.concatenate([light, Hint(0, 0, BLUE).ab[None]], axis=1)))[0, 1:]
    assert np.linalg.norm(ab[:, :45] - Hint(0, 0, RED).ab, axis=-1).max() < 8
    assert np.linalg.norm(ab[:, 45:] - fitted, axis=-1).max() < 8


def test_the_other_region_stays(guided: GuidedPhotograph, colorizer: TiledColorizer, pixels: np.ndarray) -> None:
    before, after = plain(colorizer, pixels).astype(int), guided.paint([Hint(0.2, 0.5, RED)]).astype(int)
    assert np.abs(after - before)[:, 60:].max() <= 2
    assert np.abs(after - before)[:, :40].max(axis=-1).min() > 20


def test_lightness_stays(guided: GuidedPhotograph, pixels: np.ndarray) -> None:
    lab = np.asarray(color.rgb_to_lab(guided.paint([Hint(0.2, 0.5, RED)]).astype(np.float32) / 255))
    gray = np.asarray(color.lightness(pixels[..., None].repeat(3, -1).astype(np.float32) / 255))[..., 0]
    assert np.abs(lab[..., 0] - gray).max() < 0.6


def test_a_picture_depends_on_its_hints_alone(colorizer: TiledColorizer, pixels: np.ndarray) -> None:
    red, blue, green = Hint(0.2, 0.5, RED), Hint(0.3, 0.9, BLUE, 0.04), Hint(0.8, 0.5, "#208030")
    by_clicks = GuidedPhotograph(colorizer, pixels)
    for hints in ([red], [red, green], [red, green, blue], [blue, red], [red, blue, green]):
        painted = by_clicks.paint(hints)
    at_once = GuidedPhotograph(colorizer, pixels).paint([green, blue, red])
    assert np.abs(painted.astype(int) - at_once).max() <= 2


def test_what_is_returned_is_not_painted_over(guided: GuidedPhotograph) -> None:
    first = guided.paint()
    kept = first.copy()
    guided.paint([Hint(0.2, 0.5, RED)])
    np.testing.assert_array_equal(first, kept)


def test_previews(guided: GuidedPhotograph) -> None:
    hints = [Hint(0.2, 0.5, RED)]
    full, small = guided.paint(hints), guided.paint(hints, longest=45)
    assert small.shape == (30, 45, 3)
    assert np.abs(small.astype(int) - full.reshape(30, 2, 45, 2, 3).mean(axis=(1, 3)))[:, :20].max() < 6
    assert guided.paint(hints, longest=1000).shape == full.shape
    with pytest.raises(ArgumentError, match="longest is 0"):
        guided.paint(longest=0)


def test_sixteen_bits_and_one_pixel(colorizer: TiledColorizer, pixels: np.ndarray) -> None:
    hints = [Hint(0.2, 0.5, RED)]
    deep = GuidedPhotograph(colorizer, pixels.astype(np.uint16) * 257).paint(hints)
    assert deep.dtype == np.uint16
    eight = GuidedPhotograph(colorizer, pixels).paint(hints)
    assert np.abs(deep / 257 - eight).max() <= 1
    assert GuidedPhotograph(colorizer, pixels[:1, :1]).paint(hints).shape == (1, 1, 3)


def test_palette_names_classes(guided: GuidedPhotograph) -> None:
    palette = guided.palette(0.1, 0.5)
    assert 2 <= len(palette) <= 8
    probabilities = [entry.probability for entry in palette]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0.9 < sum(probabilities) <= 1.0001
    shown = np.array([Hint(0, 0, entry.color).ab for entry in palette])
    assert shown[0, 1] < -10  # blue, where it is dark
    apart = np.linalg.norm(shown[:, None] - shown, axis=-1)[np.triu_indices(len(shown), 1)]
    assert apart.min() > 8
    assert Hint(0, 0, guided.palette(0.9, 0.5)[0].color).ab[1] > 10  # yellow, where it is light
    assert len(guided.palette(0.1, 0.5, 1)) == 1


def test_palette_of_pairs_of_bins(pixels: np.ndarray) -> None:
    palette = GuidedPhotograph(TiledColorizer(Parts(by_two_histograms(), SIZE)), pixels).palette(0.9, 0.5)
    likely, rare = 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))
    # Gray is one color, whichever hue it would have.
    assert [entry.probability for entry in palette] == pytest.approx([likely, rare * likely, rare * rare], abs=1e-4)
    shown = np.array([Hint(0, 0, entry.color).ab for entry in palette])
    np.testing.assert_allclose(shown, [(0, 0), (50, 30), (-45, 40)], atol=8)  # what sRGB has of them at that lightness


def test_palette_of_a_network_without_classes(pixels: np.ndarray) -> None:
    guided = GuidedPhotograph(TiledColorizer(Parts(directly(), SIZE)), pixels)
    palette = guided.palette(0.9, 0.5, 6)
    assert [entry.probability for entry in palette] == [0.0] * 6
    shown = np.array([Hint(0, 0, entry.color).ab for entry in palette])
    own = ab_of(guided.paint())[30, 81]
    assert np.linalg.norm(shown[0] - own) < 3
    assert np.ptp(np.degrees(np.arctan2(shown[1:, 1], shown[1:, 0]))) > 180


@pytest.mark.parametrize("arguments", [(1.2, 0.5), (0.5, -1), (0.5, 0.5, 0)])
def test_palette_refuses_what_is_outside(guided: GuidedPhotograph, arguments: tuple[float, ...]) -> None:
    with pytest.raises(ArgumentError, match="is"):
        guided.palette(*arguments)  # type: ignore[arg-type]
