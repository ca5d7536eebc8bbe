"""zoo.color_difference against scikit-image and the pairs that Sharma et al. published."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.training.evaluation.pictures import one_pixel_apart, random_pair
from zoo.color_difference import ciede2000, differences
from zoo.errors import ArgumentError

# Table 1 of Sharma, Wu and Dalal: two colors and their difference.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, -0.001, 2.49), (50, 0.0011, -2.49), 4.7461),
    ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), SHARMA)
def test_published_pairs(first: tuple[float, ...], second: tuple[float, ...], expected: float) -> None:
    for one, other in ((first, second), (second, first)):
        assert differences(np.array(one, float), np.array(other, float)) == pytest.approx(expected, abs=5e-5)


def test_against_scikit_image() -> None:
    truth, lab = (rgb2lab(picture) for picture in random_pair((40, 51)))
    lab[:5] = truth[:5] * (1, 0, 0)  # gray beside color
    np.testing.assert_allclose(differences(truth, lab), deltaE_ciede2000(truth, lab), atol=1e-9)
    assert ciede2000(truth, lab) == pytest.approx(deltaE_ciede2000(truth, lab).mean())


def test_equal_and_one_pixel_apart() -> None:
    truth, lab = (rgb2lab(picture) for picture in one_pixel_apart())
    assert ciede2000(truth, truth) == 0
    assert ciede2000(truth, lab) == pytest.approx(float(differences(truth[3, 4], lab[3, 4])) / (13 * 17))


def test_a_batch_is_its_pictures_and_wrong_shapes_are_named() -> None:
    pairs = [tuple(rgb2lab(picture) for picture in random_pair(seed=seed)) for seed in range(3)]
    truth, lab = (np.stack(part) for part in zip(*pairs, strict=True))
    np.testing.assert_allclose(ciede2000(truth, lab), [ciede2000(*pair) for pair in pairs], rtol=1e-12)
    with pytest.raises(ArgumentError, match=r"\(13, 17, 2\)"):
        ciede2000(truth[0, ..., 1:], lab[0, ..., 1:])
