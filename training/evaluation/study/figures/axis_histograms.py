"""Histograms of a and of b against those of the truth: Fig. 4 of Gorriz Blanch et al."""

import numpy as np

from training.evaluation.histograms import AXIS_BINS, LIMIT, intersection
from training.evaluation.study import systems
from training.evaluation.study.figures.drawing import DARK, GRAY, Drawing, hide_rest, new_figure, plain_powers
from training.evaluation.study.results import Results

ACROSS = 2  # presets side by side, each with a and b


def draw(results: Results) -> Drawing:
    """For each preset the share of pixels with each a, and each b, over the gray area of the truth."""
    presets = results.presets
    down = -(-len(presets) // ACROSS)
    title = "Histograms of a and b over those of the truth, logarithmic (after Fig. 4 of Gorriz Blanch et al.)"
    figure = new_figure(3 * 2 * ACROSS, 0.5 + 1.5 * down, title)
    grid = figure.subplots(down, 2 * ACROSS, sharex=True, sharey=True, squeeze=False)
    truth = results.parts[systems.TRUTH].axes
    values = np.arange(AXIS_BINS) - LIMIT + 0.5
    pixels = truth[0].sum()
    for i, system in enumerate(presets):
        counts = results.parts[system.name].axes
        common = intersection(counts, truth)
        for k, name in enumerate("ab"):
            axes = grid[i // ACROSS, 2 * (i % ACROSS) + k]
            axes.fill_between(values, truth[k] / pixels, step="mid", color=GRAY, linewidth=0, label="truth")
            axes.step(values, counts[k] / pixels, where="mid", color=DARK, linewidth=0.9, label="colorized")
            axes.set_yscale("log")
            plain_powers(axes.yaxis)
            axes.set_ylim(0.5 / pixels, 1)
            axes.set_title(f"{system.name}: {name}, {common[k]:.2f} in common")
    hide_rest(grid, 2 * len(presets))
    for axes in grid[:, 0]:
        axes.set_ylabel("share of pixels")
    for axes in grid[-1]:
        axes.set_xlabel("Lab units")
    grid[0, 0].legend(frameon=False, loc="upper left")
    return Drawing("axis_histograms", title, figure)
