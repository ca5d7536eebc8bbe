"""A U-Net that paints RGB from gray, trained against a discriminator that judges patches of 70 x 70 pixels.

Isola, Zhu, Zhou, Efros. Image-to-Image Translation with Conditional Adversarial Networks. CVPR 2017.
https://arxiv.org/abs/1611.07004
As a colorizer: Pandey, Rana. Coloring of Grayscale Images using Generative Adversarial Network.

As in the papers: the generator's cells, slopes and skip connections, normalization of every layer but the first and the
last, three cells with dropout, the 70 x 70 discriminator, the initial weights, gray and RGB in [-1, 1]. Where Isola's
Torch code and the TensorFlow form differ, the latter is followed: skip connections start behind the rectifier, the
bottleneck is normalized, and no convolution in front of a normalization has a bias, nor has the generator's first.
Departures, each with its reason:

* The gray is that of the lightness, and ab is that of the painted RGB, so that the network keeps the contract of the
  zoo. Only the losses use the lightness that the network paints.
* Dropout and batch statistics stop after training, so that a photograph gets the same colors every time, whatever
  else is in its batch. The papers keep both: call the network itself with `training=True` for that. Colorizers, the
  command line and servers never do. Normalization is synchronized between replicas.
* The discriminator ends in logits: its sigmoid is part of the loss.
* `filters` may name fewer levels, for photographs smaller than 256 x 256 pixels. Dropout then keeps to the inner half
  of the up cells.
"""

from collections.abc import Sequence

import keras
from keras import layers

from zoo import color
from zoo.arguments import check_filters, check_positive, is_number
from zoo.blocks import SYNCHRONIZED, crop_like, pad_to_stride, scale_filters
from zoo.color import Tensor
from zoo.errors import ArgumentError
from zoo.registry import register

FILTERS = (64, 128, 256, 512, 512, 512, 512, 512)  # of the down cells, each of which halves the map
DROPOUT_CELLS = 3  # at most this many up cells, the innermost ones
PATCH = ((64, 2), (128, 2), (256, 2), (512, 1))  # filters and stride of the discriminator's 4 x 4 convolutions
SLOPE = 0.2  # of the leaky rectifier below 0


def condition(lightness: Tensor) -> Tensor:
    """Lightness (..., 1) in [0, 100] -> gray (..., 1) in [-1, 1], which generator and discriminator both see."""
    return color.gray_of_lightness(lightness) * 2 - 1


def _normal(mean: float = 0.0) -> keras.initializers.Initializer:
    # A new one for every layer: an initializer draws the same numbers again.
    return keras.initializers.RandomNormal(mean, 0.02)


def _down(x: keras.KerasTensor, filters: int, name: str, *, stride: int = 2) -> keras.KerasTensor:
    padding = "same" if stride > 1 else "valid"
    return layers.Conv2D(
        filters, 4, stride, padding=padding, use_bias=False, kernel_initializer=_normal(), name=f"{name}_conv"
    )(x)


def _up(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return layers.Conv2DTranspose(
        filters, 4, 2, padding="same", use_bias=False, kernel_initializer=_normal(), name=f"{name}_upconv"
    )(x)


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    layer = layers.BatchNormalization(synchronized=SYNCHRONIZED, gamma_initializer=_normal(1.0), name=f"{name}_norm")
    return layer(x)


def _leaky(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.LeakyReLU(SLOPE, name=f"{name}_relu")(x)


def discriminator(*, width: float = 1.0) -> keras.Model:
    """Gray (B, H, W, 1) and RGB (B, H, W, 3), both in [-1, 1] -> "logits" (B, h, w, 1), above 0 for a photograph's.

    Every logit judges one patch of 70 x 70 pixels. h = ceil(H / 8) - 2: 30 for 256 pixels; H, W >= 17.

    Args:
        width: multiplies all filters.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_positive("width", width)
    gray = keras.Input((None, None, 1), name="gray")
    rgb = keras.Input((None, None, 3), name="rgb")
    x = layers.Concatenate(name="gray_and_rgb")([gray, rgb])
    for level, (filters, stride) in enumerate(PATCH, 1):
        if stride == 1:
            x = layers.ZeroPadding2D(name=f"patch{level}_pad")(x)
        x = _down(x, scale_filters(filters, width), f"patch{level}", stride=stride)
        if level > 1:
            x = _norm(x, f"patch{level}")
        x = _leaky(x, f"patch{level}")
    x = layers.ZeroPadding2D(name="logits_pad")(x)
    logits = layers.Conv2D(1, 4, kernel_initializer=_normal(), dtype="float32", name="logits")(x)
    return keras.Model([gray, rgb], logits, name="discriminator")


def _parts(network: keras.Model) -> dict[str, keras.Model]:
    return {"discriminator": discriminator(width=network.get_layer("down1_conv").filters / FILTERS[0])}


@register(
    title="Image-to-Image Translation with Conditional Adversarial Networks",
    paper="arXiv:1611.07004",
    year=2017,
    output="RGB",
    loss="absolute error, and a discriminator of 70 x 70 patches",
    paper_size=512,
    stride=256,
    tiny={"filters": (8, 12, 16)},
    parts=_parts,
)
def pix2pix(*, width: float = 1.0, filters: Sequence[int] = FILTERS, dropout: float = 0.5) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    Train on the layer "rgb", (B, H', W', 3) in [-1, 1], H' and W' the next multiples of the stride: that is the
    photograph's RGB * 2 - 1. The layer "condition" is the gray that belongs to it, of the same size.

    Args:
        width: multiplies all filters.
        filters: of the down cells, from the full resolution inwards; the stride is 2 ** len(filters). Sides of one
            stride leave the bottleneck one value per channel, which one photograph alone normalizes to a constant.
        dropout: the share that is dropped, in [0, 1).

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_positive("width", width)
    check_filters(filters)
    if not is_number(dropout) or not 0 <= dropout < 1:
        raise ArgumentError(f"dropout is {dropout!r}: it must be a number in [0, 1)")
    down = [scale_filters(f, width) for f in filters]
    dropout_cells = min(DROPOUT_CELLS, (len(down) - 1) // 2)

    lightness = keras.Input((None, None, 1), name="lightness")
    gray = condition(pad_to_stride(lightness, 2 ** len(down)))
    x = layers.Identity(dtype="float32", name="condition")(gray)
    skips = []
    for level, f in enumerate(down, 1):
        x = _down(x, f, f"down{level}")
        if level > 1:
            x = _norm(x, f"down{level}")
        x = _leaky(x, f"down{level}")
        skips.append(x)

    for level in range(len(down) - 1, 0, -1):
        x = _norm(_up(x, down[level - 1], f"up{level}"), f"up{level}")
        if level >= len(down) - dropout_cells:
            x = layers.Dropout(dropout, name=f"up{level}_dropout")(x)
        x = layers.ReLU(name=f"up{level}_relu")(x)
        x = layers.Concatenate(name=f"up{level}_skip")([x, skips[level - 1]])

    rgb = layers.Conv2DTranspose(
        3, 4, 2, padding="same", activation="tanh", kernel_initializer=_normal(), dtype="float32", name="rgb"
    )(x)
    ab = crop_like(color.rgb_to_lab((rgb + 1) * 0.5)[..., 1:], lightness)
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(ab), name="pix2pix")
