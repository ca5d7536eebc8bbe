"""The table of architectures: name -> builder, and the facts that listings and tests need.

The module of an architecture, and Keras with it, is imported when the architecture is first asked for.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from zoo.errors import ArgumentError, UnknownNameError

if TYPE_CHECKING:
    import keras

Builder: TypeAlias = "Callable[..., keras.Model]"
Parts: TypeAlias = "Callable[[keras.Model], dict[str, keras.Model]]"

# The modules of zoo/architectures; each registers a builder of the same name.
ARCHITECTURES = (
    "autoencoder",
    "color_unet",
    "ibn_gan",
    "iizuka2016",
    "larsson2016",
    "lite_unet",
    "pix2pix",
    "zhang2016",
)


def _no_parts(network: "keras.Model") -> "dict[str, keras.Model]":
    return {}


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    year: of the paper, None if it bears no date.
    output: what the network predicts, in words. loss: what it is trained on, in words.
    paper_size: side in pixels of the pictures of the paper. stride: the sides of its maps are multiples of this.
    tiny: arguments that build it small enough for tests.
    parts: network -> further models of its training (discriminators, a classifier) or inside it (encoder, decoder), by
        name, whose parameters are counted separately.
    first_center: the pixel that the first score of a network with classes belongs to; None: the middle of the first
        cell of pixels. Colors and confidence are both enlarged from there.
    """

    build: Builder
    title: str
    paper: str
    year: int | None
    output: str
    loss: str
    paper_size: int
    stride: int
    tiny: dict[str, Any] = field(default_factory=dict)
    parts: Parts = _no_parts
    first_center: float | None = None


_registered: dict[str, Architecture] = {}


def register(
    *,
    title: str,
    paper: str,
    year: int | None,
    output: str,
    loss: str,
    paper_size: int,
    stride: int,
    tiny: dict[str, Any],
    parts: Parts = _no_parts,
    first_center: float | None = None,
) -> Callable[[Builder], Builder]:
    """Enter a builder under its function's name; see `Architecture`.

    Raises:
        ValueError: the name is taken.
    """

    def enter(build: Builder) -> Builder:
        name = build.__name__
        if name in _registered:
            raise ValueError(f"two architectures are called {name}")
        _registered[name] = Architecture(
            build, title, paper, year, output, loss, paper_size, stride, tiny, parts, first_center
        )
        return build

    return enter


def list_models() -> list[str]:
    """Names of the architectures, sorted."""
    return sorted({*ARCHITECTURES, *_registered})


def architecture(name: str) -> Architecture:
    """The row of an architecture.

    Raises:
        UnknownNameError: no architecture has this name; the text lists those that exist.
    """
    if name not in _registered and name in ARCHITECTURES:
        import_module(f"zoo.architectures.{name}")
    if name not in _registered:
        raise UnknownNameError(f"no architecture is called {name!r}: there are {', '.join(list_models())}")
    return _registered[name]


def create_model(name: str, **arguments: Any) -> "keras.Model":
    """A new network: lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    Args:
        name: one of `list_models()`.
        arguments: of the builder; see its docstring.

    Raises:
        UnknownNameError: no architecture has this name.
        ArgumentError: the builder has no such argument, or an argument is outside its range.
    """
    build = architecture(name).build
    known = inspect.signature(build).parameters
    for argument in arguments:
        if argument not in known:
            raise ArgumentError(f"{name} has no argument {argument!r}: it has {', '.join(known)}")
    return build(**arguments)


def parameters(model: "keras.Model") -> int:
    """The number of trainable parameters of a model."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)
