"""What is finished of a study: a file for each batch of each system, so that nothing is computed twice."""

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media import atomic
from training.evaluation.tables import Values


@dataclass(frozen=True)
class Part:
    """What was found for some photographs of one system.

    Attributes:
        values: by measure, one for each photograph, (n,).
        features: of the backbone, (n, C); C is 0 without one.
        plane: how many pixels of the results lie in each cell of the ab plane, (25, 25).
        axes: how many have each a, and each b, (2, 220).
        bins: how many are nearest to each center of the system's bins, (k,).
        true_bins: the same of the truth.
    """

    values: Mapping[str, Values]
    features: NDArray[np.float32]
    plane: NDArray[np.int64]
    axes: NDArray[np.int64]
    bins: NDArray[np.int64]
    true_bins: NDArray[np.int64]


COUNTS = ("plane", "axes", "bins", "true_bins")


class Parts:
    """The finished parts of the systems, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, key: str, number: int) -> Path:
        """The file of a part, by the system's key and the number of the batch."""
        return self._folder / key / f"{number:05}.npz"

    def missing(self, key: str, count: int) -> list[int]:
        """Those of the first `count` numbers whose part is not finished."""
        return [number for number in range(count) if not self._is_whole(self.path(key, number))]

    def write(self, key: str, number: int, part: Part) -> None:
        """Keep a part."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {f"value_{name}": found for name, found in part.values.items()}
        np.savez(file, features=part.features, **{name: getattr(part, name) for name in COUNTS}, **arrays)
        path = self.path(key, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, file.getvalue())

    def read(self, key: str, count: int) -> Part:
        """The first `count` parts of a system as one."""
        return join(self._read(self.path(key, number)) for number in range(count))

    @staticmethod
    def _is_whole(path: Path) -> bool:
        # What a full disk or a careless copy has damaged is computed again.
        return path.is_file() and zipfile.is_zipfile(path)

    @staticmethod
    def _read(path: Path) -> Part:
        with np.load(path) as file:
            values = {name.removeprefix("value_"): file[name] for name in file.files if name.startswith("value_")}
            return Part(values, file["features"], *(file[name] for name in COUNTS))


def join(parts: Iterable[Part]) -> Part:
    """Several parts of one system as one."""
    found = list(parts)
    return Part(
        {name: np.concatenate([part.values[name] for part in found]) for name in found[0].values},
        np.concatenate([part.features for part in found]),
        *(np.sum([getattr(part, name) for part in found], axis=0) for name in COUNTS),
    )
