"""A few of many pictures, to look at or to measure."""

from collections.abc import Sequence


def choose_evenly(classes: Sequence[str], count: int) -> list[int]:
    """At most `count` positions in `classes`, ascending, evenly over the classes and evenly within each.

    Every class has one as long as there are not more classes than `count`.
    """
    members: dict[str, list[int]] = {}
    for position, name in enumerate(classes):
        members.setdefault(name, []).append(position)
    names = sorted(members)
    groups = [members[names[i]] for i in _even_positions(len(names), count)]
    chosen: list[int] = []
    # Small classes first: what they cannot fill goes to those that can.
    for done, group in enumerate(sorted(groups, key=len)):
        share = (count - len(chosen)) // (len(groups) - done)
        chosen += [group[i] for i in _even_positions(len(group), share)]
    return sorted(chosen)


def _even_positions(length: int, count: int) -> list[int]:
    if length <= count:
        return list(range(length))
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]
