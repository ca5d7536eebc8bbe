"""The fields of a recipe."""

from dataclasses import dataclass

from zoo.errors import ArgumentError

PRECISIONS = ("float32", "mixed_bfloat16")
SCHEDULES = ("plateau", "cosine")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on pictures of what size, and how long.

    Raises:
        ArgumentError: a value outside its range.
    """

    architecture: str = "color_unet"
    filters: tuple[int, ...] = (16, 32, 64)
    bins: int = 32
    size: int = 256  # side of the frame that training pictures are fitted into
    working_size: int = 256  # side of the frame that the colorizer shows its network
    batch: int = 64  # over all devices
    epochs: int = 20
    learning_rate: float = 1e-3  # of Adam
    schedule: str = "plateau"  # or "cosine": down to lowest_learning_rate over all epochs
    plateau_factor: float = 0.3
    plateau_patience: int = 2  # epochs without a lower val_loss (loss, where there is no validation set)
    lowest_learning_rate: float = 1e-5
    lam: float = 0.5  # of class rebalancing; 1: none
    temperature: float = 0.38
    saturation: float = 1.0
    flip: bool = True
    crop: float = 0.7  # smallest side of a random crop, as a fraction
    noise: tuple[float, ...] = (0.0, 0.01, 0.02, 0.03)  # standard deviations on L in [0, 100]
    precision: str = "float32"
    seed: int = 0
    checkpoint_steps: int = 100  # between checkpoints within an epoch

    def __post_init__(self) -> None:
        positive = (
            "bins", "batch", "epochs", "learning_rate", "lowest_learning_rate", "plateau_patience",
            "temperature", "saturation", "checkpoint_steps",
        )  # fmt: skip
        for name in positive:
            if getattr(self, name) <= 0:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must be above 0")
        if len(self.filters) < 2 or min(self.filters) <= 0:
            raise ArgumentError(f"filters is {self.filters}: two levels or more, each above 0, are needed")
        if self.lowest_learning_rate > self.learning_rate:
            raise ArgumentError(
                f"lowest_learning_rate is {self.lowest_learning_rate}: it must be at most learning_rate, "
                f"{self.learning_rate}"
            )
        if not 0 < self.plateau_factor < 1:
            raise ArgumentError(f"plateau_factor is {self.plateau_factor}: it must lie between 0 and 1")
        if not 0 <= self.lam <= 1:
            raise ArgumentError(f"lam is {self.lam}: it must lie in [0, 1]")
        if self.seed < 0:
            raise ArgumentError(f"seed is {self.seed}: it must be at least 0")
        if not 0 < self.crop <= 1:
            raise ArgumentError(f"crop is {self.crop}: it must lie in (0, 1]")
        if not self.noise or min(self.noise) < 0:
            raise ArgumentError(f"noise is {self.noise}: standard deviations of at least 0 are needed")
        for name in ("size", "working_size"):
            if getattr(self, name) < 16:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must be at least 16")
        for name, choices in (("precision", PRECISIONS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in choices:
                raise ArgumentError(f"{name} is {getattr(self, name)!r}: it must be one of {', '.join(choices)}")
