"""iizuka2016 on Places, as in the paper."""

from dataclasses import dataclass

from training.systems.iizuka2016 import Iizuka2016Recipe


@dataclass(frozen=True, kw_only=True)
class Iizuka2016Places(Iizuka2016Recipe):
    """42,367,343 parameters with 205 scenes; not trained by this project.

        colorzoo train iizuka2016_places --strategy mirrored --data places205/train --val places205/val

    The paper: 2,327,958 photographs of 205 scenes, in folders by scene; windows of 224 x 224 pixels of photographs
    whose shorter side is 256, and mirror images; ADADELTA, which has no rate to choose; 200,000 steps, three weeks on
    one Tesla K80.
    """

    size: int = 224
    resize_mode: str = "random_crop"
    shortest: tuple[int, int] = (256, 256)
    frame_size: int = 224
    batch: int = 128
    epochs: int = 11
    optimizer: str = "adadelta"
    learning_rate: float = 1.0
    schedule: str = "constant"
    crop: float = 1.0
