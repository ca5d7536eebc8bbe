"""training.evaluation.rgb_metrics against scikit-image, scipy and values by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio

from tests.training.evaluation.pictures import one_pixel_apart, random_pair
from training.evaluation.rgb_metrics import channel_accuracy, mse_rgb, psnr_rgb, ssim_rgb
from zoo.errors import ArgumentError

METRICS = [mse_rgb, psnr_rgb, ssim_rgb, channel_accuracy]


def ssim_by_wang(one: np.ndarray, other: np.ndarray) -> float:
    """Equation 13 of Wang et al. with scipy's Gaussian, in windows that lie inside the picture."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for x, y in zip(np.moveaxis(one.astype(float), -1, 0), np.moveaxis(other.astype(float), -1, 0), strict=True):

        def mean(z: np.ndarray) -> np.ndarray:
            return gaussian_filter(z, 1.5, radius=5)[5:-5, 5:-5]

        mx, my = mean(x), mean(y)
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        values.append(((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())
    return float(np.mean(values))


@pytest.mark.parametrize("bits", [8, 16])
def test_against_other_implementations(bits: int) -> None:
    truth, rgb = random_pair(bits=bits)
    white = 2**bits - 1
    assert mse_rgb(truth, rgb) == pytest.approx(mean_squared_error(truth / white, rgb / white), abs=1e-12)
    assert psnr_rgb(truth, rgb) == pytest.approx(peak_signal_noise_ratio(truth, rgb, data_range=white), abs=1e-9)
    assert ssim_rgb(truth, rgb) == pytest.approx(ssim_by_wang(truth * (255 / white), rgb * (255 / white)), abs=1e-9)
    largest = [int(np.argmax(a) == np.argmax(b)) for a, b in zip(truth.reshape(-1, 3), rgb.reshape(-1, 3), strict=True)]
    assert channel_accuracy(truth, rgb) == pytest.approx(np.mean(largest))


def test_one_pixel_apart() -> None:
    truth, rgb = one_pixel_apart(by=10)
    mse = (10 / 255) ** 2 / (13 * 17 * 3)
    assert mse_rgb(truth, rgb) == pytest.approx(mse)
    assert psnr_rgb(truth, rgb) == pytest.approx(-10 * np.log10(mse))
    assert 0.99 < ssim_rgb(truth, rgb) < 1
    # Of equal channels, the first is the largest; in one pixel it is the second.
    assert channel_accuracy(truth, rgb) == pytest.approx(1 - 1 / (13 * 17))


def test_equal_pictures() -> None:
    truth, _ = random_pair()
    assert [float(metric(truth, truth)) for metric in METRICS] == [0, np.inf, pytest.approx(1), 1]


@pytest.mark.parametrize("metric", METRICS)
def test_a_batch_is_its_pictures_in_any_order(metric: Callable[..., np.ndarray]) -> None:
    pairs = [random_pair(seed=seed) for seed in range(3)]
    truth, rgb = (np.stack(part) for part in zip(*pairs, strict=True))
    values = metric(truth, rgb)
    np.testing.assert_array_equal(values, [metric(*pair) for pair in pairs])
    np.testing.assert_array_equal(metric(truth[::-1], rgb[::-1]), values[::-1])


def test_16_bits_of_the_same_picture_have_the_same_figures() -> None:
    truth, rgb = random_pair()
    for metric in METRICS:
        assert metric(truth.astype(np.uint16) * 257, rgb.astype(np.uint16) * 257) == pytest.approx(metric(truth, rgb))


def test_wrong_pictures_are_named() -> None:
    truth, rgb = random_pair()
    with pytest.raises(ArgumentError, match="float64"):
        mse_rgb(truth / 255, rgb)
    with pytest.raises(ArgumentError, match=r"\(13, 16, 3\)"):
        channel_accuracy(truth, rgb[:, :-1])
    with pytest.raises(ArgumentError, match="11x11"):
        ssim_rgb(truth[:10], rgb[:10])
