"""Class probabilities and the colors made of them, apart."""

import numpy as np
import pytest

from tests.accept_golden import formula_network
from tests.zoo.networks import tiny
from zoo.class_steps import ClassSteps, has_classes
from zoo.colorizer import Parts
from zoo.errors import ArgumentError


@pytest.mark.parametrize(("name", "scales", "calm"), [("color_unet", (0.5, 1.0), 0.5), ("larsson2016", (), 0.0)])
def test_two_steps_give_the_colors_of_one(name: str, scales: tuple[float, ...], calm: float) -> None:
    # Not a shared one: the second step begins inside it.
    parts = Parts(formula_network(name), 32, 1.3, scales, calm)
    frames = np.random.default_rng(0).uniform(0, 100, (2, 32, 32, 1)).astype(np.float32)
    steps = ClassSteps(parts)
    probabilities = steps.probabilities(frames)
    assert len(probabilities) == (4 if scales else 1)  # two sides, each mirrored as well
    sums = np.asarray(probabilities[0]).sum(-1)
    assert np.allclose(sums, 2 if name == "larsson2016" else 1, atol=1e-4)
    assert np.allclose(steps.colors(probabilities, frames), parts.colors(frames), atol=1e-3)


def test_networks_without_classes() -> None:
    assert not has_classes(tiny("pix2pix"))
    with pytest.raises(ArgumentError, match="predicts colors directly: it has no class probabilities"):
        ClassSteps(Parts(tiny("pix2pix"), 32))
