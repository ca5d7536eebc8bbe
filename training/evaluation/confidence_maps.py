"""How sure a preset is of its colors, pixel by pixel: its network's confidence, brought to the size of a photograph."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.evaluation.tables import Pixels
from zoo import color
from zoo.blocks import resample
from zoo.colorizer import Parts
from zoo.confidence import confidence
from zoo.pipeline import from_frame, to_frame


@dataclass(frozen=True)
class Confidence:
    """Maps (H, W) of a photograph.

    Attributes:
        top: probability of the best bin, in (0, 1].
        ratio: how many times that of the second it is, at least 1.
    """

    top: NDArray[np.float32]
    ratio: NDArray[np.float32]


def map_confidence(parts: Parts) -> Callable[[Pixels], Confidence]:
    """The confidence of the network of a colorizer: photograph sRGB uint8 (H, W, 3) -> its maps.

    The network sees the photograph in its frame as it does when it colorizes, but once, without views, and at
    temperature 1. See `zoo.confidence.confidence`.

    Raises:
        ArgumentError: the network scores no classes.
    """
    model = confidence(parts.network)

    def of_photograph(rgb: Pixels) -> Confidence:
        lightness = color.lightness(rgb.astype(np.float32) / 255)[..., 0]
        longest = np.array([[float(max(rgb.shape[:2]))]], np.float32)
        places = [np.arange(side, dtype=np.float32)[:, None] for side in rgb.shape[:2]]
        frame = resample(lightness, *(to_frame(line, parts.size, longest) for line in places))
        maps = model(ops.reshape(frame, (1, parts.size, parts.size, 1)), training=False)
        back = [from_frame(line, parts.size, longest) for line in places]
        found = (resample(maps[name][0, ..., 0], *back) for name in ("top", "ratio"))
        return Confidence(*(np.asarray(ops.convert_to_numpy(each), np.float32) for each in found))

    return of_photograph
