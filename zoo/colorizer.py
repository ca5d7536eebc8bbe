"""From a network to a model that colorizes photographs: image in, image out, any size.

The network sees the photograph's lightness fitted into a square frame, its proportions kept and its border repeated
over the rest. Its ab is brought back to the photograph's size and joined with the lightness at full resolution.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from zoo import color
from zoo.arguments import check_positive, check_whole, is_number
from zoo.blocks import positions, resample, resize_to
from zoo.color import Tensor
from zoo.errors import ArgumentError
from zoo.pipeline import from_frame, recompose, to_frame, to_levels

SMALLEST_FRAME = 16
VIEW = "view_"  # prefix of the names of the layers that hold the views
MEANS = "means"  # layer of a network: the means over its bins
CALM = "calm"  # layer of a colorizer: what scales the agreement
NO_CHROMA = 1e-3  # chroma in Lab units below which there is nothing to agree on
LEAST_AGREEMENT = 1e-3


@dataclass(frozen=True)
class Parts:
    """What a colorizer is made of; the arguments are those of `create_colorizer`.

    For code that runs the steps of `zoo.pipeline` itself: no graph of whole photographs is built.

    Raises:
        ArgumentError: size, saturation, tta_scales or calm outside their range.
    """

    network: keras.Model
    size: int
    saturation: float = 1.0
    tta_scales: Sequence[float] = ()
    calm: float = 0.0

    def __post_init__(self) -> None:
        check_whole("size", self.size, SMALLEST_FRAME)
        check_positive("saturation", self.saturation)
        scales = self.tta_scales
        if not isinstance(scales, Iterable) or not all(is_number(share) and 0 < share <= 1 for share in scales):
            raise ArgumentError(f"tta_scales is {scales!r}: shares of the frame's side in (0, 1] are needed")
        if not is_number(self.calm) or self.calm < 0:
            raise ArgumentError(f"calm is {self.calm!r}: it must be at least 0 and finite")

    @property
    def view_sides(self) -> list[int]:
        """The sides in pixels of the views; none where the network sees the frame once, as it is."""
        return list(dict.fromkeys(max(SMALLEST_FRAME, round(share * self.size)) for share in self.tta_scales))

    def colors(self, frames: Tensor) -> Tensor:
        """L (B, size, size, 1) in [0, 100] -> ab (B, size, size, 2) in Lab units, views and saturation included."""
        network = answering(self)
        return _frame_colors(self, lambda view: network(view, training=False), frames)


def create_colorizer(
    network: keras.Model,
    size: int,
    *,
    saturation: float = 1.0,
    tta_scales: Sequence[float] = (),
    calm: float = 0.0,
) -> keras.Model:
    """Image (B, H, W, 3), RGB in 0..255, uint8 or float -> image (B, H, W, 3) uint8, of the same H and W >= 1.

    Gray or color comes in: only the lightness of the image is used, and kept. Values beyond 0..255, infinite ones too,
    are clipped, and those that are not a number are black. An empty batch gives an empty answer.

    Args:
        network: lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units.
        size: side in pixels of the frame that the network sees, at least 16.
        saturation: factor on the network's ab, above 0. Networks that average over plausible colors are paler than
            the photographs they learned from; a factor above 1 compensates for that.
        tta_scales: shares of size, each in (0, 1], at which the network sees the frame and its mirror image; their
            predictions are averaged. Where the network is unsure, one view gives patches of color that another does
            not. Empty: the frame once, as it is.
        calm: how much paler colors become where the network is unsure: the power of the agreement that they are
            multiplied with, at least 0. The agreement, in [0, 1], is the chroma of the mean color over the mean
            chroma. Both are means over the views, and over the bins of a network that has a layer "means" of a, b and
            chroma.

    Raises:
        ArgumentError: size, saturation, tta_scales or calm outside their range.
    """
    return colorizer_of(Parts(network, size, saturation, tta_scales, calm))


def colorizer_of(parts: Parts) -> keras.Model:
    """The colorizer of these parts; see `create_colorizer`."""
    network, size = answering(parts), parts.size
    image = keras.Input((None, None, 3), name="image")
    # A value that is not a number would spread from its pixel over the frame.
    levels = ops.clip(ops.where(ops.isnan(image), 0.0, image), 0.0, 255.0)
    lightness = color.lightness(levels * (1 / 255))

    rows, columns = positions(image[:, :, 0, :]), positions(image[:, 0, :, :])
    lasts = (ops.max(places, axis=1, keepdims=True, initial=0.0) for places in (rows, columns))
    longest = ops.maximum(*lasts) + 1.0
    frame = resample(lightness[..., 0], to_frame(rows, size, longest), to_frame(columns, size, longest))
    frame = layers.Identity(dtype="float32", name="frame")(_at_least_one(ops.expand_dims(frame, -1), size))
    # Of the batch's own size again: against an empty one, a single frame broadcasts to none.
    colors = _frame_colors(parts, network, frame) * ops.ones_like(image[:, :1, :1, :1])
    planes = ops.transpose(colors, (0, 3, 1, 2))
    larger = (ops.expand_dims(from_frame(places, size, longest), 1) for places in (rows, columns))
    ab = ops.transpose(resample(planes, *larger), (0, 2, 3, 1))
    colorized = to_levels(recompose(lightness, ab), 255.0, "uint8")
    return keras.Model(image, colorized, name=f"{network.name}_colorizer")


def _at_least_one(frames: Tensor, size: int) -> Tensor:
    """Frames (B, size, size, 1) -> the same, or a black one if B is 0: networks fail on an empty batch."""
    there = ops.concatenate([np.zeros((2, 1, 1, 1), np.float32), frames[:1, :1, :1]], axis=0)
    # Of two this is the last one, and of three none: a stop counts from the front, and a start below 0 from the back.
    lacking = there[-1:2, :]
    return ops.concatenate([frames, ops.tile(lacking, (1, size, size, 1))], axis=0)


def answering(parts: Parts) -> keras.Model:
    """What a colorizer shows its views to: the network, or with `calm` one that gives [ab, (a, b, chroma)]."""
    network = parts.network
    if not parts.calm:
        return network
    if MEANS in {layer.name for layer in network.layers}:
        means = network.get_layer(MEANS).output
    else:
        means = ops.concatenate([network.output, _chroma(network.output)], axis=-1)
    return keras.Model(network.input, [network.output, means], name=network.name)


def _chroma(ab: Tensor) -> Tensor:
    """Colors ab (..., 2) -> their chroma (..., 1)."""
    return ops.sqrt(ops.sum(ab * ab, axis=-1, keepdims=True))


def _frame_colors(parts: Parts, network: Callable[[Tensor], Any], frame: Tensor) -> Tensor:
    """Frame (B, size, size, 1) -> ab (B, size, size, 2) times the saturation: of the frame, or the mean over views."""
    return join_views(parts, [network(view) for view in split_views(parts, frame)])


def split_views(parts: Parts, frame: Tensor) -> list[Tensor]:
    """What the network sees of a frame (B, size, size, 1): at each side the frame and its mirror image, or itself."""
    views = []
    for side in parts.view_sides:
        view = frame if side == parts.size else resize_to(frame, side)
        view = layers.Identity(dtype="float32", name=f"{VIEW}{side}")(view)
        views += [view, ops.flip(view, axis=2)]  # torch has no negative steps
    return views or [frame]


def join_views(parts: Parts, answers: Sequence[Any]) -> Tensor:
    """The answers of the network to the views of `split_views` -> ab (B, size, size, 2), the saturation applied.

    Args:
        answers: ab (B, side, side, 2); with `calm` pairs of this and the mean a, b and chroma (B, side, side, 3).
    """
    found = []
    for i, answer in enumerate(answers):
        colors = answer[1] if parts.calm else answer
        if parts.view_sides:
            colors = ops.flip(colors, axis=2) if i % 2 else colors
            colors = colors if parts.view_sides[i // 2] == parts.size else resize_to(colors, parts.size)
        found.append(colors)
    mean = layers.Average(dtype="float32", name="views")(found) if parts.view_sides else found[0]
    if parts.calm:
        mean = _calm(mean, parts.calm)
    return layers.Rescaling(parts.saturation, dtype="float32", name="saturation")(mean)


def _calm(means: Tensor, exponent: float) -> Tensor:
    """Mean a, b and chroma (B, S, S, 3) -> ab (B, S, S, 2), paler where the colors behind the mean disagree."""
    ab, chroma = means[..., :2], means[..., 2:]
    agreement = _chroma(ab) / ops.maximum(chroma, NO_CHROMA)
    log = ops.log(ops.clip(agreement, LEAST_AGREEMENT, 1.0))
    return ab * ops.exp(layers.Rescaling(exponent, dtype="float32", name=CALM)(log))


def parts_of(model: keras.Model) -> Parts:
    """What a colorizer was made of.

    Raises:
        ArgumentError: the model is not a colorizer.
    """
    network, size = network_of(model), frame_size(model)
    return Parts(network, size, saturation_of(model), [side / size for side in view_sides(model)], calm_of(model))


def view_sides(model: keras.Model) -> list[int]:
    """The sides in pixels of a colorizer's views; none where the network sees the frame once, as it is."""
    return [int(layer.name.removeprefix(VIEW)) for layer in model.layers if layer.name.startswith(VIEW)]


def network_of(model: keras.Model) -> keras.Model:
    """The network inside a colorizer.

    Raises:
        ArgumentError: the model is not a colorizer.
    """
    networks = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    if len(networks) != 1 or "frame" not in {layer.name for layer in model.layers}:
        raise ArgumentError(f"the model {model.name!r} is not a colorizer: make one with zoo.create_colorizer")
    network = networks[0]
    if len(network.outputs) == 1:
        return network
    return keras.Model(network.input, network.outputs[0], name=network.name)


def frame_size(model: keras.Model) -> int:
    """The side in pixels of the frame that the network of a colorizer sees."""
    return int(model.get_layer("frame").output.shape[1])


def saturation_of(model: keras.Model) -> float:
    """The factor on the network's ab in a colorizer."""
    return float(model.get_layer("saturation").scale)


def calm_of(model: keras.Model) -> float:
    """The power of the agreement in a colorizer; 0 where its colors do not depend on the agreement."""
    return float(model.get_layer(CALM).scale) if CALM in {layer.name for layer in model.layers} else 0.0
