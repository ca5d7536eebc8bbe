import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo import bins, color
from zoo.errors import ArgumentError

# a: lowest b, highest b. Every multiple of 10 between them is a bin.
ROWS = {
    -90: (50, 90),
    -80: (20, 90),
    -70: (0, 90),
    -60: (-20, 90),
    -50: (-30, 100),
    -40: (-40, 100),
    -30: (-50, 100),
    -20: (-50, 100),
    -10: (-60, 100),
    0: (-70, 100),
    10: (-80, 90),
    20: (-80, 90),
    30: (-90, 90),
    40: (-100, 90),
    50: (-100, 80),
    60: (-110, 80),
    70: (-110, 80),
    80: (-110, 70),
    90: (-110, 70),
    100: (-90, 0),
}


@pytest.fixture(scope="module")
def centers():
    return bins.ab_grid()


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def test_the_313_bins_are_those_of_the_paper_in_their_order(centers):
    expected = [(a, b) for a, (low, high) in ROWS.items() for b in range(low, high + 10, 10)]
    assert len(expected) == 313
    assert centers.dtype == np.float32
    np.testing.assert_array_equal(centers, expected)


def test_uv_cells():
    limit_u, limit_v = bins.UV_LIMITS
    uv = np.array(
        [
            [-limit_u, -limit_v],
            [-limit_u, -limit_v + 0.14],
            [-limit_u + 0.1, -limit_v],
            [0.01, 0.01],
            [limit_u, limit_v],
            [9, -9],
        ],
        np.float32,
    )
    assert numpy_of(bins.uv_cell(uv)).tolist() == [0, 1, 10, 55, 99, 90]


def test_the_grid_of_uv_holds_every_color():
    ramp = np.linspace(0, 1, 17, dtype=np.float32)
    rgb = np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1)
    uv = numpy_of(color.rgb_to_yuv(rgb))[..., 1:]
    assert (np.abs(uv) < bins.UV_LIMITS).all()


def test_frequent_cells_become_classes_and_the_others_join_the_nearest():
    counts = np.zeros(100, np.int64)
    counts[[0, 9, 90, 99, 55]] = [10, 40, 20, 30, 5]  # the corners of the grid, and a cell inside it
    classes = bins.frequent_classes(counts, 4)
    assert classes.dtype == np.int32
    assert classes.shape == (100,)
    assert classes[[9, 99, 90, 0]].tolist() == [0, 1, 2, 3]
    # (5, 5) is nearest to the corner (9, 9); (1, 2) to (0, 0); (6, 1) to (9, 0); (2, 8) to (0, 9).
    assert classes[[55, 12, 61, 28]].tolist() == [1, 3, 2, 0]
    assert bins.frequent_classes(counts, 5)[55] == 4


def test_cells_that_occur_equally_often_keep_their_order():
    counts = np.zeros(100, np.int64)
    counts[[70, 20, 40]] = 7
    assert bins.frequent_classes(counts, 3)[[20, 40, 70]].tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [-1, 1, 4])
def test_no_more_classes_than_cells_that_occur(n):
    counts = np.zeros(100, np.int64)
    counts[:3] = 1
    with pytest.raises(ArgumentError, match=f"bins is {n}: .*between 2 and 3"):
        bins.frequent_classes(counts, n)


def test_class_statistics():
    classes = np.zeros(100, np.int32)
    classes[50:] = 1
    counts, ab_sums = np.zeros(100, np.int64), np.zeros((100, 2))
    counts[[3, 4, 77]] = [2, 4, 2]
    ab_sums[[3, 4, 77]] = [[20, -2], [10, 8], [-30, 50]]
    centers, prior = bins.class_statistics(classes, counts, ab_sums)
    assert centers.dtype == prior.dtype == np.float32
    np.testing.assert_allclose(centers, [[5, 1], [-15, 25]])
    np.testing.assert_allclose(prior, [0.75, 0.25])


