"""Colorization networks in Keras, and the presets that ship with them.

model = zoo.load("lite_unet_photos_v3")
colorized = model(photographs)  # (B, H, W, 3), RGB 0..255 in, uint8 out

What is listed here is imported when it is first used, so that `import zoo.errors` imports neither Keras nor TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.colorizer import create_colorizer
    from zoo.errors import ColorzooError
    from zoo.presets.loading import load
    from zoo.presets.metadata import DEFAULT_PRESET, Preset, list_presets, preset
    from zoo.registry import create_model, list_models

    __version__: str

__all__ = [
    "DEFAULT_PRESET",
    "ColorzooError",
    "Preset",
    "__version__",
    "create_colorizer",
    "create_model",
    "list_models",
    "list_presets",
    "load",
    "preset",
]

_MODULES = {
    "DEFAULT_PRESET": "zoo.presets.metadata",
    "ColorzooError": "zoo.errors",
    "Preset": "zoo.presets.metadata",
    "create_colorizer": "zoo.colorizer",
    "create_model": "zoo.registry",
    "list_models": "zoo.registry",
    "list_presets": "zoo.presets.metadata",
    "load": "zoo.presets.loading",
    "preset": "zoo.presets.metadata",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("colorzoo")
    except PackageNotFoundError:  # a checkout that is on the path without being installed
        return "0+unknown"
