"""The fields that all recipes have."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from training.systems.constraints import (
    Above,
    AtLeast,
    AtMost,
    Fraction,
    Items,
    Momentum,
    Positive,
    PositiveInt,
    Rising,
    check_fields,
)
from training.systems.system import Photographs, Statistics, System
from zoo.errors import ArgumentError

VARIANTS_WITH_NOISE = 3  # of the seven variants of the augmentation "sevenfold"


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """How to train, on pictures of what size, and how long. A system adds what to train.

    Raises:
        ArgumentError: a value outside its range.
    """

    has_accuracy: ClassVar[bool] = False  # whether the system's losses have an "accuracy"

    architecture: str
    name: str = ""  # of the recipe's file in training/recipes/; "" if it is not from one

    # === Photographs ===
    size: Annotated[int, AtLeast(16)] = 256  # side of the pictures that are trained on
    # The whole picture, padded; its middle square; parts of it; the whole picture, without keeping its proportions.
    resize_mode: Literal["pad", "center_crop", "random_crop", "stretch"] = "pad"
    enlarge: bool = True  # whether "pad" also enlarges pictures that are smaller than the frame
    # With random_crop, the range that the shorter side is scaled into; (0, 0): left as it is.
    shortest: tuple[Annotated[int, AtLeast(0)], Annotated[int, AtLeast(0)]] = (0, 0)
    drop_gray: bool = True  # leaves out photographs that are gray, or toned in one color
    frame_size: Annotated[int, AtLeast(16)] = 256  # side of the frame that the colorizer shows its network
    saturation: Positive = 1.0
    augmentation: Literal["random", "sevenfold"] = "random"
    flip: bool = True
    crop: Annotated[float, Above(0), AtMost(1)] = 0.7  # smallest side of a random crop, as a fraction
    noise: Annotated[tuple[Annotated[float, AtLeast(0)], ...], Items(1)] = (0.0,)  # standard deviations, L in [0, 100]
    degraded: Annotated[float, AtLeast(0), AtMost(1)] = 0.0  # share of the training pictures that look like old ones

    # === Optimization ===
    batch: PositiveInt = 64  # over all devices
    epochs: PositiveInt = 20
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop", "adadelta", "momentum", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    beta_1: Momentum = 0.9  # of Adam and Nadam; of "momentum" the momentum
    beta_2: Momentum = 0.999
    # Added to the gradient of kernels, times the kernel; "adamw" applies it to the step itself.
    weight_decay: Annotated[float, AtLeast(0)] = 0.0
    global_clipnorm: Annotated[float, AtLeast(0)] = 0.0  # largest norm of all gradients together; 0: no limit
    gradient_accumulation_steps: PositiveInt = 1  # parts in which a batch is computed, one by one, to save memory
    ema_momentum: Momentum = 0.0  # of the moving average of weights that is validated and kept; 0: no average
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    # Layers that compute in float32 whatever the precision, by name; * stands for anything. Depthwise convolutions in
    # bfloat16 take more than twice as long on CPUs.
    float32_layers: tuple[str, ...] = ()
    seed: Annotated[int, AtLeast(0)] = 0

    # === Schedule of the learning rate ===
    schedule: Literal["constant", "plateau", "cosine", "step"] = "plateau"  # cosine falls to min_learning_rate
    min_learning_rate: Positive = 1e-5
    # What has to improve: the validation loss, or the validation accuracy of a system that has one. Without a
    # validation set, those of training.
    plateau_monitor: Literal["loss", "accuracy"] = "loss"
    plateau_factor: Fraction = 0.3
    plateau_patience: PositiveInt = 2  # epochs without improvement
    # Epochs at which the schedule "step" multiplies the rate with lr_gamma.
    lr_milestones: Annotated[tuple[Positive, ...], Rising()] = ()
    lr_gamma: Fraction = 0.1

    # === Start, and checkpoints ===
    # What to begin with in place of random weights: see training.loop.warm_start.read. "imagenet": lite_unet's encoder
    # has those of a classifier of ImageNet.
    init: str = ""
    frozen: tuple[str, ...] = ()  # layers that keep the weights of init, by name; * stands for anything
    fresh: tuple[str, ...] = ()  # layers that do not get the weights of init
    checkpoint_steps: PositiveInt = 100  # between checkpoints within an epoch

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("frozen", "fresh"):
            if getattr(self, name) and not self.init:
                raise ArgumentError(f"{name} is {getattr(self, name)}: it needs init")
        if self.min_learning_rate > self.learning_rate:
            raise ArgumentError(
                f"min_learning_rate is {self.min_learning_rate}: it must be at most learning_rate, {self.learning_rate}"
            )
        if self.batch % self.gradient_accumulation_steps:
            raise ArgumentError(
                f"gradient_accumulation_steps is {self.gradient_accumulation_steps}: it must divide batch, {self.batch}"
            )
        if self.schedule == "step" and not self.lr_milestones:
            raise ArgumentError("schedule is 'step': it needs lr_milestones")
        if self.lr_milestones and self.schedule != "step":
            raise ArgumentError(f"lr_milestones is {self.lr_milestones}: it is for the schedule 'step'")
        if self.augmentation == "sevenfold" and len(self.noise) != VARIANTS_WITH_NOISE:
            raise ArgumentError(f"noise is {self.noise}: the augmentation 'sevenfold' needs three strengths")
        if self.shortest[0] > self.shortest[1]:
            raise ArgumentError(f"shortest is {self.shortest}: the least and the greatest side are needed")
        if any(self.shortest) and (self.resize_mode != "random_crop" or self.shortest[0] < self.size):
            raise ArgumentError(f"shortest is {self.shortest}: it is for random_crop, and at least size, {self.size}")
        if self.plateau_monitor == "accuracy" and not self.has_accuracy:
            raise ArgumentError(f"plateau_monitor is 'accuracy': {self.architecture} has no accuracy")
        if not self.enlarge and self.resize_mode != "pad":
            raise ArgumentError("enlarge is False: it is for the resize_mode 'pad'")

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

    def check_unpadded(self) -> None:
        """Raises ArgumentError if padding could be taken for picture."""
        if self.resize_mode == "pad":
            raise ArgumentError(
                f"resize_mode is 'pad': {self.architecture} cannot tell padding from picture; take center_crop, "
                "random_crop or stretch"
            )
