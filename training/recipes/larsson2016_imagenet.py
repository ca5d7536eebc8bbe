"""larsson2016 on ImageNet, as in the authors' training files."""

from dataclasses import dataclass

from training.systems.larsson2016 import Larsson2016Recipe


@dataclass(frozen=True, kw_only=True)
class Larsson2016Imagenet(Larsson2016Recipe):
    """147,041,024 parameters; not trained by this project.

        colorzoo train larsson2016_imagenet --strategy mirrored --data imagenet/train --val imagenet/val

    It starts from Keras's VGG-16, whose weight file has to be there. 1.2 million photographs, the shorter side drawn
    from 352 to 600 pixels, windows of 352, 128 places in each, batches of 8; momentum, 2 million steps, a tenth of
    the rate after 1, 1.5 and 1.75 million.
    """

    size: int = 352
    resize_mode: str = "random_crop"
    shortest: tuple[int, int] = (352, 600)
    frame_size: int = 352
    batch: int = 8
    epochs: int = 13
    optimizer: str = "momentum"
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    schedule: str = "step"
    lr_milestones: tuple[float, ...] = (6.5, 9.75, 11.4)
    min_learning_rate: float = 1e-6
    crop: float = 1.0
    vgg16: str = "keras"
