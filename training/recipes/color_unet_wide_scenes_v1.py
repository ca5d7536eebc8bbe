"""A ColorUNet with more filters and two more levels, on scenes and objects."""

from dataclasses import dataclass

from training.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ColorUNetWideScenesV1(Recipe):
    """The default of `colorzoo colorize`."""

    filters: tuple[int, ...] = (24, 48, 96, 192, 384)
    size: int = 96
    working_size: int = 128
    batch: int = 16
    epochs: int = 4
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    lam: float = 1.0
    temperature: float = 1.0
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
