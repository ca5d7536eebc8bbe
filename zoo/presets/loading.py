"""Loading presets, and other .keras files that hold a colorizer."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import keras

from zoo.arguments import check_positive
from zoo.colorizer import Parts, colorizer_of, network_of, parts_of
from zoo.errors import ArgumentError, PresetError
from zoo.presets.metadata import LOOKS, find_file, find_metadata, list_presets, preset
from zoo.presets.portable import loadable


def load(
    name: str | Path, *, size: int | None = None, temperature: float | None = None, look: str | None = None
) -> keras.Model:
    """Load a colorizer: image (B, H, W, 3), RGB in 0..255, uint8 or float -> image (B, H, W, 3) uint8.

    Args:
        name: a preset of `zoo.list_presets()`, or the path of a .keras file that holds a colorizer.
        size: side of the frame that the network sees, in pixels, at least 16; by default that of the preset.
        temperature: of the annealed mean, above 0, for networks that have one; by default that of the look.
        look: "calm", "natural" or "vivid", of the presets that have looks; by default "natural".

    Raises:
        UnknownNameError: neither a preset nor a file has this name.
        PresetError: the file cannot be read, or a shipped one is damaged.
        ArgumentError: size or temperature outside its range, a network without a temperature, or a preset without
            this look.
    """
    model = _read(find_file(name))
    if size is None and temperature is None and look is None:
        return model
    return colorizer_of(_change(parts_of(model), name, size, temperature, look))


def load_parts(
    name: str | Path, *, size: int | None = None, temperature: float | None = None, look: str | None = None
) -> Parts:
    """Load what a colorizer is made of, for `serving.local.tiled`: another size builds no second graph.

    Arguments and errors are those of `load`.
    """
    return _change(parts_of(_read(find_file(name))), name, size, temperature, look)


def _change(parts: Parts, name: str | Path, size: int | None, temperature: float | None, look: str | None) -> Parts:
    if look is not None:
        setting = _find_look(name, look)
        parts = replace(parts, saturation=setting["saturation"], calm=setting["calm"])
        temperature = setting["temperature"] if temperature is None else temperature
    if size is not None:
        parts = replace(parts, size=size)
    if temperature is not None:
        _set_temperature(parts.network, temperature)
    return parts


def _find_look(name: str | Path, look: str) -> dict[str, float]:
    if look not in LOOKS:
        raise ArgumentError(f"look is {look!r}: it must be one of {', '.join(LOOKS)}")
    row = find_metadata(name)
    if row is None or look not in row.looks:
        having = [each for each in list_presets() if look in preset(each).looks]
        raise ArgumentError(f"{name} has no look {look!r}: presets that have it are {', '.join(having) or 'none'}")
    return row.looks[look]


def _read(path: Path) -> keras.Model:
    try:
        with zipfile.ZipFile(path) as archive:
            version = json.loads(archive.read("metadata.json"))["keras_version"]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PresetError(f"{path} is not a .keras file: {error}") from error
    try:
        with loadable(path) as file:
            model = keras.models.load_model(file, compile=False)
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
