"""ibn_gan on ImageNet, as in the paper."""

from dataclasses import dataclass

from training.systems.ibn_gan import IbnGanRecipe


@dataclass(frozen=True, kw_only=True)
class IbnGanImagenet(IbnGanRecipe):
    """41,830,402 parameters, and 3 x 2,766,529 of the discriminators; not trained by this project.

        colorzoo train ibn_gan_imagenet --strategy mirrored --data imagenet/val --val imagenet/test

    The paper: the 50,000 photographs of the validation set of ILSVRC 2012 at 256 x 256 pixels, and 10,000 of the
    training set to test on. Batches of 16, 200 epochs and Adam are those of the authors' code, which has the
    least-squares loss where the paper writes the log loss: `--set adversarial_loss=least_squares`.
    """

    resize_mode: str = "center_crop"
    batch: int = 16
    epochs: int = 200
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    schedule: str = "constant"
    flip: bool = False
    crop: float = 1.0
