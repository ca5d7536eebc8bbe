"""Draw the structure of every architecture, read off its graph, as docs/structures/NAME.svg.

    PYTHONPATH=. .venv/bin/python scripts/structures.py [NAME ...]

A bar is one call of a layer that shapes the network. It is as high as the side of its map, on a logarithmic scale, and
stands as far to the right as there are layers before it. Everything else, such as normalization, is left out.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log2
from pathlib import Path

import keras
import matplotlib
from keras import layers
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import zoo
from zoo.registry import architecture, parameters

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "structures"

COLORS = {
    "input and output": "#8a8a8a",
    "convolution": "#4c78a8",
    "convolution, stride 2": "#1f3f66",
    "dilated convolution": "#83a9d4",
    "depthwise convolution": "#9ecae9",
    "transposed convolution": "#f58518",
    "dense": "#b279a2",
    "max pooling": "#e45756",
    "nearest up-sampling": "#ecc34c",
    "concatenation": "#54a24b",
    "sum": "#2f6b2a",
}
JOINS = {"concatenation", "sum"}

# All lengths are in points. Text is 7 points high, and a letter of it about 4 wide.
WIDTH, LEFT, RIGHT, TOP = 720, 28, 22, 26
STEP = 44  # at most, from column to column
DOUBLING = 16  # the height of the lowest bars, and what twice the side adds to it
GAP = 7  # between a bar and a line over it
LETTER = 4.2


@dataclass(eq=False)
class Bar:
    """One call of a layer: its map or vector, and the bars that this is computed from."""

    name: str
    kind: str
    side: int
    channels: int
    sources: list["Bar"]
    model: tuple[str, int] = ("", 0)  # the model within the network that the layer belongs to, and which call of it


def _kind(operation: keras.Operation) -> str:
    """A key of COLORS, or "" for an operation that is left out."""
    layer = operation.layer if isinstance(operation, layers.SpectralNormalization) else operation
    if isinstance(layer, layers.Conv2D):
        if max(layer.dilation_rate) > 1:
            return "dilated convolution"
        return "convolution, stride 2" if max(layer.strides) > 1 else "convolution"
    for kind, classes in {
        "depthwise convolution": layers.DepthwiseConv2D,
        "transposed convolution": layers.Conv2DTranspose,
        "dense": layers.Dense,
        "max pooling": layers.MaxPooling2D,
        "nearest up-sampling": layers.UpSampling2D,
        "concatenation": layers.Concatenate,
    }.items():
        if isinstance(layer, classes):
            return kind
    return "sum" if type(operation).__name__ == "Add" else ""  # a layer, or the operation behind +


def _union(lists: Iterable[list[Bar]]) -> list[Bar]:
    return list(dict.fromkeys(bar for each in lists for bar in each))


def _trace(
    model: keras.Model, shape: tuple[int, ...], inputs: list[Bar], call: tuple[str, int], found: list[Bar]
) -> list[Bar]:
    """The bars that the output of one call of a model is computed from; all bars within are added to `found`."""
    nodes = [node for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True) for node in nodes]
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    shapes = keras.Model(model.input, tensors).compute_output_shape(shape)
    shape_of = {id(tensor): each for tensor, each in zip(tensors, shapes, strict=True)}
    made_of: dict[int, list[Bar]] = {}

    for node in nodes:
        operation, kind = node.operation, _kind(node.operation)
        parts = [made_of[id(tensor)] for tensor in node.input_tensors]
        sources = _union(parts)
        if node.is_input:
            sources = inputs
        elif type(operation).__name__ == "OnesLike":  # reads the size alone
            sources = []
        elif isinstance(operation, keras.Model):
            (argument,) = node.input_tensors
            inner = (operation.name, operation._inbound_nodes.index(node))
            sources = _trace(operation, shape_of[id(argument)], sources, inner, found)
        elif kind and (kind not in JOINS or len({frozenset(part) for part in parts if part}) > 1):
            if kind == "sum":  # of sums
                sources = _union(bar.sources if bar.kind == "sum" else [bar] for bar in sources)
            name = operation.name if isinstance(operation, layers.Layer) else kind
            _, *sides, channels = shape_of[id(node.output_tensors[0])]
            sources = [Bar(name, kind, sides[0] if sides else 1, channels, sources, call)]
            found += sources
        for tensor in node.output_tensors:
            made_of[id(tensor)] = sources
    return made_of[id(model.output)]


def trace(network: keras.Model, side: int) -> list[Bar]:
    """The bars of a network for pictures of side x side pixels: first the input, last the output, sources before users.

    Where a network joins maps after its last layer with weights, that is decoding, which the output stands for.
    """
    start = Bar("lightness", "input and output", side, 1, [])
    found = [start]
    sources = _trace(network, (1, side, side, 1), [start], ("", 0), found)
    while any(bar.kind in JOINS for bar in sources):
        sources = _union(bar.sources if bar.kind in JOINS else [bar] for bar in sources)
    end = Bar("ab", "input and output", side, 2, sources)

    used, waiting = {end}, [end]
    while waiting:
        new = set(waiting.pop().sources) - used
        used |= new
        waiting += new
    return [bar for bar in found if bar in used] + [end]


def columns(bars: list[Bar]) -> dict[Bar, int]:
    """How many bars the longest way from the input to each bar passes."""
    column: dict[Bar, int] = {}
    for bar in bars:
        column[bar] = max((column[source] + 1 for source in bar.sources), default=0)
    return column


def lanes(bars: list[Bar]) -> dict[Bar, int]:
    """The longest way lies in lane 0, and every branch in the lowest lane above it where nothing is in its way."""
    column = columns(bars)
    lane: dict[Bar, int] = {}
    branches: list[tuple[int, int, list[Bar]]] = []  # first and last column that its lines reach, and its bars
    for last in reversed(bars):
        if last in lane:
            continue
        path, ahead = [last], last.sources
        while ahead := [source for source in ahead if source not in lane]:
            path.append(max(ahead, key=lambda bar: column[bar]))
            ahead = path[-1].sources
        lane |= dict.fromkeys(path, 0)
        begin = min((column[source] for source in path[-1].sources), default=0)
        branches.append((begin, max([column[last], *(column[bar] for bar in bars if last in bar.sources)]), path))

    taken: list[list[tuple[int, int]]] = [[]]
    for begin, end, path in sorted(branches[1:], key=lambda branch: branch[1] - branch[0]):
        free = (i for i in range(1, len(taken)) if all(end < a or b < begin for a, b in taken[i]))
        chosen = next(free, len(taken))
        taken += [[]] * (chosen == len(taken))
        taken[chosen].append((begin, end))
        lane |= dict.fromkeys(path, chosen)
    return lane


@matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "colorzoo", "font.size": 7})
def draw(network: keras.Model, side: int, output: str, path: Path) -> None:
    """Write the structure of a network for pictures of side x side pixels, whose output is named in words, as SVG."""
    bars = trace(network, side)
    column, lane = columns(bars), lanes(bars)
    step = min(STEP, (WIDTH - LEFT - RIGHT) / (max(column.values()) + 1))
    width = LEFT + RIGHT + step * (max(column.values()) + 1)
    digits = max(len(str(bar.channels)) for bar in bars)
    upright = LETTER * (digits + 0.5) > step  # numbers of channels that would run into each other
    below = 6 + LETTER * digits if upright else 11  # from the base to the names

    lowest = min(bar.side for bar in bars)
    height = {bar: DOUBLING * (log2(bar.side / lowest) + 1) for bar in bars}
    floor, base, ceiling = {}, {}, {-1: 0.0}  # of each lane; its bars stand on the base, their names below it
    for i in range(max(lane.values()) + 1):
        members = [bar for bar in bars if lane[bar] == i]
        floor[i] = ceiling[i - 1] + 4
        base[i] = floor[i] + below + 3 + LETTER * max(len(bar.name) for bar in members)
        ceiling[i] = base[i] + max(height[bar] for bar in members) + 2.5 * GAP
    top = max(ceiling.values())

    figure = Figure(figsize=(width / 72, (top + TOP) / 72))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, top + TOP))
    axes.axis("off")

    def middle(bar: Bar) -> float:
        return LEFT + step * (column[bar] + 0.5)

    def half(bar: Bar) -> float:
        return step * (0.11 + 0.023 * log2(bar.channels))

    def way(source: Bar, bar: Bar) -> Iterator[tuple[float, float]]:
        """The corners of the line from a source to a bar."""
        low, high = base[lane[source]], base[lane[bar]]
        between = [b for b in bars if lane[b] == lane[bar] and column[source] < column[b] < column[bar]]
        if low < high:
            yield middle(source), low + height[source]
            yield middle(source), high + height[bar] / 2
            yield middle(bar) - half(bar), high + height[bar] / 2
        elif low > high:
            yield middle(source) + half(source), low + height[source] / 2
            yield middle(bar), low + height[source] / 2
            yield middle(bar), high + height[bar]
        elif between:
            over = low + max(height[b] for b in [*between, source, bar]) + GAP
            yield middle(source), low + height[source]
            yield middle(source), over
            yield middle(bar), over
            yield middle(bar), low + height[bar]
        else:
            level = low + min(height[source], height[bar]) / 2
            yield middle(source) + half(source), level
            yield middle(bar) - half(bar), level

    models = {bar.model for bar in bars if bar.model[0]}
    for model in sorted(models):
        members = [bar for bar in bars if bar.model == model]
        left, right = middle(members[0]) - step / 2 + 2, middle(members[-1]) + step / 2 - 2
        low, high = floor[lane[members[0]]], ceiling[lane[members[-1]]]
        axes.add_patch(Rectangle((left, low), right - left, high - low, facecolor="#eeeeee"))
        shared = ", shared weights" if sum(name == model[0] for name, _ in models) > 1 else ""
        axes.text(left + 3, high - 2, model[0] + shared, va="top", style="italic")

    for i, level in base.items():
        for size, mark in {bar.side: height[bar] for bar in bars if lane[bar] == i}.items():
            axes.text(LEFT - 4, level + mark, str(size), ha="right", va="center", color="#666666")
    for bar in bars:
        for source in bar.sources:
            axes.plot(*zip(*way(source, bar), strict=True), color="#555555", linewidth=0.8, zorder=1)
    for bar in bars:
        corner = (middle(bar) - half(bar), base[lane[bar]])
        axes.add_patch(Rectangle(corner, 2 * half(bar), height[bar], facecolor=COLORS[bar.kind], zorder=2))
        axes.text(middle(bar), corner[1] - 2, str(bar.channels), rotation=90 if upright else 0, ha="center", va="top")
        axes.text(middle(bar), corner[1] - below, bar.name, rotation=90, ha="center", va="top", color="#444444")
    axes.text(middle(bars[-1]) + half(bars[-1]) + 4, base[0], output, rotation=90, ha="left", va="bottom")

    title = f"{network.name}, {side} x {side} pixels, {parameters(network):,} parameters"
    axes.text(6, top + TOP - 5, title, va="top", weight="bold")
    x = 6.0
    for kind in (kind for kind in COLORS if kind in {bar.kind for bar in bars}):
        axes.add_patch(Rectangle((x, top + TOP - 24), 6, 6, facecolor=COLORS[kind]))
        axes.text(x + 9, top + TOP - 21, kind, va="center")
        x += 18 + LETTER * len(kind)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(_share_styles(path.read_text(encoding="utf-8")), encoding="utf-8")


def _share_styles(svg: str) -> str:
    """The same drawing with a class in place of each style: of a deep network, repeated styles are half of the file."""
    styles = dict.fromkeys(re.findall(r' style="([^"]*)"', svg))
    for number, style in enumerate(styles):
        svg = svg.replace(f' style="{style}"', f' class="s{number}"')
    rules = "".join(f".s{number}{{{style}}}" for number, style in enumerate(styles))
    return svg.replace("</svg>", f"<style>{rules}</style></svg>")


def main() -> None:
    """Draw the architectures that are named on the command line, or all."""
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or zoo.list_models():
        row = architecture(name)
        side = row.paper_size if row.paper_size % row.stride == 0 else 256
        output = row.output if row.output == "ab" else f"{row.output} \N{RIGHTWARDS ARROW} ab"
        draw(zoo.create_model(name), side, output, FOLDER / f"{name}.svg")
        keras.utils.clear_session()
        print(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
