"""A system that is built and trained in no time: what surrounds a network can be tested with it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from training.loop.callbacks import Panels
from training.systems.losses import squared_error
from training.systems.recipe import Recipe
from training.systems.system import Losses, Statistics, System, Tensors, supervised_system
from zoo.color import Tensor


@dataclass(frozen=True, kw_only=True)
class TwoLayers(Recipe):
    """Two convolutions without batch statistics."""

    architecture: str = "two_layers"
    size: int = 32
    resize_mode: str = "center_crop"
    frame_size: int = 32
    batch: int = 4
    epochs: int = 2
    schedule: str = "constant"
    learning_rate: float = 0.01
    checkpoint_steps: int = 1

    def arguments(self, statistics: Statistics) -> dict[str, Any]:
        return {}

    def system(self, statistics: Statistics) -> System:
        lightness = keras.Input((None, None, 1))
        x = layers.Conv2D(4, 3, padding="same", activation="tanh", name="first")(layers.Rescaling(0.01)(lightness))
        ab = layers.Conv2D(2, 3, padding="same", name="second")(x)
        network = keras.Model(lightness, layers.Rescaling(100.0, dtype="float32")(ab), name=self.architecture)

        def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
            return {"ab": network(lightness, training=training)}

        def losses(outputs: Tensors, truth: Tensors) -> Losses:
            return {"loss": squared_error(outputs["ab"] / 100, truth["ab"] / 100, truth["mask"])}

        return supervised_system(network, forward, losses)


@contextmanager
def without_tracing(eager: bool = True) -> Iterator[None]:
    """Tracing takes longer than a few steps of a tiny network."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the", UserWarning)  # that tf.data is traced in any case
        tf.config.run_functions_eagerly(eager)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)


@contextmanager
def without_panels() -> Iterator[None]:
    """Where a test is not about the pictures that TensorBoard and the report show: they take as long as an epoch."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(Panels, "on_epoch_end", lambda self, epoch, logs=None: None)
        patches.setattr(Panels, "sheet", lambda self, cell: np.zeros((8, 8, 3), np.uint8))
        yield
