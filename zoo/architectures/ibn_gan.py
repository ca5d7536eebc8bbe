"""ab from a U-Net with instance and batch normalization, trained against discriminators at several scales.

Gorriz Blanch, Mrak, Smeaton, O'Connor. End-to-End Conditional GAN-based Architectures for Image Colourisation.
IEEE MMSP 2019. https://arxiv.org/abs/1908.09873

As in the paper: the blocks of both networks, instance normalization in the shallow normalized block of each and batch
normalization in the deep ones (figure 2), spectral normalization of every convolution, three discriminators of equal
form on the picture and on its averages over 2 x 2 and 4 x 4 pixels, and the other rows of table I (`VARIANTS`).
Departures, and what had to be decided:

* Every discriminator block has stride 2, as section IV-B defines the blocks and as the authors' code has it. A logit
  sees 94 x 94 pixels, not the 70 x 70 of the pix2pix discriminator that the paper names.
* The discriminators' block of 512 filters is normalized, as in the authors' code; figure 2 draws none there.
* Instance normalization is that of the paper, per picture and channel. The authors' code normalizes over the channels
  as well, with one scale and one offset for all: 126 parameters fewer in the generator.
* Up-sampling is by nearest neighbor in front of 4 x 4 convolutions, as in the authors' code. Such a kernel has no
  center, and what it learns absorbs the half pixel.
* Spectral normalization divides the kernel itself in every training step, as in tensorflow-addons, so that the saved
  kernel is the one that is used. A new network's kernels are not normalized before its first step.
* Convolutions keep the biases that the normalization behind them cancels, and there is no noise input, as in the
  authors' code. Batch normalization is synchronized between replicas.

With norm="in" a bottleneck of 1 x 1, which sides of up to 2 ** levels pixels have (128 of them in the paper's network),
is normalized to a constant and carries no information on the picture. The paper's 256 x 256 pixels leave 2 x 2.
"""

from typing import Any

import keras
from keras import layers

from zoo.arguments import check_choice, check_positive, check_whole
from zoo.blocks import SYNCHRONIZED, crop_like, pad_to_stride, scale_filters
from zoo.color import Tensor
from zoo.registry import register

FIRST, MOST = 64, 512  # filters of the first block, doubled from block to block up to the most
LEVELS = 7
DISCRIMINATOR_BLOCKS = 4
SCALES = 3
SLOPE = 0.2  # of the leaky rectifier below 0
AB_LIMIT = 110.0  # ab where the map is 1

# norm -> the kind in the shallow normalized block of a network, and in its other blocks
NORMS = {"bn": ("bn", "bn"), "in": ("in", "in"), "ibn": ("in", "bn")}

# The rows of table I: arguments of the generator `ibn_gan`, and of its `discriminators`.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    name: ({"norm": norm, "spectral": spectral}, {"scales": scales, "norm": norm, "spectral": spectral})
    for name, norm, spectral, scales in (
        ("BN", "bn", False, 1),
        ("IN", "in", False, 1),
        ("BN+SN", "bn", True, 1),
        ("IN+SN", "in", True, 1),
        ("BN+SN+MD", "bn", True, SCALES),
        ("IBN+SN+MD", "ibn", True, SCALES),
    )
}


def condition(lightness: Tensor) -> Tensor:
    """Lightness (..., 1) in [0, 100] -> (..., 1) in [-1, 1], which generator and discriminators both see."""
    return lightness * (1 / 50) - 1


def _filters(blocks: int, width: float) -> list[int]:
    return [scale_filters(min(FIRST * 2**i, MOST), width) for i in range(blocks)]


def _conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    spectral: bool,
    *,
    stride: int = 1,
    activation: str | None = None,
    dtype: str | None = None,
) -> keras.KerasTensor:
    layer = layers.Conv2D(filters, 4, stride, padding="same", activation=activation, dtype=dtype, name=name)
    if spectral:
        # In low precision the wrapper would round the kernel that it overwrites in every step, and small updates
        # with it. The convolution inside keeps the precision it was given.
        layer = layers.SpectralNormalization(layer, power_iterations=1, dtype="float32", name=name)
    return layer(x)


