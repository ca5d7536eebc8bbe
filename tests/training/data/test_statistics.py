"""The classes of color of photographs."""

import dataclasses

import numpy as np
import pytest
from keras import ops

from tests.photographs import color_field
from tests.training.data.epochs import photographs
from training.data.statistics import frequent_uv_classes
from zoo import color
from zoo.errors import ArgumentError


def test_frequent_classes_do_not_count_padding() -> None:
    picture = color_field(1, 8, 32)
    source = photographs(picture, color_field(2, 32, 12))
    bare = dataclasses.replace(source, frames=source.frames.copy())
    for frame, (h, w) in zip(bare.frames, source.sizes, strict=True):
        frame[h:], frame[:, w:] = (255, 0, 255), (255, 0, 255)
    for left, right in zip(frequent_uv_classes(source, 8), frequent_uv_classes(bare, 8), strict=True):
        np.testing.assert_array_equal(left, right)
    classes, centers, prior = frequent_uv_classes(source, 8)
    assert (classes.shape, centers.shape, prior.shape) == ((100,), (8, 2), (8,))
    assert prior.sum() == pytest.approx(1)
    # Together the classes have the mean color of the pixels that were counted.
    seen = np.concatenate([f[:h:2, :w:2].reshape(-1, 3) for f, (h, w) in zip(source.frames, source.sizes, strict=True)])
    mean = ops.convert_to_numpy(color.rgb_to_lab(seen.astype(np.float32) / 255))[:, 1:].mean(0)
    np.testing.assert_allclose(prior @ centers, mean, atol=1e-2)


def test_more_classes_than_colors() -> None:
    with pytest.raises(ArgumentError, match="bins is 90: it must lie between 2 and"):
        frequent_uv_classes(photographs(color_field(1, 32, 32)), 90)
