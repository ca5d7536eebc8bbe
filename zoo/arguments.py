"""Checks of arguments that several builders take."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, TypeGuard

from zoo.errors import ArgumentError


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number, of Python or NumPy; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether a value is an integer, of Python or NumPy; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_positive(name: str, value: float) -> None:
    """Refuse what is not a finite number above 0.

    Raises:
        ArgumentError: it is 0, negative, infinite or not a number.
    """
    if not is_number(value) or value <= 0:
        raise ArgumentError(f"{name} is {value!r}: it must be a finite number above 0")


def check_whole(name: str, value: int, least: int, multiple_of: int = 1) -> None:
    """Refuse what is not an integer of at least `least`, and a multiple of `multiple_of`.

    Raises:
        ArgumentError: it is smaller, not a multiple, or not an integer.
    """
    if not is_whole(value) or value < least or value % multiple_of:
        kind = "a whole number" if multiple_of == 1 else f"a multiple of {multiple_of}"
        raise ArgumentError(f"{name} is {value!r}: it must be {kind}, at least {least}")


def check_filters(filters: Sequence[int]) -> None:
    """Refuse what is not the numbers of filters of two or more levels.

    Raises:
        ArgumentError: there are fewer, or one is not an integer above 0.
    """
    if not isinstance(filters, Sequence) or len(filters) < 2 or not all(is_whole(f) and f > 0 for f in filters):
        raise ArgumentError(f"filters is {filters!r}: whole numbers above 0 for two levels or more are needed")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse what is not one of some words.

    Raises:
        ArgumentError: it is another word, or none.
    """
    if value not in list(choices):  # which compares, whereas a dict would hash
        raise ArgumentError(f"{name} is {value!r}: it must be one of {', '.join(choices)}")
