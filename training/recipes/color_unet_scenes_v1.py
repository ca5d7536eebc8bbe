"""The ColorUNet of the paper's size, on scenes."""

from dataclasses import dataclass

from training.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ColorUNetScenesV1(Recipe):
    """142,016 parameters, for small machines."""

    size: int = 64
    working_size: int = 128
    batch: int = 16
    epochs: int = 6
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    lam: float = 1.0
    temperature: float = 1.0
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
