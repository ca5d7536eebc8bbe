"""What the training loop needs to know of a system: its networks, one step, and one batch of validation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import ArgumentError

Tensors = Mapping[str, tf.Tensor]
Losses = dict[str, tf.Tensor]  # (B,) each; "loss" is what a run is judged by
Statistics = dict[str, np.ndarray]  # what a system learns from its photographs before training
# Name of what is trained, the tape that saw its losses, and the losses (B,).
Update = Callable[[str, tf.GradientTape, tf.Tensor], None]


@dataclass(frozen=True)
class System:
    """A network and how it is trained. For lightness and truth see `training.data.batches.batches`.

    network: lightness (B, H, W, 1) -> ab (B, H, W, 2).
    trained: what has an optimizer of its own, by name; the first is the one that schedules and callbacks act on.
    step: a training step: lightness, truth, update -> losses. It calls `update` once for each name of `trained`, the
        last one first. A loss that has one of these names is that of its optimizer.
    validate: lightness, truth -> losses, and the RMSE of ab as "rmse".
    draws: how many uniform random numbers a step needs for each picture.
    compiled: whether XLA's steps are faster on CPUs in float32 too, as those with many small operations are.
    """

    network: keras.Model
    trained: dict[str, list[keras.Model]]
    step: Callable[[tf.Tensor, Tensors, Update], Losses]
    validate: Callable[[tf.Tensor, Tensors], Losses]
    draws: int = 0
    compiled: bool = False


def given_prior(path: str, count: int) -> np.ndarray:
    """The prior (count,) float32 of a .npy file.

    Raises:
        ArgumentError: the file cannot be read or holds something else.
    """
    try:
        prior = np.load(path).astype(np.float32)
    except (OSError, ValueError) as error:
        raise ArgumentError(f"prior is {path!r}, which cannot be read: {error}") from error
    if prior.shape != (count,) or not (prior >= 0).all() or not np.isclose(prior.sum(), 1, atol=1e-3):
        raise ArgumentError(f"prior is {path!r}: {count} shares with the sum 1 are needed, it has {prior.shape}")
    return prior


def ab_rmse(ab: tf.Tensor, truth: Tensors) -> tf.Tensor:
    """The RMSE (B,) of ab (B, S, S, 2) over both channels and the pixels that are not padding."""
    squares = tf.reduce_sum(tf.reduce_mean((ab - truth["ab"]) ** 2, -1) * truth["mask"], (1, 2))
    return tf.sqrt(squares / tf.reduce_sum(truth["mask"], (1, 2)))


def cut(maps: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Maps (B, H, W, C) that may be padded to a stride -> their upper left part (B, height, width, C)."""
    # A slice that leaves out nothing would still be copied, and its gradient as well.
    return maps if maps.shape[1:3] == (height, width) else maps[:, :height, :width]


def supervised(
    network: keras.Model,
    losses: Callable[[tf.Tensor, Tensors, bool], Losses],
    *,
    beside: tuple[keras.Model, ...] = (),
    draws: int = 0,
    compiled: bool = False,
) -> System:
    """A system of one optimizer.

    Args:
        network: lightness -> ab.
        losses: lightness, truth, whether this is training -> losses, of which "loss" is minimized. In validation
            "ab" may be among them, which saves another run of the network.
        beside: models with trainable variables beyond the network's.
        draws, compiled: see `System`.
    """

    def step(lightness: tf.Tensor, truth: Tensors, update: Update) -> Losses:
        with tf.GradientTape() as tape:
            found = losses(lightness, truth, True)
        update("network", tape, found["loss"])
        found.pop("ab", None)
        return found

    def validate(lightness: tf.Tensor, truth: Tensors) -> Losses:
        found = losses(lightness, truth, False)
        ab = found.pop("ab") if "ab" in found else network(lightness, training=False)
        return found | {"rmse": ab_rmse(ab, truth)}

    return System(network, {"network": [network, *beside]}, step, validate, draws, compiled)
