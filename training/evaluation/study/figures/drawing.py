"""What all figures have in common: their type, their style, and how they are saved."""

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from media import atomic

DPI = 120
LETTERS = 12  # of a title in an inch
GRAY, DARK = "#c8c8c8", "#303030"
COLORMAP = "inferno"  # its lightness rises all the way, so that it can be read in gray
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Neither a date nor a version, so that equal figures are equal files.
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        name: of its files, without a suffix.
        title: what it shows, and after which figure of which paper.
        figure: it.
        has_pictures: whether photographs are what is in it, which JPEG stores in less space.
    """

    name: str
    title: str
    figure: Figure
    has_pictures: bool = False


@contextmanager
def style() -> Iterator[None]:
    """The settings of Matplotlib that figures are drawn and saved with."""
    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure of this size in inches under its title."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.06))
    figure.suptitle(textwrap.fill(title, round(width * LETTERS)), fontsize=10)
    return figure


def hide_axes(axes: Axes) -> None:
    """Leave nothing of axes but what is drawn in them and below them."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def hide_rest(grid: np.ndarray, shown: int) -> None:
    """Hide all axes of a grid (rows, columns) but the first ones, and label those that end a column instead."""
    columns = grid.shape[1]
    for i, axes in enumerate(grid.flat):
        axes.set_visible(i < shown)
        if i < shown <= i + columns:
            axes.tick_params(labelbottom=True)


def plain_powers(axis: Axis) -> None:
    """Label a logarithmic axis with 0.001 rather than with formulas, which take seconds to set."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def render(drawing: Drawing, kind: str) -> bytes:
    """A figure as a file of the kind "png" or "svg"; the same bytes for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": drawing.name}):
        drawing.figure.savefig(
            file, format=kind, dpi=DPI, metadata=NO_METADATA if kind == "svg" else {"Software": None}
        )
    return file.getvalue()


def save(drawing: Drawing, folder: Path) -> bytes:
    """Write a figure as NAME.png and NAME.svg, and return what a page shows of it: PNG of pictures, SVG of all else."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"png": render(drawing, "png")}
    drawing.figure.set_layout_engine("none")  # it is laid out now, which takes as long as drawing
    made["svg"] = render(drawing, "svg")
    for kind, data in made.items():
        atomic.write_bytes(folder / f"{drawing.name}.{kind}", data)
    return made["png" if drawing.has_pictures else "svg"]
