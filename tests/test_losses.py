"""The loss against its formula, written out pixel by pixel."""

import numpy as np
import pytest
from keras import ops

from training.losses import cross_entropy

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
