"""Colors from the network's surest pixels, spread over the rest: what ColorUNet proposes as its next step.

Billaut, de Rochemonteix, Thibault. ColorUNet: A convolutional classification approach to colorization. 2018, section 6.
"""

import numpy as np
import tensorflow as tf

from serving.local.pipeline import Prepared
from serving.local.spreading import Spreader
from serving.local.tiled import TiledColorizer
from serving.local.working import Working, from_frame
from zoo.confidence import confidence

SEEDS = 0.4  # of the pixels of a photograph, the surest: networks with more classes are less sure of each
WEIGHT = 0.1  # of a seed
PULL = 1e-3  # of the colors of the other pixels, which count where no seed is near


class Refining:
    """A `serving.local.guidance.Guide`, for any number of photographs.

    Args:
        colorizer: whose network scores classes.

    Raises:
        ArgumentError: the network predicts colors directly.
    """

    def __init__(self, colorizer: TiledColorizer) -> None:
        model = confidence(colorizer.parts.network)
        frames = tf.TensorSpec((1, colorizer.size, colorizer.size, 1), tf.float32)
        self._top = tf.function(
            lambda frame: model(frame, training=False)["top"], input_signature=[frames], autograph=False
        )

    def change(self, photograph: Prepared, working: Working) -> np.ndarray:
        """See `serving.local.guidance.Guide`."""
        height, width = working.lightness.shape
        top = from_frame(photograph, np.asarray(self._top(photograph.frame[None]))[0], height, width)[..., 0]
        weight = np.where(top >= np.quantile(top, 1 - SEEDS), WEIGHT, PULL)
        return Spreader(working.lightness, weight).spread(working.ab, weight, start=working.ab) - working.ab
