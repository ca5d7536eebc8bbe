"""lite_unet: cross-entropy over 313 softly encoded ab bins, and, if asked for, the error of their mean."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import keras
from keras import ops

import zoo
from training.systems.classification import ClassificationRecipe, cut, forward_scores
from training.systems.constraints import Above, AtLeast, AtMost, Below, Positive
from training.systems.losses import absolute_error, pixel_weights, soft_cross_entropy
from training.systems.system import Losses, Photographs, Statistics, System, Tensors, supervised_system
from zoo import bins, color
from zoo.architectures.lite_unet import ENCODER, STRIDE
from zoo.color import Tensor
from zoo.colorizer import network_of
from zoo.errors import ArgumentError

ARCHITECTURE = "lite_unet"


@dataclass(frozen=True, kw_only=True)
class LiteUNetRecipe(ClassificationRecipe):
    """What lite_unet adds to a recipe. A prior is in the order of `zoo.bins.ab_grid`."""

    architecture: str = ARCHITECTURE
    width: Positive = 1.0
    encoder: Literal["lite0", "lite1"] = "lite0"
    drop_path: Annotated[float, AtLeast(0), Below(1)] = 0.0
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.0
    sigma: Positive = 5.0  # of the soft encoding, in Lab units
    l1: Annotated[float, AtLeast(0)] = 0.0  # factor of the absolute error of the bins' mean, in Lab units
    # Factor on the learning rate of the encoder, which begins with weights of ImageNet and needs smaller steps.
    encoder_lr_factor: Annotated[float, Above(0), AtMost(1)] = 1.0
    # Presets or .keras files of lite_unet whose mean probabilities, of the photograph as it was before it was degraded,
    # are a share of the target: Hinton, Vinyals, Dean. Distilling the Knowledge in a Neural Network. 2015.
    # https://arxiv.org/abs/1503.02531
    teachers: tuple[str, ...] = ()
    teacher_share: Annotated[float, AtLeast(0), AtMost(1)] = 0.5

    def statistics(self, photographs: Photographs, known: Statistics | None = None) -> Statistics:
        """The centers of the bins, and their prior."""
        return self.grid_statistics(photographs, neighbors=None, sigma=self.sigma)

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        """Of `zoo.create_model`."""
        return {
            "temperature": self.temperature,
            "width": self.width,
            "encoder": self.encoder,
            "drop_path": self.drop_path,
            "dropout": self.dropout,
        }

    def system(self, statistics: Statistics) -> System:
        """See `training.systems.system.System`."""
        network = zoo.create_model(self.architecture, **self.arguments(statistics))
        centers = statistics["centers"]
        teachers = [_read_teacher(source) for source in self.teachers]
        class_weights = bins.rebalancing_weights(statistics["prior"], self.rebalance_lambda)

        def targets(truth: Tensors) -> Tensors:
            """The mean color of each cell of pixels, softly encoded, and how much of the cell is picture."""
            ab, share = _average_cells(truth["ab"], truth["mask"], STRIDE)
            encoded = bins.soft_encode(ab, centers, neighbors=None, sigma=self.sigma)
            if teachers:
                lightness = color.lightness(truth["rgb"])
                taught = sum(ops.softmax(teacher(lightness, training=False)) for teacher in teachers) / len(teachers)
                encoded = (1 - self.teacher_share) * encoded + self.teacher_share * taught
            weights = share if self.rebalance_lambda == 1 else share * pixel_weights(encoded, class_weights)
            return {"cells": ab, "share": share, "encoded": encoded, "weights": weights}

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            scores = cut(outputs["scores"], *truth["cells"].shape[1:3])
            loss = soft_cross_entropy(scores, truth["encoded"], truth["weights"])
            if not self.l1:
                return {"loss": loss}
            l1 = absolute_error(bins.annealed_mean(scores, centers, 1.0), truth["cells"], truth["share"])
            return {"loss": loss + self.l1 * l1, "l1": l1}

        lr_factors = dict.fromkeys(ENCODER, self.encoder_lr_factor) if self.encoder_lr_factor < 1 else {}
        return supervised_system(network, forward_scores(network), losses, targets=targets, lr_factors=lr_factors)


def _read_teacher(source: str) -> keras.Model:
    """Lightness -> scores of a trained lite_unet, whose weights stay as they are."""
    network = network_of(zoo.load(source))
    if network.name != ARCHITECTURE:
        raise ArgumentError(f"teachers has {source!r}, a {network.name}: it must be a {ARCHITECTURE}")
    network.trainable = False
    return keras.Model(network.input, network.get_layer("scores").output)


def _average_cells(maps: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Maps (B, H, W, C) -> their means over squares of pixels, of which a mask says what counts.

    Args:
        maps: of any H and W; the squares at their right and lower border may be cut off.
        mask: weights of the pixels, (B, H, W), in [0, 1].
        side: of the squares, in pixels.

    Returns:
        Means (B, h, w, C), 0 where nothing counts, and how much of each square counts, (B, h, w).
    """
    weights = ops.expand_dims(mask, -1)
    share = ops.average_pool(weights, side, side, padding="same")
    means = ops.average_pool(maps * weights, side, side, padding="same") / ops.maximum(share, 1e-6)
    return means, share[..., 0]
