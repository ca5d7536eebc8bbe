"""The table of architectures: name -> builder, and what listings and tests need to know of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from zoo.errors import UnknownNameError

Builder = Callable[..., keras.Model]
Parts = Callable[[keras.Model], dict[str, keras.Model]]


def _no_parts(network: keras.Model) -> dict[str, keras.Model]:
    return {}


@dataclass(frozen=True)
class Entry:
    """One architecture.

    output: what the network predicts, in words. loss: what it is trained on, in words.
    size: side in pixels of the pictures of the paper. stride: the sides of its maps are multiples of this.
    tiny: arguments that build it small enough for tests.
    parts: network -> the models that stand beside it in training (discriminators, a classifier) or within it
        (encoder, decoder), by name, whose parameters are counted on their own.
    """

    build: Builder
    title: str
    paper: str
    year: int
    output: str
    loss: str
    size: int
    stride: int
    tiny: dict[str, Any] = field(default_factory=dict)
    parts: Parts = _no_parts


MODELS: dict[str, Entry] = {}


def register(
    *,
    title: str,
    paper: str,
    year: int,
    output: str,
    loss: str,
    size: int,
    stride: int,
    tiny: dict[str, Any],
    parts: Parts = _no_parts,
) -> Callable[[Builder], Builder]:
    """Enters a builder under its function's name; see `Entry`.

    Raises:
        ValueError: the name is taken.
    """

    def enter(build: Builder) -> Builder:
        name = build.__name__
        if name in MODELS:
            raise ValueError(f"two architectures are called {name}")
        MODELS[name] = Entry(build, title, paper, year, output, loss, size, stride, tiny, parts)
        return build

    return enter


def entry(name: str) -> Entry:
    """The entry of an architecture.

    Raises:
        UnknownNameError: no architecture has this name; the text lists those that exist.
    """
    if name not in MODELS:
        raise UnknownNameError(f"no architecture is called {name!r}: there are {', '.join(sorted(MODELS))}")
    return MODELS[name]


def parameters(model: keras.Model) -> int:
    """The number of trainable parameters of a model."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
