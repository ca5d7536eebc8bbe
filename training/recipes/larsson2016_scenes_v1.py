"""A narrow larsson2016 on scenes, from scratch."""

from dataclasses import dataclass

from training.systems.larsson2016 import Larsson2016Recipe


@dataclass(frozen=True, kw_only=True)
class Larsson2016ScenesV1(Larsson2016Recipe):
    """An eighth of the filters, at 64 pixels, from random weights; places are drawn up to the border.

    colorzoo train larsson2016_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    """

    size: int = 64
    framing: str = "fill"
    working_size: int = 96
    batch: int = 16
    epochs: int = 4
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    width: float = 0.125
    margin: float = 0.0
