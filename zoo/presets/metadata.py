"""What is known about the presets: one row of metadata for each, read without Keras."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from zoo.errors import PresetError, UnknownNameError

FOLDER = Path(__file__).parent
LOOKS = ("calm", "natural", "vivid")  # from few colors, of which the network is sure, to many
DEFAULT_PRESET = "lite_unet_photos_v3"
# Presets never change, so the rows of the first ones keep their field names: name in the file -> name now.
RENAMED_FIELDS = {"lam": "rebalance_lambda", "views": "tta_scales"}
REMOVED_ARGUMENTS = {"test_noise"}  # of builders: it changed nothing in a colorizer


@dataclass(frozen=True)
class Preset:
    """One row of metadata. A preset never changes: a better run gets a new name."""

    name: str
    architecture: str
    arguments: dict[str, object]
    parameters: int  # trainable ones of the network
    size: int  # side of the frame in pixels
    rebalance_lambda: float  # of the class rebalancing that the scores carry; 1: none
    saturation: float
    prior: list[float]  # of the classes over the training photographs
    training_data: str
    license: str
    recipe: str
    commit: str
    metrics: dict[str, float]
    keras_version: str
    sha256: str
    tta_scales: list[float] = field(default_factory=list)  # see zoo.create_colorizer
    cell_classes: list[int] = field(default_factory=list)  # of color_unet: the class of each UV cell, see zoo.bins
    # Settings by the names of LOOKS: temperature, saturation and calm, see zoo.create_colorizer. The file itself has
    # the look "natural".
    looks: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The .keras file."""
        return FOLDER / f"{self.name}.keras"


def list_presets() -> list[str]:
    """Names of the presets that ship with the package, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def preset(name: str) -> Preset:
    """The metadata of a shipped preset.

    Raises:
        UnknownNameError: no preset has this name; the text lists those that exist.
        PresetError: the metadata cannot be read.
    """
    names = list_presets()
    if name not in names:
        raise UnknownNameError(f"no preset is called {name!r}: there are {', '.join(names) or 'none'}")
    return _read(FOLDER / f"{name}.json")


def find_metadata(name: str | Path) -> Preset | None:
    """The metadata of a shipped preset, or of a .keras file with NAME.json beside it; None if there is none.

    Raises:
        PresetError: the metadata cannot be read.
    """
    if str(name) in list_presets():
        return preset(str(name))
    beside = Path(f"{os.path.splitext(name)[0]}.json")
    # os.path and not pathlib, which raises if a name is too long for the file system.
    return _read(beside) if os.path.isfile(beside) else None


def find_file(name: str | Path) -> Path:
    """The .keras file of a preset, or of this path. The file of a shipped preset is compared with its checksum.

    Raises:
        UnknownNameError: neither a preset nor a file has this name.
        PresetError: a shipped file is missing or damaged.
    """
    names = list_presets()
    if str(name) not in names:
        if os.path.isfile(name):
            return Path(name)
        raise UnknownNameError(f"no preset or file is called {str(name)!r}: there are {', '.join(names) or 'none'}")
    row = preset(str(name))
    try:
        found = row.path.stat()
        intact = _cached_sha256(row.path, found.st_mtime_ns, found.st_size) == row.sha256
    except OSError:
        intact = False
    if not intact:
        raise PresetError(f"{row.path.name} is missing or damaged: install the package again")
    return row.path


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache
def _cached_sha256(path: Path, modified: int, size: int) -> str:
    """A file is hashed again only after it has changed."""
    return sha256(path)


def _read(path: Path) -> Preset:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        for argument in REMOVED_ARGUMENTS:
            row["arguments"].pop(argument, None)
        return Preset(**{RENAMED_FIELDS.get(name, name): value for name, value in row.items()})
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise PresetError(f"{path} does not describe a preset: {error}") from error
