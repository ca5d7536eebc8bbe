"""From a network to a model that colorizes photographs: image in, image out, any size.

The network sees the photograph's lightness fitted into a square frame, its proportions kept and its border repeated
over the rest. Its ab is brought back to the photograph's size and joined with the lightness at full resolution.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from zoo import color
from zoo.blocks import positions, resample, resize_to, sampling_matrix
from zoo.color import Tensor
from zoo.errors import ArgumentError

SMALLEST_FRAME = 16
VIEW = "view_"  # begins the names of the layers that hold the views


def recompose(lightness: Tensor, ab: Tensor) -> Tensor:
    """L (..., 1) in [0, 100] and ab (..., 2) in Lab units -> RGB (..., 3) in [0, 1] of exactly that lightness.

    Colors that sRGB lacks lose chroma and keep lightness and hue.
    """
    return color.lab_to_rgb(color.fit_gamut(ops.concatenate([lightness, ab], axis=-1)))


def create_colorizer(
    network: keras.Model, size: int, *, saturation: float = 1.0, tta_scales: Sequence[float] = ()
) -> keras.Model:
    """Image (B, H, W, 3), RGB in 0..255, uint8 or float -> image (B, H, W, 3) uint8, of the same H and W >= 1.

    Gray or color comes in: only the lightness of the image is used, and kept.

    Args:
        network: lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units.
        size: side in pixels of the frame that the network sees, at least 16.
        saturation: factor on the network's ab, above 0. Networks that average over plausible colors are paler than
            the photographs they learned from; a factor above 1 makes up for it.
        tta_scales: shares of size, each in (0, 1], at which the network sees the frame and its mirror image; the mean
            of what it says is taken. Where it is unsure, one view gives patches of color that another does not. Empty:
            the frame once, as it is.

    Raises:
        ArgumentError: size, saturation or views outside their range.
    """
    if size < SMALLEST_FRAME:
        raise ArgumentError(f"size is {size}: the frame needs at least {SMALLEST_FRAME} pixels")
    if saturation <= 0:
        raise ArgumentError(f"saturation is {saturation}: it must be above 0")
    if not all(0 < share <= 1 for share in tta_scales):
        raise ArgumentError(f"tta_scales is {tta_scales}: shares of the frame's side in (0, 1] are needed")
    image = keras.Input((None, None, 3), name="image")
    lightness = color.lightness(ops.clip(image, 0.0, 255.0) * (1 / 255))
    frame_positions = np.arange(size, dtype=np.float32)

    rows, columns = positions(image[:, :, 0, :]), positions(image[:, 0, :, :])
    longest = ops.maximum(ops.max(rows, axis=1, keepdims=True), ops.max(columns, axis=1, keepdims=True)) + 1.0
    step = longest * (1 / size)  # photograph pixels per pixel of the frame, (B, 1, 1)

    def shrink(here: Tensor) -> Tensor:
        return sampling_matrix(ops.expand_dims(frame_positions, -1), ops.transpose(here, (0, 2, 1)), step)

    def enlarge(here: Tensor) -> Tensor:
        matrix = sampling_matrix(here, frame_positions[None, None], 1 / step)
        return ops.expand_dims(matrix, 1)

    frame = ops.expand_dims(resample(lightness[..., 0], shrink(rows), shrink(columns)), -1)
    frame = layers.Identity(dtype="float32", name="frame")(frame)
    sides = dict.fromkeys(max(SMALLEST_FRAME, round(share * size)) for share in tta_scales)
    ab = _seen(network, frame, size, list(sides))
    ab = layers.Rescaling(saturation, dtype="float32", name="saturation")(ab)
    ab = resample(ops.transpose(ab, (0, 3, 1, 2)), enlarge(rows), enlarge(columns))
    rgb = recompose(lightness, ops.transpose(ab, (0, 2, 3, 1)))
    colorized = ops.cast(ops.round(rgb * 255.0), "uint8")
    return keras.Model(image, colorized, name=f"{network.name}_colorizer")


def _seen(network: keras.Model, frame: keras.KerasTensor, size: int, sides: Sequence[int]) -> keras.KerasTensor:
    """Frame (B, size, size, 1) -> ab (B, size, size, 2): of the frame, or the mean over views with these sides."""
    found = []
    for side in sides:
        view = frame if side == size else resize_to(frame, side)
        view = layers.Identity(dtype="float32", name=f"{VIEW}{side}")(view)
        for ab in (network(view), network(view[:, :, ::-1])[:, :, ::-1]):
            found.append(ab if side == size else resize_to(ab, size))
    return layers.Average(dtype="float32", name="views")(found) if found else network(frame)


def frame_colors(model: keras.Model) -> keras.Model:
    """What a colorizer does with a frame: L (B, size, size, 1) in [0, 100] -> ab (B, size, size, 2) in Lab units.

    Views and saturation included; the weights are the colorizer's own.
    """
    size = frame_size(model)
    frame = keras.Input((size, size, 1), name="frame")
    ab = _seen(network_of(model), frame, size, view_sides(model))
    return keras.Model(frame, layers.Rescaling(saturation_of(model), dtype="float32", name="saturation")(ab))


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
