"""From a network to a model that colorizes photographs: image in, image out, any size.

The network sees the photograph's lightness fitted into a square frame, its proportions kept and its border repeated
over the rest. Its ab is brought back to the photograph's size and joined with the lightness at full resolution.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
from keras import layers, ops

from zoo import color
from zoo.arguments import check_positive
from zoo.blocks import positions, resample, resize_to
from zoo.color import Tensor
from zoo.errors import ArgumentError
from zoo.pipeline import from_frame, recompose, to_frame, to_levels

SMALLEST_FRAME = 16
VIEW = "view_"  # prefix of the names of the layers that hold the views


@dataclass(frozen=True)
class Parts:
    """What a colorizer is made of; the arguments are those of `create_colorizer`.

    For code that runs the steps of `zoo.pipeline` itself: no graph of whole photographs is built.

    Raises:
        ArgumentError: size, saturation or tta_scales outside their range.
    """

    network: keras.Model
    size: int
    saturation: float = 1.0
    tta_scales: Sequence[float] = ()

    def __post_init__(self) -> None:
        # Written so that NaN is refused: every comparison with it is false.
        if not SMALLEST_FRAME <= self.size < math.inf or self.size != int(self.size):
            raise ArgumentError(
                f"size is {self.size}: the frame needs a whole number of pixels, at least {SMALLEST_FRAME}"
            )
        check_positive("saturation", self.saturation)
        if not all(0 < share <= 1 for share in self.tta_scales):
            raise ArgumentError(f"tta_scales is {self.tta_scales}: shares of the frame's side in (0, 1] are needed")

    @property
    def view_sides(self) -> list[int]:
        """The sides in pixels of the views; none where the network sees the frame once, as it is."""
        return list(dict.fromkeys(max(SMALLEST_FRAME, round(share * self.size)) for share in self.tta_scales))

    def colors(self, frames: Tensor) -> Tensor:
        """L (B, size, size, 1) in [0, 100] -> ab (B, size, size, 2) in Lab units, views and saturation included."""
        return _frame_colors(self, lambda view: self.network(view, training=False), frames)


def create_colorizer(
    network: keras.Model, size: int, *, saturation: float = 1.0, tta_scales: Sequence[float] = ()
) -> keras.Model:
    """Image (B, H, W, 3), RGB in 0..255, uint8 or float -> image (B, H, W, 3) uint8, of the same H and W >= 1.

    Gray or color comes in: only the lightness of the image is used, and kept.

    Args:
        network: lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units.
        size: side in pixels of the frame that the network sees, at least 16.
        saturation: factor on the network's ab, above 0. Networks that average over plausible colors are paler than
            the photographs they learned from; a factor above 1 compensates for that.
        tta_scales: shares of size, each in (0, 1], at which the network sees the frame and its mirror image; their
            predictions are averaged. Where the network is unsure, one view gives patches of color that another does
            not. Empty: the frame once, as it is.

    Raises:
        ArgumentError: size, saturation or tta_scales outside their range.
    """
    parts = Parts(network, size, saturation, tta_scales)
    image = keras.Input((None, None, 3), name="image")
    lightness = color.lightness(ops.clip(image, 0.0, 255.0) * (1 / 255))

    rows, columns = positions(image[:, :, 0, :]), positions(image[:, 0, :, :])
    longest = ops.maximum(ops.max(rows, axis=1, keepdims=True), ops.max(columns, axis=1, keepdims=True)) + 1.0
    frame = resample(lightness[..., 0], to_frame(rows, size, longest), to_frame(columns, size, longest))
    frame = layers.Identity(dtype="float32", name="frame")(ops.expand_dims(frame, -1))
    planes = ops.transpose(_frame_colors(parts, network, frame), (0, 3, 1, 2))
    larger = (ops.expand_dims(from_frame(places, size, longest), 1) for places in (rows, columns))
    ab = ops.transpose(resample(planes, *larger), (0, 2, 3, 1))
    colorized = to_levels(recompose(lightness, ab), 255.0, "uint8")
    return keras.Model(image, colorized, name=f"{network.name}_colorizer")


def _frame_colors(parts: Parts, network: Callable[[Tensor], Tensor], frame: Tensor) -> Tensor:
    """Frame (B, size, size, 1) -> ab (B, size, size, 2) times the saturation: of the frame, or the mean over views."""
    found = []
    for side in parts.view_sides:
        view = frame if side == parts.size else resize_to(frame, side)
        view = layers.Identity(dtype="float32", name=f"{VIEW}{side}")(view)
        for ab in (network(view), network(view[:, :, ::-1])[:, :, ::-1]):
            found.append(ab if side == parts.size else resize_to(ab, parts.size))
    mean = layers.Average(dtype="float32", name="views")(found) if found else network(frame)
    return layers.Rescaling(parts.saturation, dtype="float32", name="saturation")(mean)


def parts_of(model: keras.Model) -> Parts:
    """What a colorizer was made of.

    Raises:
        ArgumentError: the model is not a colorizer.
    """
    network, size = network_of(model), frame_size(model)
    return Parts(network, size, saturation_of(model), [side / size for side in view_sides(model)])


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
    return networks[0]


def frame_size(model: keras.Model) -> int:
    """The side in pixels of the frame that the network of a colorizer sees."""
    return int(model.get_layer("frame").output.shape[1])


def saturation_of(model: keras.Model) -> float:
    """The factor on the network's ab in a colorizer."""
    return float(model.get_layer("saturation").scale)