def test_uniform_uv_centers_are_distinct_colors():
    centers = bins.uniform_uv_centers(32)
    assert centers.shape == (32, 2)
    assert centers.dtype == np.float32
    distances = np.linalg.norm(centers[:, None] - centers, axis=-1) + 1e3 * np.eye(32)
    assert distances.min() > 3
    # Gray is the middle of the UV plane, where most colors are.
    assert np.linalg.norm(centers, axis=-1).min() < 15


def test_histogram_bins():
    values = np.array([0, 0.5 / 32, 1 / 32, 0.5, 31 / 32, 0.999, 1], np.float32)
    assert numpy_of(bins.histogram_bin(values)).tolist() == [0, 0, 1, 16, 31, 31, 31]
    edges = np.arange(8, dtype=np.float32) / 8
    assert numpy_of(bins.histogram_bin(edges, 8)).tolist() == list(range(8))
    centers = bins.histogram_centers(32)
    assert centers.dtype == np.float32
    assert numpy_of(bins.histogram_bin(centers)).tolist() == list(range(32))
    np.testing.assert_allclose(centers[[0, -1]], [1 / 64, 63 / 64])


def test_soft_encoding_is_shared_by_the_nearest_five(centers):
    ab = np.random.default_rng(0).uniform(-60, 60, (4, 7, 2)).astype(np.float32)
    encoded = numpy_of(bins.soft_encode(ab, centers))
    assert encoded.shape == (4, 7, 313)
    expected = np.zeros((28, 313))
    for row, color_ in zip(expected, ab.reshape(-1, 2).astype(np.float64), strict=True):
        squared = ((centers - color_) ** 2).sum(axis=1)
        nearest = np.argsort(squared)[:5]
        row[nearest] = np.exp(-squared[nearest] / (2 * 5**2))
        row /= row.sum()
    np.testing.assert_allclose(encoded.reshape(-1, 313), expected, atol=1e-5)
    assert (np.count_nonzero(encoded, axis=-1) == 5).all()
    np.testing.assert_allclose(encoded.sum(axis=-1), 1, atol=1e-6)


def test_soft_encoding_of_a_center_by_hand(centers):
    """A center and its four neighbors at 10 units, whose weights are exp(-2)."""
    encoded = numpy_of(bins.soft_encode(np.float32([[10, 20]]), centers))[0]
    shares = {tuple(centers[i].tolist()): float(encoded[i]) for i in np.flatnonzero(encoded)}
    whole = 1 + 4 * np.exp(-2)
    expected = {(10, 20): 1 / whole} | dict.fromkeys([(0, 20), (20, 20), (10, 10), (10, 30)], np.exp(-2) / whole)
    assert shares == pytest.approx(expected, abs=1e-6)


def test_soft_encoding_takes_neighbors_and_sigma(centers):
    encoded = numpy_of(bins.soft_encode(np.float32([[2, 1]]), centers, neighbors=2, sigma=10.0))[0]
    assert np.count_nonzero(encoded) == 2
    nearest, second = encoded[(centers == [0, 0]).all(axis=1)], encoded[(centers == [10, 0]).all(axis=1)]
    np.testing.assert_allclose(second / nearest, np.exp(-((64 + 1) - (4 + 1)) / (2 * 10**2)), rtol=1e-5)


def test_soft_encoding_by_all_centers():
    centers = bins.ab_grid()
    ab = np.random.default_rng(0).uniform(-70, 70, (50, 2)).astype(np.float32)
    squared = ((ab[:, None].astype(np.float64) - centers) ** 2).sum(-1)
    expected = np.exp(-squared / 50) / np.exp(-squared / 50).sum(-1, keepdims=True)
    np.testing.assert_allclose(numpy_of(bins.soft_encode(ab, centers, neighbors=None)), expected, atol=1e-4)


def test_far_colors_are_encoded_too(centers):
    encoded = numpy_of(bins.soft_encode(np.float32([[300, 300], [-500, 0]]), centers))
    assert np.isfinite(encoded).all()
    np.testing.assert_allclose(encoded.sum(axis=-1), 1, atol=1e-6)
    # The nearest on the rim of the grid.
    assert centers[encoded.argmax(axis=-1)].tolist() == [[90, 70], [-90, 50]]


PRIOR = np.array([0.7, 0.2, 0.1, 0.0])