def _norm(x: keras.KerasTensor, kind: str, name: str) -> keras.KerasTensor:
    if kind == "in":
        return layers.GroupNormalization(groups=-1, epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.BatchNormalization(synchronized=SYNCHRONIZED, name=f"{name}_norm")(x)


def discriminators(
    scales: int = SCALES, norm: str = "ibn", spectral: bool = True, *, width: float = 1.0
) -> list[keras.Model]:
    """One for each scale n: condition (B, H, W, 1) and map (B, H, W, 2), both in [-1, 1] -> "logits" (B, h, w, 1).

    All take the full size and average it down by 2 ** n themselves; h = ceil(H / 2 ** (4 + n)): 16, 8 and 4 for 256
    pixels. A logit, above 0 for a photograph's, judges a patch of 94 * 2 ** n pixels. The weights are separate.

    Args:
        scales: the number of discriminators.
        norm: see `ibn_gan`. Instance normalization makes a logit depend on the whole picture a little.
        spectral: whether the convolutions are spectrally normalized.
        width: multiplies all filters.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_whole("scales", scales, 1)
    check_choice("norm", norm, NORMS)
    check_positive("width", width)
    return [_discriminator(scale, norm, spectral, width) for scale in range(scales)]


def _discriminator(scale: int, norm: str, spectral: bool, width: float) -> keras.Model:
    shallow, deep = NORMS[norm]
    gray = keras.Input((None, None, 1), name="condition")
    ab = keras.Input((None, None, 2), name="map")
    x = layers.Concatenate(name="condition_and_map")([gray, ab])
    for i in range(1, scale + 1):
        x = layers.AveragePooling2D(2, padding="same", name=f"average{i}")(x)
    for block, filters in enumerate(_filters(DISCRIMINATOR_BLOCKS, width), 1):
        x = _conv(x, filters, f"patch{block}", spectral, stride=2)
        if block > 1:
            x = _norm(x, shallow if block == 2 else deep, f"patch{block}")
        x = layers.LeakyReLU(SLOPE, name=f"patch{block}_relu")(x)
    logits = _conv(x, 1, "logits", spectral, dtype="float32")
    return keras.Model([gray, ab], logits, name=f"discriminator_{scale}")


def _parts(network: keras.Model) -> dict[str, keras.Model]:
    kinds = {type(layer) for layer in network.layers}
    batch, instance = layers.BatchNormalization in kinds, layers.GroupNormalization in kinds
    norm = "ibn" if batch and instance else "bn" if batch else "in"
    width = network.get_layer("down1").output.shape[-1] / FIRST
    found = discriminators(norm=norm, spectral=layers.SpectralNormalization in kinds, width=width)
    return {model.name: model for model in found}


@register(
    title="End-to-End Conditional GAN-based Architectures for Image Colourisation",
    paper="arXiv:1908.09873",
    year=2019,
    output="ab",
    loss="absolute error, and discriminators at three scales",
    paper_size=256,
    stride=128,
    tiny={"levels": 3, "width": 1 / 8},
    parts=_parts,
)
def ibn_gan(norm: str = "ibn", spectral: bool = True, *, width: float = 1.0, levels: int = LEVELS) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    Train on the layer "map", (B, H', W', 2) in [-1, 1], H' and W' the next multiples of the stride: that is ab / 110.
    The layer "condition" is the scaled lightness that belongs to it, of the same size.

    Args:
        norm: "bn", "in" or "ibn": batch normalization, instance normalization, or the latter in the shallow block.
        spectral: whether the convolutions are spectrally normalized.
        width: multiplies all filters.
        levels: the number of encoder blocks, 2 or more; the stride is 2 ** levels.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_choice("norm", norm, NORMS)
    check_positive("width", width)
    check_whole("levels", levels, 2)
    shallow, deep = NORMS[norm]
    down = _filters(levels, width)

    lightness = keras.Input((None, None, 1), name="lightness")
    x = condition(pad_to_stride(lightness, 2**levels))
    x = layers.Identity(dtype="float32", name="condition")(x)
    skips = []
    for level, f in enumerate(down, 1):
        x = _conv(x, f, f"down{level}", spectral, stride=2)
        if level > 1:
            x = _norm(x, deep, f"down{level}")
        x = layers.LeakyReLU(SLOPE, name=f"down{level}_relu")(x)
        skips.append(x)

    for level in range(levels - 1, 0, -1):
        x = layers.UpSampling2D(name=f"up{level}_nearest")(x)
        x = _conv(x, down[level - 1], f"up{level}", spectral)
        x = _norm(x, shallow if level == 1 else deep, f"up{level}")
        x = layers.ReLU(name=f"up{level}_relu")(x)
        x = layers.Concatenate(name=f"up{level}_skip")([x, skips[level - 1]])

    x = layers.UpSampling2D(name="map_nearest")(x)
    x = _conv(x, 2, "map", spectral, activation="tanh", dtype="float32")
    x = layers.Rescaling(AB_LIMIT, dtype="float32", name="decode")(x)
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(crop_like(x, lightness)), name="ibn_gan")
