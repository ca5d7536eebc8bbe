"""A narrow ibn_gan on scenes."""

from dataclasses import dataclass

from training.systems.ibn_gan import IbnGanRecipe


@dataclass(frozen=True, kw_only=True)
class IbnGanScenesV1(IbnGanRecipe):
    """Six levels, a quarter of the filters, at 64 pixels.

    colorzoo train ibn_gan_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    """

    size: int = 64
    framing: str = "fill"
    working_size: int = 96
    batch: int = 16
    epochs: int = 4
    learning_rate: float = 5e-4
    schedule: str = "cosine"
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    beta_1: float = 0.5
    levels: int = 6
    width: float = 0.25