def test_rebalancing_raises_rare_classes_and_keeps_the_expectation():
    weights = bins.rebalancing_weights(PRIOR, 0.5)
    assert weights.dtype == np.float32
    np.testing.assert_allclose((PRIOR * weights).sum(), 1, rtol=1e-6)
    raw = 1 / (0.5 * PRIOR + 0.5 / 4)
    np.testing.assert_allclose(weights / weights[0], raw / raw[0], rtol=1e-6)
    assert (np.diff(weights) > 0).all()


def test_rebalancing_with_lambda_1_and_0():
    np.testing.assert_allclose(bins.rebalancing_weights(PRIOR, 1.0), 1)
    np.testing.assert_allclose(bins.rebalancing_weights(PRIOR[:3], 0.0), 1 / (3 * PRIOR[:3]), rtol=1e-6)


@pytest.mark.parametrize("lam", [-0.1, 1.1, 0.0])
def test_rebalancing_errors(lam):
    with pytest.raises(ArgumentError, match=f"lambda is {lam}"):
        bins.rebalancing_weights(PRIOR, lam)


COLORS = np.array([[10, 0], [0, 20], [-40, -40]], np.float32)
LOGITS = np.log(np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], np.float32))


def test_annealed_mean_at_1_is_the_mean():
    expected = np.exp(LOGITS) @ COLORS
    np.testing.assert_allclose(numpy_of(bins.annealed_mean(LOGITS, COLORS, 1.0)), expected, atol=1e-4)


def test_annealed_mean_in_between():
    sharpened = np.exp(LOGITS.astype(np.float64)) ** (1 / 0.38)
    expected = sharpened / sharpened.sum(axis=-1, keepdims=True) @ COLORS
    np.testing.assert_allclose(numpy_of(bins.annealed_mean(LOGITS, COLORS, 0.38)), expected, atol=1e-4)


@pytest.mark.parametrize("temperature", [0, 1e-3])
def test_annealed_mean_towards_0_is_the_mode(temperature):
    mode = numpy_of(bins.annealed_mean(LOGITS, COLORS, temperature))
    np.testing.assert_allclose(mode, COLORS[[0, 2]], atol=1e-4)


def test_annealed_mean_rejects_negative_temperatures():
    with pytest.raises(ArgumentError, match="temperature is -0.1"):
        bins.annealed_mean(LOGITS, COLORS, -0.1)


# --- histograms ---


def window_histogram(classes, row, column, n, window):
    """One-hot classes averaged over the window, the border repeated; by looking at each pixel."""
    histogram = np.zeros(n)
    for y in range(row - window // 2, row + window // 2 + 1):
        for x in range(column - window // 2, column + window // 2 + 1):
            y_inside, x_inside = min(max(y, 0), classes.shape[0] - 1), min(max(x, 0), classes.shape[1] - 1)
            histogram[classes[y_inside, x_inside]] += 1 / window**2
    return histogram


@pytest.mark.parametrize("window", [1, 3, 7])
def test_histograms_at_locations(window):
    rng = np.random.default_rng(window)
    classes = rng.integers(0, 8, (2, 6, 9)).astype(np.int32)
    locations = np.stack([rng.integers(0, 6, (2, 20)), rng.integers(0, 9, (2, 20))], axis=-1)
    locations[:, :4] = [[0, 0], [0, 8], [5, 0], [5, 8]]
    expected = [
        [window_histogram(picture, *place, 8, window) for place in places]
        for picture, places in zip(classes, locations.tolist(), strict=True)
    ]
    got = numpy_of(bins.histograms_at(classes, locations.astype(np.float32), 8, window))
    assert got.shape == (2, 20, 8)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_histograms_of_pictures_of_unknown_size():
    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None), tf.int32), tf.TensorSpec((None, None, 2), tf.int32)]
    )
    def histograms(classes, locations):
        return bins.histograms_at(classes, locations, 32, 3)

    classes = np.random.default_rng(0).integers(0, 32, (3, 5, 4)).astype(np.int32)
    got = histograms(classes, np.full((3, 2, 2), 3, np.int32))
    np.testing.assert_allclose(got[2, 1], window_histogram(classes[2], 3, 3, 32, 3), atol=1e-6)


