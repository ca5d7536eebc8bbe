"""Changes of training pictures, by random numbers that are given: crops, mirror images, noise on the lightness.

In `keras.ops` alone, for every backend; `training.data.draws` draws the numbers with TensorFlow.
"""

from dataclasses import dataclass

from keras import ops

from zoo.blocks import resample
from zoo.color import Tensor

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

    fraction: Tensor  # (B,) in (0, 1]: side of the crop
    position: Tensor  # (B, 2) in [0, 1]: of the crop, down and across
    flip: Tensor  # (B,) bool
    strength: Tensor  # (B,) standard deviation of the noise on L

    def part(self, part: slice) -> "AugmentationParams":
        """Those of a part of the batch."""
        return AugmentationParams(self.fraction[part], self.position[part], self.flip[part], self.strength[part])


def choose_params(augmentation: Augmentation, variant: Tensor, draws: Tensor, which: Tensor) -> AugmentationParams:
    """The parameters of a batch.

    Args:
        augmentation: of the recipe.
        variant: of each picture, (B,) int32.
        draws: uniform numbers (4, B) in [0, 1): side of the crop, its position down and across, mirror image.
        which: of the strengths of noise, (B,) int32; a sevenfold augmentation takes that of the variant.
    """
    position, strengths = ops.transpose(draws[1:3]), augmentation.noise
    if augmentation.sevenfold:
        return AugmentationParams(
            ops.where(variant >= 5, augmentation.crop, 1.0),
            position,
            variant == 1,
            ops.take(ops.convert_to_tensor((0.0, 0.0, *strengths, 0.0, 0.0), "float32"), variant, axis=0),
        )
    flip = draws[3] < (0.5 if augmentation.flip else 0.0)
    fraction = augmentation.crop + (1 - augmentation.crop) * draws[0]
    return AugmentationParams(
        fraction, position, flip, ops.take(ops.convert_to_tensor(strengths, "float32"), which, axis=0)
    )


def crop_and_flip(rgb: Tensor, sizes: Tensor, params: AugmentationParams) -> Tensor:
    """A crop of each picture (B, S, S, 3), enlarged to the picture's size, and mirrored or not.

    The padding repeats the border of what came out, as it does for a picture that is not augmented.
    """
    size = rgb.shape[1]
    last = ops.cast(sizes, "float32") - 1
    corner = (1 - params.fraction)[:, None] * last * params.position
    here = ops.minimum(ops.arange(size, dtype="float32")[None, :, None], last[:, None, :])  # (B, S, 2)
    here = corner[:, None] + params.fraction[:, None, None] * here
    rows, columns = here[..., 0], here[..., 1]
    columns = ops.where(params.flip[:, None], last[:, 1:] - columns, columns)

    def read_at(positions: Tensor) -> Tensor:
        return ops.relu(1 - ops.absolute(positions[..., None] - ops.arange(size, dtype="float32")))[:, None]

    planes = resample(ops.transpose(rgb, (0, 3, 1, 2)), read_at(rows), read_at(columns))
    return ops.transpose(planes, (0, 2, 3, 1))
