"""The figures of training.evaluation.metrics against values by hand and against direct loops over the equations."""

import numpy as np
import pytest

from training.evaluation import metrics
from zoo.errors import ArgumentError


def ab_pair(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-60, 60, shape)
    return truth, truth + rng.normal(0, 12, shape)


def ssim_by_equation_4(one: np.ndarray, other: np.ndarray) -> float:
    """Equation 4 in every 5x5 window of every channel, then the mean."""
    c1, c2 = 6.5025, 58.5225
    height, width, channels = one.shape
    values = []
    for k in range(channels):
        for i in range(height - 4):
            for j in range(width - 4):
                x, y = one[i : i + 5, j : j + 5, k], other[i : i + 5, j : j + 5, k]
                covariance = ((x - x.mean()) * (y - y.mean())).mean()
                above = (2 * x.mean() * y.mean() + c1) * (2 * covariance + c2)
                values.append(above / ((x.mean() ** 2 + y.mean() ** 2 + c1) * (x.var() + y.var() + c2)))
    return float(np.mean(values))


def test_mse_rmse_psnr_by_hand() -> None:
    truth = np.zeros((1, 2, 2))
    ab = np.array([[[3.0, 4.0], [0.0, 5.0]]])
    # (9 + 16 + 0 + 25) / (2 * 1 * 2)
    assert metrics.mse(truth, ab) == pytest.approx(12.5)
    assert metrics.rmse(truth, ab) == pytest.approx(3.5355339)
    assert metrics.psnr(truth, ab) == pytest.approx(20 * np.log10(255 / 3.5355339))


def test_l1_by_hand() -> None:
    truth = np.zeros((1, 2, 2))
    ab = np.array([[[3.0, -4.0], [0.0, 5.0]]])
    assert metrics.l1(truth, ab) == pytest.approx((3 + 4 + 0 + 5) / 4)
    assert metrics.l1(truth, truth) == 0


def test_mse_is_equation_1() -> None:
    truth, ab = ab_pair((6, 7, 2))
    total = 0.0
    for i in range(6):
        for j in range(7):
            total += sum((truth[i, j, k] - ab[i, j, k]) ** 2 for k in range(2)) / (2 * 6 * 7)
    assert metrics.mse(truth, ab) == pytest.approx(total)


@pytest.mark.parametrize("shape", [(5, 5, 2), (9, 12, 2)])
def test_ssim_is_equation_4(shape: tuple[int, ...]) -> None:
    truth, ab = ab_pair(shape)
    assert metrics.ssim(truth, ab) == pytest.approx(ssim_by_equation_4(truth, ab), abs=1e-10)


def test_ssim_against_gray_has_only_the_luminance_and_contrast_of_the_truth() -> None:
    truth = np.full((8, 8, 2), 20.0)
    assert metrics.ssim(truth, np.zeros_like(truth)) == pytest.approx(6.5025 / (400 + 6.5025))


def test_ssim_of_opposite_hues_is_negative() -> None:
    truth = np.full((8, 8, 2), 20.0)
    assert metrics.ssim(truth, -truth) == pytest.approx((6.5025 - 800) / (800 + 6.5025))


def test_equal_pictures() -> None:
    truth, _ = ab_pair((8, 8, 2))
    assert metrics.rmse(truth, truth) == 0
    assert metrics.psnr(truth, truth) == np.inf
    assert metrics.ssim(truth, truth) == pytest.approx(1)


def test_constant_pictures_and_one_pixel_apart() -> None:
    truth = np.full((9, 13, 2), 7.0)
    ab = truth.copy()
    ab[4, 6, 0] += 30
    values = 2 * 9 * 13
    assert metrics.rmse(truth, ab) == pytest.approx(30 / np.sqrt(values))
    assert metrics.psnr(truth, ab) == pytest.approx(10 * np.log10(255**2 * values / 30**2))
    assert metrics.l1(truth, ab) == pytest.approx(30 / values)
    assert metrics.ssim(truth, ab) == pytest.approx(ssim_by_equation_4(truth, ab), abs=1e-10)
    # Of the 5 x 9 windows of a, 25 hold the pixel; b is the same.
    mean, variance = 7 + 30 / 25, 30**2 * (1 / 25 - 1 / 625)
    with_pixel = (2 * 7 * mean + 6.5025) / (7**2 + mean**2 + 6.5025) * 58.5225 / (variance + 58.5225)
    assert metrics.ssim(truth, ab) == pytest.approx(((25 * with_pixel + 20) / 45 + 1) / 2)


def test_colorfulness_of_a_constant_picture_is_that_of_its_offset() -> None:
    picture = np.full((5, 7, 3), (200, 100, 50), np.uint8)
    assert metrics.colorfulness(picture) == pytest.approx(0.3 * np.hypot(100, 100))


def test_a_batch_is_its_pictures_one_by_one() -> None:
    truth, ab = ab_pair((3, 8, 9, 2))
    for function in (metrics.mse, metrics.rmse, metrics.l1, metrics.psnr, metrics.ssim):
        together = function(truth, ab)
        assert together.shape == (3,)
        np.testing.assert_allclose(together, [function(*pair) for pair in zip(truth, ab, strict=True)])
        assert function(truth[0], ab[0]).shape == ()


def test_float32_is_summed_in_float64() -> None:
    truth, ab = (part.astype(np.float32) for part in ab_pair((8, 8, 2)))
    for function in (metrics.mse, metrics.ssim):
        assert function(truth, ab).dtype == np.float64


def test_mean_psnr_leaves_out_the_infinite() -> None:
    assert metrics.mean_psnr([20.0, np.inf, 30.0]) == (25.0, 1)
    assert metrics.mean_psnr([np.inf, np.inf]) == (np.inf, 2)


def test_colorfulness_by_hand() -> None:
    # Half red, half blue: rg is 255 and 0, yb is 127.5 and -255.
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, :, 0] = 255
    picture[1, :, 2] = 255
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75)
    assert metrics.colorfulness(picture) == pytest.approx(expected)


def test_colorfulness_is_signed() -> None:
    # Red and green in equal parts: rg is 255 and -255, whose mean is 0; absolute values would have no spread.
    picture = np.zeros((1, 2, 3), np.uint8)
    picture[0, 0, 0] = picture[0, 1, 1] = 255
    assert metrics.colorfulness(picture) == pytest.approx(255 + 0.3 * 127.5)


def test_colorfulness_of_16_bits_is_on_the_same_scale() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    assert metrics.colorfulness(picture.astype(np.uint16) * 257) == pytest.approx(metrics.colorfulness(picture))


def test_colorfulness_of_gray_is_zero_and_of_a_batch_its_pictures() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), dtype=np.uint8)
    pictures[1] = pictures[1, ..., :1]
    values = metrics.colorfulness(pictures)
    assert values[1] == 0
    np.testing.assert_allclose(values, [metrics.colorfulness(picture) for picture in pictures])


def test_wrong_shapes_and_types_are_named() -> None:
    with pytest.raises(ArgumentError, match=r"\(8, 8, 3\)"):
        metrics.rmse(np.zeros((8, 8, 3)), np.zeros((8, 8, 3)))
    with pytest.raises(ArgumentError, match=r"\(8, 9, 2\)"):
        metrics.mse(np.zeros((8, 8, 2)), np.zeros((8, 9, 2)))
    with pytest.raises(ArgumentError, match="5x5"):
        metrics.ssim(np.zeros((4, 8, 2)), np.zeros((4, 8, 2)))
    with pytest.raises(ArgumentError, match="float64"):
        metrics.colorfulness(np.zeros((8, 8, 3)))  # type: ignore[arg-type]