@pytest.mark.parametrize("window", [-1, 0, 2])
def test_windows_are_odd(window):
    with pytest.raises(ArgumentError, match=f"window is {window}: it must be odd"):
        bins.histograms_at(np.zeros((1, 4, 4), np.int32), np.zeros((1, 1, 2)), 8, window)


def test_median_of_a_histogram():
    shares = np.zeros((4, 8), np.float32)
    shares[0, 5] = 1
    shares[1, [0, 6, 7]] = [0.25, 0.5, 0.25]
    shares[2, [1, 4]] = [0.625, 0.375]
    shares[3, [2, 3]] = [0.5, 0.5]  # a half is reached with bin 2
    expected = (np.array([5, 6, 1, 2]) + 0.5)[:, None] / 8
    np.testing.assert_allclose(numpy_of(bins.histogram_median(shares)), expected)


def test_median_of_random_histograms():
    shares = np.random.default_rng(0).dirichlet(np.full(32, 0.3), (6, 7))
    expected = [[(np.searchsorted(np.cumsum(row), 0.5) + 0.5) / 32 for row in rows] for rows in shares]
    got = numpy_of(bins.histogram_median(shares.astype(np.float32)))
    assert len(np.unique(expected)) > 10
    np.testing.assert_allclose(got[..., 0], expected, atol=1e-6)


def test_circular_expectation():
    shares = np.random.default_rng(0).dirichlet(np.full(32, 0.1), (6, 7))
    turn, length = bins.circular_expectation(shares.astype(np.float32))
    mean = shares @ np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)
    assert turn.shape == length.shape == (6, 7, 1)
    np.testing.assert_allclose(numpy_of(length)[..., 0], np.abs(mean), atol=1e-6)
    np.testing.assert_allclose(numpy_of(turn)[..., 0], np.angle(mean) / (2 * np.pi) % 1, atol=1e-5)


def test_circular_expectation_by_hand():
    shares = np.zeros((4, 32), np.float32)
    shares[0, 31] = 1
    shares[1, [31, 0]] = 0.5  # around red, where the circle closes
    shares[2, [4, 20]] = 0.5  # opposite
    shares[3, [8, 15]] = 0.5
    turn, length = map(numpy_of, bins.circular_expectation(shares))
    assert turn[0, 0] == pytest.approx(31.5 / 32)
    assert min(turn[1, 0], 1 - turn[1, 0]) == pytest.approx(0, abs=1e-6)
    assert turn[3, 0] == pytest.approx(12 / 32)
    np.testing.assert_allclose(length[:, 0], [1, np.cos(np.pi / 32), 0, np.cos(7 * np.pi / 32)], atol=1e-5)
    assert (turn >= 0).all()
    assert (turn <= 1).all()


def test_gaussian_bins_share_a_gaussian():
    values = np.random.default_rng(0).normal(0, 25, 64_000).astype(np.float32)
    counts = np.bincount(numpy_of(bins.gaussian_bin(values)), minlength=32)
    assert counts.shape == (32,)
    np.testing.assert_allclose(counts, 2000, rtol=0.1)
    assert numpy_of(bins.gaussian_bin(np.float32([-128, -0.1, 0.1, 128]))).tolist() == [0, 15, 16, 31]
    assert numpy_of(bins.gaussian_bin(np.float32([-20, 20]), 16, 10.0)).tolist() == [0, 15]


def test_gaussian_centers_lie_in_their_bins():
    for count in (16, 32):
        centers = bins.gaussian_centers(count)
        assert centers.dtype == np.float32
        assert numpy_of(bins.gaussian_bin(centers, count)).tolist() == list(range(count))
        np.testing.assert_allclose(centers, -centers[::-1], atol=1e-4)
    # The quantiles 1/4 and 3/4 of a Gaussian are 0.67449 sigma from its mean.
    np.testing.assert_allclose(bins.gaussian_centers(2, 10.0), [-6.7449, 6.7449], rtol=1e-5)
