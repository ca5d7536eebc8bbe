"""The measures of flicker, on films of which they are known."""

import cv2
import numpy as np
import pytest

from tests.films import pan
from training.evaluation.flicker import Flicker, FlickerMeter, jensen_shannon
from zoo import color


def measured(true: list[np.ndarray], film: list[np.ndarray]) -> Flicker:
    meter = FlickerMeter()
    for pair in zip(true, film, strict=True):
        meter.add(*pair)
    return meter.figures()


def shifted(frame: np.ndarray, a: float) -> np.ndarray:
    """The frame, paler so that nothing leaves sRGB, with a shift of a."""
    lab = np.asarray(color.rgb_to_lab(frame.astype(np.float32) / 255))
    lab = np.stack([30 + lab[..., 0] * 0.4, lab[..., 1] * 0.2 + a, lab[..., 2] * 0.2], axis=-1)
    return np.rint(np.asarray(color.lab_to_rgb(lab)) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def true() -> list[np.ndarray]:
    return [cv2.resize(frame, (96, 54)) for frame in pan(4, 5, 2)]


def test_colors_that_stay_with_what_they_belong_to(true: list[np.ndarray]) -> None:
    calm, flickering = [shifted(each, 0) for each in true], [shifted(each, 4 * (i % 2)) for i, each in enumerate(true)]
    steady, pulsing = measured(true, calm), measured(true, flickering)
    assert steady.frames == 5 and steady.warping < 0.5
    # A shift of 4 in one of two channels.
    assert pulsing.warping == pytest.approx(4 / 2**0.5, rel=0.1)
    assert pulsing.cdc > 2 * steady.cdc
    assert np.isnan(steady.still)  # everything moves


def test_still_areas(true: list[np.ndarray]) -> None:
    still = [true[0]] * 4
    assert measured(still, [shifted(true[0], 3 * (i % 2)) for i in range(4)]).still == pytest.approx(
        3 / 2**0.5, rel=0.1
    )
    figures = measured(still, still)
    assert (figures.warping, figures.cdc, figures.still, figures.rmse) == (0, 0, 0, 0)


def test_error_and_colorfulness(true: list[np.ndarray]) -> None:
    figures = measured([shifted(each, 0) for each in true], [shifted(each, 6) for each in true])
    assert figures.rmse == pytest.approx(6 / 2**0.5, rel=0.05)
    gray = [each[..., 1:2].repeat(3, -1) for each in true]
    assert measured(true, gray).colorfulness == 0 < measured(true, true).colorfulness


def test_pairs_with_a_cut_between_them_do_not_count(true: list[np.ndarray]) -> None:
    first, second = true[0] // 4, 255 - true[0] // 4
    film = [first, first, second, second]
    assert measured(film, film).warping == 0 == measured(film, film).cdc


def test_divergence() -> None:
    one, other = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert jensen_shannon(one, one) == 0 and jensen_shannon(one, other) == 1
    half = np.array([[0.5, 0.5]])
    expected = (np.log2(1 / 0.75) + 0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25)) / 2
    assert jensen_shannon(one, half) == pytest.approx(expected)


def test_what_comes_into_sight_does_not_count(true: list[np.ndarray]) -> None:
    before, after = true[0] // 2, true[0] // 2
    after[20:30, 40:60] = 255
    painted = after.copy()
    painted[20:30, 40:60] = (255, 0, 0)
    assert measured([before, after], [before, painted]).warping < 4  # of 80 over the patch
