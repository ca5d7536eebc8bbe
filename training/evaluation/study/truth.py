"""The photographs of a study, read once: the truth that everything is compared with, and its statistics.

They lie in one file beside the finished parts, so that an interrupted study goes on with the same pixels and memory
does not grow with their number.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media import atomic
from training.data.folder import PictureFiles
from training.data.sampling import choose_evenly
from training.evaluation.histograms import nearest_bin
from training.evaluation.protocol import squeeze
from training.evaluation.study.measures import to_lab
from training.evaluation.tables import Pixels, Values
from zoo.errors import ArgumentError, DataError, PhotographError

FORMAT = 1  # of the parts: figures that are computed in another way do not mix
BINS = 313  # of the ab grid
PER_CLASS = 250  # photographs: Araujo and Veloso, section II.A
PIXELS, RECORD = "truth.npy", "study.json"

Progress = Callable[[int, int | None, str | None], None]


@dataclass(frozen=True)
class Truth:
    """The photographs that could be read, in order.

    Attributes:
        pictures: sRGB uint8 (N, S, S, 3); on the disk.
        names: their paths within the folder or archive.
        classes: the folder of each.
        left_out: why others could not be read.
        mean_ab: mean a and b over all pixels, (2,).
        bin_counts: how many pixels have their color nearest to each bin of the ab grid, (313,).
    """

    pictures: Pixels
    names: list[str]
    classes: list[str]
    left_out: list[str]
    mean_ab: Values
    bin_counts: Values

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Settings:
    """What all parts of a study share."""

    data: str
    size: int
    photographs: str  # hash of their names
    backbone: str | None
    lpips: bool
    format: int = FORMAT


def choose(files: PictureFiles, limit: int | None) -> list[int]:
    """Positions of the photographs: at most 250 of each class folder, or `limit` in all, evenly over the folders."""
    folders = [path.parent.as_posix() for path in files.paths]
    if limit is not None:
        return choose_evenly(folders, limit)
    kept: list[int] = []
    for name in sorted(Counter(folders)):
        members = [position for position, folder in enumerate(folders) if folder == name]
        kept += [members[i] for i in choose_evenly([name] * len(members), PER_CLASS)]
    return sorted(kept)


def settings_of(
    files: PictureFiles, chosen: Sequence[int], data: Path, size: int, backbone: str | None, lpips: bool
) -> Settings:
    """The settings of a study of these photographs."""
    names = "\n".join(files.paths[i].as_posix() for i in chosen)
    digest = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:16]
    return Settings(str(data.resolve()), size, digest, backbone, lpips)


def check_settings(folder: Path, settings: Settings) -> None:
    """Raises ArgumentError if the folder holds parts of a study with other settings."""
    found = _read_record(folder)
    if found is None:
        return
    there, here = found["settings"], asdict(settings)
    differing = [name for name in here if there.get(name) != here[name]]
    if differing:
        changes = "; ".join(f"{name} was {there.get(name)!r} and is {here[name]!r}" for name in differing)
        raise ArgumentError(f"{folder.parent} holds another study: {changes}; name another folder")


def read_truth(
    files: PictureFiles, chosen: Sequence[int], folder: Path, settings: Settings, jobs: int, progress: Progress
) -> Truth:
    """The photographs at ascending positions; read once, and later from the folder of the study's parts.

    Raises:
        DataError: none of them can be read, or all of them are gray.
    """
    record = _read_record(folder)
    if record is None:
        record = _read_photographs(files, chosen, folder, settings, jobs, progress)
    names = record["names"]
    pictures = np.load(folder / PIXELS, mmap_mode="r")[: len(names)]
    return Truth(
        pictures,
        names,
        [Path(name).parent.as_posix() for name in names],
        record["left_out"],
        np.array(record["mean_ab"]),
        np.array(record["bin_counts"], np.float64),
    )


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / RECORD).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{folder / RECORD} cannot be read: {error}; name another folder") from error


def _read_photographs(
    files: PictureFiles, chosen: Sequence[int], folder: Path, settings: Settings, jobs: int, progress: Progress
) -> dict[str, Any]:
    names: list[str] = []
    left_out: list[str] = []
    counted = []
    shape = (len(chosen), settings.size, settings.size, 3)
    with ThreadPoolExecutor(jobs) as pool, atomic.replacing(folder / PIXELS) as partial:
        stored = np.lib.format.open_memmap(partial, "w+", np.uint8, shape)
        for done, (position, picture) in enumerate(zip(chosen, files.read(chosen), strict=True)):
            progress(done, len(chosen), "Reading")
            if isinstance(picture, PhotographError):
                left_out.append(str(picture))
                continue
            stored[len(names)] = squeeze(picture, settings.size)
            counted.append(pool.submit(_count, stored[len(names)]))
            names.append(files.paths[position].as_posix())
        stored.flush()
    if not names:
        raise DataError(f"none of {len(chosen)} images can be read; the first: {left_out[0]}")
    sums, counts, chroma = (np.array(part) for part in zip(*(each.result() for each in counted), strict=True))
    if not chroma.any():
        raise DataError("all pictures are gray: color photographs are needed, to compare the result with")
    record: Mapping[str, Any] = {
        "settings": asdict(settings),
        "names": names,
        "left_out": left_out,
        "mean_ab": sums.mean(axis=0).tolist(),
        "bin_counts": counts.sum(axis=0).tolist(),
    }
    atomic.write_text(folder / RECORD, json.dumps(record))
    return dict(record)


def _count(rgb: Pixels) -> tuple[Values, NDArray[np.int64], bool]:
    """Mean ab (2,), counts of the bins (313,), and whether the picture has any color."""
    ab = to_lab(rgb)[..., 1:]
    counts = np.bincount(nearest_bin(ab).ravel(), minlength=BINS)
    return np.asarray(ab.mean(axis=(0, 1))), counts.astype(np.int64), bool((rgb != rgb[..., :1]).any())
