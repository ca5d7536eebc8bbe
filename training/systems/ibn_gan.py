"""The IBN conditional GAN: ab / 110, L1 and discriminators at several scales."""

from dataclasses import dataclass
from typing import Annotated, Any

import zoo
from training.systems.adversarial import AdversarialRecipe, adversarial_system
from training.systems.constraints import OneOf, PositiveInt
from training.systems.system import Statistics, System
from zoo.architectures.ibn_gan import AB_LIMIT, LEVELS, NORMS, SCALES, discriminators


@dataclass(frozen=True, kw_only=True)
class IbnGanRecipe(AdversarialRecipe):
    """What ibn_gan adds to a recipe. For the rows of the paper's table I see `zoo.architectures.ibn_gan.VARIANTS`."""

    architecture: str = "ibn_gan"
    norm: Annotated[str, OneOf(NORMS)] = "ibn"
    spectral: bool = True
    scales: PositiveInt = SCALES  # discriminators
    levels: int = LEVELS

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"norm": self.norm, "spectral": self.spectral, "width": self.width, "levels": self.levels}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        return adversarial_system(
            zoo.create_model(self.architecture, **self.arguments(statistics)),
            "map",
            discriminators(self.scales, self.norm, self.spectral, width=self.width),
            lambda truth: truth["ab"] / AB_LIMIT,
            kind=self.adversarial_loss,
            weight=self.l1_weight,
        )
