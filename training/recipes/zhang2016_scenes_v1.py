"""A narrow zhang2016 on scenes."""

from dataclasses import dataclass

from training.systems.zhang2016 import Zhang2016Recipe


@dataclass(frozen=True, kw_only=True)
class Zhang2016ScenesV1(Zhang2016Recipe):
    """A quarter of the filters, at 64 pixels.

    colorzoo train zhang2016_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    """

    size: int = 64
    framing: str = "fill"
    working_size: int = 96
    batch: int = 16
    epochs: int = 4
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    width: float = 0.25
