"""pix2pix: RGB in [-1, 1], L1 and the non-saturating log loss of one discriminator of patches."""

from dataclasses import dataclass
from typing import Any

import zoo
from training.systems.adversarial import AdversarialRecipe, against
from training.systems.system import Statistics, System
from zoo.architectures.pix2pix import FILTERS, discriminator
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Pix2pixRecipe(AdversarialRecipe):
    """What pix2pix adds to a recipe."""

    architecture: str = "pix2pix"
    filters: tuple[int, ...] = FILTERS
    dropout: float = 0.5
    test_noise: bool = False  # dropout and batch statistics in the saved colorizer as well

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 32:
            raise ArgumentError(f"size is {self.size}: the discriminator needs 32 pixels or more")

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {
            "width": self.width,
            "filters": self.filters,
            "dropout": self.dropout,
            "test_noise": self.test_noise,
        }

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        judge = discriminator(width=network.get_layer("down1_conv").filters / FILTERS[0])
        return against(
            network,
            "rgb",
            [judge],
            lambda truth: truth["rgb"] * 2 - 1,
            kind=self.adversarial_loss,
            weight=self.l1_weight,
        )
