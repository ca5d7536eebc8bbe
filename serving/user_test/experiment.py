"""What one experiment consists of, and the folder that holds it.

experiment.json           what is compared, on which photographs
pictures/PHOTOGRAPH/      PNG of equal size: original, gray, practice, and one for each preset, by its number
results.sqlite            participants and their answers
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from media import atomic
from zoo.errors import ArgumentError, DataError

SECONDS = 1
"""How long each of the two pictures is shown."""

RESULTS = "results.sqlite"
_FILE = "experiment.json"


@dataclass(frozen=True)
class Experiment:
    """The settings of an experiment.

    Attributes:
        presets: Names of presets, or .keras files.
        checksums: SHA-256 of the file of each preset, so that another one of the same name is noticed.
        photographs: Paths within the folder of the data. The position of each is its number.
        size: Side of the square pictures, in pixels.
        trials: Number for each participant, split evenly among the presets. Practice comes on top.
        practice: Number of trials in the beginning which tell whether the answer was right, and do not count.
    """

    presets: tuple[str, ...]
    checksums: tuple[str, ...]
    photographs: tuple[str, ...]
    size: int
    trials: int
    practice: int = 5

    @property
    def needed(self) -> int:
        """Number of photographs for one participant: none is shown twice."""
        return self.practice + self.trials


def check_settings(presets: Sequence[str], trials: int) -> None:
    """Refuse an experiment that would be uneven, before any work.

    Raises:
        ArgumentError: a preset is named twice, or the trials cannot be split evenly.
    """
    twice = sorted({preset for preset in presets if presets.count(preset) > 1})
    if twice:
        raise ArgumentError(f"{', '.join(twice)}: name each preset once")
    count = len(presets)
    if trials % count:
        below = trials // count * count
        near = [str(number) for number in (below, below + count) if number]
        raise ArgumentError(
            f"{trials} trials cannot be split evenly among {count} presets: use --trials {' or '.join(near)}"
        )


def begin(folder: Path, experiment: Experiment) -> None:
    """Make the folder of an experiment, or find this very one in it.

    Raises:
        ArgumentError: the folder holds another experiment.
        DataError: there are too few photographs for one participant.
    """
    _check_count(len(experiment.photographs), experiment)
    if (folder / _FILE).exists():
        there = read(folder)
        differing = [name for name, value in asdict(experiment).items() if getattr(there, name) != value]
        if differing:
            raise ArgumentError(
                f"{folder} holds an experiment with other {', '.join(differing)}: choose another folder with --output"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / _FILE, json.dumps(asdict(experiment), indent=1) + "\n")


def read(folder: Path) -> Experiment:
    """The experiment in a folder.

    Raises:
        DataError: there is none, or its file is damaged.
    """
    try:
        row: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
        return Experiment(**row | lists)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{folder} is not the folder of an experiment of `colorzoo turing`: {error}") from error


def picture(folder: Path, photograph: int, name: str) -> Path:
    """The file of one picture.

    Args:
        name: "original", "gray", "practice", or the number of a preset.
    """
    return folder / "pictures" / str(photograph) / f"{name}.png"


def is_prepared(folder: Path, experiment: Experiment) -> bool:
    """Whether the folder has every picture of every photograph."""
    names = ("original", "gray", "practice", *map(str, range(len(experiment.presets))))
    return all(picture(folder, i, name).exists() for i in range(len(experiment.photographs)) for name in names)


def usable(folder: Path, experiment: Experiment) -> list[int]:
    """The numbers of the photographs that could be read.

    Raises:
        DataError: they are too few for one participant.
    """
    there = [i for i in range(len(experiment.photographs)) if picture(folder, i, "original").exists()]
    _check_count(len(there), experiment)
    return there


def _check_count(photographs: int, experiment: Experiment) -> None:
    if photographs < experiment.needed:
        raise DataError(
            f"{photographs} usable photographs are too few: each participant sees {experiment.needed} "
            f"({experiment.practice} to practice, {experiment.trials} trials) and none of them twice"
        )
