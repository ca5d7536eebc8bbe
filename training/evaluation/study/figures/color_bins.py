"""The bins of networks that classify: how often they are predicted, and how much they count in training.

Fig. 9 and Fig. 1 of Billaut et al., ColorUNet.
"""

import numpy as np
from keras import ops
from matplotlib.colors import LogNorm

from training.evaluation.study import systems
from training.evaluation.study.figures.drawing import COLORMAP, DARK, GRAY, Drawing, new_figure, plain_powers
from training.evaluation.study.results import Results
from training.evaluation.tables import Values
from zoo import color
from zoo.bins import ab_grid, rebalancing_weights

LIGHTNESS = 60.0
LAMBDA = 0.5  # Zhang et al., where a preset was not rebalanced
STRIP = 3000  # area of all marks of a strip, in square points
TICKS = 5  # of the scale of a panel
MARKED = 40  # most bins that have bars rather than curves


def draw_frequencies(results: Results) -> Drawing:
    """For each preset the shares of its bins in its results and in the truth, and their prior in its training data.

    The bins are the preset's own, or the 313 of Zhang et al. where it has none; those that occur, the most frequent of
    the truth first. Colors count for the nearest bin.
    """
    presets = results.presets
    title = "Frequencies of the bins: predicted, true and prior (after Fig. 9 of Billaut et al.)"
    figure = new_figure(11, 0.6 + 1.6 * max(1, len(presets)), title)
    grid = figure.subplots(max(1, len(presets)), 1, squeeze=False)[:, 0]
    for axes, system in zip(grid, presets, strict=False):
        part = results.parts[system.name]
        order = np.argsort(-part.true_bins, kind="stable")
        order = order[(part.true_bins + part.bins)[order] > 0]
        place = np.arange(len(order))
        pixels = part.true_bins.sum()
        width = 0.8 if len(order) <= MARKED else 1.0
        axes.bar(place, part.true_bins[order] / pixels, width, color=GRAY, label="true")
        axes.step(place, part.bins[order] / pixels, where="mid", color="black", linewidth=1.1, label="predicted")
        prior = prior_of(system)
        if prior is not None:
            shown = np.where(prior > 0, prior, np.nan)[order]
            axes.plot(place, shown, "x", color=DARK, markersize=3, markeredgewidth=0.7, label="prior, in training")
        axes.set_yscale("log")
        plain_powers(axes.yaxis)
        axes.set_ylim(0.5 / pixels, 1)
        axes.set_xlim(-0.7, len(order) - 0.3)
        # A strip of the colors below the axis.
        axes.scatter(
            place,
            np.full(len(order), -0.07),
            c=bin_colors(system.centers[order]),
            marker="s",
            s=STRIP / len(order),
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            linewidths=0,
        )
        axes.set_xticks([])
        axes.set_title(f"{system.name}: {len(system.centers)} bins", y=0.84)
        axes.set_ylabel("share of pixels")
    if presets:
        # Not every preset has a prior.
        kinds = {
            label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        grid[0].legend(kinds.values(), kinds.keys(), frameon=False, loc="upper right", ncols=3)
    return Drawing("bin_frequencies", title, figure)


def draw_weights(results: Results) -> list[Drawing]:
    """Color, frequency, inverse frequency and weight of the bins: of the truth, and of presets with a prior."""
    counts = results.truth.bin_counts
    found = [_weights("truth", "the truth, 313 bins", ab_grid(), counts / counts.sum(), LAMBDA)]
    for system in results.presets:
        prior = prior_of(system)
        if prior is not None and system.preset is not None:
            trained = system.preset.rebalance_lambda
            name = f"{system.name}, {len(prior)} bins"
            found.append(_weights(system.name, name, system.centers, prior, trained if trained < 1 else LAMBDA))
    return found


def _weights(key: str, name: str, centers: np.ndarray, prior: Values, share: float) -> Drawing:
    title = f"Bins of {name} (after Fig. 1 of Billaut et al.)"
    figure = new_figure(12, 3.2, title)
    grid = figure.subplots(1, 4, sharex=True, sharey=True)
    present = prior > 0
    weights = rebalancing_weights(prior, share)
    size = 26 if len(centers) > MARKED else 90
    a, b = centers.T
    grid[0].scatter(a, b, s=size, c=bin_colors(centers), marker="s", linewidths=0)
    grid[0].set_title(f"color at L = {LIGHTNESS:g}")
    panels = (
        ("frequency", prior, present),
        ("inverse frequency", 1 / np.where(present, prior, 1), present),
        (f"weight, λ = {share:g}", weights, np.ones_like(present)),
    )
    for axes, (label, values, shown) in zip(grid[1:], panels, strict=True):
        low, high = values[shown].min(), values[shown].max()
        norm = LogNorm(low, max(high, low * 1.01))
        points = axes.scatter(
            a[shown], b[shown], s=size, c=values[shown], cmap=COLORMAP, norm=norm, marker="s", linewidths=0
        )
        axes.scatter(a[~shown], b[~shown], s=size / 4, marker="x", color="0.6", linewidths=0.5)
        axes.set_title(f"{label}, logarithmic")
        ticks = np.geomspace(low, high, TICKS)
        bar = figure.colorbar(points, ax=axes, shrink=0.8, ticks=ticks, format="{x:.2g}")
        bar.minorticks_off()
    for axes in grid:
        axes.set_aspect("equal")
        axes.set_xlabel("a")
    grid[0].set_ylabel("b")
    return Drawing(f"bin_weights_{key}", title, figure)


def prior_of(system: systems.System) -> Values | None:
    """The prior (n,) of a preset's bins over its training photographs, if it is known."""
    if system.preset is None or len(system.preset.prior) != len(system.centers):
        return None
    return np.array(system.preset.prior)


def bin_colors(centers: np.ndarray) -> np.ndarray:
    """Colors ab (n, 2) at L = 60 -> RGB (n, 3) in [0, 1], reduced in chroma where sRGB does not have them."""
    lab = np.concatenate([np.full((len(centers), 1), LIGHTNESS), centers], axis=-1).astype(np.float32)
    return np.asarray(ops.convert_to_numpy(color.lab_to_rgb(color.fit_gamut(lab)))).clip(0, 1)
