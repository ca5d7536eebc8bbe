"""autoencoder on CIFAR-10, as in the paper."""

from dataclasses import dataclass

from training.systems.autoencoder import AutoencoderRecipe


@dataclass(frozen=True, kw_only=True)
class AutoencoderCifar10(AutoencoderRecipe):
    """3,431,811 parameters; not trained by this project on the whole of CIFAR-10.

        colorzoo train autoencoder_cifar10 --data cifar10/train --val cifar10/test

    The paper: 50,000 pictures to train on and 10,000 to test on, mean squared error, Adam, a rate that falls on a
    plateau. Batches of 32, 30 epochs and the plateau's numbers are those of the book that its listing is from. Its
    other settings: `--set distance=smooth_absolute`, `--set distance=cross_entropy`, `--set optimizer=rmsprop` (nadam,
    momentum, sgd), `--set regularization=dropout` (batch_norm).
    """

    size: int = 32
    resize_mode: str = "center_crop"
    frame_size: int = 32
    batch: int = 32
    epochs: int = 30
    plateau_factor: float = 0.316
    plateau_patience: int = 5
    min_learning_rate: float = 5e-7
    flip: bool = False
    crop: float = 1.0
