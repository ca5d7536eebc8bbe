"""What colorizes: the presets in this process. `serving.web.remote` has the same with a server of models."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from media.provenance import Mark
from serving.local.adjustable import AdjustableColorizer
from serving.local.tiled import TiledColorizer
from serving.web.errors import WebError
from serving.web.settings import How
from zoo import DEFAULT_PRESET, __version__
from zoo.class_steps import has_classes
from zoo.confidence import confidence
from zoo.presets.loading import load_parts
from zoo.presets.metadata import LOOKS, Preset, list_presets, preset

LOADED = 3  # presets in memory at a time


class Engine(Protocol):
    """Colorizers by preset. Methods that return something made of a network may take seconds at first."""

    mode: str
    default: str

    def check(self, how: How) -> str:
        """The name of the wanted preset.

        Raises:
            WebError: there is none, or it cannot do what is wanted.
        """

    def colorizer(self, how: How) -> TiledColorizer:
        """What gives the wanted colors; `how` was checked."""

    def confidence(self, name: str, frame: np.ndarray) -> np.ndarray:
        """Of a preset, for a frame (size, size, 1): the probability (size, size) of the best color.

        Raises:
            WebError: it has no probabilities.
        """

    def mark(self, name: str) -> Mark:
        """What results say about how they were made."""

    def describe(self) -> list[dict[str, Any]]:
        """The presets and what they can do, as `/api/presets` lists them."""

    def unavailable(self) -> dict[str, str]:
        """What none of the presets can do here, with the reason."""

    def ready(self) -> bool:
        """Whether a photograph would be colorized now."""


class LocalEngine:
    """The presets that ship with Colorzoo; they are loaded when they are first used, and a few are kept.

    Args:
        presets: By name; by default those that ship.
        load: Loads one of them.
        default: The one that is used if none is named.
    """

    mode = "local"

    def __init__(
        self,
        presets: Mapping[str, Preset] | None = None,
        load: Callable[[Preset], AdjustableColorizer] | None = None,
        default: str = DEFAULT_PRESET,
    ) -> None:
        self.presets = presets or {name: preset(name) for name in list_presets()}
        self.default = default
        self._load = load or load_adjustable
        self._loaded: OrderedDict[str, LoadedPreset] = OrderedDict()
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def check(self, how: How) -> str:
        """See `Engine`."""
        name = how.preset or self.default
        row = self.presets.get(name)
        if row is None:
            raise WebError("unknown_preset", f"no preset is called {name!r}: there are {', '.join(self.presets)}")
        if how.look is not None and how.look not in row.looks:
            having = [other for other, each in self.presets.items() if how.look in each.looks]
            raise WebError(
                "not_possible",
                f"{name} has no look {how.look!r}: presets that have it are {', '.join(having) or 'none'}",
            )
        if how.temperature is not None and temperature_of(row) is None:
            raise WebError("not_possible", f"{name} predicts colors directly: it has no temperature to set")
        return name

    def colorizer(self, how: How) -> TiledColorizer:
        """See `Engine`."""
        loaded = self.loaded(self.check(how))
        return loaded.colorizer.adjust(look=how.look, temperature=how.temperature, saturation=how.saturation)

    def confidence(self, name: str, frame: np.ndarray) -> np.ndarray:
        """See `Engine`."""
        loaded = self.loaded(name)
        if loaded.confidence is None:
            raise WebError("not_possible", f"{name} predicts colors directly: it has no class probabilities")
        return loaded.confidence(frame)

    def mark(self, name: str) -> Mark:
        """See `Engine`."""
        return Mark(__version__, name)

    def describe(self) -> list[dict[str, Any]]:
        """See `Engine`."""
        return [describe(row, hints=True) for row in self.presets.values()]

    def unavailable(self) -> dict[str, str]:
        """See `Engine`."""
        return missing_extras()

    def ready(self) -> bool:
        """See `Engine`."""
        return True

    def loaded(self, name: str) -> "LoadedPreset":
        """A preset, loaded. One is loaded at a time, while those that are there can be used."""
        found = self._look_up(name)
        if found is not None:
            return found
        with self._loading:
            found = self._look_up(name)
            if found is None:
                found = LoadedPreset(self._load(self.presets[name]))
                with self._lock:
                    self._loaded[name] = found
                    while len(self._loaded) > LOADED:
                        self._loaded.popitem(last=False)
            return found

    def _look_up(self, name: str) -> "LoadedPreset | None":
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)


class LoadedPreset:
    """A preset in memory.

    Attributes:
        colorizer: With its looks.
        confidence: Frame (size, size, 1) -> probability (size, size) of the best color; None without classes.
    """

    def __init__(self, colorizer: AdjustableColorizer) -> None:
        self.colorizer = colorizer
        self.confidence: Callable[[np.ndarray], np.ndarray] | None = None
        if has_classes(colorizer.parts.network):
            model, size = confidence(colorizer.parts.network), colorizer.parts.size
            run = tf.function(
                lambda frames: model(frames, training=False)["top"],
                [tf.TensorSpec((1, size, size, 1), tf.float32)],
                autograph=False,
            )
            self.confidence = lambda frame: np.asarray(run(tf.constant(frame[None])))[0, ..., 0]


def missing_extras() -> dict[str, str]:
    """What is not installed, by what it is for, with the reason."""
    if find_spec("av") is None:
        return {"films": "PyAV is not installed on the server: pip install 'colorzoo[web]'"}
    return {}


def load_adjustable(row: Preset) -> AdjustableColorizer:
    """Load a preset that ships."""
    return AdjustableColorizer(load_parts(row.name), row.looks)


def temperature_of(row: Preset) -> float | None:
    """Of the annealed mean of a preset; None where it predicts colors directly."""
    value = row.arguments.get("temperature")
    return float(value) if isinstance(value, int | float) else None


def describe(row: Preset, *, hints: bool) -> dict[str, Any]:
    """A preset as `/api/presets` lists it."""
    temperature = temperature_of(row)
    return {
        "name": row.name,
        "architecture": row.architecture,
        "parameters": row.parameters,
        "size": row.size,
        "looks": [look for look in LOOKS if look in row.looks],
        "temperature": temperature,
        "confidence": temperature is not None,
        "palette": temperature is not None,
        "hints": hints,
        "reference": hints,
        "training_data": row.training_data,
        "license": row.license,
    }
