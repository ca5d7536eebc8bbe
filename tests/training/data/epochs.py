"""Photographs in memory, and what an epoch over them gives."""

import numpy as np
import tensorflow as tf
from PIL import Image

from training.data.augmentation import Augmentation
from training.data.batches import batches
from training.data.datasets import Photographs
from training.data.resize import pad

SIZE = 32
PLAIN = Augmentation(flip=False, crop=1.0, noise=(0.0,))
ALL = Augmentation(flip=True, crop=0.6, noise=(0.0, 2.0))


def photographs(*pictures: Image.Image) -> Photographs:
    frames, sizes = zip(*(pad(picture, SIZE) for picture in pictures), strict=True)
    names = [str(i) for i in range(len(pictures))]
    return Photographs(np.stack(frames), np.array(sizes, np.int32), names, names, [])


def epoch(source: Photographs, batch: int = 2, **arguments: object) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    return list(batches(source, batch, **arguments).as_numpy_iterator())  # type: ignore[arg-type]


def assert_equal_batches(left: list[object], right: list[object]) -> None:
    assert len(left) == len(right)
    for a, b in zip(tf.nest.flatten(left), tf.nest.flatten(right), strict=True):
        np.testing.assert_array_equal(a, b)
