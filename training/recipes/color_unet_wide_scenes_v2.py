"""A ColorUNet with more filters and two more levels, trained on more and smaller pictures than the first."""

from dataclasses import dataclass

from training.systems.color_unet import ColorUNetRecipe


@dataclass(frozen=True, kw_only=True)
class ColorUNetWideScenesV2(ColorUNetRecipe):
    """4,676,720 parameters."""

    filters: tuple[int, ...] = (24, 48, 96, 192, 384)
    size: int = 64
    working_size: int = 96
    batch: int = 16
    epochs: int = 11
    schedule: str = "cosine"
    lam: float = 1.0
    temperature: float = 1.0
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
