"""Color through a short code: a convolutional encoder, a dense latent vector, and a decoder that paints RGB.

Rahman, Chaudhary, Drolia. Enhanced Grayscale Images Automatic Colorization using Auto Encoders without Image
Compression. Vellore Institute of Technology. The paper bears no date.

As in the paper: layers, kernels, strides and activations of tables I to III at size 32, "same" padding as Keras has it,
RGB in [0, 1] as the output. Where text and tables differ, the tables are followed: padding is "same", and the last
layer has stride 1 (with the 2 of the text the picture would be 64 pixels wide). Departures, each with its reason:

* The input is the sRGB gray of the lightness, not .299 R + .587 G + .114 B: the network keeps the contract of the zoo.
  For gray photographs the two are equal.
* The latent layer fixes the size of what is encoded, so a picture of any size is brought to size x size, and the ab of
  the painted RGB back to the picture's size. A picture of that very size passes both unchanged.
* `size` may be any multiple of 8; the paper's pictures have 32 pixels.
* Dropout has the rate 0.5. The paper only mentions a "high level of dropouts" under figure 6; this is the rate that
  Srivastava et al. (2014), its reference for dropout, call close to optimal for a wide range of networks.
* Batch normalization follows the activation of every convolution, before its dropout, where the convolution's
  bias still counts; the paper allows "just before or after the activation function". It is synchronized between
  replicas, and its epsilon is the paper's 1e-5.
"""

import keras
from keras import layers

from zoo import color
from zoo.arguments import check_choice, check_positive, check_whole
from zoo.blocks import SYNCHRONIZED, resize_like, resize_to, scale_filters
from zoo.registry import register

ENCODER = (64, 128, 256)  # filters, each convolution with stride 2
LATENT = 256
DECODER = (256, 128, 64)  # filters, each transposed convolution with stride 2
STRIDE = 2 ** len(ENCODER)

REGULARIZATIONS = ("none", "dropout", "batch_norm")
DROPOUT_RATE = 0.5
BATCH_NORM_EPSILON = 1e-5


def _regularize(x: keras.KerasTensor, regularization: str, name: str) -> keras.KerasTensor:
    if regularization == "batch_norm":
        x = layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, synchronized=SYNCHRONIZED, name=f"{name}_norm")(x)
    if regularization != "none":
        x = layers.Dropout(DROPOUT_RATE, name=f"{name}_dropout")(x)
    return x


def _encoder(regularization: str, size: int, width: float) -> keras.Model:
    """Gray (B, size, size, 1) in [0, 1] -> latent vector (B, 256)."""
    gray = x = keras.Input((size, size, 1), name="encoder_input")
    for i, filters in enumerate(ENCODER, 1):
        x = layers.Conv2D(scale_filters(filters, width), 3, 2, padding="same", activation="relu", name=f"conv{i}")(x)
        x = _regularize(x, regularization, f"conv{i}")
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(gray, layers.Dense(scale_filters(LATENT, width), name="latent_vector")(x), name="encoder")


def _decoder(regularization: str, size: int, width: float) -> keras.Model:
    """Latent vector (B, 256) -> RGB (B, size, size, 3) in [0, 1]."""
    latent = keras.Input((scale_filters(LATENT, width),), name="decoder_input")
    shape = (size // STRIDE, size // STRIDE, scale_filters(ENCODER[-1], width))
    x = layers.Dense(shape[0] * shape[1] * shape[2], name="dense")(latent)
    x = layers.Reshape(shape, name="reshape")(x)
    for i, filters in enumerate(DECODER, 1):
        name = f"upconv{i}"
        x = layers.Conv2DTranspose(scale_filters(filters, width), 3, 2, padding="same", activation="relu", name=name)(x)
        x = _regularize(x, regularization, name)
    rgb = layers.Conv2DTranspose(
        3, 3, padding="same", activation="sigmoid", dtype="float32", name="decoder_output"
    )(x)  # fmt: skip
    return keras.Model(latent, rgb, name="decoder")


@register(
    title="Enhanced Grayscale Images Automatic Colorization using Auto Encoders without Image Compression",
    paper="Vellore Institute of Technology",
    year=None,  # the paper bears no date
    output="RGB",
    loss="mean squared error",
    paper_size=32,
    stride=STRIDE,
    tiny={"width": 1 / 16},
    parts=lambda network: {name: network.get_layer(name) for name in ("encoder", "decoder")},
)
def autoencoder(regularization: str = "none", *, size: int = 32, width: float = 1.0) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    The painted picture is the layer "rgb", (B, size, size, 3) in [0, 1]: train on that. "encoder", gray
    (B, size, size, 1) in [0, 1] -> (B, 256), whose last layer is "latent_vector", and "decoder", (B, 256) -> RGB, are
    models of their own.

    Args:
        regularization: "none" as in the paper's final model, "dropout" behind every convolution, or "batch_norm" for
            batch normalization and dropout behind every convolution.
        size: the side of the picture that is encoded, a multiple of 8.
        width: multiplies all filters and the length of the latent vector.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_choice("regularization", regularization, REGULARIZATIONS)
    check_whole("size", size, STRIDE, multiple_of=STRIDE)
    check_positive("width", width)

    lightness = keras.Input((None, None, 1), name="lightness")
    gray = layers.Identity(dtype="float32", name="gray")(color.gray_of_lightness(resize_to(lightness, size)))
    latent = _encoder(regularization, size, width)(gray)
    rgb = layers.Identity(dtype="float32", name="rgb")(_decoder(regularization, size, width)(latent))
    ab = resize_like(color.rgb_to_lab(rgb)[..., 1:], lightness)
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(ab), name="autoencoder")
