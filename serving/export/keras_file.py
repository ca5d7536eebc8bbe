"""Presets as .keras files that plain Keras loads on every backend."""

from pathlib import Path

import keras
import numpy as np

import zoo
from media import atomic, files
from serving.export.check import ExportError
from serving.export.examples import picture
from zoo.errors import ArgumentError
from zoo.presets.metadata import find_file
from zoo.presets.portable import convert


def export_keras(preset: str | Path, folder: Path) -> Path:
    """Write a preset, or a .keras file that holds a colorizer, as folder/NAME.keras without what only TensorFlow has.

    Raises:
        UnknownNameError, PresetError: as `zoo.load`.
        ArgumentError: the file exists.
        ExportError: it does not compute what the preset does, or cannot be written.
    """
    source = find_file(preset)
    path = folder / source.name
    files.check_folder(folder)
    if path.exists():
        raise ArgumentError(f"{path} exists: choose another folder, or remove it")
    image = picture(48, 64)[None]
    expected = np.asarray(zoo.load(preset)(image))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as partial:
            convert(source, partial)
            if not np.array_equal(expected, np.asarray(keras.models.load_model(partial)(image))):
                raise ExportError(f"the file made of {source} gives other pictures: no layer may depend on the backend")
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
