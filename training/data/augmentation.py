"""Random changes of training pictures: crops, mirror images, the traces of age, noise on the lightness."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from training.data.degradation import DRAWS, degraded_lightness
from zoo.blocks import resample

ALL = slice(None)
SEVENFOLD = 7  # the picture, its mirror image, three strengths of noise, two crops


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training picture (ColorUNet, section 3.2).

    crop: smallest side of a random crop, as a fraction of the picture, to whose size the crop is enlarged.
    noise: standard deviations of Gaussian noise on L, one of which is drawn for each picture.
    sevenfold: every picture appears seven times in an epoch, as in the paper: as it is, mirrored, with each of three
        strengths of noise, and as two crops of the smallest side. Without it every picture appears once, with all
        changes drawn together.
    degraded: share of the pictures whose lightness is that of an old photograph; see `training.data.degradation`.
    """

    flip: bool
    crop: float
    noise: tuple[float, ...]
    sevenfold: bool = False
    degraded: float = 0.0

    @property
    def variants(self) -> int:
        """How many times a picture appears in an epoch."""
        return SEVENFOLD if self.sevenfold else 1


@dataclass(frozen=True)
class AugmentationParams:
    """What happens to each picture of a batch."""

    fraction: tf.Tensor  # (B,) in (0, 1]: side of the crop
    position: tf.Tensor  # (B, 2) in [0, 1]: of the crop, down and across
    flip: tf.Tensor  # (B,) bool
    strength: tf.Tensor  # (B,) standard deviation of the noise on L

    def part(self, part: slice) -> "AugmentationParams":
        """Those of a part of the batch."""
        return AugmentationParams(self.fraction[part], self.position[part], self.flip[part], self.strength[part])


def draw_params(augmentation: Augmentation, variant: tf.Tensor, draw: tf.Tensor) -> AugmentationParams:
    """The parameters of a batch, from the variant (B,) of each picture and a seed (2,)."""
    count = tf.shape(variant)[0]
    draws = tf.random.stateless_uniform((4, count), draw)
    position, strengths = tf.transpose(draws[1:3]), tf.constant(augmentation.noise, tf.float32)
    if augmentation.sevenfold:
        return AugmentationParams(
            tf.where(variant >= 5, augmentation.crop, 1.0),
            position,
            variant == 1,
            tf.gather(tf.concat([[0.0, 0.0], strengths, [0.0, 0.0]], 0), variant),
        )
    which = tf.random.stateless_uniform((count,), draw + 1, 0, len(augmentation.noise), tf.int32)
    flip = draws[3] < 0.5 if augmentation.flip else tf.zeros((count,), tf.bool)
    fraction = augmentation.crop + (1 - augmentation.crop) * draws[0]
    return AugmentationParams(fraction, position, flip, tf.gather(strengths, which))


def crop_and_flip(rgb: tf.Tensor, sizes: tf.Tensor, params: AugmentationParams) -> tf.Tensor:
    """A crop of each picture (B, S, S, 3), enlarged to the picture's size, and mirrored or not.

    The padding repeats the border of what came out, as it does for a picture that is not augmented.
    """
    size = rgb.shape[1]
    last = tf.cast(sizes, tf.float32) - 1
    corner = (1 - params.fraction)[:, None] * last * params.position
    here = tf.minimum(tf.range(size, dtype=tf.float32)[None, :, None], last[:, None, :])  # (B, S, 2)
    here = corner[:, None] + params.fraction[:, None, None] * here
    rows, columns = here[..., 0], here[..., 1]
    columns = tf.where(params.flip[:, None], last[:, 1:] - columns, columns)

    def read_at(positions: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(1 - tf.abs(positions[..., None] - tf.range(size, dtype=tf.float32)))[:, None]

    planes = resample(tf.transpose(rgb, (0, 3, 1, 2)), read_at(rows), read_at(columns))
    return tf.transpose(planes, (0, 2, 3, 1))


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
