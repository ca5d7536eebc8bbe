"""Learning Representations for Automatic Colorization: histograms at a few random places of each picture."""

from dataclasses import dataclass
from typing import Annotated, Any

from keras import ops

import zoo
from training.systems.constraints import AtLeast, Below, Odd, OneOf, Positive, PositiveInt
from training.systems.losses import hue_chroma_divergence
from training.systems.recipe import Recipe
from training.systems.system import Losses, Statistics, System, Tensors, supervised_system
from zoo import bins, color
from zoo.architectures.larsson2016 import BINS, CLASSES, JOINT, read_at, sparse_network, start_from_vgg16
from zoo.color import Tensor


@dataclass(frozen=True, kw_only=True)
class Larsson2016Recipe(Recipe):
    """What larsson2016 adds to a recipe."""

    architecture: str = "larsson2016"
    heads: Annotated[str, OneOf(CLASSES)] = "hue_chroma"
    width: Positive = 1.0
    temperature: Positive = 1.0
    locations: PositiveInt = 128  # of a picture, in one step
    # Share of each side of the picture, at its border, that has no locations.
    margin: Annotated[float, AtLeast(0), Below(0.5)] = 96 / 352
    window: Annotated[int, AtLeast(1), Odd()] = 7  # pixels each way that a histogram counts; 1: its own pixel alone
    vgg16: str = ""  # a weight file of keras.applications.VGG16 to start from, or "keras" for the one that Keras keeps

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {"heads": self.heads, "temperature": self.temperature, "width": self.width}

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        if self.vgg16:
            start_from_vgg16(network, None if self.vgg16 == "keras" else self.vgg16)
        scorer = sparse_network(network)
        divergence = _hue_chroma if self.heads == "hue_chroma" else _lab if self.heads == "lab" else _lab_joint

        def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
            side = truth["mask"].shape[1]
            uniform = ops.reshape(truth["draws"], (-1, self.locations, 2))
            places = ops.floor(side * (self.margin + (1 - 2 * self.margin) * uniform))
            outputs = {"scores": scorer([lightness, places], training=training), "places": places}
            # The scores are of a few places, and ab is of all.
            return outputs if training else outputs | {"ab": network(lightness, training=False)}

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            places = outputs["places"]
            mask = read_at(truth["mask"][..., None], places, 1)[..., 0]
            return {"loss": divergence(outputs["scores"], places, truth, mask, self.window)}

        return supervised_system(network, forward, losses, draws=2 * self.locations)


def _hue_chroma(scores: Tensor, places: Tensor, truth: Tensors, mask: Tensor, window: int) -> Tensor:
    hcl = color.rgb_to_hcl(truth["rgb"])
    hue, chroma = (bins.histograms_at(bins.histogram_bin(hcl[..., i]), places, BINS, window) for i in (0, 1))
    here = read_at(hcl, places, 1)
    return hue_chroma_divergence(scores, hue, chroma, here[..., 1], here[..., 2], mask)


def _lab(scores: Tensor, places: Tensor, truth: Tensors, mask: Tensor, window: int) -> Tensor:
    """The mean over a and b of their cross-entropies: the divergence but for a constant."""
    targets = [bins.histograms_at(bins.gaussian_bin(truth["ab"][..., i]), places, BINS, window) for i in (0, 1)]
    found = [_soft(part, target, mask) for part, target in zip(ops.split(scores, 2, -1), targets, strict=True)]
    return (found[0] + found[1]) / 2


def _lab_joint(scores: Tensor, places: Tensor, truth: Tensors, mask: Tensor, window: int) -> Tensor:
    a, b = (bins.gaussian_bin(truth["ab"][..., i], JOINT) for i in (0, 1))
    return _soft(scores, bins.histograms_at(a * JOINT + b, places, JOINT**2, window), mask)


def _soft(scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy with soft targets (B, N, n), averaged over the samples that are not padding."""
    surprise = -ops.sum(targets * ops.log_softmax(scores, axis=-1), -1)
    return ops.sum(surprise * mask, 1) / ops.maximum(ops.sum(mask, 1), 1.0)
