"""The autoencoder of the paper's size on a fifth of CIFAR-10."""

from dataclasses import dataclass

from training.systems.autoencoder import AutoencoderRecipe


@dataclass(frozen=True, kw_only=True)
class AutoencoderCifar10V1(AutoencoderRecipe):
    """3,431,811 parameters, as in the paper; fewer pictures, and their mirror images.

    colorzoo train autoencoder_cifar10_v1 --data cifar10/train --val cifar10/test
    """

    size: int = 32
    framing: str = "fill"
    working_size: int = 32
    batch: int = 32
    epochs: int = 13
    plateau_factor: float = 0.316
    plateau_patience: int = 5
    lowest_learning_rate: float = 5e-7
    crop: float = 1.0
