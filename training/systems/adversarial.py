"""A generator against discriminators: what all conditional GANs of the zoo share.

The discriminators are updated first, then the generator against the new ones, from one run of the generator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import keras

from training.systems.constraints import AtLeast, Positive
from training.systems.losses import absolute_error, adversarial
from training.systems.recipe import Recipe
from training.systems.system import Losses, System, Tensors, ab_rmse
from zoo.color import Tensor


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(Recipe):
    """What all conditional GANs add to a recipe."""

    width: Positive = 1.0  # of generator and discriminators
    adversarial_loss: Literal["log", "least_squares"] = "log"  # as the papers write it, or as code often has it
    l1_weight: Annotated[float, AtLeast(0)] = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_unpadded()


def adversarial_system(
    network: keras.Model,
    output: str,
    discriminators: Sequence[keras.Model],
    target: Callable[[Tensors], Tensor],
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

    def forward(lightness: Tensor, truth: Tensors, training: bool) -> dict[str, Tensor]:
        condition, fake, ab = generator(lightness, training=training)
        side = truth["mask"].shape[1]  # maps are padded to the network's stride
        return {"condition": condition[:, :side, :side], "fake": fake[:, :side, :side], "ab": ab}

    def judge(condition: Tensor, colors: Tensor, real: bool) -> Tensor:
        return sum(adversarial(model([condition, colors], training=True), real, kind) for model in discriminators)

    def play_discriminator(outputs: Tensors, truth: Tensors) -> tuple[Tensor, Losses]:
        on_true = judge(outputs["condition"], target(truth), True)
        on_fake = judge(outputs["condition"], outputs["fake"], False)
        caught = (on_true + on_fake) / 2
        return caught, {"discriminator": caught}

    def play_generator(outputs: Tensors, truth: Tensors) -> tuple[Tensor, Losses]:
        fooled = judge(outputs["condition"], outputs["fake"], True)
        distance = absolute_error(outputs["fake"], target(truth), truth["mask"])
        return fooled + weight * distance, {"loss": distance, "adversarial": fooled}

    def validate(outputs: Tensors, truth: Tensors) -> Losses:
        distance = absolute_error(outputs["fake"], target(truth), truth["mask"])
        return {"loss": distance, "rmse": ab_rmse(outputs["ab"], truth)}

    return System(
        network,
        {"generator": [network], "discriminator": list(discriminators)},
        forward,
        {"generator": play_generator, "discriminator": play_discriminator},
        validate,
    )
