"""The engine that has its colors from a server: TF Serving, or `colorzoo serve`.

The network sees a frame of the photograph, which is a few pixels wide, and answers with its colors. All else is done
here, so that no photograph leaves this machine, and results have the lightness of their originals to the last bit.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import keras
import numpy as np

from media.provenance import Mark
from serving.client import ColorizeClient, ServingClientError, SignatureError
from serving.local.tiled import TiledColorizer
from serving.web.engine import describe, missing_extras
from serving.web.errors import WebError
from serving.web.settings import How
from zoo import DEFAULT_PRESET, __version__
from zoo.colorizer import Parts
from zoo.presets.metadata import list_presets, preset

_SIZE = 256  # pixels of the frame of a model that is no preset that ships

_REASONS = {
    "looks": "the server of the models has one look of each: the preset's own",
    "temperature": "the server of the models has the temperature of the preset",
    "palette": "the server of the models does not tell the probabilities of colors",
}


class RemoteEngine:
    """The models of a server.

    Args:
        servers: HOST:PORT of one or more, used in turn.
        models: Their names on the server; presets that ship have a description.
        default: The one that is used if none is named; by default the first.
    """

    mode = "server"

    def __init__(self, servers: Sequence[str], models: Sequence[str] = (DEFAULT_PRESET,)) -> None:
        self.default = models[0]
        self._models = tuple(models)
        self._clients = {model: ColorizeClient(list(servers), model, timeout=60, retries=2) for model in models}
        self._colorizers = {model: self._colorizer(model) for model in models}

    def _colorizer(self, model: str) -> TiledColorizer:
        size = preset(model).size if model in list_presets() else _SIZE
        client = self._clients[model]
        return TiledColorizer(Parts(_colorless(), size)).with_colors_of(lambda frames: client.ab(np.asarray(frames)))

    def check(self, how: How) -> str:
        """See `serving.web.engine.Engine`."""
        name = how.preset or self.default
        if name not in self._models:
            raise WebError("unknown_preset", f"no preset is called {name!r}: there are {', '.join(self._models)}")
        if how.look not in (None, "natural"):
            raise WebError("not_possible", _REASONS["looks"])
        if how.temperature is not None:
            raise WebError("not_possible", _REASONS["temperature"])
        return name

    def colorizer(self, how: How) -> TiledColorizer:
        """See `serving.web.engine.Engine`."""
        name = self.check(how)
        colorizer = self._colorizers[name]
        if how.saturation == 1.0:
            return colorizer
        client, saturation = self._clients[name], np.float32(how.saturation)
        return colorizer.with_colors_of(lambda frames: client.ab(np.asarray(frames)) * saturation)

    def confidence(self, name: str, frame: np.ndarray) -> np.ndarray:
        """See `serving.web.engine.Engine`."""
        levels = np.rint(frame[..., 0] * (65535 / 100)).astype(np.uint16)
        _, data = cv2.imencode(".png", levels)
        try:
            answer = self._clients[name].confidence(bytes(data))
        except SignatureError:
            raise WebError("not_possible", f"{name} predicts colors directly: it has no class probabilities") from None
        top = np.asarray(cv2.imdecode(np.frombuffer(answer.png, np.uint8), cv2.IMREAD_UNCHANGED))
        return top.astype(np.float32) / 65535

    def mark(self, name: str) -> Mark:
        """See `serving.web.engine.Engine`."""
        return Mark(__version__, f"{name} on a server")

    def describe(self) -> list[dict[str, Any]]:
        """See `serving.web.engine.Engine`."""
        limited: dict[str, Any] = {"looks": [], "temperature": None, "palette": False}
        known = list_presets()
        unknown = {
            "architecture": "",
            "parameters": None,
            "size": _SIZE,
            "confidence": True,
            "hints": True,
            "reference": True,
            "training_data": "",
            "license": "",
        }
        return [
            {**(describe(preset(name), hints=True) if name in known else {"name": name, **unknown}), **limited}
            for name in self._models
        ]

    def unavailable(self) -> dict[str, str]:
        """See `serving.web.engine.Engine`."""
        return _REASONS | missing_extras()

    def ready(self) -> bool:
        """See `serving.web.engine.Engine`."""
        try:
            return self._clients[self.default].ready(timeout=2)
        except ServingClientError:
            return False

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()


def _colorless() -> keras.Model:
    """In the place of a network that is not here."""
    lightness = keras.Input((None, None, 1), name="lightness")
    return keras.Model(lightness, keras.ops.concatenate([lightness * 0.0] * 2, axis=-1), name="colorless")
