"""What an experiment consists of: networks that differ in one thing, what a paper found, and what it claims."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from training import recipes
from training.systems.recipe import Recipe

PERCEPTUAL = "perceptual"
"""The measure of this name is followed by that of the backbone, which is known only when a study is done."""


@dataclass(frozen=True)
class Variant:
    """One of the networks that are compared.

    Attributes:
        name: As the paper calls it. A part of names of files.
        settings: Fields of the recipe, as text.
        reported: What the paper reports, by measure of `training.evaluation.study.measures`.
    """

    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    reported: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """What a paper says of the order of its networks.

    Attributes:
        text: A sentence.
        measure: In which the order shows.
        lower: Variants with a lower figure than each of `higher`.
        higher: The others.
    """

    text: str
    measure: str
    lower: tuple[str, ...]
    higher: tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """A comparison of a paper, with a budget that two cores have in some minutes.

    Attributes:
        title: What is compared, in whose paper.
        recipe: That all variants start from.
        shared: Fields that differ from it in all variants, as text.
        photographs: How many are trained on, taken evenly from all folders; None takes all.
        size: Side of the pictures in pixels that the variants are compared on.
        measures: Of the table.
        note: What differs from the paper.
    """

    title: str
    recipe: str
    shared: Mapping[str, str]
    photographs: int | None
    size: int
    variants: tuple[Variant, ...]
    measures: tuple[str, ...]
    claims: tuple[Claim, ...]
    note: str

    def recipe_of(self, variant: Variant, settings: Mapping[str, str]) -> Recipe:
        """The recipe of one variant.

        Args:
            settings: Further fields, as text, of all variants. What a variant sets itself stays.

        Raises:
            ArgumentError: no field has such a name, or a value is not of its type.
        """
        return recipes.load(self.recipe, {**self.shared, **settings, **variant.settings})
