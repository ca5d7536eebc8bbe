"""A generator against discriminators: the step that all conditional GANs of the zoo share.

The discriminators are updated first, then the generator against the new ones, from one run of the generator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from training.recipes.recipe import Recipe
from training.systems.losses import absolute_error, adversarial
from training.systems.system import Losses, System, Tensors, Update, ab_rmse
from zoo.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(Recipe):
    """What all conditional GANs add to a recipe."""

    width: float = 1.0  # of generator and discriminators
    adversarial_loss: str = "log"  # as the papers write it; or "least_squares"
    l1_weight: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_positive("width")
        self.check_choice("adversarial_loss", ("log", "least_squares"))
        self.check_unpadded()
        if self.l1_weight < 0:
            raise ArgumentError(f"l1_weight is {self.l1_weight}: it must be at least 0")


def against(
    network: keras.Model,
    output: str,
    discriminators: Sequence[keras.Model],
    target: Callable[[Tensors], tf.Tensor],
    *,
    kind: str,
    weight: float,
) -> System:
    """A system of two optimizers, "generator" and "discriminator".

    The generator minimizes what its colors cost before the discriminators, summed over these, plus `weight` times the
    absolute error; each discriminator half of what the true and the generated colors cost. A run is judged by the
    absolute error, for the other losses are moves in a game.

    Args:
        network: lightness -> ab, with a layer "condition", which the discriminators see as well.
        output: the layer of the network that the discriminators judge.
        discriminators: condition (B, S, S, 1), output -> logits.
        target: truth -> what the output should be, (B, S, S, C).
        kind: of the adversarial loss, see `training.systems.losses.adversarial`.
        weight: of the absolute error.
    """
    outputs = [network.get_layer("condition").output, network.get_layer(output).output, network.output]
    generator = keras.Model(network.input, outputs)

    def inside(x: tf.Tensor, truth: Tensors) -> tf.Tensor:
        side = truth["mask"].shape[1]  # maps are padded to the network's stride
        return x[:, :side, :side]

    def judged(condition: tf.Tensor, colors: tf.Tensor, real: bool) -> list[tf.Tensor]:
        return [adversarial(model([condition, colors], training=True), real, kind) for model in discriminators]

    def step(lightness: tf.Tensor, truth: Tensors, update: Update) -> Losses:
        true = target(truth)
        with tf.GradientTape() as generator_tape:
            condition, fake, _ = generator(lightness, training=True)
            condition, fake = inside(condition, truth), inside(fake, truth)
            # Begun behind the generator, this tape does not reach it.
            with tf.GradientTape() as discriminator_tape:
                on_true = tf.add_n(judged(condition, true, True))
                on_fake = tf.add_n(judged(condition, fake, False))
                caught = (on_true + on_fake) / 2
            update("discriminator", discriminator_tape, caught)
            fooled = tf.add_n(judged(condition, fake, True))
            distance = absolute_error(fake, true, truth["mask"])
            total = fooled + weight * distance
        update("generator", generator_tape, total)
        return {"loss": distance, "adversarial": fooled, "discriminator": caught}

    def validate(lightness: tf.Tensor, truth: Tensors) -> Losses:
        _, fake, ab = generator(lightness, training=False)
        distance = absolute_error(inside(fake, truth), target(truth), truth["mask"])
        return {"loss": distance, "rmse": ab_rmse(ab, truth)}

    return System(network, {"generator": [network], "discriminator": list(discriminators)}, step, validate)
