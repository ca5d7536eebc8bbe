"""Box plots of every measure: Fig. 3 of Araújo and Veloso."""

import numpy as np

from training.evaluation.study import systems
from training.evaluation.study.figures.drawing import DARK, GRAY, Drawing, hide_rest, new_figure
from training.evaluation.study.results import Results

ACROSS = 3
WHISKERS = (5, 95)  # percentiles; outliers of hundreds of pictures would hide the boxes
ARROWS = {"low": "lower is better", "high": "higher is better", "near": "nearer to the truth's is better"}


def draw(results: Results) -> Drawing:
    """For each measure of pictures, a box for each preset and for gray: quartiles, median, mean, 5 % and 95 %."""
    names = [system.name for system in results.systems if not system.is_reference] + [systems.GRAY]
    down = -(-len(results.of_pictures) // ACROSS)
    title = "Distribution over the photographs (after Fig. 3 of Araújo and Veloso)"
    figure = new_figure(4 * ACROSS, down * (0.75 + 0.2 * len(names)), title)
    grid = figure.subplots(down, ACROSS, sharey=True, squeeze=False)
    hide_rest(grid, len(results.of_pictures))
    for axes, measure in zip(grid.flat, results.of_pictures, strict=False):
        shown = [*names, systems.TRUTH] if measure.better == "near" else names
        columns = [results.parts[name].values[measure.name] for name in shown]
        boxes = axes.boxplot(
            [column[np.isfinite(column)] for column in columns],
            orientation="horizontal",
            whis=WHISKERS,
            showfliers=False,
            showmeans=True,
            patch_artist=True,
            widths=0.65,
            manage_ticks=False,
            boxprops={"facecolor": GRAY, "edgecolor": DARK, "linewidth": 0.7},
            medianprops={"color": "black", "linewidth": 1.6},
            meanprops={"marker": "D", "markersize": 3, "markerfacecolor": "white", "markeredgecolor": "black"},
            whiskerprops={"linewidth": 0.7},
            capprops={"linewidth": 0.7},
        )
        boxes["boxes"][len(names) - 1].set_facecolor("white")
        axes.set_title(f"{measure.title}: {ARROWS[measure.better]}")
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
        axes.set_axisbelow(True)
    rows = [*names, systems.TRUTH]
    grid[0, 0].set_yticks(range(1, len(rows) + 1), rows)
    grid[0, 0].set_ylim(len(rows) + 0.6, 0.4)  # the first preset at the top
    return Drawing("box_plots", title, figure)
