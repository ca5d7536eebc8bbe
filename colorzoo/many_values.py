"""Options that take any number of values after their name: `--presets A B C` as well as `--presets A --presets B`."""

from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup


def repeat_names(arguments: Sequence[str], names: Collection[str]) -> list[str]:
    """`arguments` with the name of an option before each of its values, as Click wants them.

    Args:
        names: of the options that take many values, such as "--presets". All that follows one of them, up to the next
            option, is its values.
    """
    repeated: list[str] = []
    name: str | None = None  # of the option whose values these are
    for argument in arguments:
        if argument.startswith("-"):
            option, equals, _ = argument.partition("=")
            name = option if option in names else None
            if name is None or equals:
                repeated.append(argument)
        elif name is None:
            repeated.append(argument)
        else:
            repeated += [name, argument]
    # Without a value it is left for Click, which says so.
    return repeated + [name] if arguments and name == arguments[-1] else repeated


def _repeat(command: TyperCommand | TyperGroup, arguments: list[str]) -> list[str]:
    names = {name for option in command.params if getattr(option, "multiple", False) for name in option.opts}
    return repeat_names(arguments, names)


class ManyValuesCommand(TyperCommand):
    """A command whose options of several values may be given once for all of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does, after `repeat_names`."""
        return super().parse_args(ctx, _repeat(self, args))


class ManyValuesGroup(TyperGroup):
    """A group whose own options of several values may be given once for all of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does, after `repeat_names`."""
        return super().parse_args(ctx, _repeat(self, args))
