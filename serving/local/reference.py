"""Colors of another photograph: where it looks alike, its colors are taken, and from there spread.

Welsh, Ashikhmin, Mueller. Transferring Color to Greyscale Images. SIGGRAPH 2002: a pixel gets the color of a sample of
the reference, of a few hundred on a jittered grid: that whose lightness, after both photographs were given the same
mean and standard deviation of it, and whose standard deviation of lightness in 5 x 5 pixels are nearest.

Where the network has an encoder that was trained on ImageNet, its features say what looks alike, cell by cell, and
lightness decides among them: a sky gets the color of a sky, and not of a wall that is as light.

Either way a match counts the more, the more its best candidates agree in color; `serving.local.spreading` spreads the
colors from there, and where no match counts, the network's own remain.
"""

import cv2
import keras
import numpy as np
import tensorflow as tf
from scipy.spatial import KDTree

from serving.local.pipeline import Prepared
from serving.local.spreading import Spreader
from serving.local.tiled import TiledColorizer
from serving.local.working import Working, shrink
from zoo import color
from zoo.blocks import resample, sampling_matrix
from zoo.errors import ArgumentError

ENCODERS = {"lite_unet": ("stage5_3_add", "up4_conv_relu")}  # the layers whose features are compared, by network
SIMILARITY = 0.06  # of features: a cosine smaller by this counts e times less
LIGHTNESS = 20.0  # units of L that count as much, twice
SAMPLES = 400  # of a reference, on a jittered grid
CANDIDATES = 8  # samples that vote for the color of a pixel
WINDOW = 5  # pixels whose standard deviation is compared
LONGEST = 256  # pixels of the longer side of a reference
AGREEMENT = 12.0  # Lab units: standard deviation of candidates at which a match counts e times less
WEIGHT = 0.1  # of a match whose candidates agree
PULL = 5e-3  # of the network's own colors


