"""pix2pix: RGB in [-1, 1], L1 and the non-saturating log loss of one discriminator of patches."""

from dataclasses import dataclass
from typing import Annotated, Any

import zoo
from training.systems.adversarial import AdversarialRecipe, adversarial_system
from training.systems.constraints import AtLeast, Below
from training.systems.system import Statistics, System
from zoo.architectures.pix2pix import FILTERS, discriminator


@dataclass(frozen=True, kw_only=True)
class Pix2pixRecipe(AdversarialRecipe):
    """What pix2pix adds to a recipe."""

    architecture: str = "pix2pix"
    size: Annotated[int, AtLeast(32)] = 256  # fewer pixels are too few for the discriminator
    filters: tuple[int, ...] = FILTERS
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {
            "width": self.width,
            "filters": self.filters,
            "dropout": self.dropout,
        }

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        judge = discriminator(width=network.get_layer("down1_conv").filters / FILTERS[0])
        return adversarial_system(
            network,
            "rgb",
            [judge],
            lambda truth: truth["rgb"] * 2 - 1,
            kind=self.adversarial_loss,
            weight=self.l1_weight,
        )
