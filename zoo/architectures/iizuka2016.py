"""Local colors joined with one description of the whole picture, learned together with the scene's class.

Iizuka, Simo-Serra, Ishikawa. Let there be Color!: Joint End-to-end Learning of Global and Local Image Priors for
Automatic Image Colorization with Simultaneous Classification. ACM Transactions on Graphics 35(4), SIGGRAPH 2016.
https://doi.org/10.1145/2897824.2925974

As in the paper: low-level features with the same weights for both inputs, mid-level and global features, their fusion
by one linear map at every place, nearest up-sampling, a sigmoid for ab, normalization behind every layer but the two
outputs, and the classifier, which sees the global features alone. Departures, each with its reason:

* The input is CIE lightness as L / 50 - 1, so that the network keeps the contract of the zoo; the authors' released
  code feeds the Y of YUV less its mean. As in that code, the sigmoid spans ab from -100 to 100.
* Normalization is placed between a layer and its rectifier, synchronized between replicas. Layers keep the biases that
  it makes needless, so that their parameters are those of the paper's table.
* Low-level normalization is shared as well: in training each input is normalized by its own statistics, and the moving
  ones, which either call updates, are a mean over both.
* The output is enlarged to the size of the input inside the network, as in all networks of the zoo.
"""

import keras
from keras import layers, ops

from zoo.arguments import check_positive, check_whole
from zoo.blocks import SYNCHRONIZED, conv, enlarge_like, pad_to_stride, resize_to, scale_filters
from zoo.registry import register

# filters and stride of 3 x 3 convolutions
LOW_LEVEL = ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1))
MID_LEVEL = ((512, 1), (256, 1))
GLOBAL = ((512, 2), (512, 1), (512, 2), (512, 1))
GLOBAL_UNITS = (1024, 512, 256)  # of the layers behind them that see the whole picture at once
FUSION = 256
COLOR = ((128, 2), (64, 1), (64, 2), (32, 1))  # filters, and by how much the map grows behind them
LIMIT = 100.0  # the sigmoid spans ab from -LIMIT to LIMIT


def _norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(synchronized=SYNCHRONIZED, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _convs(x: keras.KerasTensor, stages: tuple[tuple[int, int], ...], name: str, width: float) -> keras.KerasTensor:
    for i, (filters, stride) in enumerate(stages, 1):
        x = conv(x, scale_filters(filters, width), f"{name}_conv{i}", stride=stride, activation=None)
        x = _norm_relu(x, f"{name}_conv{i}")
    return x


def classifier(network: keras.Model, classes: int = 205) -> keras.Model:
    """A new scene classifier on a network of `iizuka2016`: lightness (B, H, W, 1) -> logits (B, classes) float32.

    It shares the low-level and global layers with the network, up to the 512 units, and nothing else, so that its
    loss trains those alone. Colorizing does not need it.

    Raises:
        ArgumentError: fewer than two classes.
    """
    check_whole("classes", classes, 2)
    x = network.get_layer("global_fc2_relu").output
    x = layers.Dense(network.get_layer("global_fc3").units, name="classifier_fc")(x)
    x = _norm_relu(x, "classifier_fc")
    logits = layers.Dense(classes, dtype="float32", name="classifier_scores")(x)
    return keras.Model(network.input, logits, name="classifier")


@register(
    title="Let there be Color!: Joint End-to-end Learning of Global and Local Image Priors for Automatic Image "
    "Colorization with Simultaneous Classification",
    paper="doi:10.1145/2897824.2925974",
    year=2016,
    output="ab",
    loss="squared error, and cross-entropy of the scene's class",
    paper_size=224,
    stride=8,
    tiny={"width": 1 / 28, "global_size": 32},
    parts=lambda network: {"classifier": classifier(network)},
)
def iizuka2016(width: float = 1.0, *, global_size: int = 224) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    Train on the layer "map", (B, H' / 2, W' / 2, 2) in [0, 1], H' and W' the next multiples of 8. A cell stands for
    2 x 2 pixels: its target is the mean of their (ab + 100) / 200.

    Args:
        width: multiplies all filters.
        global_size: side of the square to which the whole picture is fitted for the global features, a multiple of
            32. The weights of the first layer behind them depend on it.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_positive("width", width)
    check_whole("global_size", global_size, 32, multiple_of=32)

    # A model inside the model, because two inputs pass through the same layers.
    picture = keras.Input((None, None, 1), name="picture")
    x = layers.Rescaling(1 / 50, offset=-1, name="center")(picture)
    low_level = keras.Model(picture, _convs(x, LOW_LEVEL, "low", width), name="low_level")

    lightness = keras.Input((None, None, 1), name="lightness")
    mid = _convs(low_level(pad_to_stride(lightness, 8)), MID_LEVEL, "mid", width)

    x = _convs(low_level(resize_to(lightness, global_size)), GLOBAL, "global", width)
    x = layers.Flatten(name="global_flatten")(x)
    for i, units in enumerate(GLOBAL_UNITS, 1):
        x = layers.Dense(scale_filters(units, width), name=f"global_fc{i}")(x)
        x = _norm_relu(x, f"global_fc{i}")

    everywhere = ops.ones_like(mid[..., :1]) * layers.Reshape((1, 1, x.shape[-1]), name="global_vector")(x)
    x = layers.Concatenate(name="global_and_mid")([everywhere, mid])
    x = _norm_relu(layers.Conv2D(scale_filters(FUSION, width), 1, name="fusion")(x), "fusion")

    for i, (filters, growth) in enumerate(COLOR, 1):
        x = _convs(x, ((filters, 1),), f"color{i}", width)
        if growth > 1:
            x = layers.UpSampling2D(growth, name=f"color{i}_up")(x)
    x = layers.Conv2D(2, 3, padding="same", activation="sigmoid", dtype="float32", name="map")(x)
    x = layers.Rescaling(2 * LIMIT, offset=-LIMIT, dtype="float32", name="decode")(x)
    return keras.Model(
        lightness, layers.Identity(dtype="float32", name="ab")(enlarge_like(x, lightness, 2)), name="iizuka2016"
    )
