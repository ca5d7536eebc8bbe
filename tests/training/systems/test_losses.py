"""The losses against their formulas, written out pixel by pixel in float64, and their gradients against differences."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from training.systems import losses
from training.systems.losses import cross_entropy
from zoo.errors import ArgumentError

RNG = np.random.default_rng(3)
SCORES = RNG.normal(0, 3, (2, 4, 5, 6)).astype(np.float32)
CLASSES = RNG.integers(0, 6, (2, 4, 5)).astype(np.int32)
WEIGHTS = RNG.uniform(0.2, 3, 6).astype(np.float32)
MASK = np.ones((2, 4, 5), np.float32)
MASK[0, 3:] = MASK[1, :, 2:] = 0


def loss(scores: np.ndarray, classes: np.ndarray, weights: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(cross_entropy(scores, classes, weights, mask))


def test_formula() -> None:
    expected = []
    for scores, classes, mask in zip(SCORES.astype(np.float64), CLASSES, MASK, strict=True):
        terms = [
            -WEIGHTS[classes[y, x]] * np.log(np.exp(scores[y, x, classes[y, x]]) / np.exp(scores[y, x]).sum())
            for y, x in zip(*np.nonzero(mask), strict=True)
        ]
        expected.append(np.mean(terms))
    got = loss(SCORES, CLASSES, WEIGHTS, MASK)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_padding_has_no_say() -> None:
    padding = MASK == 0
    classes, scores = CLASSES.copy(), SCORES.copy()
    classes[padding] = (classes[padding] + 1) % 6
    scores[padding] += RNG.normal(0, 50, scores[padding].shape).astype(np.float32)
    np.testing.assert_array_equal(loss(scores, classes, WEIGHTS, MASK), loss(SCORES, CLASSES, WEIGHTS, MASK))


def test_weights_scale_their_class_only() -> None:
    classes = np.full_like(CLASSES, 2)
    doubled = WEIGHTS.copy()
    doubled[2] *= 2
    np.testing.assert_allclose(
        loss(SCORES, classes, doubled, MASK), 2 * loss(SCORES, classes, WEIGHTS, MASK), rtol=1e-6
    )
    others = WEIGHTS * 7
    others[2] = WEIGHTS[2]
    np.testing.assert_array_equal(loss(SCORES, classes, others, MASK), loss(SCORES, classes, WEIGHTS, MASK))


def test_a_picture_of_padding_alone() -> None:
    mask = MASK.copy()
    mask[1] = 0
    got = loss(SCORES, CLASSES, WEIGHTS, mask)
    assert got[1] == 0
    assert got[0] == loss(SCORES, CLASSES, WEIGHTS, MASK)[0] > 0


def test_large_scores_stay_finite() -> None:
    scores = np.zeros((1, 1, 1, 2), np.float32)
    scores[..., 0] = 1e4
    for true, expected in ((0, 0.0), (1, 1e4)):
        got = loss(scores, np.full((1, 1, 1), true, np.int32), np.ones(2, np.float32), np.ones((1, 1, 1), np.float32))
        assert got[0] == pytest.approx(expected)


# --- the other losses: value and gradient ---

Loss = Callable[..., np.ndarray]
UPSTREAM = np.array([0.7, -1.3])  # what follows makes of the losses of the two pictures


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(low, high, shape)


def distributions(*shape: int, seed: int = 5) -> np.ndarray:
    """Rows with the sum 1, about a third of whose entries are 0."""
    values = np.maximum(np.random.default_rng(seed).uniform(-0.5, 1, shape), 0) + 0.01 * np.eye(shape[-1])[0]
    return values / values.sum(-1, keepdims=True)


def value(loss: Loss, *arguments: object) -> np.ndarray:
    result = loss(*(a.astype(np.float32) if getattr(a, "dtype", None) == np.float64 else a for a in arguments))
    return ops.convert_to_numpy(result)


def value_and_gradient(loss: Loss, x: np.ndarray, *rest: object) -> tuple[np.ndarray, np.ndarray]:
    """The losses (2,) and the gradient of their sum times UPSTREAM, from a graph that knows no sizes."""
    rest = tuple(a.astype(np.float32) if getattr(a, "dtype", None) == np.float64 else a for a in rest)

    @tf.function(input_signature=[tf.TensorSpec([None] * x.ndim, tf.float32)])
    def run(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            result = loss(x, *rest)
            total = tf.reduce_sum(result * UPSTREAM.astype(np.float32))
        return result, tape.gradient(total, x)

    result, gradient = run(tf.constant(x, tf.float32))
    return result.numpy(), gradient.numpy()


def central_differences(reference: Loss, x: np.ndarray, *rest: object) -> np.ndarray:
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = 1e-6
        higher, lower = reference(x + step, *rest), reference(x - step, *rest)
        gradient[place] = UPSTREAM @ (higher - lower) / 2e-6
    return gradient


def log_softmax(scores: np.ndarray) -> np.ndarray:
    return scores - np.log(np.exp(scores).sum(-1, keepdims=True))


def divergence(target: np.ndarray, scores: np.ndarray) -> float:
    """KL of one distribution (n,), entry by entry."""
    log_q = log_softmax(scores)
    return sum(p * (np.log(p) - log_q[i]) for i, p in enumerate(target) if p > 0)


def soft_reference(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (weights * -(targets * log_softmax(scores)).sum(-1)).mean((1, 2))


def pixelwise(formula: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Loss:
    """A loss of single values -> its mean over the unmasked values of every picture."""

    def reference(predicted: np.ndarray, true: np.ndarray, mask: np.ndarray) -> np.ndarray:
        values = formula(predicted, true)
        return np.array([v[m == 1].mean() for v, m in zip(values, mask, strict=True)])

    return reference


def huber(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.where(np.abs(p - t) < 1, 0.5 * (p - t) ** 2, np.abs(p - t) - 0.5)


def label_reference(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.array([0.0 if k < 0 else -log_softmax(row)[k] for row, k in zip(logits, labels, strict=True)])


def hue_chroma_reference(
    scores: np.ndarray,
    hue_target: np.ndarray,
    chroma_target: np.ndarray,
    chroma: np.ndarray,
    lightness: np.ndarray,
    mask: np.ndarray,
) -> np.ndarray:
    n = hue_target.shape[-1]
    found = []
    for b in range(len(scores)):
        terms = []
        for i in np.flatnonzero(mask[b]):
            w = min(3 * lightness[b, i], 1, 3 * (1 - lightness[b, i]))
            of_chroma = divergence(chroma_target[b, i], scores[b, i, n:])
            of_hue = divergence(hue_target[b, i], scores[b, i, :n])
            terms.append(w * of_chroma + 5 * chroma[b, i] * of_hue)
        found.append(np.mean(terms))
    return np.array(found)


def adversarial_reference(logits: np.ndarray, real: bool, kind: str) -> np.ndarray:
    probability = 1 / (1 + np.exp(-logits))
    if kind == "log":
        return -np.log(probability if real else 1 - probability).mean((1, 2, 3))
    return ((logits - (1 if real else 0)) ** 2).mean((1, 2, 3))


B, H, W = MASK.shape
MAPS = (uniform(B, H, W, 3), np.random.default_rng(9).uniform(0, 1, (B, H, W, 3)), MASK)
FAR_MAPS = (4 * MAPS[0] - 2, 4 * MAPS[1] - 2, MASK)  # values up to 4 apart
SAMPLES = (
    RNG.normal(0, 2, (2, 7, 8)),
    distributions(2, 7, 4),
    distributions(2, 7, 4, seed=6),
    uniform(2, 7),
    uniform(2, 7)[:, ::-1].copy(),
    (uniform(2, 7) < 0.7).astype(np.float64),
)
LOGITS = RNG.normal(0, 2, (2, 3, 4, 1))
CASES = {
    "soft_cross_entropy": (
        losses.soft_cross_entropy,
        soft_reference,
        (SCORES.astype(np.float64), distributions(2, 4, 5, 6), 3 * uniform(2, 4, 5)),
    ),
    "squared_error": (losses.squared_error, pixelwise(lambda p, t: (p - t) ** 2), FAR_MAPS),
    "absolute_error": (losses.absolute_error, pixelwise(lambda p, t: np.abs(p - t)), FAR_MAPS),
    "smooth_absolute_error": (losses.smooth_absolute_error, pixelwise(huber), FAR_MAPS),
    "binary_cross_entropy": (
        losses.binary_cross_entropy,
        pixelwise(lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p))),
        (0.01 + 0.98 * MAPS[0], *MAPS[1:]),
    ),
    "label_cross_entropy": (losses.label_cross_entropy, label_reference, (RNG.normal(0, 3, (2, 5)), np.array([4, 0]))),
    "no label": (losses.label_cross_entropy, label_reference, (RNG.normal(0, 3, (2, 5)), np.array([-1, 3]))),
    "hue_chroma_divergence": (losses.hue_chroma_divergence, hue_chroma_reference, SAMPLES),
} | {
    f"adversarial {kind} {real}": (losses.adversarial, adversarial_reference, (LOGITS, real, kind))
    for kind in ("log", "least_squares")
    for real in (True, False)
}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient(case: str) -> None:
    loss, reference, arguments = CASES[case]
    got, gradient = value_and_gradient(loss, *arguments)
    assert got.dtype == np.float32
    assert got.shape == (2,)
    np.testing.assert_allclose(got, reference(*arguments), rtol=1e-5)
    expected = central_differences(reference, *arguments)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in CASES if n.endswith("_error") or n == "binary_cross_entropy"])
def test_padding_has_no_say_in_maps(name: str) -> None:
    loss, _, (predicted, true, mask) = CASES[name]
    changed = np.where(mask[..., None] == 1, predicted, 1 - true)
    np.testing.assert_array_equal(value(loss, changed, true, mask), value(loss, predicted, true, mask))
    got, gradient = value_and_gradient(loss, predicted, true, mask)
    assert (gradient[mask == 0] == 0).all()
    assert (gradient[mask == 1] != 0).all()

    one_left = mask * [[[1]], [[0]]]
    got, gradient = value_and_gradient(loss, predicted, true, one_left)
    assert got[1] == 0
    assert got[0] == pytest.approx(value(loss, predicted, true, mask)[0])
    assert (gradient[1] == 0).all()


# --- soft targets and their weights ---


def test_soft_targets_of_one_class_are_classes() -> None:
    everywhere = np.ones_like(MASK)
    expected = loss(SCORES, CLASSES, WEIGHTS, everywhere)
    got = value(losses.soft_cross_entropy, SCORES, np.eye(6, dtype=np.float32)[CLASSES], WEIGHTS[CLASSES])
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_soft_cross_entropy_divides_by_the_pixels_and_not_by_their_weights() -> None:
    targets, weights = distributions(2, 4, 5, 6), np.ones((2, 4, 5))
    whole = value(losses.soft_cross_entropy, np.zeros_like(SCORES), targets, weights)
    np.testing.assert_allclose(whole, np.log(6), rtol=1e-6)
    weights[1, :, 1:] = 0
    got = value(losses.soft_cross_entropy, np.zeros_like(SCORES), targets, weights)
    np.testing.assert_allclose(got, [np.log(6), np.log(6) / 5], rtol=1e-6)


def test_soft_cross_entropy_is_least_at_the_target() -> None:
    targets = distributions(2, 4, 5, 6) * 0.9 + 0.1 / 6
    entropy = -(targets * np.log(targets)).sum(-1).mean((1, 2))
    got, gradient = value_and_gradient(losses.soft_cross_entropy, np.log(targets), targets, np.ones((2, 4, 5)))
    np.testing.assert_allclose(got, entropy, rtol=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


def test_pixels_weigh_as_their_most_probable_class() -> None:
    targets = distributions(2, 4, 5, 6)
    got = value(losses.pixel_weights, targets, WEIGHTS)
    assert got.shape == (2, 4, 5)
    assert len(np.unique(got)) > 3
    for place in np.ndindex(2, 4, 5):
        assert got[place] == WEIGHTS[max(range(6), key=lambda q: targets[place][q])]


def test_gray_pictures() -> None:
    ab = np.zeros((5, 3, 4, 2), np.float32)
    ab[0] = ab[1] = 5
    ab[1, 2, 3, 1] = 5.01
    ab[2, 0, 0, 0] = -5.01
    ab[3] = -5
    got = value(losses.not_gray, ab)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, [0, 1, 1, 0, 0])
    np.testing.assert_array_equal(value(losses.not_gray, ab, 4.9), [1, 1, 1, 1, 0])


# --- limits ---


@pytest.mark.parametrize("sign", [1, -1])
def test_extreme_scores_stay_finite(sign: int) -> None:
    scores = sign * 1e4 * np.eye(4)[[[[0, 1, 2]], [[3, 0, 1]]]]
    targets = np.eye(4)[np.zeros((2, 1, 3), int)]
    got, gradient = value_and_gradient(losses.soft_cross_entropy, scores, targets, np.ones((2, 1, 3)))
    lost = scores.max(-1) - scores[..., 0]
    several = sign < 0  # then three classes share what is left
    np.testing.assert_allclose(got, (lost + np.where(several, np.log(3), 0)).mean((1, 2)), rtol=1e-6)
    assert np.isfinite(gradient).all()

    got, gradient = value_and_gradient(losses.label_cross_entropy, scores[:, 0, 0], np.array([0, 0]))
    np.testing.assert_allclose(got, (lost + np.where(several, np.log(3), 0))[:, 0, 0], rtol=1e-6, atol=1e-6)
    assert np.isfinite(gradient).all()

    both = np.concatenate([scores[:, 0], -scores[:, 0]], axis=-1)
    arguments = (targets[:, 0], targets[:, 0], np.ones((2, 3)), np.full((2, 3), 0.5), np.ones((2, 3)))
    got, gradient = value_and_gradient(losses.hue_chroma_divergence, both, *arguments)
    assert np.isfinite(got).all()
    assert got[1] > 1e4
    assert np.isfinite(gradient).all()


def test_smooth_absolute_error_at_its_corner() -> None:
    predicted = np.array([-2.0, -1, -0.5, 0, 0.5, 1, 3]).reshape(1, 1, 7, 1).repeat(2, 0)
    _, gradient = value_and_gradient(
        losses.smooth_absolute_error, predicted, np.zeros_like(predicted), np.ones((2, 1, 7))
    )
    np.testing.assert_allclose(gradient[0].ravel() * 7 / UPSTREAM[0], [-1, -1, -0.5, 0, 0.5, 1, 1], rtol=1e-6)


def test_absolute_error_of_equal_maps_has_no_gradient() -> None:
    got, gradient = value_and_gradient(losses.absolute_error, MAPS[0], MAPS[0], MASK)
    np.testing.assert_array_equal(got, 0)
    np.testing.assert_array_equal(gradient, 0)


def test_binary_cross_entropy_of_sure_predictions() -> None:
    predicted, true = np.zeros((2, 1, 2, 1)), np.zeros((2, 1, 2, 1))
    predicted[0] = true[0] = 1
    got, gradient = value_and_gradient(losses.binary_cross_entropy, predicted, true, np.ones((2, 1, 2)))
    np.testing.assert_allclose(got, 0, atol=2e-7)
    assert np.isfinite(gradient).all()
    got, gradient = value_and_gradient(losses.binary_cross_entropy, predicted, 1 - true, np.ones((2, 1, 2)))
    np.testing.assert_allclose(got, -np.log(1e-7), rtol=0.02)  # float32 has few numbers just below 1
    assert np.isfinite(gradient).all()


def test_pictures_without_a_label() -> None:
    logits = 1e4 * RNG.normal(0, 3, (2, 5))
    got, gradient = value_and_gradient(losses.label_cross_entropy, logits, np.array([-1, -1]))
    np.testing.assert_array_equal(got, 0)
    np.testing.assert_array_equal(gradient, 0)


# --- hue and chroma ---


def hue_chroma(lightness: float, chroma: float) -> tuple[np.ndarray, np.ndarray]:
    """Losses and gradient of the samples when all of them have that lightness and chroma."""
    scores, hue_target, chroma_target, _, _, mask = SAMPLES
    light, colorful = np.full((2, 7), lightness), np.full((2, 7), chroma)
    return value_and_gradient(losses.hue_chroma_divergence, scores, hue_target, chroma_target, colorful, light, mask)


@pytest.mark.parametrize(
    ("lightness", "weight"), [(0, 0), (0.1, 0.3), (1 / 3, 1), (0.5, 1), (2 / 3, 1), (0.9, 0.3), (1, 0)]
)
def test_chroma_counts_less_near_black_and_white(lightness: float, weight: float) -> None:
    got, gradient = hue_chroma(lightness, chroma=0.0)
    np.testing.assert_allclose(got, weight * hue_chroma(0.5, chroma=0.0)[0], rtol=1e-5, atol=1e-6)
    assert (gradient[..., :4] == 0).all()


def test_hue_counts_by_its_chroma() -> None:
    one, gradient = hue_chroma(0.0, chroma=1.0)
    assert (gradient[..., 4:] == 0).all()
    np.testing.assert_allclose(hue_chroma(0.0, chroma=0.2)[0], 0.2 * one, rtol=1e-5)


def test_right_histograms_cost_nothing() -> None:
    _, hue_target, chroma_target, chroma, lightness, mask = SAMPLES
    hue_target, chroma_target = 0.9 * hue_target + 0.025, 0.9 * chroma_target + 0.025
    scores = np.log(np.concatenate([hue_target, chroma_target], axis=-1)) + 7
    got, gradient = value_and_gradient(
        losses.hue_chroma_divergence, scores, hue_target, chroma_target, chroma, lightness, mask
    )
    np.testing.assert_allclose(got, 0, atol=1e-5)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_padded_samples_have_no_say() -> None:
    scores, *targets, mask = SAMPLES
    assert 0 < mask[0].sum() < 7
    changed = scores + 50 * (1 - mask[..., None]) * SAMPLES[0]
    expected = value(losses.hue_chroma_divergence, *SAMPLES)
    np.testing.assert_array_equal(value(losses.hue_chroma_divergence, changed, *targets, mask), expected)
    got, gradient = value_and_gradient(losses.hue_chroma_divergence, scores, *targets, mask * [[0], [1]])
    np.testing.assert_array_equal(got, [0, expected[1]])
    assert (gradient[0] == 0).all()


# --- adversarial ---


def test_an_undecided_discriminator_costs_log_2() -> None:
    for real in (True, False):
        got, gradient = value_and_gradient(losses.adversarial, np.zeros((2, 3, 4, 1)), real, "log")
        np.testing.assert_allclose(got, np.log(2), rtol=1e-6)
        # Towards "real" the logits rise, towards "fake" they fall.
        np.testing.assert_allclose(gradient[0] * 12 / UPSTREAM[0], -0.5 if real else 0.5, rtol=1e-6)


@pytest.mark.parametrize("real", [True, False])
def test_a_sure_discriminator_stays_finite_and_teaches_the_generator(real: bool) -> None:
    wrong = np.full((2, 2, 2, 1), -1e4 if real else 1e4)
    got, gradient = value_and_gradient(losses.adversarial, wrong, real, "log")
    np.testing.assert_allclose(got, 1e4)
    np.testing.assert_allclose(gradient[0] * 4 / UPSTREAM[0], -1 if real else 1)
    got, gradient = value_and_gradient(losses.adversarial, -wrong, real, "log")
    np.testing.assert_array_equal(got, 0)
    np.testing.assert_array_equal(gradient, 0)


def test_least_squares_target() -> None:
    ones = np.ones((2, 3, 4, 1))
    np.testing.assert_array_equal(value(losses.adversarial, ones, True, "least_squares"), 0)
    np.testing.assert_array_equal(value(losses.adversarial, ones, False, "least_squares"), 1)


def test_unknown_adversarial_loss() -> None:
    with pytest.raises(ArgumentError, match="kind is 'hinge': it must be log or least_squares"):
        losses.adversarial(LOGITS, True, "hinge")
