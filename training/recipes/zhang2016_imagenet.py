"""zhang2016 on ImageNet, as in the paper."""

from dataclasses import dataclass

from training.systems.zhang2016 import Zhang2016Recipe


@dataclass(frozen=True, kw_only=True)
class Zhang2016Imagenet(Zhang2016Recipe):
    """32,235,385 parameters; not trained by this project.

        colorzoo train zhang2016_imagenet --strategy mirrored --data imagenet/train --val imagenet/val

    The paper: 1.3 million photographs, windows of 176 x 176 pixels as in the authors' code, batches of 40, Adam with
    weight decay; 450,000 steps, 3e-5 and then about a third of it after 200,000 and again after 375,000.
    """

    size: int = 176
    resize_mode: str = "random_crop"
    shortest: tuple[int, int] = (256, 256)
    batch: int = 40
    epochs: int = 14
    learning_rate: float = 3e-5
    beta_2: float = 0.99
    weight_decay: float = 1e-3
    schedule: str = "step"
    lr_milestones: tuple[float, ...] = (6.15, 11.5)
    lr_gamma: float = 0.316
    min_learning_rate: float = 3e-6
    crop: float = 1.0
