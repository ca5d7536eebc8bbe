"""Where a network is unsure, and what its temperature does: Fig. 7 and Fig. 4 of Billaut et al., ColorUNet."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from media.photograph import gray_of
from training.evaluation.confidence_maps import Confidence
from training.evaluation.study.figures.drawing import COLORMAP, Drawing, hide_axes, new_figure
from training.evaluation.study.shown import TEMPERATURES
from training.evaluation.tables import Pixels

CELL = 2.1  # side of a picture in inches
USUAL = 99  # percentile of the ratios at which their map ends, since a few are huge
TICKS = 5  # of the scale of a map
COLUMNS = ("original", "prediction", "probability of the best bin", "ratio to the second")


def draw_maps(
    name: str, preset: str, original: Sequence[Pixels], predicted: Sequence[Pixels], maps: Sequence[Confidence]
) -> Drawing:
    """A row for each photograph: original, prediction, top score, and its ratio to the second; dark is unsure.

    Args:
        name: of the figure's files.
        preset: its name.
        original: sRGB or gray uint8, each of its own size.
        predicted: sRGB uint8, alike.
        maps: of each photograph.
    """
    title = f"{preset}: confidence, dark where it is unsure (after Fig. 7 of Billaut et al.)"
    heights = [picture.shape[0] / picture.shape[1] for picture in original]
    figure = new_figure(4 * CELL + 0.9, sum(heights) * CELL + 0.9 + 0.1 * len(heights), title)
    grid = figure.subplots(len(original), 4, squeeze=False, height_ratios=heights)
    for axes in grid.flat:
        hide_axes(axes)
    tops, ratios = None, None
    largest = max(float(map_.top.max()) for map_ in maps)
    usual = max(2.0, float(np.percentile(np.concatenate([map_.ratio.ravel() for map_ in maps]), USUAL)))
    for row, truth, picture, map_ in zip(grid, original, predicted, maps, strict=True):
        row[0].imshow(truth, cmap="gray", vmin=0, vmax=255)
        row[1].imshow(picture)
        extent = (0, truth.shape[1], truth.shape[0], 0)
        tops = row[2].imshow(map_.top, cmap=COLORMAP, vmin=0, vmax=largest, extent=extent)
        ratio = map_.ratio.clip(1, usual)
        ratios = row[3].imshow(ratio, cmap=COLORMAP, norm=LogNorm(1, usual), extent=extent)
    for axes, label in zip(grid[0], COLUMNS, strict=True):
        axes.set_title(label)
    for column, image in ((2, tops), (3, ratios)):
        if image is not None:
            bar = figure.colorbar(image, ax=grid[:, column], orientation="horizontal", shrink=0.8, pad=0.02, aspect=30)
            low, high = image.get_clim()
            bar.set_ticks((np.geomspace if low else np.linspace)(low, high, TICKS).tolist())
            bar.formatter = StrMethodFormatter("{x:.2g}")
            bar.minorticks_off()
    return Drawing(name, title, figure, has_pictures=True)


def draw_temperatures(name: str, original: Pixels, by_temperature: Pixels) -> Drawing:
    """One photograph uint8 (S, S, 3) in gray, at each temperature (T, S, S, 3), and as it is."""
    title = f"{name}: one photograph over temperatures (after Fig. 4 of Billaut et al.)"
    pictures = [gray_of(original), *by_temperature, original]
    labels = ["gray", *(f"T = {temperature:g}" for temperature in TEMPERATURES), "original"]
    figure: Figure = new_figure(len(pictures) * 1.6, 2.2, title)
    for axes, picture, label in zip(figure.subplots(1, len(pictures)), pictures, labels, strict=True):
        axes.imshow(picture)
        axes.set_title(label)
        hide_axes(axes)
    return Drawing(f"temperatures_{name}", title, figure, has_pictures=True)
