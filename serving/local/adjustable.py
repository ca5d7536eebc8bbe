"""A preset that is loaded once, and whose look, temperature and saturation differ from one photograph to the next."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from serving.local.tiled import TiledColorizer
from zoo.colorizer import Parts, answering, join_views, split_views

_FAINT = 1e-3  # saturation in place of 0, which parts do not have
_graph = functools.partial(tf.function, autograph=False)


class AdjustableColorizer:
    """A colorizer and its looks; safe to use from several threads.

    A look gives the very colors of `zoo.presets.loading.load_parts(preset, look=...)`. With a temperature or another
    saturation they differ by what float32 rounds.

    Args:
        parts: Of the colorizer, as its file has them.
        looks: Its settings by look, as the metadata of a preset has them.
    """

    def __init__(self, parts: Parts, looks: Mapping[str, Mapping[str, float]]) -> None:
        self.parts = parts
        self._looks = looks
        self._tiled = TiledColorizer(parts)
        layers = {layer.name: layer for layer in parts.network.layers}
        self._layer = layers.get("temperature")
        self._frames = tf.TensorSpec((None, parts.size, parts.size, 1), tf.float32)
        self._settings: dict[str | None, Mapping[str, float]] = {name: looks[name] for name in looks}
        self._settings[None] = {"saturation": parts.saturation, "calm": parts.calm}
        # Traced when they are first called; equal ones share a trace.
        self._as_they_are = {
            key: _graph(replace(parts, saturation=key[0], calm=key[1]).colors, input_signature=[self._frames])
            for key in {(setting["saturation"], setting["calm"]) for setting in self._settings.values()}
        }
        calms = {setting["calm"] for setting in self._settings.values()}
        self._adjusted = {calm: self._adjustable(replace(parts, saturation=1.0, calm=calm)) for calm in calms}

    @property
    def temperature(self) -> float | None:
        """That of the file; None where the network predicts colors directly."""
        return None if self._layer is None else 1 / self._layer.scale

    def adjust(
        self, *, look: str | None = None, temperature: float | None = None, saturation: float = 1.0
    ) -> TiledColorizer:
        """The colorizer with other settings; costs nothing.

        Args:
            look: One of the looks; by default the colorizer is as its file has it.
            temperature: Of the annealed mean, above 0, by default that of the look; ignored where there is none.
            saturation: Factor on the colors of the look, at least 0.
        """
        setting = self._settings[look]
        own = self.temperature or 1.0
        wanted = setting.get("temperature", own) if temperature is None else temperature
        if saturation == 1.0 and np.isclose(wanted, own):
            adjusted = self._tiled.with_colors_of(self._as_they_are[setting["saturation"], setting["calm"]])
        else:
            run = self._adjusted[setting["calm"]]
            factors = tf.constant([own / wanted, setting["saturation"] * saturation], tf.float32)
            adjusted = self._tiled.with_colors_of(lambda frames: run(tf.constant(frames), factors))
        adjusted.parts = replace(
            self.parts, saturation=max(_FAINT, setting["saturation"] * saturation), calm=setting["calm"]
        )
        return adjusted

    def _adjustable(self, parts: Parts) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Frames (B, size, size, 1), and own / wanted temperature and the saturation -> ab (B, size, size, 2)."""
        network = answering(parts)
        if self._layer is None:
            return _graph(
                lambda frames, factors: parts.colors(frames) * factors[1],
                input_signature=[self._frames, tf.TensorSpec((2,), tf.float32)],
            )
        scores = self._layer.input
        score = keras.Model(network.input, scores)
        decode = keras.Model([scores, network.input], network.outputs)

        def colors(frames: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
            answers = []
            for view in split_views(parts, frames):
                answer = decode([score(view, training=False) * factors[0], view], training=False)
                answers.append(answer if parts.calm or not isinstance(answer, list) else answer[0])
            return join_views(parts, answers) * factors[1]

        return _graph(colors, input_signature=[self._frames, tf.TensorSpec((2,), tf.float32)])
