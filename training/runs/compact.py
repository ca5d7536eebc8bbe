"""Models in less space: weights of the precision of float16, in compressed files that load as any other."""

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

from media import atomic

KEPT_BITS = 10  # of the mantissa, as in float16


def round_weights(weights: np.ndarray) -> np.ndarray:
    """Float32 weights to the nearest value with KEPT_BITS of mantissa."""
    drop = 23 - KEPT_BITS
    bits = weights.astype(np.float32).view(np.uint32) + np.uint32(1 << (drop - 1))
    return (bits & np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)).view(np.float32)


def round_model(model: keras.Model) -> None:
    """Rounds all weights of a model as `round_weights` does."""
    model.set_weights([round_weights(weights) for weights in model.get_weights()])


def save_compressed(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file whose archive is compressed: to about half, if the weights are rounded."""
    with TemporaryDirectory() as scratch, atomic.replacing(path) as partial:
        plain_path = Path(scratch, path.name)
        model.save(plain_path)
        with zipfile.ZipFile(plain_path) as plain, zipfile.ZipFile(partial, "w", compresslevel=9) as packed:
            for item in plain.namelist():
                packed.writestr(item, plain.read(item), zipfile.ZIP_DEFLATED)


def compact(path: Path) -> None:
    """Rounds the weights of a `.keras` file, and compresses it."""
    model = keras.models.load_model(path, compile=False)
    round_model(model)
    save_compressed(model, path)
