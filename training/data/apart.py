"""Sets of photographs that must have none in common."""

from collections.abc import Sequence
from typing import Protocol

from zoo.errors import DataError


class Photographs(Protocol):
    """A set of photographs, such as `training.data.datasets.Photographs`."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> Sequence[str]:
        """The path of each file."""

    @property
    def hashes(self) -> Sequence[str]:
        """The SHA-256 of each file."""


def check_apart(train: Photographs, val: Photographs) -> None:
    """Raises DataError if a picture is in both sets: validation would flatter the network."""
    shared = sorted(set(val.hashes).intersection(train.hashes))
    if shared:
        first = val.names[val.hashes.index(shared[0])]
        raise DataError(
            f"{len(shared)} of {len(val)} validation pictures are also trained on, {first} for one: take "
            "them out of one of the folders"
        )
