"""Where colors lie on the ab plane: Fig. 2 of Araújo and Veloso."""

import numpy as np
from keras import ops
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from training.evaluation.histograms import LIMIT, PLANE_CELLS
from training.evaluation.study import systems
from training.evaluation.study.figures.drawing import COLORMAP, Drawing, hide_rest, new_figure
from training.evaluation.study.results import Results
from zoo import color

ACROSS = 4
LIGHTNESS = 60.0
EXTENT = (-LIMIT, LIMIT, -LIMIT, LIMIT)


def draw(results: Results) -> Drawing:
    """The colors of 25 x 25 cells at L = 60, and how many pixels lie in each: of the truth and of every preset."""
    names = [systems.TRUTH, *(system.name for system in results.presets)]
    down = -(-(len(names) + 1) // ACROSS)
    title = "Pixels on the ab plane, logarithmic (after Fig. 2 of Araújo and Veloso)"
    figure = new_figure(2.6 * ACROSS + 0.6, 2.7 * down, title)
    grid = figure.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
    hide_rest(grid, len(names) + 1)
    first, *others = grid.flat[: len(names) + 1]
    first.imshow(cell_colors(), origin="lower", extent=EXTENT)
    first.set_title(f"colors at L = {LIGHTNESS:g}")
    largest = max(results.parts[name].plane.max() for name in names)
    image = None
    for axes, name in zip(others, names, strict=True):
        counts = results.parts[name].plane.astype(np.float64)
        shown = np.where(counts > 0, counts, np.nan)
        image = axes.imshow(shown.T, origin="lower", extent=EXTENT, cmap=f"{COLORMAP}_r", norm=LogNorm(1, largest))
        axes.set_title(name)
    for axes in grid[:, 0]:
        axes.set_ylabel("b")
    for axes in grid[-1]:
        axes.set_xlabel("a")
    for axes in grid.flat:
        _mark_gray(axes)
    if image is not None:
        figure.colorbar(image, ax=grid, label="pixels", shrink=0.6, format="{x:g}")
    return Drawing("ab_plane", title, figure)


def cell_colors() -> np.ndarray:
    """The color of the middle of each cell at L = 60, RGB (25, 25, 3) in [0, 1]; white where sRGB has none."""
    middle = (np.arange(PLANE_CELLS, dtype=np.float32) + 0.5) * (2 * LIMIT / PLANE_CELLS) - LIMIT
    a, b = np.meshgrid(middle, middle)
    lab = np.stack([np.full_like(a, LIGHTNESS), a, b], axis=-1)
    rgb = ops.convert_to_numpy(color.lab_to_rgb(lab))
    return np.where(ops.convert_to_numpy(color.in_gamut(lab)), rgb, 1.0)


def _mark_gray(axes: Axes) -> None:
    axes.axhline(0, color="0.6", linewidth=0.4)
    axes.axvline(0, color="0.6", linewidth=0.4)
    axes.set_xticks([-100, -50, 0, 50, 100])
    axes.set_yticks([-100, -50, 0, 50, 100])
