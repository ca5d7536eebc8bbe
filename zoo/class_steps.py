"""The two steps of a network that scores classes, apart: class probabilities, and colors made of probabilities.

Between them, probabilities of several pictures can be averaged, such as those of the neighboring frames of a film.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from zoo.color import Tensor
from zoo.colorizer import Parts, answering, join_views, split_views
from zoo.errors import ArgumentError

LEAST_PROBABILITY = 1e-12  # of a class, so that it has a logarithm
PROBED = 32  # side in pixels, a multiple of all strides


class ClassSteps:
    """A colorizer's `Parts.colors` in two steps: `colors(probabilities(frames), frames)` are the same colors.

    Args:
        parts: of a colorizer.

    Raises:
        ArgumentError: the network predicts colors directly.
    """

    def __init__(self, parts: Parts) -> None:
        network = parts.network
        if not has_classes(network):
            raise ArgumentError(f"{network.name} predicts colors directly: it has no class probabilities")
        self._parts = parts
        scores = network.get_layer("scores").output
        before = network.get_layer("probabilities").input
        self._histograms = len(before) if isinstance(before, list) else 1
        self._score = keras.Model(network.input, scores)
        self._decode = keras.Model([scores, network.input], answering(parts).outputs)

    def probabilities(self, frames: Tensor) -> list[Tensor]:
        """L (B, size, size, 1) in [0, 100] -> for each view of the frames its class probabilities (B, h, w, K).

        They are those at temperature 1, as the scores were learned. Where a color is made of two histograms, each of
        them sums to 1.
        """
        found = []
        for view in split_views(self._parts, frames):
            scores = ops.split(self._score(view, training=False), self._histograms, axis=-1)
            found.append(ops.concatenate([ops.softmax(part, axis=-1) for part in scores], axis=-1))
        return found

    def colors(self, probabilities: Sequence[Tensor], frames: Tensor) -> Tensor:
        """Probabilities as `probabilities` gives them, and their frames -> ab (B, size, size, 2) in Lab units.

        A network with an annealed mean takes it of these probabilities, at its own temperature.
        """
        answers = []
        for found, view in zip(probabilities, split_views(self._parts, ops.convert_to_tensor(frames)), strict=True):
            answer = self._decode([ops.log(ops.maximum(found, np.float32(LEAST_PROBABILITY))), view], training=False)
            answers.append(answer if self._parts.calm else answer[0] if isinstance(answer, list) else answer)
        return join_views(self._parts, answers)

    def split(self, probabilities: np.ndarray) -> list[np.ndarray]:
        """Probabilities (..., K) -> those of each histogram that a color is made of, one or two, (..., K / number)."""
        return np.split(probabilities, self._histograms, axis=-1)

    def decode(self, probabilities: np.ndarray, lightness: float) -> np.ndarray:
        """Probabilities (N, K), each of one place -> the network's colors for them, ab (N, 2), on a gray of this L."""
        light = np.full((len(probabilities), PROBED, PROBED, 1), lightness, np.float32)
        _, height, width, _ = self._score.compute_output_shape((None, PROBED, PROBED, 1))
        maps = np.broadcast_to(
            probabilities[:, None, None], (len(probabilities), height, width, probabilities.shape[-1])
        )
        answer = self._decode([np.log(np.maximum(maps, LEAST_PROBABILITY, dtype=np.float32)), light], training=False)
        ab = ops.convert_to_numpy(answer[0] if isinstance(answer, list) else answer)
        return np.asarray(ab[:, PROBED // 2, PROBED // 2])


def has_classes(network: keras.Model) -> bool:
    """Whether a network scores classes, so that it has class probabilities."""
    return {"scores", "probabilities"} <= {layer.name for layer in network.layers}
