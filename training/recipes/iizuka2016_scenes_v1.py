"""A narrow iizuka2016 on scenes and their classes."""

from dataclasses import dataclass

from training.systems.iizuka2016 import Iizuka2016Recipe


@dataclass(frozen=True, kw_only=True)
class Iizuka2016ScenesV1(Iizuka2016Recipe):
    """A quarter of the filters, and 64 pixels for both branches. The folders of scenes/train are the classes.

    colorzoo train iizuka2016_scenes_v1 --data scenes/train --val scenes/val
    """

    size: int = 64
    framing: str = "fill"
    working_size: int = 96
    batch: int = 16
    epochs: int = 18
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    width: float = 0.25
    global_size: int = 64
