"""Learning curves of several runs, adversarial and regression losses apart: Fig. 3 of Gorriz Blanch et al."""

from collections.abc import Mapping
from itertools import cycle

from matplotlib.ticker import MaxNLocator

from training.evaluation.study.figures.drawing import Drawing, new_figure, plain_powers
from training.runs.curves import Log

PANELS = {
    "adversarial": "adversarial loss of the generator",
    "loss": "regression loss (L1 of the adversarial networks)",
    "val_rmse": "RMSE of ab in validation",
}
LOGARITHMIC = {"loss"}  # squared errors and entropies are not of one size
# Told apart without hue: a line style and a marker for each run, both of them new for the next one.
LINES, MARKERS = ("-", "--", ":", "-."), ("o", "s", "^", "x", "D")
STYLES = tuple(zip(LINES * len(MARKERS), MARKERS * len(LINES), strict=True))


def draw(logs: Mapping[str, Log]) -> Drawing:
    """The curves of runs by name; a panel for each kind of loss that any of them has."""
    title = "Learning curves (after Fig. 3 of Gorriz Blanch et al.)"
    kinds = [kind for kind in PANELS if any(kind in log for log in logs.values())]
    figure = new_figure(4.2 * len(kinds) + 1.8, 3.4, title)
    grid = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axes, kind in zip(grid, kinds, strict=True):
        for (name, log), (line, marker) in zip(logs.items(), cycle(STYLES), strict=False):
            if kind in log:
                epochs = [epoch + 1 for epoch in log["epoch"]]
                every = max(1, len(epochs) // 8)
                axes.plot(
                    epochs, log[kind], line, marker=marker, markersize=3.5, markevery=every, linewidth=1, label=name
                )
        axes.set_title(PANELS[kind])
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if kind in LOGARITHMIC:
            axes.set_yscale("log")
            plain_powers(axes.yaxis)
    handles = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", frameon=False)
    return Drawing("learning_curves", title, figure)
