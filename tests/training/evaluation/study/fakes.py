"""What stands for presets and photographs where a study is tested: no network, and pictures that are made at once."""

import keras
import numpy as np
from keras import layers

from media.photograph import gray_of
from tests.photographs import color_field
from training.evaluation.histograms import nearest_bin
from training.evaluation.study.measures import to_lab
from training.evaluation.study.systems import System
from training.evaluation.study.truth import Truth
from zoo.bins import ab_grid


def tint(rgb: np.ndarray) -> np.ndarray:
    """A colorizer: warm gray, by lightness only."""
    return np.clip(gray_of(rgb).astype(int) + (12, 0, -12), 0, 255).astype(np.uint8)


def fake_system(name: str = "tint", colorize=tint) -> System:
    return System(name, name, "", lambda truth: colorize, ab_grid())


def fields(n: int, size: int = 16) -> np.ndarray:
    """Smooth color pictures uint8 (n, size, size, 3)."""
    return np.stack([np.asarray(color_field(seed, size, size)) for seed in range(n)])


def truth_of(pictures: np.ndarray) -> Truth:
    """Pictures as the photographs of a study."""
    ab = to_lab(pictures)[..., 1:]
    names = [f"{i:02}.png" for i in range(len(pictures))]
    counts = np.bincount(nearest_bin(ab).ravel(), minlength=313).astype(float)
    return Truth(pictures, names, ["."] * len(names), [], ab.mean(axis=(0, 1, 2)), counts)


def two_layers() -> keras.Model:
    """A network that scores no bins."""
    lightness = keras.Input((None, None, 1))
    x = layers.Conv2D(4, 3, padding="same", activation="tanh")(layers.Rescaling(0.01)(lightness))
    ab = layers.Rescaling(50.0, dtype="float32")(layers.Conv2D(2, 3, padding="same")(x))
    return keras.Model(lightness, ab, name="two_layers")
