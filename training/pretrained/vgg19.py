"""VGG19 as it was trained on ImageNet, up to the layer relu5_1, to compare pictures by its maps.

Simonyan, Zisserman. Very Deep Convolutional Networks for Large-Scale Image Recognition. ICLR 2015. The weights come
from a file that the user has: that of Keras Applications, vgg19_weights_tf_dim_ordering_tf_kernels.h5, or the one
without the classifier (notop).
"""

from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

from zoo.errors import PresetError

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))  # filters, convolutions; of the last block only the first
BGR_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, which the release subtracts


def color_encoder(path: Path) -> keras.Model:
    """RGB (B, H, W, 3) in 0..255 -> the maps relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.

    Raises:
        PresetError: the file cannot be read, or does not hold these layers.
    """
    rgb = keras.Input((None, None, 3), name="rgb")
    x = layers.Rescaling(1.0, offset=[-mean for mean in BGR_MEAN], name="center")(rgb[..., ::-1])
    maps, convolutions = [], []
    for block, (filters, count) in enumerate(BLOCKS, 1):
        if block > 1:
            x = layers.MaxPooling2D(name=f"block{block - 1}_pool")(x)
        for number in range(1, count + 1):
            conv = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}")
            x = conv(x)
            convolutions.append(conv)
            if number == 1:
                maps.append(x)
    encoder = keras.Model(rgb, maps, name="vgg19")
    try:
        with h5py.File(path) as file:
            for conv in convolutions:
                conv.set_weights(_weights(file, conv.name))
    except (OSError, KeyError, ValueError) as error:
        raise PresetError(
            f"{path} does not hold the weights of VGG19 as Keras Applications has them: "
            f"{' '.join(str(error).split()):.200}"
        ) from error
    return encoder


def _weights(file: h5py.File, layer: str) -> list[np.ndarray]:
    """Kernel and bias of a layer; the names of the two differ from version to version of the file."""
    found: list[np.ndarray] = []
    # A file of a whole model has the weights in a group of their own.
    group = file.get("model_weights", file)[layer]
    group.visititems(lambda _, item: found.append(np.asarray(item)) if isinstance(item, h5py.Dataset) else None)
    return sorted(found, key=lambda array: -array.ndim)
