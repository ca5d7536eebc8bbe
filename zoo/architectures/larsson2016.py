"""Histograms of hue and chroma at every pixel, read from a hypercolumn: all maps of VGG-16 at one place.

Larsson, Maire, Shakhnarovich. Learning Representations for Automatic Colorization. ECCV 2016.
https://arxiv.org/abs/1603.06668

As in the paper: VGG-16 on gray, 12,417 channels, 1024 units, 32 bins each; median chroma, circular expectation of hue,
chromatic fading; training at a few locations of each picture (`sparse_network`). As in the authors' code: batch
normalization without parameters before every ReLU, folded into the convolutions for their release; dropout; the fading
threshold on the mean over the bins. Departures, each with its reason:

* The input is the gray of equal CIE lightness, not the mean of R, G and B, so that the network keeps the contract of
  the zoo. The decoded color has that gray as its mean; its ab goes with the given lightness.
* Where maps are brought to one grid, they are read linearly between the centers of their cells, in training as in
  prediction. The authors read at y / stride in training, and in prediction average blocks: the same but for shifts of
  less than a cell.
* The border is repeated up to a multiple of 32 pixels; the authors frame pictures with zeros.

The 1024 units are linear before their ReLU: a part of them is computed from the maps of each stride where these are
small, and the parts are added at stride 4. Kernels "h_fc1_4", ..., "h_fc1_32" stacked are the (12417, 1024) kernel over
the whole hypercolumn, which at 256 x 256 pixels would take 200 MB a picture.
"""

import os
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import check_choice, check_positive
from zoo.bins import circular_expectation, gaussian_centers, histogram_median
from zoo.blocks import SYNCHRONIZED, enlarge_like, pad_to_stride, positions, scale_filters
from zoo.color import Tensor, gray_of_lightness, hcl_to_rgb, rgb_to_lab
from zoo.errors import ArgumentError, PresetError
from zoo.registry import register

# Stride, filters and layers of each stage; they are separated by pooling.
STAGES: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (1, 64, ("conv1_1", "conv1_2")),
    (2, 128, ("conv2_1", "conv2_2")),
    (4, 256, ("conv3_1", "conv3_2", "conv3_3")),
    (8, 512, ("conv4_1", "conv4_2", "conv4_3")),
    (16, 512, ("conv5_1", "conv5_2", "conv5_3")),
    (32, 4096, ("fc6", "fc7")),
)
KERNELS = {"fc6": 7, "fc7": 1}  # the others: 3
UNITS = 1024
GRID = 4  # the stride of the scores
COARSE = (8, 16, 32)  # the strides that are brought up to it
BINS = 32  # of each axis
JOINT = 16  # of each axis of the joint variant
CLASSES = {"hue_chroma": 2 * BINS, "lab": 2 * BINS, "lab_joint": JOINT**2}
MEAN_GRAY = 0.4488  # of the authors' photographs
FADING = 0.03  # of the mean over the bins, which is 1/32 where the hue is certain

WEIGHT_FILES = ("vgg16_weights_tf_dim_ordering_tf_kernels.h5", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
LARGE_FILE = 300_000_000  # bytes: with the fully connected layers 553 MB, without 59 MB
MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)  # which is subtracted from the input of these weights


def _concatenate(maps: list[keras.KerasTensor], name: str, dtype: str | None = None) -> keras.KerasTensor:
    return layers.Concatenate(dtype=dtype, name=name)(maps)


def _stage(x: keras.KerasTensor, filters: int, names: tuple[str, ...]) -> list[keras.KerasTensor]:
    """The maps of one stage, as the hypercolumn reads them."""
    maps = []
    for name in names:
        x = layers.Conv2D(filters, KERNELS.get(name, 3), padding="same", name=name)(x)
        norm = layers.BatchNormalization(
            epsilon=1e-5, center=False, scale=False, synchronized=SYNCHRONIZED, name=f"{name}_norm"
        )
        x = layers.ReLU(name=f"{name}_relu")(norm(x))
        if name in KERNELS:
            x = layers.Dropout(0.5, name=f"{name}_dropout")(x)
        maps.append(x)
    return maps


