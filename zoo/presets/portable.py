"""Colorizers that were saved under TensorFlow, for every backend of Keras.

Presets never change. What other backends refuse in the older ones is replaced in the graph while they are loaded:

* Batch normalization that is synchronized over replicas, which only TensorFlow has. It matters in training alone.
* Views mirrored by slices of step -1, which the tensors of PyTorch do not have. `keras.ops.flip` gives the same.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

CONFIG = "config.json"  # member of a .keras file: its graph


def convert(source: Path, target: Path) -> None:
    """Write a .keras file anew so that plain Keras loads it on every backend, with the same weights and pictures.

    Args:
        source: a .keras file, saved under TensorFlow.
        target: the file to write; its folder exists.

    Raises:
        OSError, zipfile.BadZipFile, KeyError, ValueError: the source is not a .keras file, or the target cannot be
            written.
    """
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        config = json.dumps(portable_config(json.loads(before.read(CONFIG))))
        for member in before.infolist():
            content = config if member.filename == CONFIG else before.read(member)
            after.writestr(member.filename, content, member.compress_type)


@contextmanager
def loadable(path: Path) -> Iterator[Path]:
    """The .keras file itself on TensorFlow, and a converted copy on other backends; errors are those of `convert`."""
    if keras.backend.backend() == "tensorflow":
        yield path
        return
    with TemporaryDirectory() as folder:
        converted = Path(folder) / path.name
        convert(path, converted)
        yield converted


def portable_config(config: Any) -> Any:
    """The configuration of a model, or a part of it, with what only TensorFlow has replaced; the rest as it is."""
    if isinstance(config, list):
        return [portable_config(item) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "GetItem":
        return _flip_for_slices(config)
    found = {key: portable_config(value) for key, value in config.items()}
    if found.get("class_name") == "BatchNormalization":
        found["config"]["synchronized"] = False
    return found


def _flip_for_slices(layer: dict[str, Any]) -> dict[str, Any]:
    """The configuration of an indexing -> of the same as `ops.flip`, if it does nothing but turn one axis around."""
    ((tensor, key),) = (node["args"] for node in layer["inbound_nodes"])
    parts = key if isinstance(key, list) else [key]
    slices = [
        part["config"] if isinstance(part, dict) and part.get("class_name") == "__slice__" else {} for part in parts
    ]
    steps = [found.get("step") if found.get("start", 0) is found.get("stop", 0) is None else 0 for found in slices]
    if steps.count(-1) != 1 or not {None, -1}.issuperset(steps):
        return layer
    node = {"args": [tensor], "kwargs": {}}
    config = {**layer["config"], "axis": steps.index(-1)}
    return {**layer, "class_name": "Flip", "registered_name": "Flip", "config": config, "inbound_nodes": [node]}
