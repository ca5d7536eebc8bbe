"""Colors of a film without flicker, along the time axis: the temporal kernel of ColorUNet.

Billaut, de Rochemonteix, Thibault. ColorUNet: A convolutional classification approach to colorization. 2018, section
4.3: the class probabilities of a frame become sum over i = 0...T of p(t - i) exp(-alpha i), with T = 20 and alpha =
0.2. Here the weights are divided by their sum, so that probabilities stay such, the annealed mean is taken of the
result, and nothing is carried over a cut. Networks without classes have the same kernel over ab.
"""

from collections import deque
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import tensorflow as tf

from media.films import SMALL
from media.scenes import is_cut
from serving.local.film_pipeline import State
from serving.local.tiled import TiledColorizer
from zoo.class_steps import ClassSteps, has_classes

SMOOTHINGS = ("flow", "temporal", "none")
"""Ways of smoothing; the first one is the default."""

FRAMES = 20  # T: the earlier frames that the kernel sees
DECAY = 0.2  # alpha: by exp(-alpha) a frame counts less than the next one


class Unsmoothed:
    """Each frame for itself."""

    def __init__(self, colorizer: TiledColorizer) -> None:
        self.colors = colorizer.predict

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Nothing."""


class TemporalSmoother:
    """The kernel over class probabilities, or over ab where the network has no classes."""

    def __init__(self, colorizer: TiledColorizer) -> None:
        self._cuts = Cuts()
        self._kernels: list[Kernel] = []
        size = colorizer.size
        if has_classes(colorizer.parts.network):
            steps = ClassSteps(colorizer.parts)
            frames = tf.TensorSpec((None, size, size, 1), tf.float32)
            self._probabilities = tf.function(steps.probabilities, input_signature=[frames], autograph=False)
            self._colors = tf.function(steps.colors, autograph=False, reduce_retracing=True)
        else:
            self._probabilities = lambda frames: [colorizer.predict(frames)]
            self._colors = lambda maps, frames: maps[0]

    def colors(self, frames: np.ndarray) -> np.ndarray:
        """See `serving.local.film_pipeline.Smoother`."""
        views = [np.asarray(view) for view in self._probabilities(frames)]
        if not self._kernels:
            self._kernels = [Kernel() for _ in views]
        smoothed = [np.empty_like(view) for view in views]
        for i, frame in enumerate(frames):
            cut = self._cuts.is_next(frame)
            for kernel, view, out in zip(self._kernels, views, smoothed, strict=True):
                if cut:
                    kernel.reset()
                out[i] = kernel.add(view[i])
        return np.asarray(self._colors([tf.constant(view) for view in smoothed], tf.constant(frames)))

    def state(self) -> State:
        """See `serving.local.film_pipeline.Smoother`."""
        kept = {f"kernel{i}": np.stack(kernel.kept) for i, kernel in enumerate(self._kernels)}
        return {**kept, **self._cuts.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `serving.local.film_pipeline.Smoother`."""
        self._cuts.restore(state)
        count = sum(name.startswith("kernel") for name in state)
        self._kernels = [Kernel(list(state[f"kernel{i}"])) for i in range(count)]


class Kernel:
    """The kernel over maps of one shape; keeps the last T + 1 of them."""

    def __init__(self, kept: Sequence[np.ndarray] = ()) -> None:
        self.kept: deque[np.ndarray] = deque(kept, FRAMES + 1)

    def add(self, values: np.ndarray) -> np.ndarray:
        """The next map, any shape -> the mean of it and the earlier ones since the last reset."""
        self.kept.append(values)
        weights = np.exp(-DECAY * np.arange(len(self.kept), dtype=np.float32))
        total = np.zeros_like(values)
        for weight, earlier in zip(weights / weights.sum(), reversed(self.kept), strict=True):
            total += weight * earlier
        return total

    def reset(self) -> None:
        """Forget the earlier maps."""
        self.kept.clear()


class Cuts:
    """Finds where scenes begin, in the lightness of frames."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None

    def is_next(self, frame: np.ndarray) -> bool:
        """Whether the next frame, L (size, size, 1) in [0, 100], begins a scene; the first one does."""
        height, width = SMALL
        levels = cv2.resize(frame[..., 0], (width, height), interpolation=cv2.INTER_AREA) * 2.55
        small = np.repeat(np.rint(levels).astype(np.uint8)[..., None], 3, axis=-1)
        last, self._last = self._last, small
        return last is None or is_cut(last, small)

    def state(self) -> State:
        """See `serving.local.film_pipeline.Smoother`."""
        return {} if self._last is None else {"last": self._last}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `serving.local.film_pipeline.Smoother`."""
        self._last = state.get("last")
