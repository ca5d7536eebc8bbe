"""A narrow pix2pix on scenes."""

from dataclasses import dataclass

from training.systems.pix2pix import Pix2pixRecipe


@dataclass(frozen=True, kw_only=True)
class Pix2pixScenesV1(Pix2pixRecipe):
    """Six levels, half of the filters, at 64 pixels.

    colorzoo train pix2pix_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    """

    size: int = 64
    framing: str = "fill"
    working_size: int = 96
    batch: int = 16
    epochs: int = 9
    learning_rate: float = 5e-4
    schedule: str = "cosine"
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    beta_1: float = 0.5
    filters: tuple[int, ...] = (32, 64, 128, 256, 256, 256)
    width: float = 0.5
