"""The best, median and worst photographs with their figures below: Fig. 4 of Araújo and Veloso."""

from collections.abc import Mapping, Sequence

from media.photograph import gray_of
from training.evaluation.study.figures.drawing import Drawing, hide_axes, new_figure
from training.evaluation.study.results import Results
from training.evaluation.study.shown import LEVELS
from training.evaluation.tables import Pixels

CELL = 1.25  # side of a picture in inches
NOTE = 0.3  # below it


def draw_preset(
    results: Results, name: str, groups: Mapping[str, Sequence[int]], colorized: Mapping[int, Pixels]
) -> Drawing:
    """A preset's own best, median and worst photographs by RMSE: three panels in a row, gray, colorized and original.

    Args:
        results: of the study.
        name: of the preset.
        groups: positions by level.
        colorized: sRGB uint8 (S, S, 3) by position.
    """
    title = f"{name}: best, median and worst photographs by RMSE (after Fig. 4 of Araújo and Veloso)"
    rows = max((len(group) for group in groups.values()), default=1) or 1
    figure = new_figure(9 * CELL + 0.6, rows * (CELL + NOTE) + 0.6, title)
    grid = figure.subplots(rows, 9, squeeze=False)
    for axes in grid.flat:
        hide_axes(axes)
    for k, level in enumerate(LEVELS):
        for i, position in enumerate(groups[level]):
            truth = results.truth.pictures[position]
            for axes, picture in zip(grid[i, 3 * k :], (gray_of(truth), colorized[position], truth), strict=False):
                axes.imshow(picture)
            grid[i, 3 * k + 1].set_xlabel(_note(results, name, position), fontsize=6, labelpad=2)
        for axes, label in zip(grid[0, 3 * k :], ("gray", level, "original"), strict=False):
            axes.set_title(label)
    return Drawing(f"sheet_{name}", title, figure, has_pictures=True)


def draw_comparison(
    results: Results, groups: Mapping[str, Sequence[int]], colorized: Mapping[str, Mapping[int, Pixels]]
) -> Drawing:
    """Photographs that are best, median and worst by the mean RMSE of all presets, as each preset colorizes them."""
    names = list(colorized)
    positions = [(level, position) for level in LEVELS for position in groups[level]]
    title = "Best, median and worst photographs by the mean RMSE of all presets (after Fig. 4 of Araújo and Veloso)"
    figure = new_figure((len(names) + 2) * CELL + 0.6, len(positions) * (CELL + NOTE) + 0.8, title)
    grid = figure.subplots(len(positions), len(names) + 2, squeeze=False)
    for axes in grid.flat:
        hide_axes(axes)
    for row, (level, position) in zip(grid, positions, strict=True):
        truth = results.truth.pictures[position]
        row[0].imshow(gray_of(truth))
        row[0].set_ylabel(level)
        for axes, name in zip(row[1:], names, strict=False):
            axes.imshow(colorized[name][position])
            axes.set_xlabel(_note(results, name, position), fontsize=6, labelpad=2)
        row[-1].imshow(truth)
    for axes, label in zip(grid[0], ("gray", *map(_two_lines, names), "original"), strict=True):
        axes.set_title(label, fontsize=6.5)
    return Drawing("sheet_all", title, figure, has_pictures=True)


def _note(results: Results, name: str, position: int) -> str:
    values = results.parts[name].values
    rmse, psnr, ssim = (values[each][position] for each in ("rmse", "psnr", "ssim"))
    return f"RMSE {rmse:.1f}\nPSNR {psnr:.1f}, SSIM {ssim:.2f}"


def _two_lines(name: str) -> str:
    """A long name, broken near its middle."""
    places = [i for i, letter in enumerate(name) if letter in "_ "]
    if len(name) < 14 or not places:
        return name
    middle = min(places, key=lambda i: abs(i - len(name) / 2))
    return f"{name[: middle + 1]}\n{name[middle + 1 :]}"
