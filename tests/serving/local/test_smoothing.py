"""Smoothing: the kernel of the paper against NumPy, and colors that follow the motion."""

from collections.abc import Callable

import cv2
import keras
import numpy as np
import pytest

from serving.local.film_pipeline import Smoother
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import Cuts, Kernel, TemporalSmoother, Unsmoothed
from serving.local.tiled import TiledColorizer
from tests.accept_golden import formula_network
from tests.zoo.networks import tiny
from zoo.colorizer import Parts

SIZE = 64


def texture(seed: int = 0, side: int = 2 * SIZE) -> np.ndarray:
    """Smooth random lightness (side, side) in [0, 100]."""
    coarse = np.random.default_rng(seed).uniform(0, 100, (side // 8, side // 8)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), 0, 100)


def panned(count: int, step: int = 2, seed: int = 0) -> np.ndarray:
    """Frames (count, SIZE, SIZE, 1) of a camera that moves over a texture."""
    field = texture(seed)
    return np.stack([field[:SIZE, i * step : i * step + SIZE, None] for i in range(count)])


class Fake:
    """A colorizer that gives colors from a list, whatever it sees."""

    def __init__(self, colors: np.ndarray) -> None:
        self.left = list(colors)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        taken, self.left = self.left[: len(frames)], self.left[len(frames) :]
        return np.stack(taken)


def by_formula(values: np.ndarray, frames: int = 20, decay: float = 0.2) -> np.ndarray:
    """The kernel, term by term, in float64."""
    out = np.zeros(values.shape)
    for t in range(len(values)):
        steps = [i for i in range(frames + 1) if i <= t]
        out[t] = sum(values[t - i].astype(np.float64) * np.exp(-decay * i) for i in steps)
        out[t] /= sum(np.exp(-decay * i) for i in steps)
    return out


def test_kernel_is_that_of_the_paper() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3, 4)).astype(np.float32)
    kernel = Kernel()
    assert np.allclose([kernel.add(each) for each in values], by_formula(values), atol=1e-6)
    assert len(kernel.kept) == 21


def test_probabilities_are_averaged_before_the_annealed_mean() -> None:
    network = formula_network("color_unet")  # not a shared one: models are made that begin inside it
    frames = np.random.default_rng(0).uniform(0, 100, (5, 16, 16, 1)).astype(np.float32) * 0.1 + 40
    found = TemporalSmoother(TiledColorizer(Parts(network, 16, 1.2))).colors(frames)
    scores = keras.Model(network.input, network.get_layer("scores").output)(frames).numpy().astype(np.float64)
    odds = np.exp(scores - scores.max(-1, keepdims=True))
    smoothed = by_formula(odds / odds.sum(-1, keepdims=True))
    sharp = smoothed ** network.get_layer("temperature").scale
    centers = expected_centers(network)
    expected = 1.2 * (sharp / sharp.sum(-1, keepdims=True)) @ centers
    assert np.allclose(found, expected, atol=1e-3)


