"""Loading presets, and other .keras files that hold a colorizer."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import keras

from zoo.arguments import check_positive
from zoo.colorizer import Parts, create_colorizer, network_of, parts_of
from zoo.errors import ArgumentError, PresetError
from zoo.presets.metadata import find_file


def load(name: str | Path, *, size: int | None = None, temperature: float | None = None) -> keras.Model:
    """Load a colorizer: image (B, H, W, 3), RGB in 0..255, uint8 or float -> image (B, H, W, 3) uint8.

    Args:
        name: a preset of `zoo.list_presets()`, or the path of a .keras file that holds a colorizer.
        size: side of the frame that the network sees, in pixels, at least 16; by default that of the preset.
        temperature: of the annealed mean, above 0, for networks that have one; by default that of the preset.

    Raises:
        UnknownNameError: neither a preset nor a file has this name.
        PresetError: the file cannot be read, or a shipped one is damaged.
        ArgumentError: size or temperature outside its range, or a network without a temperature.
    """
    model = _read(find_file(name))
    if size is None and temperature is None:
        return model
    parts = _change(parts_of(model), size, temperature)
    return create_colorizer(parts.network, parts.size, saturation=parts.saturation, tta_scales=parts.tta_scales)


def load_parts(name: str | Path, *, size: int | None = None, temperature: float | None = None) -> Parts:
    """Load what a colorizer is made of, for `serving.local.tiled`: another size builds no second graph.

    Arguments and errors are those of `load`.
    """
    return _change(parts_of(_read(find_file(name))), size, temperature)


def _change(parts: Parts, size: int | None, temperature: float | None) -> Parts:
    changed = parts if size is None else replace(parts, size=size)
    if temperature is not None:
        _set_temperature(changed.network, temperature)
    return changed


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
    check_positive("temperature", temperature)
    if "temperature" not in {layer.name for layer in network.layers}:
        raise ArgumentError(f"{network.name} predicts colors directly: it has no temperature to set")
    network.get_layer("temperature").scale = 1 / temperature
