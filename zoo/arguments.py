"""Checks of arguments that several builders take."""

import math

from zoo.errors import ArgumentError


def check_positive(name: str, value: float) -> None:
    """Refuse a number that is not above 0 and finite.

    Raises:
        ArgumentError: it is 0, negative, infinite or not a number.
    """
    if not 0 < value < math.inf:
        raise ArgumentError(f"{name} is {value}: it must be above 0 and finite")
