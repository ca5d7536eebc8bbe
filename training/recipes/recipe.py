"""The fields that all recipes have."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data.augmentation import SEVENFOLD, Augmentation
from training.data.datasets import Photographs, prepare
from training.data.resize import RESIZE_MODES
from training.systems.system import Statistics, System
from zoo.errors import ArgumentError

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SCHEDULES = ("constant", "plateau", "cosine", "step")
OPTIMIZERS = ("adam", "adamw", "nadam", "rmsprop", "adadelta", "momentum", "sgd")
AUGMENTATIONS = ("random", "sevenfold")


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """How to train, on pictures of what size, and how long. What to train is added in `training.systems`.

    Raises:
        ArgumentError: a value outside its range.
    """

    architecture: str
    size: int = 256  # side of the pictures that are trained on
    resize_mode: str = "pad"  # the whole picture, padded; "center_crop": its middle square; "random_crop": parts of it
    shortest: tuple[int, int] = (0, 0)  # of windows: range that the shorter side is scaled into; (0, 0): as it is
    frame_size: int = 256  # side of the frame that the colorizer shows its network
    batch: int = 64  # over all devices
    epochs: int = 20
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    beta_1: float = 0.9  # of Adam and Nadam; of "momentum" the momentum
    beta_2: float = 0.999
    weight_decay: float = 0.0  # added to the gradient of kernels, times the kernel; of "adamw" to the step itself
    global_clipnorm: float = 0.0  # largest norm that all gradients together may have; 0: any
    gradient_accumulation_steps: int = 1  # parts that a batch is computed in, one by one, so that it fits into memory
    ema_momentum: float = 0.0  # of the moving average of weights that is validated and kept; 0: the weights themselves
    schedule: str = "plateau"  # or "constant", "cosine" (down to min_learning_rate), "step"
    plateau_factor: float = 0.3
    plateau_patience: int = 2  # epochs without a lower val_loss (loss, where there is no validation set)
    lr_milestones: tuple[float, ...] = ()  # of the schedule "step": when the rate is multiplied with lr_gamma
    lr_gamma: float = 0.1
    min_learning_rate: float = 1e-5
    saturation: float = 1.0
    augmentation: str = "random"  # or "sevenfold"
    flip: bool = True
    crop: float = 0.7  # smallest side of a random crop, as a fraction
    noise: tuple[float, ...] = (0.0,)  # standard deviations on L in [0, 100]
    precision: str = "float32"
    seed: int = 0
    init: str = ""  # what to begin with in place of random weights: see training.loop.warm_start.read
    frozen: tuple[str, ...] = ()  # layers that keep the weights of init, by name; * stands for anything
    fresh: tuple[str, ...] = ()  # layers that do not get the weights of init
    checkpoint_steps: int = 100  # between checkpoints within an epoch

    def __post_init__(self) -> None:
        self.check_positive(
            "batch", "epochs", "learning_rate", "min_learning_rate", "plateau_patience", "saturation",
            "checkpoint_steps", "gradient_accumulation_steps",
        )  # fmt: skip
        self.check_choice("precision", PRECISIONS)
        for name in ("frozen", "fresh"):
            if getattr(self, name) and not self.init:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it is for a network that begins with init")
        self.check_choice("schedule", SCHEDULES)
        self.check_choice("optimizer", OPTIMIZERS)
        self.check_choice("resize_mode", RESIZE_MODES)
        self.check_choice("augmentation", AUGMENTATIONS)
        if self.min_learning_rate > self.learning_rate:
            raise ArgumentError(
                f"min_learning_rate is {self.min_learning_rate}: it must be at most learning_rate, {self.learning_rate}"
            )
        for name in ("plateau_factor", "lr_gamma"):
            if not 0 < getattr(self, name) < 1:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must lie between 0 and 1")
        for name in ("beta_1", "beta_2", "ema_momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must lie in [0, 1)")
        if self.batch % self.gradient_accumulation_steps:
            raise ArgumentError(
                f"gradient_accumulation_steps is {self.gradient_accumulation_steps}: it must divide batch, {self.batch}"
            )
        for name in ("seed", "weight_decay", "global_clipnorm"):
            if getattr(self, name) < 0:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must be at least 0")
        if list(self.lr_milestones) != sorted(self.lr_milestones) or min(self.lr_milestones, default=1) <= 0:
            raise ArgumentError(f"lr_milestones is {self.lr_milestones}: rising numbers above 0 are needed")
        if self.schedule == "step" and not self.lr_milestones:
            raise ArgumentError("schedule is 'step': it needs lr_milestones")
        if self.lr_milestones and self.schedule != "step":
            raise ArgumentError(f"lr_milestones is {self.lr_milestones}: it is for the schedule 'step'")
        if not 0 < self.crop <= 1:
            raise ArgumentError(f"crop is {self.crop}: it must lie in (0, 1]")
        if not self.noise or min(self.noise) < 0:
            raise ArgumentError(f"noise is {self.noise}: standard deviations of at least 0 are needed")
        if self.augmentation == "sevenfold" and len(self.noise) != 3:
            raise ArgumentError(f"noise is {self.noise}: {SEVENFOLD} variants of a picture need three strengths")
        for name in ("size", "frame_size"):
            if getattr(self, name) < 16:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must be at least 16")
        if len(self.shortest) != 2 or not 0 <= self.shortest[0] <= self.shortest[1]:
            raise ArgumentError(f"shortest is {self.shortest}: the least and the greatest side are needed")
        if any(self.shortest) and (self.resize_mode != "random_crop" or self.shortest[0] < self.size):
            raise ArgumentError(f"shortest is {self.shortest}: it is for windows, and at least size, {self.size}")

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """What has to be known of the training photographs before the network is built.

        Args:
            photographs: to train on.
            known: the statistics of what the network begins with, if it begins with something.
        """
        return {}

    @abstractmethod
    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """The arguments of `zoo.create_model` for the network."""

    @abstractmethod
    def system(self, statistics: Statistics) -> System:
        """The network, new, and how it is trained."""

    def prepared(self, folders: Sequence[Path], cache: Path, split: str = "train") -> Photographs:
        """The photographs of folders as this recipe frames them; see `training.data.datasets.prepare`."""
        return prepare(folders, self.size, cache, self.resize_mode, self.shortest, split)

    def changes(self) -> Augmentation:
        """How training pictures are changed."""
        return Augmentation(self.flip, self.crop, self.noise, self.augmentation == "sevenfold")

    def check_positive(self, *names: str) -> None:
        """Raises ArgumentError if one of the fields is not above 0."""
        for name in names:
            if not getattr(self, name) > 0:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it must be above 0")

    def check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        """Raises ArgumentError if the field is none of the choices."""
        if getattr(self, name) not in choices:
            raise ArgumentError(f"{name} is {getattr(self, name)!r}: it must be one of {', '.join(choices)}")

    def check_unpadded(self) -> None:
        """Raises ArgumentError if padding could be taken for picture."""
        if self.resize_mode == "pad":
            raise ArgumentError(
                f"resize_mode is 'pad': {self.architecture} cannot tell padding from picture; take center_crop or "
                "random_crop"
            )
