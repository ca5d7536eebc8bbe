"""What a training loop needs to know of a system: its networks, what they compute, and what that costs.

Nothing here or in the systems belongs to one of Keras's backends: the loop takes the gradients. A loop trains on a
batch in these steps:

1. `truth |= targets(truth)`.
2. `outputs = forward(lightness, truth, True)`, one run of the network.
3. For each name of `losses`, the last first: the gradient of what it minimizes with respect to the variables of
   `trained[name]`, and a step of its optimizer. A discriminator is thus updated before the generator, which meets the
   new one; its gradient does not reach `forward`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import keras
import numpy as np
from keras import ops

from zoo.color import Tensor

Tensors = Mapping[str, Tensor]
Losses = dict[str, Tensor]  # (B,) each, by the names of the log; "loss" is what a run is judged by
Statistics = dict[str, np.ndarray]  # what a system learns from its photographs before training
# Outputs of `System.forward`, truth -> what an optimizer minimizes, (B,), and what the log shows of it.
Objective = Callable[[Tensors, Tensors], tuple[Tensor, Losses]]


class Photographs(Protocol):
    """What a system may ask of its training photographs, such as `training.data.datasets.Photographs`."""

    @property
    def classes(self) -> list[str]:
        """The names of the class folders, sorted."""

    def frequent_uv_classes(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The n most frequent UV cells -> class of each cell (100,), mean ab of each class (n, 2), prior (n,)."""

    def uv_prior(self, classes: np.ndarray) -> np.ndarray:
        """Class of each UV cell (100,) -> the prior (n,) float32 of the classes."""

    def ab_prior(self, centers: np.ndarray, *, neighbors: int | None, sigma: float) -> np.ndarray:
        """Centers (n, 2) -> the mean (n,) float32 of the colors, softly encoded by the nearest centers or by all."""


def no_targets(truth: Tensors) -> Tensors:
    """The targets of systems whose losses compare with the truth itself."""
    return {}


@dataclass(frozen=True)
class System:
    """A network and how it is trained. For lightness and truth see `training.data.batches.batches`.

    network: lightness (B, H, W, 1) -> ab (B, H, W, 2).
    trained: what has an optimizer of its own, by name; the first is the one that schedules and callbacks act on.
    forward: lightness, truth, whether this is training -> outputs. It reads no colors of the truth. In validation "ab"
        (B, H, W, 2) is among the outputs.
    losses: the objective of each name of `trained`, in its order. What is logged under one of these names is that
        optimizer's.
    validate: outputs, truth -> losses, and the RMSE of ab as "rmse".
    targets: truth -> what the objectives need of it beside itself, by further names. No gradient passes through it.
    draws: how many uniform random numbers a step needs for each picture.
    compiled: whether compiled steps, and targets, are faster on CPUs in float32 too, as those of many small operations
        are.
    lr_factors: factors on the learning rate of layers of the network, by name; * stands for anything.
    """

    network: keras.Model
    trained: dict[str, list[keras.Model]]
    forward: Callable[[Tensor, Tensors, bool], dict[str, Tensor]]
    losses: dict[str, Objective]
    validate: Callable[[Tensors, Tensors], Losses]
    targets: Callable[[Tensors], Tensors] = no_targets
    draws: int = 0
    compiled: bool = False
    lr_factors: Mapping[str, float] = field(default_factory=dict)


def ab_rmse(ab: Tensor, truth: Tensors) -> Tensor:
    """The RMSE (B,) of ab (B, S, S, 2) over both channels and the pixels that are not padding."""
    squares = ops.sum(ops.mean((ab - truth["ab"]) ** 2, -1) * truth["mask"], (1, 2))
    return ops.sqrt(squares / ops.sum(truth["mask"], (1, 2)))


def supervised_system(
    network: keras.Model,
    forward: Callable[[Tensor, Tensors, bool], dict[str, Tensor]],
    losses: Callable[[Tensors, Tensors], Losses],
    *,
    beside: tuple[keras.Model, ...] = (),
    targets: Callable[[Tensors], Tensors] = no_targets,
    draws: int = 0,
    compiled: bool = False,
    lr_factors: Mapping[str, float] | None = None,
) -> System:
    """A system of one optimizer, "network".

    Args:
        network: lightness -> ab.
        forward: see `System`.
        losses: outputs, truth -> losses, of which "loss" is minimized.
        beside: models with trainable variables beyond the network's.
        targets, draws, compiled, lr_factors: see `System`.
    """

    def objective(outputs: Tensors, truth: Tensors) -> tuple[Tensor, Losses]:
        found = losses(outputs, truth)
        return found["loss"], found

    def validate(outputs: Tensors, truth: Tensors) -> Losses:
        return losses(outputs, truth) | {"rmse": ab_rmse(outputs["ab"], truth)}

    trained = {"network": [network, *beside]}
    return System(
        network, trained, forward, {"network": objective}, validate, targets, draws, compiled, lr_factors or {}
    )
