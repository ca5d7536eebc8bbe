"""The photographs that a study shows, and what presets make of them: colors, confidence, temperatures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

import zoo
from training.evaluation.confidence_maps import Confidence, map_confidence
from training.evaluation.study import measures
from training.evaluation.study.parts import Part
from training.evaluation.study.systems import System
from training.evaluation.tables import Pixels
from zoo import color
from zoo.blocks import resize_to
from zoo.colorizer import Parts, parts_of
from zoo.errors import ArgumentError
from zoo.pipeline import recompose, to_levels

EACH = 3  # best, median and worst photographs
TEMPERATURES = (0.1, 0.3, 0.5, 0.7, 1.0)
LEVELS = ("best", "median", "worst")


@dataclass(frozen=True)
class Shown:
    """What a preset makes of some photographs.

    Attributes:
        colorized: sRGB uint8 (N, S, S, 3).
        maps: the confidence in the first few; none for a network that scores no classes.
        by_temperature: one photograph at each of TEMPERATURES, (T, S, S, 3); None for one without a temperature.
    """

    colorized: Pixels
    maps: list[Confidence]
    by_temperature: Pixels | None


def extremes(values: NDArray[np.float64]) -> dict[str, list[int]]:
    """The positions of the best, the median and the worst of RMSE values (N,); few pictures are in one group only."""
    order = np.argsort(values, kind="stable")
    middle = max(0, (len(order) - EACH) // 2)
    groups = (order[:EACH], order[middle : middle + EACH], order[::-1][:EACH])
    taken: set[int] = set()
    found: dict[str, list[int]] = {}
    for level, group in zip(LEVELS, groups, strict=True):
        found[level] = [int(i) for i in group if int(i) not in taken]
        taken |= set(found[level])
    return found


def common_extremes(parts: Mapping[str, Part], names: Sequence[str]) -> dict[str, list[int]]:
    """Those of the mean RMSE over several systems."""
    return extremes(np.mean([parts[name].values[measures.RMSE.name] for name in names], axis=0))


def show(system: System, pictures: Pixels, *, maps: int, at_temperatures: int) -> Shown:
    """Colorize photographs uint8 (N, S, S, 3) once more, to be looked at.

    Args:
        system: a preset.
        pictures: the photographs.
        maps: number of photographs, from the first on, whose confidence is mapped.
        at_temperatures: the photograph that is colorized at all temperatures.
    """
    model = zoo.load(system.source)
    # Not traced, which takes longer than the few photographs.
    colorized = ops.convert_to_numpy(model(pictures, training=False))
    parts = parts_of(model)
    lightness = color.lightness(pictures.astype(np.float32) / 255)
    return Shown(colorized, _maps(parts, pictures[:maps]), _by_temperature(parts, lightness[at_temperatures][None]))


def _maps(parts: Parts, pictures: Pixels) -> list[Confidence]:
    try:
        of_photograph = map_confidence(parts)
    except ArgumentError:  # the network scores no classes
        return []
    return [of_photograph(picture) for picture in pictures]


def _by_temperature(parts: Parts, lightness: color.Tensor) -> Pixels | None:
    if "temperature" not in {layer.name for layer in parts.network.layers}:
        return None
    layer: keras.layers.Rescaling = parts.network.get_layer("temperature")
    usual = layer.scale
    found = []
    for temperature in TEMPERATURES:
        layer.scale = 1 / temperature
        ab = resize_to(parts.colors(resize_to(lightness, parts.size)), lightness.shape[1])
        found.append(ops.convert_to_numpy(to_levels(recompose(lightness, ab), 255.0, "uint8"))[0])
    layer.scale = usual
    return np.stack(found)
