"""The table of architectures: name -> builder, and what listings and tests need to know of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from zoo.errors import UnknownNameError

Builder = Callable[..., keras.Model]


@dataclass(frozen=True)
class Entry:
    """One architecture. `tiny` holds arguments that build it small enough for tests."""

    build: Builder
    title: str
    paper: str
    year: int
    stride: int
    tiny: dict[str, Any] = field(default_factory=dict)


MODELS: dict[str, Entry] = {}


def register(*, title: str, paper: str, year: int, stride: int, tiny: dict[str, Any]) -> Callable[[Builder], Builder]:
    """Enters a builder under its function's name.

    Raises:
        ValueError: the name is taken.
    """

    def enter(build: Builder) -> Builder:
        name = build.__name__
        if name in MODELS:
            raise ValueError(f"two architectures are called {name}")
        MODELS[name] = Entry(build, title, paper, year, stride, tiny)
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
