"""How often people take a colorized photograph for the original: the statistics and the report of the user test.

Araújo and Veloso asked 20 people, each 16 times for each of three networks, which of two pictures was artificial
(sections II-C and III-B of their comparison). The rate at which people are wrong, the fooling rate, is 50 % where they
cannot but guess, and 0 % where they always see through.

Of that paper's four rates, the mean of all trials, 41.46 %, is 398 of 960; with 50 and 31.25 % of 320 it leaves 138 of
320 for the network of Zhang, which is 43.125 %. The 43.18 % that are printed are kept here.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from media import atomic
from zoo.errors import ArgumentError

GUESSING = 0.5
Z95 = 1.959963984540054  # of the normal distribution, for two-sided intervals of 95 %
ALL = "all presets"


@dataclass(frozen=True)
class Rate:
    """How often one preset fooled people.

    Attributes:
        name: Of the preset.
        trials: In how many trials people chose, at least 1.
        rate: The share of these in which they took the original for the artificial picture, in [0, 1].
        p: Of the exact two-sided test against guessing; None for rates of the paper, whose counts are not printed.
    """

    name: str
    trials: int
    rate: float
    p: float | None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95 %."""
        return wilson_interval(self.rate, self.trials)


# Their intervals are computed here from the number of trials, which follows from the design: 20 people x 48.
PAPER = (
    Rate("Iizuka et al.", 320, 0.5, None),
    Rate("Zhang et al.", 320, 0.4318, None),
    Rate("Larsson et al.", 320, 0.3125, None),
    Rate("mean of the three", 960, 0.4146, None),
)


def wilson_interval(rate: float, trials: int) -> tuple[float, float]:
    """The interval of 95 % for a proportion in [0, 1] that was observed in a number of trials.

    Wilson, "Probable inference, the law of succession, and statistical inference" (1927), without correction for
    continuity. It stays within [0, 1] and is not empty for 0 and 1, where the usual one fails.

    Raises:
        ArgumentError: no trials, or a rate outside [0, 1].
    """
    if trials < 1 or not 0 <= rate <= 1:
        raise ArgumentError(f"a rate in [0, 1] of at least one trial is needed, not {rate:g} of {trials}")
    z2 = Z95**2 / trials
    center = (rate + z2 / 2) / (1 + z2)
    half = math.sqrt(rate * (1 - rate) * z2 + z2**2 / 4) / (1 + z2)
    return max(0.0, center - half), min(1.0, center + half)


def p_of_guessing(fooled: int, trials: int) -> float:
    """How probable a result is that is as far from one half or further, if all trials are independent guesses.

    Raises:
        ArgumentError: no trials, or more fooled than trials.
    """
    if not 0 <= fooled <= trials or not trials:
        raise ArgumentError(f"{fooled} of {trials} trials is not possible")
    tail = sum(math.comb(trials, k) for k in range(min(fooled, trials - fooled) + 1))
    return min(1.0, 2 * tail / 2**trials)


def fooling_rates(fooled: Mapping[str, Sequence[bool]]) -> list[Rate]:
    """The rate of each preset, and of all together if there are several.

    Args:
        fooled: For each preset, for each trial, whether the participant was fooled.

    Raises:
        ArgumentError: a preset without a trial.
    """
    groups = dict(fooled)
    if len(groups) > 1:
        groups[ALL] = [each for outcomes in fooled.values() for each in outcomes]
    without = [name for name, outcomes in groups.items() if not outcomes]
    if without:
        raise ArgumentError(f"{', '.join(without)}: nobody has answered a trial")
    return [
        Rate(name, len(outcomes), sum(outcomes) / len(outcomes), p_of_guessing(sum(outcomes), len(outcomes)))
        for name, outcomes in groups.items()
    ]


def table_rows(rates: Sequence[Rate]) -> list[tuple[str, ...]]:
    """Name, trials, rate, interval and p of each, as text: percent with two decimals, as in the paper."""
    return [
        (
            rate.name,
            str(rate.trials),
            _percent(rate.rate),
            " to ".join(map(_percent, rate.interval)),
            "" if rate.p is None else f"{rate.p:.3g}",
        )
        for rate in rates
    ]


def write_report(rates: Sequence[Rate], folder: Path, *, participants: int) -> None:
    """Write fooling_rates.csv, .svg and .png into a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / "fooling_rates.csv", _csv(rates))
    with matplotlib.rc_context({"svg.hashsalt": "colorzoo", "svg.fonttype": "none", "font.size": 9}):
        figure = draw(rates, participants)
        for kind, metadata in (("svg", ("Creator", "Date", "Format", "Type")), ("png", ("Software",))):
            content = io.BytesIO()
            # Without the metadata the same rates give the same bytes.
            figure.savefig(content, format=kind, dpi=200, metadata=dict.fromkeys(metadata))
            atomic.write_bytes(folder / f"fooling_rates.{kind}", content.getvalue())


def draw(rates: Sequence[Rate], participants: int) -> Figure:
    """The rates with their intervals, ours above those of the paper; told apart without color."""
    figure = Figure(figsize=(7.2, 1.3 + 0.34 * (len(rates) + len(PAPER))), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(100 * GUESSING, color="0.35", linestyle="--", linewidth=1)
    people = "1 participant" if participants == 1 else f"{participants} participants"
    ours = [float(row) for row in range(len(rates))]
    theirs = [len(rates) + 0.6 + row for row in range(len(PAPER))]
    _draw_group(axes, rates, ours, f"here, {people}", "o", "#1f4e79", filled=True)
    _draw_group(axes, PAPER, theirs, "Araújo and Veloso, 20 participants", "s", "0.45", filled=False)
    axes.set_yticks([*ours, *theirs], [f"{rate.name}  (n = {rate.trials})" for rate in (*rates, *PAPER)])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 25, 50, 75, 100], ["0", "25", "50\nguessing", "75", "100"])
    axes.set_xlabel("trials in which people were fooled (%), with Wilson intervals of 95 %")
    axes.set_title("User test (Araújo and Veloso, section III-B)", loc="left", fontsize=10, pad=22)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_group(
    axes: Axes, rates: Sequence[Rate], rows: Sequence[float], label: str, marker: str, color: str, *, filled: bool
) -> None:
    values = [100 * rate.rate for rate in rates]
    # Rounding may put the end of an interval beyond its rate by some 1e-15.
    below = [max(0.0, 100 * (rate.rate - rate.interval[0])) for rate in rates]
    above = [max(0.0, 100 * (rate.interval[1] - rate.rate)) for rate in rates]
    axes.errorbar(
        values,
        rows,
        xerr=[below, above],
        fmt=marker,
        color=color,
        markerfacecolor=color if filled else "white",
        capsize=3,
        label=label,
    )
    for row, rate in zip(rows, rates, strict=True):
        axes.text(1.02, row, _percent(rate.rate), transform=axes.get_yaxis_transform(), va="center", fontsize=8)


def _csv(rates: Sequence[Rate]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "name", "trials", "fooling_rate", "low", "high", "p_value"])
    for source, group in (("here", rates), ("paper", PAPER)):
        for rate in group:
            numbers = [f"{value:.6g}" for value in (rate.rate, *rate.interval)]
            writer.writerow([source, rate.name, rate.trials, *numbers, "" if rate.p is None else f"{rate.p:.6g}"])
    return text.getvalue()


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