class Reference:
    """A `serving.local.guidance.Guide` with a photograph in color; for any number of photographs.

    Args:
        colorizer: whose network may have an encoder.
        pixels: of the reference, sRGB (H, W, 3), uint8 or uint16.

    Raises:
        ArgumentError: the reference has no colors.
    """

    def __init__(self, colorizer: TiledColorizer, pixels: np.ndarray) -> None:
        lab = _lab(pixels)
        if pixels.ndim == 2 or np.abs(lab[..., 1:]).max() <= color.GRAY_LIMIT:
            raise ArgumentError("the reference has no colors: a photograph in color is needed")
        self._lightness, self._ab = lab[..., 0], lab[..., 1:]
        network = colorizer.parts.network
        self._encode = None
        if network.name in ENCODERS:
            encoder = keras.Model(
                network.input, {name: network.get_layer(name).output for name in ENCODERS[network.name]}
            )
            frames = tf.TensorSpec((1, colorizer.size, colorizer.size, 1), tf.float32)
            self._encode = tf.function(lambda frame: encoder(frame), input_signature=[frames], autograph=False)
            self._cells = self._features(colorizer.prepare(pixels))

    def change(self, photograph: Prepared, working: Working) -> np.ndarray:
        """See `serving.local.guidance.Guide`."""
        found, weight = self._match_pixels(working) if self._encode is None else self._match_cells(photograph, working)
        total = weight + PULL
        wanted = (weight[..., None] * found + PULL * working.ab) / total[..., None]
        return Spreader(working.lightness, total).spread(wanted, total, start=working.ab) - working.ab

    def _match_pixels(self, working: Working) -> tuple[np.ndarray, np.ndarray]:
        """By lightness and its deviation: colors (h, w, 2), and how much they count, (h, w)."""
        own, other = _looks(working.lightness), _looks(self._lightness)
        samples = _jittered(*self._lightness.shape)
        _, nearest = KDTree(other[samples]).query(own.reshape(-1, 2), k=min(CANDIDATES, len(samples[0])))
        votes = self._ab[samples][nearest.reshape(own.shape[0] * own.shape[1], -1)]
        shape = working.lightness.shape
        return votes[:, 0].reshape(*shape, 2), _certainty(votes.var(axis=1).sum(axis=-1)).reshape(shape)

    def _match_cells(self, photograph: Prepared, working: Working) -> tuple[np.ndarray, np.ndarray]:
        """By features and lightness: colors (h, w, 2), and how much they count, (h, w)."""
        own, other = self._features(photograph), self._cells
        mean = other.reshape(-1, other.shape[-1]).mean(axis=0)
        alike = _unit(own.reshape(-1, own.shape[-1]) - mean) @ _unit(other.reshape(-1, other.shape[-1]) - mean).T
        light, other_light = (
            _standardized(cv2.resize(plane, cells.shape[1::-1], interpolation=cv2.INTER_AREA), self._lightness).ravel()
            for plane, cells in ((working.lightness, own), (self._lightness, other))
        )
        score = alike / SIMILARITY - ((light[:, None] - other_light) / LIGHTNESS) ** 2
        shares = np.exp(score - score.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        ab = cv2.resize(self._ab, other.shape[1::-1], interpolation=cv2.INTER_AREA).reshape(-1, 2)
        mean_ab = shares @ ab
        weight = _certainty((shares @ ab**2 - mean_ab**2).sum(axis=-1))
        cells = np.concatenate([mean_ab, weight[:, None]], axis=-1).reshape(*own.shape[:2], 3).astype(np.float32)
        enlarged = cv2.resize(cells, working.lightness.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return enlarged[..., :2], enlarged[..., 2]

    def _features(self, photograph: Prepared) -> np.ndarray:
        """The features of a photograph, (h, w, C), each layer of the same length, without the border of the frame."""
        assert self._encode is not None, "asked of networks with an encoder only"
        maps = [np.asarray(layer)[0] for layer in self._encode(photograph.frame[None]).values()]
        height, width = photograph.lightness.shape
        longest = max(height, width * photograph.aspect)
        side = max(len(layer) for layer in maps)
        rows = max(1, round(side * height / longest))
        columns = max(1, round(side * width * photograph.aspect / longest))
        return np.concatenate([_unit(_enlarged(layer, side)[:rows, :columns]) for layer in maps], axis=-1)


def _lab(pixels: np.ndarray) -> np.ndarray:
    """Gray or sRGB -> its Lab (h, w, 3) float32, with at most LONGEST pixels on the longer side."""
    rgb = pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, -1)
    small = shrink(rgb.astype(np.float32) / np.iinfo(pixels.dtype).max, LONGEST)
    return np.asarray(color.rgb_to_lab(small))


def _looks(lightness: np.ndarray) -> np.ndarray:
    """Lightness -> what pixels are compared by, (h, w, 2): standardized lightness and its standard deviation."""
    mean = cv2.blur(lightness, (WINDOW, WINDOW))
    deviation = np.sqrt(np.maximum(cv2.blur(lightness * lightness, (WINDOW, WINDOW)) - mean * mean, 0))
    scale = max(float(lightness.std()), 1.0)
    return np.dstack([lightness - lightness.mean(), deviation]) / scale


def _standardized(lightness: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Lightness with the mean and the standard deviation of another."""
    scale = float(like.std()) / max(float(lightness.std()), 1.0)
    return np.asarray((lightness - lightness.mean()) * scale + like.mean())


def _jittered(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of about SAMPLES pixels, one at random in each field of a grid."""
    step = max(1.0, (height * width / SAMPLES) ** 0.5)
    rows, columns = np.meshgrid(np.arange(0, height, step), np.arange(0, width, step), indexing="ij")
    jitter = np.random.default_rng(0).uniform(0, step, (2, *rows.shape))
    down = np.minimum(rows + jitter[0], height - 1).astype(int)
    across = np.minimum(columns + jitter[1], width - 1).astype(int)
    return down.ravel(), across.ravel()


def _certainty(variance: np.ndarray) -> np.ndarray:
    return np.asarray(WEIGHT * np.exp(-variance / AGREEMENT**2))


def _enlarged(features: np.ndarray, side: int) -> np.ndarray:
    """Features (n, n, C) -> (side, side, C); OpenCV has no pictures of so many channels."""
    wanted, there = np.arange(side, dtype=np.float32)[:, None], np.arange(len(features), dtype=np.float32)[None]
    matrix = sampling_matrix(wanted, there, np.float32(len(features) / side))
    return np.asarray(resample(features.transpose(2, 0, 1), matrix, matrix)).transpose(1, 2, 0)


def _unit(features: np.ndarray) -> np.ndarray:
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-6))
