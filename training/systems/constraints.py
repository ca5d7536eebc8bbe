"""What the fields of a recipe may hold: constraints that stand beside a field's type, and values from text.

    size: Annotated[int, AtLeast(16)] = 256
    schedule: Literal["constant", "cosine"] = "constant"

A type is bool, int, float, str, a Literal of texts, or a tuple of one of these.
"""

import ast
import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin, get_type_hints

from zoo.errors import ArgumentError


class Constraint(Protocol):
    """A condition on a value; its text completes "must be"."""

    def allows(self, value: Any) -> bool:
        """Whether the value meets the condition."""


@dataclass(frozen=True)
class Above:
    """Numbers greater than a limit."""

    limit: float

    def allows(self, value: float) -> bool:
        """Whether the value meets the condition."""
        return value > self.limit

    def __str__(self) -> str:
        return f"above {self.limit:g}"


@dataclass(frozen=True)
class AtLeast:
    """Numbers not less than a limit."""

    limit: float

    def allows(self, value: float) -> bool:
        """Whether the value meets the condition."""
        return value >= self.limit

    def __str__(self) -> str:
        return f"at least {self.limit:g}"


@dataclass(frozen=True)
class Below:
    """Numbers less than a limit."""

    limit: float

    def allows(self, value: float) -> bool:
        """Whether the value meets the condition."""
        return value < self.limit

    def __str__(self) -> str:
        return f"below {self.limit:g}"


@dataclass(frozen=True)
class AtMost:
    """Numbers not greater than a limit."""

    limit: float

    def allows(self, value: float) -> bool:
        """Whether the value meets the condition."""
        return value <= self.limit

    def __str__(self) -> str:
        return f"at most {self.limit:g}"


@dataclass(frozen=True)
class MultipleOf:
    """Integers that a number divides."""

    number: int

    def allows(self, value: int) -> bool:
        """Whether the value meets the condition."""
        return value % self.number == 0

    def __str__(self) -> str:
        return f"a multiple of {self.number}"


@dataclass(frozen=True)
class OneOf:
    """Texts of a table; those that nothing else lists are a Literal."""

    choices: Collection[str]

    def allows(self, value: str) -> bool:
        """Whether the value meets the condition."""
        return value in self.choices

    def __str__(self) -> str:
        return f"one of {', '.join(self.choices)}"


@dataclass(frozen=True)
class Odd:
    """Odd integers."""

    def allows(self, value: int) -> bool:
        """Whether the value meets the condition."""
        return value % 2 == 1

    def __str__(self) -> str:
        return "odd"


@dataclass(frozen=True)
class Items:
    """Tuples that are long enough."""

    at_least: int

    def allows(self, value: tuple[Any, ...]) -> bool:
        """Whether the value meets the condition."""
        return len(value) >= self.at_least

    def __str__(self) -> str:
        return f"{self.at_least} {'value' if self.at_least == 1 else 'values'} or more"


@dataclass(frozen=True)
class Rising:
    """Tuples of numbers that do not fall."""

    def allows(self, value: tuple[float, ...]) -> bool:
        """Whether the value meets the condition."""
        return list(value) == sorted(value)

    def __str__(self) -> str:
        return "in rising order"


Positive = Annotated[float, Above(0)]
PositiveInt = Annotated[int, Above(0)]
Fraction = Annotated[float, Above(0), Below(1)]  # a share, but neither nothing nor all
Momentum = Annotated[float, AtLeast(0), Below(1)]


def check_fields(settings: Any) -> None:
    """Checks every field of a dataclass against its annotation.

    Raises:
        ArgumentError: a value of another type, or one that a constraint does not allow.
    """
    hints = get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        problem = _problem(value, hints[field.name], "it")
        if problem:
            raise ArgumentError(f"{field.name} is {value!r}: {problem}")


def _problem(value: Any, hint: Any, subject: str) -> str:
    """Why a value does not fit an annotation, or "" if it does."""
    kind, constraints = _split_annotation(hint)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return "" if value in choices else f"{subject} must be one of {', '.join(choices)}"
    if get_origin(kind) is tuple:
        if not isinstance(value, tuple):
            return f"{subject} must be a tuple"
        items = get_args(kind)
        wanted = [items[0]] * len(value) if items[-1] is Ellipsis else list(items)
        if len(value) != len(wanted):
            return f"{subject} must be {len(wanted)} values"
        problems = (_problem(item, each, "each value") for item, each in zip(value, wanted, strict=True))
        first = next(filter(None, problems), "")
        if first:
            return first
    elif not _is_of(value, kind):
        return f"{subject} must be of type {kind.__name__}{', and finite' if kind is float else ''}"
    if all(constraint.allows(value) for constraint in constraints):
        return ""
    return f"{subject} must be {' and '.join(map(str, constraints))}"


def _split_annotation(hint: Any) -> tuple[Any, tuple[Constraint, ...]]:
    """An annotation -> its type, and its constraints."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    kind, *constraints = get_args(hint)
    return kind, tuple(constraints)


def _is_of(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:  # Python counts bool among the integers
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def split_settings(settings: Sequence[str], init: str | None = None) -> dict[str, str]:
    """Texts by field, from the FIELD=VALUE texts of a command line and from what it begins with.

    Raises:
        ArgumentError: a text that is not FIELD=VALUE.
    """
    fields = {} if init is None else {"init": init}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not (field.strip() and equals):
            raise ArgumentError(f"{setting!r} is not FIELD=VALUE")
        fields[field.strip()] = value
    return fields


def parse_fields(settings: Any, texts: Mapping[str, str]) -> dict[str, Any]:
    """Texts of a command line, such as {"batch": "8", "filters": "(8, 16)"} -> values of the fields' types.

    Args:
        settings: a dataclass, whose values are the examples in messages.
        texts: by field.

    Raises:
        ArgumentError: no field has this name, or the text is not a value of its type.
    """
    hints = get_type_hints(type(settings))
    names = [field.name for field in dataclasses.fields(settings)]
    for name in texts:
        if name not in names:
            raise ArgumentError(f"recipes have no field {name!r}: there are {', '.join(names)}")
    return {name: _parse(name, text, hints[name], getattr(settings, name)) for name, text in texts.items()}


def _parse(name: str, text: str, hint: Any, current: Any) -> Any:
    if hint is str or get_origin(hint) is Literal:
        return text
    kind = get_origin(hint) or hint
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    items = get_args(hint)
    if items and isinstance(value, tuple | list):
        value = tuple(_as_float(item, items[0]) for item in value)
        fits = all(type(item) is items[0] for item in value)
    else:
        value = _as_float(value, hint)
        fits = type(value) is kind
    if not fits:
        raise ArgumentError(f"{name} is {text!r}: a {kind.__name__} such as {current!r} is needed")
    return value


def _as_float(value: Any, kind: Any) -> Any:
    """Whole numbers are written without a point."""
    return float(value) if kind is float and type(value) is int else value
