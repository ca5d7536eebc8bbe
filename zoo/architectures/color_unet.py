"""Color as one of a few frequent classes, scored at every pixel by a light U-Net.

Billaut, de Rochemonteix, Thibault. ColorUNet: A convolutional classification approach to colorization. CS231n, 2018.
https://arxiv.org/abs/1811.03120

As in the paper: cells, kernels, skip connections, classes on the UV plane with the mean color of their pixels,
annealed mean. Departures, each with its reason:

* The second up cell has 32 filters, not the 16 of figure 2, as in the authors' code.
* Batch normalization uses batch statistics in training and moving ones afterwards, synchronized between replicas; in
  the authors' code they never moved. It is placed as there, behind pooling and behind the last convolution.
* The input is CIE lightness and a class's color is its mean ab, so that the network keeps the contract of the zoo.
* `filters` may name more levels than three: each adds a cell on both sides and doubles the field of view.

`body` also has the two networks that section 2.2 tells of having tried before, as far as it describes them: "flat", a
layer for each of `filters` at full resolution, and "bottleneck", this network without its connections.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import check_choice, check_filters, check_positive, is_whole
from zoo.bins import uniform_uv_centers
from zoo.blocks import SYNCHRONIZED, crop_like, pad_to_stride, scale_filters
from zoo.errors import ArgumentError
from zoo.registry import register

BODIES = ("unet", "bottleneck", "flat")


def _convs(x: keras.KerasTensor, filters: int, name: str, count: int = 2) -> keras.KerasTensor:
    for i in range(1, count + 1):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv{i}")(x)
    return x


def _up(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return layers.Conv2DTranspose(filters, 3, 2, padding="same", activation="relu", name=f"{name}_upconv")(x)


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(synchronized=SYNCHRONIZED, name=f"{name}_norm")(x)


def _colors(bins: Any) -> np.ndarray:
    """The mean colors of the classes as (n, 2) float32, n > 0."""
    needed = "a whole number, or colors of shape (n, 2), is needed"
    try:
        colors = np.asarray(bins, np.float32)
    except (TypeError, ValueError) as error:  # text, or rows of different lengths
        raise ArgumentError(f"bins is {bins!r}: {needed}") from error
    if not colors.ndim:
        raise ArgumentError(f"bins is {bins!r}: {needed}")
    if colors.shape[1:] != (2,) or not len(colors):
        raise ArgumentError(f"bins has shape {colors.shape}: {needed}")
    return colors


@register(
    title="ColorUNet: A convolutional classification approach to colorization",
    paper="arXiv:1811.03120",
    year=2018,
    output="32 UV classes",
    loss="weighted cross-entropy",
    paper_size=256,
    stride=8,
    tiny={"width": 0.25, "bins": 8},
)
def color_unet(
    bins: int | np.ndarray | Sequence[Sequence[float]] = 32,
    temperature: float = 0.38,
    *,
    width: float = 1.0,
    filters: Sequence[int] = (16, 32, 64),
    body: str = "unet",
) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    The class scores are the layer "scores", (B, H', W', bins), H' and W' the next multiples of the stride: train on
    that. "probabilities" are softmax(scores / temperature).

    Args:
        bins: the number of classes, or their mean colors ab (n, 2). A number stands for the most frequent UV cells of
            uniformly drawn sRGB colors; training takes the cells of its photographs.
        temperature: of the annealed mean, above 0: near 0 the most probable color, 1 the mean.
        width: multiplies all filters.
        filters: of the down cells, from the full resolution inwards; the stride is 2 ** len(filters).
        body: "unet"; "bottleneck", without its connections; or "flat", a convolution for each of the filters.

    Raises:
        ArgumentError: an argument outside its range.
    """
    centers = uniform_uv_centers(bins) if is_whole(bins) else _colors(bins)
    check_positive("temperature", temperature)
    check_positive("width", width)
    check_filters(filters)
    check_choice("body", body, BODIES)
    down = [scale_filters(f, width) for f in filters]

    lightness = keras.Input((None, None, 1), name="lightness")
    x = pad_to_stride(lightness, 2 ** len(down))
    x = layers.Rescaling(1 / 50, offset=-1, name="center")(x)
    x = _flat(x, down) if body == "flat" else _hourglass(x, down, connected=body == "unet")
    scores = layers.Conv2D(len(centers), 1, dtype="float32", name="scores")(x)
    sharp = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(scores)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(sharp)
    ab = crop_like(ops.matmul(probabilities, centers), lightness)
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(ab), name="color_unet")


def _flat(x: keras.KerasTensor, filters: Sequence[int]) -> keras.KerasTensor:
    for i, f in enumerate(filters, 1):
        x = layers.Conv2D(f, 3, padding="same", activation="relu", name=f"flat_conv{i}")(x)
    return x


def _hourglass(x: keras.KerasTensor, down: Sequence[int], *, connected: bool) -> keras.KerasTensor:
    """Down and up again, (B, H, W, 1) -> (B, H, W, down[0]); if connected, up cells see the down cell of their size."""
    skips = []
    for level, f in enumerate(down, 1):
        x = layers.MaxPooling2D(name=f"down{level}_pool")(_convs(x, f, f"down{level}"))
        x = _norm(x, f"down{level}")
        skips.append(x)

    for level in range(len(down) - 1, 0, -1):
        x = _convs(_up(x, down[level - 1], f"up{level}"), down[max(level - 1, 1)], f"up{level}")
        x = _norm(x, f"up{level}")
        if connected:
            x = layers.Concatenate(name=f"up{level}_skip")([x, skips[level - 1]])

    return _convs(_up(x, down[0], "out"), down[0], "out", count=1)
