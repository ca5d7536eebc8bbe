"""What a study compares: presets, and references that need no network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops

from media.photograph import gray_of
from training.data.sampling import choose_evenly
from training.evaluation.histograms import nearest_bin
from training.evaluation.protocol import BATCH, Colorize, check_color_ignored, load_colorizer
from training.evaluation.study.truth import Truth
from training.evaluation.tables import Pixels
from zoo import color
from zoo.bins import ab_grid
from zoo.color import Tensor
from zoo.errors import ArgumentError
from zoo.pipeline import recompose, to_levels
from zoo.presets.metadata import Preset, find_file, find_metadata, list_presets, sha256

GRAY, MEAN, QUANTIZED, TRUTH = "gray", "mean color", "quantized truth", "truth"


@dataclass(frozen=True)
class System:
    """Something that colorizes.

    Attributes:
        name: in tables and figures.
        key: of the folder of its finished parts.
        source: what `zoo.load` takes; "" for a reference.
        load: makes, for the photographs of a study, the function that colorizes: sRGB uint8 (B, S, S, 3) -> uint8 of
            the same shape.
        centers: ab of the bins that its colors are counted in, (n, 2).
        preset: its metadata, where it is a preset that has some.
        is_reference: whether it needs no network.
    """

    name: str
    key: str
    source: str
    load: Callable[[Truth], Colorize]
    centers: np.ndarray
    preset: Preset | None = None
    is_reference: bool = False


def references() -> list[System]:
    """What needs no network.

    * gray: the gray of the truth's lightness, in 8 bits.
    * mean color: the mean ab of all pixels of the set, the constant with the lowest squared error.
    * quantized truth: the truth with each pixel's ab moved to the nearest of the 313 bins of Zhang et al.; what a
      perfect network of classes would give.
    * truth: the photographs themselves.

    Colors that sRGB does not have at a pixel's lightness are reduced in chroma, as in every colorizer.
    """
    made: dict[str, Callable[[Truth], Colorize]] = {
        GRAY: lambda _: gray_of,
        MEAN: _mean_color,
        QUANTIZED: lambda _: _quantize,
        TRUTH: lambda _: lambda rgb: rgb,
    }
    return [System(name, name.replace(" ", "_"), "", load, ab_grid(), is_reference=True) for name, load in made.items()]


def _mean_color(truth: Truth) -> Colorize:
    mean = truth.mean_ab.astype(np.float32)
    return lambda rgb: _with_ab(rgb, np.broadcast_to(mean, (*rgb.shape[:-1], 2)))


def _quantize(rgb: Pixels) -> Pixels:
    ab = ops.convert_to_numpy(color.rgb_to_lab(rgb.astype(np.float32) / 255))[..., 1:]
    return _with_ab(rgb, ab_grid()[nearest_bin(ab)])


def _with_ab(rgb: Pixels, ab: Tensor) -> Pixels:
    lightness = color.lightness(rgb.astype(np.float32) / 255)
    return np.asarray(ops.convert_to_numpy(to_levels(recompose(lightness, ab), 255.0, "uint8")))


def presets(names: Sequence[str]) -> list[System]:
    """The presets of these names, or .keras files; they are not loaded.

    Raises:
        UnknownNameError: neither a preset nor a file has one of these names.
        ArgumentError: two rows of the tables would have the same name.
    """
    found = [_preset(name) for name in names]
    titles = [system.name for system in [*found, *references()]]
    doubled = sorted({title for title in titles if titles.count(title) > 1})
    if doubled:
        raise ArgumentError(f"{', '.join(doubled)} is the name of two rows: each preset must have a name of its own")
    return found


def _preset(name: str) -> System:
    path = find_file(name)
    row = find_metadata(name)
    centers = ab_grid()
    # Of color_unet the bins are its own, those of its training photographs.
    if row is not None and row.cell_classes:
        centers = np.array(row.arguments["bins"], np.float32)
    if name in list_presets():
        title = key = name
    else:
        title = Path(name).stem
        key = f"{title}-{sha256(path)[:12]}"
    return System(title, key, name, lambda truth: _load_checked(name, truth), centers, row)


def _load_checked(name: str, truth: Truth) -> Colorize:
    """A preset, after a look at whether it uses the lightness of its input only.

    Raises:
        PresetError: it gains by the color of its input, or does not load.
    """
    colorize = load_colorizer(name)
    sample = truth.pictures[choose_evenly(truth.classes, BATCH)]
    check_color_ignored(name, sample, colorize(sample), colorize(gray_of(sample)))
    return colorize
