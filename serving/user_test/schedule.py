"""What one participant sees: which photographs, by which presets, in which order."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from serving.user_test.experiment import Experiment


@dataclass(frozen=True)
class Trial:
    """A photograph, and what is compared with it.

    Attributes:
        number: Place in the series of the participant, from 1, practice included.
        photograph: Its number in the experiment.
        preset: Which one colored it, or None in practice.
        artificial_first: Whether the artificial picture is shown before the original.
    """

    number: int
    photograph: int
    preset: str | None
    artificial_first: bool


def draw(experiment: Experiment, usable: Sequence[int], rng: random.Random) -> list[Trial]:
    """The trials of one participant: practice, then the same number for each preset, in random order.

    Args:
        usable: Numbers of the photographs to draw from, without replacement; at least `experiment.needed`.
    """
    presets = list(experiment.presets) * (experiment.trials // len(experiment.presets))
    rng.shuffle(presets)
    kinds = [None] * experiment.practice + presets
    photographs = rng.sample(usable, len(kinds))
    return [
        Trial(number, photograph, preset, rng.random() < 0.5)
        for number, (photograph, preset) in enumerate(zip(photographs, kinds, strict=True), 1)
    ]


def redraw(trial: Trial, usable: Sequence[int], seen: Collection[int], rng: random.Random) -> Trial | None:
    """The trial with a photograph that its participant has not seen, or None if there is no such photograph."""
    rest = [number for number in usable if number not in seen]
    if not rest:
        return None
    return Trial(trial.number, rng.choice(rest), trial.preset, rng.random() < 0.5)
