"""Networks that know ImageNet, by whose maps pictures are compared: a perceptual distance, and features.

Perceptual distance: Gorriz Blanch et al., End-to-End Conditional GAN-based Architectures for Image Colourisation,
equation 7, the L1 distance between the maps of the truth and of the result, for each layer divided by the number of its
elements, then the mean over five layers. The equation squares the norm; neither the text nor the authors' code does,
and a square would grow with the picture, so that it is left out here as well. Its scale is that of the network's
activations: the name of the network belongs to every figure, and figures of different ones cannot be compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.pretrained import efficientnet_lite0, vgg19
from zoo.errors import ArgumentError

VGG19_SIDE = 224  # to which the authors of equation 7 resize, by bicubic interpolation

Compare = Callable[[NDArray[np.uint8], NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Backbone:
    """A network that compares pictures.

    Attributes:
        name: part of the names of its figures.
        compare: truth and result, sRGB uint8 (B, H, W, 3) -> the perceptual distance (B,), >= 0, and the features (B,
            C) of the result: the means over the deepest map, channel by channel.
    """

    name: str
    compare: Compare


def load(vgg19_file: Path | None) -> Backbone:
    """VGG19 with the weights of a file, or without one EfficientNet-Lite0 of the installed package.

    * vgg19: relu1_1 to relu5_1, of the pictures resized to 224 x 224 by bicubic interpolation without antialiasing, not
      clipped, as BGR less the mean of ImageNet.
    * efficientnet_lite0: the last maps at strides 2, 4, 8, 16 and 32, of the pictures at their own size, (RGB - 127) /
      128.

    Raises:
        ArgumentError: no file is named, and the package is not installed.
        PresetError: the file cannot be read or is not of this network.
    """
    if vgg19_file is not None:
        return _backbone(vgg19.color_encoder(vgg19_file), VGG19_SIDE)
    if not efficientnet_lite0.is_installed():
        raise ArgumentError(
            "no network to compare pictures by is installed: pip install 'colorzoo[pretrained]', or name VGG19's file"
        )
    return _backbone(efficientnet_lite0.color_encoder(efficientnet_lite0.find_file()), None)


def _backbone(encoder: keras.Model, side: int | None) -> Backbone:
    truth, result = (keras.Input((None, None, 3), dtype="float32", name=name) for name in ("truth", "result"))
    pictures = [truth, result]
    if side is not None:
        pictures = [layers.Resizing(side, side, interpolation="bicubic")(picture) for picture in pictures]
    true_maps, maps = (encoder(picture) for picture in pictures)
    distances = [
        ops.mean(ops.absolute(one - other), axis=(1, 2, 3)) for one, other in zip(true_maps, maps, strict=True)
    ]
    features = ops.mean(maps[-1], axis=(1, 2))
    model = keras.Model([truth, result], [ops.mean(ops.stack(distances), axis=0), features])
    model.jit_compile = False  # XLA compiles anew for every shape, and is slower on CPUs

    def compare(truth: NDArray[np.uint8], rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        distance, found = model.predict_on_batch([truth.astype(np.float32), rgb.astype(np.float32)])
        return np.asarray(distance), np.asarray(found)

    return Backbone(encoder.name, compare)
