"""Colorization networks in Keras, and the presets that ship with them.

model = zoo.load("color_unet_wide_scenes_v2")
colorized = model(photographs)  # (B, H, W, 3), RGB 0..255 in, uint8 out
"""

from typing import Any

import keras

from zoo import architectures  # noqa: F401  registers the builders
from zoo.colorizer import create_colorizer
from zoo.presets import DEFAULT_PRESET, list_presets, load
from zoo.registry import MODELS, entry

__all__ = ["DEFAULT_PRESET", "build", "create_colorizer", "list_models", "list_presets", "load"]


def list_models() -> list[str]:
    """Names of the architectures, sorted."""
    return sorted(MODELS)


def build(name: str, arguments: dict[str, Any] | None = None) -> keras.Model:
    """A new network: lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    Args:
        name: one of `list_models()`.
        arguments: of the builder, by name; see its docstring.

    Raises:
        UnknownNameError: no architecture has this name.
        ArgumentError: an argument outside its range.
        TypeError: the builder has no such argument.
    """
    return entry(name).build(**(arguments or {}))
