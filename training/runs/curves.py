"""Curves of a run's log: training and validation of a quantity in the same axes, epoch by epoch."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

ACROSS = 3  # most axes side by side
MARKED = 50  # most epochs that have a marker each
COLORS = {"training": "#4c78a8", "validation": "#f58518"}
# Beside these, quantities are called as in the log and have no unit that all systems share.
LABELS = {"rmse": "RMSE of ab (Lab units)", "learning_rate": "learning rate"}

Log = Mapping[str, Sequence[float]]


def read_log(path: Path) -> dict[str, list[float]]:
    """The columns of a log.csv, a value for each epoch; "epoch" counts from 0. No columns if there is no epoch yet.

    A value is NaN where an epoch has none, since an earlier version of the program did not log it.
    """
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Without a validation set, Keras adds columns for one, with nothing but "NA" in them.
    names = [name for name in rows[0] if any(row[name] != "NA" for row in rows)] if rows else []
    return {name: [math.nan if row[name] == "NA" else float(row[name]) for row in rows] for name in names}


def quantities(log: Log) -> list[str]:
    """What a log is about, without "val_": the loss first, the learning rate last."""
    names = sorted({name.removeprefix("val_") for name in log} - {"epoch", "loss", "rmse", "learning_rate"})
    wanted = ["loss", "rmse", *names, "learning_rate"]
    return [name for name in wanted if name in log or f"val_{name}" in log]


def draw(log: Log, names: Sequence[str], *, salt: str) -> bytes:
    """Draws quantities of a log as an SVG file, the same bytes for the same log and salt."""
    across = min(len(names), ACROSS)
    down = -(-len(names) // ACROSS)
    epochs = [epoch + 1 for epoch in log["epoch"]]
    marker = "." if len(epochs) <= MARKED else ""
    with matplotlib.rc_context({"svg.hashsalt": salt, "font.size": 8, "svg.fonttype": "none"}):
        figure = Figure(figsize=(3.6 * across, 2.4 * down), layout="constrained")
        for i, name in enumerate(names):
            axes = figure.add_subplot(down, across, i + 1)
            for kind, column in (("training", name), ("validation", f"val_{name}")):
                if column in log:
                    axes.plot(epochs, log[column], color=COLORS[kind], label=kind, marker=marker)
            if name != "learning_rate":
                axes.legend(frameon=False)
            axes.set_xlabel("epoch")
            axes.set_ylabel(LABELS.get(name, name))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.spines[["top", "right"]].set_visible(False)
        file = io.BytesIO()
        # Without the metadata there is neither a date nor a version of matplotlib, nor an address.
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return file.getvalue()