def expected_centers(network: object) -> np.ndarray:
    """The colors of the classes: what the network's decoder makes of certainty."""
    probabilities = network.get_layer("probabilities").output  # type: ignore[attr-defined]
    decode = keras.Model([probabilities, network.input], network.output)  # type: ignore[attr-defined]
    classes = probabilities.shape[-1]
    certain = np.eye(classes, dtype=np.float32).reshape(1, classes, 1, classes).repeat(16, 2)
    rows = -(-classes // 16) * 16
    certain = np.concatenate([certain, certain[:, : rows - classes]], axis=1)
    return decode([certain, np.zeros((1, rows, 16, 1), np.float32)]).numpy()[0, :classes, 0]


def test_networks_without_classes_are_smoothed_over_ab() -> None:
    colorizer = TiledColorizer(Parts(tiny("pix2pix"), 32))
    frames = panned(4)[:, :32, :32]
    assert np.allclose(TemporalSmoother(colorizer).colors(frames), by_formula(colorizer.predict(frames)), atol=1e-3)


def smoothers() -> list[Callable[[np.ndarray], Smoother]]:
    def temporal(colors: np.ndarray) -> Smoother:
        smoother = TemporalSmoother(TiledColorizer(Parts(tiny("pix2pix"), SIZE)))
        fake = Fake(colors)
        smoother._probabilities = lambda frames: [fake.predict(frames)]
        return smoother

    return [temporal, lambda colors: FlowSmoother(Fake(colors))]  # type: ignore[arg-type, list-item]


@pytest.mark.parametrize("make", smoothers(), ids=["temporal", "flow"])
def test_nothing_is_carried_over_a_cut(make: Callable[[np.ndarray], Smoother]) -> None:
    dark, light = panned(3) * 0.2, 60 + panned(3, seed=1) * 0.4
    colors = np.random.default_rng(0).normal(0, 20, (6, SIZE, SIZE, 2)).astype(np.float32)
    found = make(colors).colors(np.concatenate([dark, light]))
    assert np.allclose(found[[0, 3]], colors[[0, 3]], atol=1e-4)
    assert not np.allclose(found[4], colors[4], atol=1)


@pytest.mark.parametrize("make", smoothers(), ids=["temporal", "flow"])
def test_a_restored_state_gives_the_very_colors(make: Callable[[np.ndarray], Smoother]) -> None:
    frames = panned(8)
    colors = np.random.default_rng(0).normal(0, 20, (8, SIZE, SIZE, 2)).astype(np.float32)
    whole = make(colors)
    expected = [whole.colors(frames[:4]), whole.colors(frames[4:])]
    first, second = make(colors), make(colors[4:])
    first.colors(frames[:4])
    second.restore(first.state())
    assert np.array_equal(second.colors(frames[4:]), expected[1])


def test_flow_carries_colors_along() -> None:
    """Colors that belong to the moving matter, with noise: the noise goes, and the colors stay with it."""
    count, step = 12, 2
    field = np.stack([texture(5), texture(6)], axis=-1) - 50
    truth = np.stack([field[:SIZE, i * step : i * step + SIZE] for i in range(count)])
    noise = np.random.default_rng(1).normal(0, 10, (count, 8, 8, 2)).astype(np.float32)
    noisy = truth + np.stack([cv2.resize(each, (SIZE, SIZE)) for each in noise])
    flow = FlowSmoother(Fake(noisy)).colors(panned(count, step))  # type: ignore[arg-type]
    kernel = Kernel()
    still = np.stack([kernel.add(each) for each in noisy])
    inner = np.s_[6:, 8:-8, 8:-8]

    def error(colors: np.ndarray) -> float:
        return float(np.sqrt(np.square(colors - truth)[inner].mean()))

    assert error(flow) < 0.55 * error(noisy)
    assert error(flow) < 0.7 * error(still)


def test_what_comes_into_sight_takes_no_colors_from_elsewhere() -> None:
    frames = panned(2, step=0).copy()
    frames[1, 20:40, 20:40] = 100 - frames[1, 20:40, 20:40]  # something appears
    colors = np.zeros((2, SIZE, SIZE, 2), np.float32)
    colors[1, 20:40, 20:40] = 50
    found = FlowSmoother(Fake(colors)).colors(frames)[1]  # type: ignore[arg-type]
    middle = np.abs(frames[1] - frames[0])[24:36, 24:36, 0] > 40
    assert middle.mean() > 0.2
    assert found[24:36, 24:36][middle].mean() > 44  # with the colors of before it would be 27


def test_colors_of_a_scene_keep_their_mean() -> None:
    """A pulse of all colors of a still scene becomes their mean."""
    pulse = np.array([0, 12, 0, 12, 0, 12, 0, 12], np.float32)
    colors = np.full((8, SIZE, SIZE, 2), 20, np.float32) + pulse[:, None, None, None]
    found = FlowSmoother(Fake(colors)).colors(panned(8, step=0))[:, 5:-5, 5:-5].mean((1, 2, 3))  # type: ignore[arg-type]
    assert np.abs(np.diff(found)[3:]).max() < 1.2
    assert abs(found[-1] - 26) < 3


def test_a_region_that_pulses_leaves_the_others_alone() -> None:
    colors = np.full((8, SIZE, SIZE, 2), 20, np.float32)
    colors[1::2, :, SIZE // 2 :] += 12
    found = FlowSmoother(Fake(colors)).colors(panned(8, step=0))  # type: ignore[arg-type]
    assert np.abs(found[:, 5:-5, 5:16] - 20).max() < 0.5
    assert np.abs(np.diff(found[:, 5:-5, 48:-5].mean((1, 2, 3)))[3:]).max() < 2


def test_cuts() -> None:
    cuts = Cuts()
    dark, light = panned(3) * 0.2, 60 + panned(3, seed=1) * 0.4
    assert [cuts.is_next(frame) for frame in (*dark, *light)] == [True, False, False, True, False, False]


def test_without_smoothing_each_frame_is_for_itself() -> None:
    colors = np.random.default_rng(0).normal(size=(3, SIZE, SIZE, 2)).astype(np.float32)
    smoother = Unsmoothed(Fake(colors))  # type: ignore[arg-type]
    assert np.array_equal(smoother.colors(panned(3)), colors) and smoother.state() == {}
    smoother.restore({})
