"""The trained models that ship with the package: `NAME.keras`, and `NAME.json` with what is to be known of it."""

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import keras

from zoo.colorizer import create_colorizer, frame_size, network_of, saturation_of, view_sides
from zoo.errors import ArgumentError, PresetError, UnknownNameError

FOLDER = Path(__file__).parent
DEFAULT_PRESET = "color_unet_wide_scenes_v2"
# Presets never change, so the rows of the first ones keep the names that their fields had: name there -> name now.
RENAMED_FIELDS = {"lam": "rebalance_lambda", "views": "tta_scales"}


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

    @property
    def path(self) -> Path:
        """The .keras file."""
        return FOLDER / f"{self.name}.keras"


def list_presets() -> list[Preset]:
    """The shipped presets, sorted by name."""
    return [_row(path) for path in sorted(FOLDER.glob("*.json"))]


def row_of(name: str | Path) -> Preset | None:
    """The row of a shipped preset, or that of a .keras file, which is NAME.json beside it; nothing if there is none."""
    shipped = {row.name: row for row in list_presets()}
    beside = Path(name).with_suffix(".json")
    return shipped.get(str(name)) or (_row(beside) if beside.is_file() else None)


def _row(path: Path) -> Preset:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return Preset(**{RENAMED_FIELDS.get(field, field): value for field, value in row.items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise PresetError(f"{path} does not describe a preset: {error}") from error


def load(name: str | Path, *, size: int | None = None, temperature: float | None = None) -> keras.Model:
    """A colorizer: image (B, H, W, 3), RGB in 0..255, uint8 or float -> image (B, H, W, 3) uint8.

    Args:
        name: a preset of `list_presets()`, or the path of a .keras file that holds a colorizer.
        size: another side of the frame that the network sees, in pixels, at least 16.
        temperature: another temperature of the annealed mean, above 0, for networks that have one.

    Raises:
        UnknownNameError: neither a preset nor a file has this name.
        PresetError: the file cannot be read, or a shipped one is damaged.
        ArgumentError: size or temperature outside its range, or a network without a temperature.
    """
    model = _read(_find(name))
    if size is None and temperature is None:
        return model
    network = network_of(model)
    if temperature is not None:
        _set_temperature(network, temperature)
    frame = frame_size(model) if size is None else size
    tta_scales = [side / frame_size(model) for side in view_sides(model)]
    return create_colorizer(network, frame, saturation=saturation_of(model), tta_scales=tta_scales)


def _find(name: str | Path) -> Path:
    rows = {row.name: row for row in list_presets()}
    if str(name) not in rows:
        if Path(name).is_file():
            return Path(name)
        raise UnknownNameError(f"no preset or file is called {str(name)!r}: there are {', '.join(rows) or 'none'}")
    row = rows[str(name)]
    if not row.path.is_file() or sha256(row.path) != row.sha256:
        raise PresetError(f"{row.path.name} is missing or damaged: install the package again")
    return row.path


def _read(path: Path) -> keras.Model:
    try:
        with zipfile.ZipFile(path) as archive:
            version = json.loads(archive.read("metadata.json"))["keras_version"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PresetError(f"{path} is not a .keras file: {error}") from error
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever the broken part of the file leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise PresetError(f"{path}, written by Keras {version}, does not load here: {reason}") from error
    try:
        network_of(model)
    except ArgumentError as error:
        raise PresetError(f"{path} does not hold a colorizer: save one made with zoo.create_colorizer") from error
    return model


def _set_temperature(network: keras.Model, temperature: float) -> None:
    if not temperature > 0:
        raise ArgumentError(f"temperature is {temperature}: it must be above 0")
    if "temperature" not in {layer.name for layer in network.layers}:
        raise ArgumentError(f"{network.name} predicts colors directly: it has no temperature to set")
    network.get_layer("temperature").scale = 1 / temperature


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