def _centers(x: keras.KerasTensor, stride: int, name: str) -> keras.KerasTensor:
    """Map of stride 1 or 2 -> its values at the centers of the cells of stride 4, each the mean of four cells."""
    if stride == 1:
        x = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_middle")(x)
    return layers.AveragePooling2D(2, GRID // stride, name=f"{name}_mean")(x)


def _hue_chroma_ab(probabilities: Tensor, gray: Tensor) -> Tensor:
    """Histograms (..., 64) of hue and chroma, gray (..., 1) in [0, 1] -> ab (..., 2) of a color inside sRGB."""
    hue, certainty = circular_expectation(probabilities[..., :BINS])
    chroma = histogram_median(probabilities[..., BINS:])
    chroma = chroma * (ops.minimum(certainty * (1 / BINS), FADING) * (1 / FADING))
    # Value and saturation of HSV, gray + chroma / 2 and chroma / value, end at 1; their product is the chroma left.
    value = gray + chroma * 0.5
    chroma = ops.minimum(chroma, value) / ops.maximum(value, 1.0)
    rgb = hcl_to_rgb(ops.concatenate([hue, chroma, gray], axis=-1))
    return rgb_to_lab(ops.clip(rgb, 0.0, 1.0))[..., 1:]


def _lab_centers(heads: str) -> np.ndarray:
    """The table (n, 2) by which the probabilities of a Lab variant give the expectation of ab."""
    if heads == "lab":
        return np.kron(np.eye(2, dtype=np.float32), gaussian_centers(BINS)[:, None])
    axis = gaussian_centers(JOINT)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


@register(
    title="Learning Representations for Automatic Colorization",
    paper="arXiv:1603.06668",
    year=2016,
    output="32 hue and 32 chroma bins",
    loss="cross-entropy of the histograms",
    paper_size=352,
    stride=32,
    # A median jumps where a cumulative sum passes a half: with these the pictures of the tests avoid that.
    tiny={"width": 0.02, "temperature": 0.7},
)
def larsson2016(heads: str = "hue_chroma", temperature: float = 1.0, *, width: float = 1.0) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    The scores of all bins are the layer "scores", (B, H'/4, W'/4, bins), H' and W' the next multiples of 32, at the
    centers of cells of 4 x 4 pixels; train on that, or at single locations with `sparse_network`. "probabilities" are
    softmax(scores / temperature), each histogram for itself.

    Args:
        heads: "hue_chroma": 32 bins of hue, then 32 of chroma. "lab": 32 bins of a, then 32 of b. "lab_joint": the
            pairs of 16 bins each, a * 16 + b. Bins of a and b are those of `bins.gaussian_bin`.
        temperature: of the histograms, above 0: below 1 they are sharper than learned.
        width: multiplies all filters and units.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_choice("heads", heads, CLASSES)
    check_positive("temperature", temperature)
    check_positive("width", width)

    lightness = keras.Input((None, None, 1), name="lightness")
    gray = gray_of_lightness(lightness)
    x = layers.Rescaling(1.0, offset=-MEAN_GRAY, dtype="float32", name="data")(pad_to_stride(gray, COARSE[-1]))
    fine, coarse = [_centers(x, 1, "data")], {}
    for stride, filters, names in STAGES:
        if stride > 1:
            x = layers.MaxPooling2D(name=f"pool_{stride}")(x)
        maps = _stage(x, scale_filters(filters, width), names)
        if stride in COARSE:
            coarse[stride] = _concatenate(maps, f"maps_{stride}")
        else:
            fine += [_centers(m, stride, n) if stride < GRID else m for n, m in zip(names, maps, strict=True)]
        x = maps[-1]

    units = scale_filters(UNITS, width)
    small = keras.initializers.RandomNormal(stddev=1e-4)
    x = layers.Dense(units, kernel_initializer=small, name="h_fc1_4")(_concatenate(fine, "maps_4"))
    for stride, maps in coarse.items():
        part = layers.Dense(units, use_bias=False, kernel_initializer=small, name=f"h_fc1_{stride}")(maps)
        x = x + enlarge_like(part, x, stride // GRID)
    x = layers.Dropout(0.5, name="h_fc1_dropout")(layers.ReLU(name="h_fc1")(x))

    scores = layers.Dense(CLASSES[heads], dtype="float32", name="scores")(x)
    sharp = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(scores)
    if heads == "lab_joint":
        probabilities = layers.Softmax(dtype="float32", name="probabilities")(sharp)
    else:
        axes = {"histogram_1": sharp[..., :BINS], "histogram_2": sharp[..., BINS:]}
        pair = [layers.Softmax(dtype="float32", name=name)(axis) for name, axis in axes.items()]
        probabilities = _concatenate(pair, "probabilities", dtype="float32")
    if heads == "hue_chroma":
        ab = _hue_chroma_ab(enlarge_like(probabilities, lightness, GRID), gray)
    else:
        ab = enlarge_like(ops.matmul(probabilities, _lab_centers(heads)), lightness, GRID)
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(ab), name="larsson2016")


def read_at(x: Tensor, locations: Tensor, stride: int) -> Tensor:
    """Map (B, h, w, C) of a stride, rows and columns (B, N, 2) in pixels -> (B, N, C), linear between cell centers.

    Pixel and cell coordinates are those of centers: pixel 0 lies in the middle of the first pixel. Places beyond the
    outermost centers read these. Only the four cells around each place are touched, also by gradients.
    """
    row, column = positions(x[:, :, 0, :]), positions(x[:, 0, :, :])
    last = ops.concatenate([ops.max(row, 1, keepdims=True), ops.max(column, 1, keepdims=True)], axis=-1)
    place = ops.minimum(ops.maximum((locations + 0.5) * (1 / stride) - 0.5, 0.0), last)
    first = ops.floor(place)
    share = place - first
    cells = ops.cast(ops.stack([first, ops.minimum(first + 1.0, last)], axis=-1), "int32")  # (B, N, 2 axes, 2)
    shares = ops.stack([1.0 - share, share], axis=-1)

    # All pictures as one long line of cells: gathering within a batch would copy the map once more.
    size = ops.cast(last, "int32") + 1
    picture = ops.cast(ops.cumsum(ops.ones_like(locations[:, :1, :1]), axis=0), "int32") - 1
    # In this order: a second operand (2, 1, 1) would be taken for a bias of the two cells, and not of two pictures.
    rows = picture * size[..., :1] + cells[:, :, 0]
    index = ops.expand_dims(rows * size[..., 1:], -1) + ops.expand_dims(cells[:, :, 1], -2)  # (B, N, 2, 2)
    weight = ops.expand_dims(shares[:, :, 0], -1) * ops.expand_dims(shares[:, :, 1], -2)
    line = ops.reshape(x, (1, -1, x.shape[-1]))
    found = ops.take(line, index, axis=1)[0]
    return ops.sum(found * ops.expand_dims(weight, -1), axis=(2, 3))


def sparse_network(network: keras.Model) -> keras.Model:
    """The network for training at few locations: lightness, locations (B, N, 2) -> scores (B, N, bins).

    Locations are rows and columns in pixels, at any fraction. All layers are those of the network, so that training
    this model trains the network. The whole picture passes through VGG-16, the rest only at the locations; at the
    centers 4i + 1.5 of the cells the scores are those of the network's layer "scores".
    """
    locations = keras.Input((None, 2), name="locations")

    def column(name: str, stride: int) -> keras.KerasTensor:
        return read_at(network.get_layer(name).output, locations, stride)

    names = [(f"{name}_relu", stride) for stride, _, stage in STAGES if stride not in COARSE for name in stage]
    x = network.get_layer("h_fc1_4")(_concatenate([column(*each) for each in [("data", 1), *names]], "columns_4"))
    for stride in COARSE:
        x = x + network.get_layer(f"h_fc1_{stride}")(column(f"maps_{stride}", stride))
    for name in ("h_fc1", "h_fc1_dropout", "scores"):
        x = network.get_layer(name)(x)
    return keras.Model([network.input, locations], x, name=f"{network.name}_sparse")


def start_from_vgg16(network: keras.Model, path: str | Path | None = None) -> None:
    """Initialize a network of full width from VGG-16 of ImageNet: convolutions, and fc6 and fc7 if the file has them.

    Args:
        network: changed in place. The first kernel is summed over the colors and scaled to the network's gray.
        path: a weight file of keras.applications.VGG16, with or without the fully connected layers. None means the
            one that Keras keeps in ~/.keras/models, the larger if there are both. Nothing is downloaded.

    Raises:
        ArgumentError: the network is not of full width.
        PresetError: the file does not exist or does not hold these weights.
    """
    if network.get_layer("fc7").filters != STAGES[-1][1]:
        raise ArgumentError(f"fc7 has {network.get_layer('fc7').filters} filters: VGG-16 fits a network of width 1")
    folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    candidates = [Path(path)] if path else [folder / name for name in WEIGHT_FILES]
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    files = f"Keras's {WEIGHT_FILES[0]} or {WEIGHT_FILES[1]}"
    if found is None:
        raise PresetError(f"no VGG-16 weights at {path or folder}: put {files} there; nothing is downloaded")
    top = found.stat().st_size > LARGE_FILE
    vgg = keras.applications.VGG16(weights=None, include_top=top)
    try:
        vgg.load_weights(found)
    except (OSError, ValueError) as error:
        raise PresetError(f"{found} does not hold the weights of VGG-16: put {files} there") from error

    for stride, _, names in STAGES[:-1]:
        for i, name in enumerate(names, 1):
            kernel, bias = vgg.get_layer(f"block{int(np.log2(stride)) + 1}_conv{i}").get_weights()
            if name == "conv1_1":
                # VGG-16 sees 255 gray - mean in each color, this network gray - MEAN_GRAY.
                bias = bias + (255 * MEAN_GRAY - MEAN_BGR) @ kernel.sum(axis=(0, 1))
                kernel = 255 * kernel.sum(axis=2, keepdims=True)
            network.get_layer(name).set_weights([kernel, bias])
    if top:
        for name, dense in (("fc6", "fc1"), ("fc7", "fc2")):
            kernel, bias = vgg.get_layer(dense).get_weights()
            network.get_layer(name).set_weights([kernel.reshape(network.get_layer(name).kernel.shape), bias])
