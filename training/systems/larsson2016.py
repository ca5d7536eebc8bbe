"""Learning Representations for Automatic Colorization: histograms at a few random places of each picture."""

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

import zoo
from training.recipes.recipe import Recipe
from training.systems.losses import hue_chroma_divergence
from training.systems.system import Losses, Statistics, System, Tensors, supervised
from zoo import bins, color
from zoo.architectures.larsson2016 import BINS, CLASSES, JOINT, read_at, sparse, vgg16_start
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class Larsson2016Recipe(Recipe):
    """What larsson2016 adds to a recipe."""

    architecture: str = "larsson2016"
    heads: str = "hue_chroma"  # or "lab", "lab_joint"
    width: float = 1.0
    temperature: float = 1.0
    locations: int = 128  # of a picture, in one step
    margin: float = 96 / 352  # share of each side of the picture, at its border, that has no locations
    window: int = 7  # pixels each way that a histogram counts; 1: its own pixel alone
    vgg16: str = ""  # a weight file of keras.applications.VGG16 to start from, or "keras" for the one that Keras keeps

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_positive("width", "temperature", "locations")
        self.check_choice("heads", tuple(CLASSES))
        if not 0 <= self.margin < 0.5:
            raise ArgumentError(f"margin is {self.margin}: it must lie in [0, 0.5)")
        if self.window < 1 or self.window % 2 == 0:
            raise ArgumentError(f"window is {self.window}: it must be odd")

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"heads": self.heads, "temperature": self.temperature, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        if self.vgg16:
            vgg16_start(network, None if self.vgg16 == "keras" else self.vgg16)
        scorer = sparse(network)
        divergence = _hue_chroma if self.heads == "hue_chroma" else _lab if self.heads == "lab" else _lab_joint

        def losses(lightness: tf.Tensor, truth: Tensors, training: bool) -> Losses:
            side = truth["mask"].shape[1]
            uniform = tf.reshape(truth["draws"], (-1, self.locations, 2))
            places = tf.floor(side * (self.margin + (1 - 2 * self.margin) * uniform))
            scores = scorer([lightness, places], training=training)
            mask = read_at(truth["mask"][..., None], places, 1)[..., 0]
            return {"loss": divergence(scores, places, truth, mask, self.window)}

        return supervised(network, losses, draws=2 * self.locations)


def _hue_chroma(scores: tf.Tensor, places: tf.Tensor, truth: Tensors, mask: tf.Tensor, window: int) -> tf.Tensor:
    hcl = color.rgb_to_hcl(truth["rgb"])
    hue, chroma = (bins.histograms_at(bins.histogram_bin(hcl[..., i]), places, BINS, window) for i in (0, 1))
    here = read_at(hcl, places, 1)
    return hue_chroma_divergence(scores, hue, chroma, here[..., 1], here[..., 2], mask)


def _lab(scores: tf.Tensor, places: tf.Tensor, truth: Tensors, mask: tf.Tensor, window: int) -> tf.Tensor:
    """The mean over a and b of their cross-entropies: the divergence but for a constant."""
    targets = [bins.histograms_at(bins.gaussian_bin(truth["ab"][..., i]), places, BINS, window) for i in (0, 1)]
    found = [_soft(part, target, mask) for part, target in zip(tf.split(scores, 2, -1), targets, strict=True)]
    return (found[0] + found[1]) / 2


def _lab_joint(scores: tf.Tensor, places: tf.Tensor, truth: Tensors, mask: tf.Tensor, window: int) -> tf.Tensor:
    a, b = (bins.gaussian_bin(truth["ab"][..., i], JOINT) for i in (0, 1))
    return _soft(scores, bins.histograms_at(a * JOINT + b, places, JOINT**2, window), mask)


def _soft(scores: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Cross-entropy with soft targets (B, N, n), averaged over the samples that are not padding."""
    surprise = -tf.reduce_sum(targets * tf.nn.log_softmax(scores), -1)
    return tf.reduce_sum(surprise * mask, 1) / tf.maximum(tf.reduce_sum(mask, 1), 1.0)
