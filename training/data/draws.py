"""Random numbers for changes of training pictures, from TensorFlow: the same for the same seed, in every process."""

from typing import Any

import tensorflow as tf

from training.data.augmentation import Augmentation, AugmentationParams, choose_params
from training.data.degradation import DRAWS, degraded_lightness

ALL = slice(None)


def draw_params(augmentation: Augmentation, variant: tf.Tensor, draw: tf.Tensor) -> AugmentationParams:
    """The parameters of a batch, from the variant (B,) of each picture and a seed (2,)."""
    count = tf.shape(variant)[0]
    draws = tf.random.stateless_uniform((4, count), draw)
    which = tf.random.stateless_uniform((count,), draw + 1, 0, len(augmentation.noise), tf.int32)
    return choose_params(augmentation, variant, draws, which)


def noise(shape: tuple[Any, ...], params: AugmentationParams, draw: tf.Tensor, part: slice = ALL) -> tf.Tensor:
    """Gaussian noise for L of shape (B, S, S, 1), or for a part of that batch, of each picture's own strength."""
    return params.strength[:, None, None, None] * tf.random.stateless_normal(shape, draw)[part]


def age(rgb: tf.Tensor, count: tf.Tensor, share: float, draw: tf.Tensor, part: slice = ALL) -> tf.Tensor:
    """L (B, S, S, 1) of RGB (B, S, S, 3), for a share of the pictures that of an old photograph.

    Args:
        rgb: of a part of the batch.
        count: pictures of the whole batch.
        share: of the pictures that are degraded, in [0, 1].
        draw: the seed (2,).
        part: which pictures of the batch rgb holds.
    """
    draws = tf.random.stateless_uniform((count, DRAWS), draw)[part]
    grain = tf.random.stateless_normal((count, *rgb.shape[1:3], 1), draw + 1)[part]
    return degraded_lightness(rgb, draws, grain, share)
