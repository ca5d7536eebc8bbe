"""Color as one of 313 ab bins, scored by a light U-Net whose encoder can begin with weights of ImageNet.

It comes from no paper. What it takes from which:

* The encoder is EfficientNet-Lite0, with every stage and the paddings of the release, up to its last block: Tan and
  Le. EfficientNet. ICML 2019. https://arxiv.org/abs/1905.11946; Lite has ReLU6 and no squeeze-and-excitation. It sees
  the gray of the lightness three times, so that the kernels of red, green and blue are summed into one.
* The decoder with skip connections is that of a U-Net: Ronneberger, Fischer, Brox. MICCAI 2015.
  https://arxiv.org/abs/1505.04597. It enlarges by repeating and has one convolution at each level.
* The bins and the annealed mean are those of `zoo.architectures.zhang2016`. A cell stands for 4 x 4 pixels, and its
  color for their mean.
"""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import check_positive
from zoo.bins import ab_grid
from zoo.blocks import SYNCHRONIZED, enlarge_like, pad_to_stride, scale_filters
from zoo.color import gray_of_lightness
from zoo.registry import register

STRIDE = 4  # of the scores
DEEPEST = 32  # stride of the encoder's last stage
STEM_FILTERS = 32
STAGES = (  # kernel, stride of the first block, factor of the expansion, filters, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
ENCODER = ("stem*", "stage*")  # the names of its layers
SKIPS = (4, 2, 1)  # indices of the stages at strides 16, 8 and 4 that the decoder sees as well
DECODER_FILTERS = (256, 192, 128)  # at strides 16, 8 and 4
HEAD_FILTERS = 96


@register(
    title="EfficientNet-Lite0 encoder and U-Net decoder: of this project, from no paper",
    paper="encoder: arXiv:1905.11946",
    year=None,
    output="313 ab bins",
    loss="rebalanced cross-entropy",
    paper_size=128,
    stride=DEEPEST,
    tiny={"width": 1 / 12},
)
def lite_unet(temperature: float = 0.7, *, width: float = 1.0) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    The scores of the bins of `zoo.bins.ab_grid` are the layer "scores", (B, H' / 4, W' / 4, 313), H' and W' the next
    multiples of 32: train on that. Cell (i, j) stands for the 4 x 4 pixels from (4i, 4j) on. "probabilities" are
    softmax(scores / temperature). "means", (B, H, W, 3), are the means over the bins of a, b and chroma: the chroma of
    the mean color is as large as the mean chroma where the network is sure, and smaller where it is not.

    Args:
        temperature: of the annealed mean, above 0: near 0 the most probable color, 1 the mean.
        width: multiplies all filters; the weights of ImageNet are for 1.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_positive("temperature", temperature)
    check_positive("width", width)
    centers = ab_grid()
    chroma = np.linalg.norm(centers, axis=-1, keepdims=True)

    lightness = keras.Input((None, None, 1), name="lightness")
    x = gray_of_lightness(pad_to_stride(lightness, DEEPEST))
    # Levels 0..255 as the release centers them; in eight bits of mantissa dark grays would become one.
    x = layers.Rescaling(255 / 128, offset=-127 / 128, dtype="float32", name="center")(x)
    features = _encoder(x, width)
    x = features[-1]
    for level, (skip, filters) in enumerate(zip(SKIPS, DECODER_FILTERS, strict=True), 1):
        stride = DEEPEST >> level
        x = layers.UpSampling2D(name=f"up{stride}")(x)
        x = layers.Concatenate(name=f"up{stride}_skip")([x, features[skip]])
        x = _conv(x, scale_filters(filters, width), 3, f"up{stride}_conv")
    x = _conv(x, scale_filters(HEAD_FILTERS, width), 3, "head")

    scores = layers.Conv2D(len(centers), 1, dtype="float32", name="scores")(x)
    sharp = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(scores)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(sharp)
    means = ops.matmul(probabilities, np.concatenate([centers, chroma], axis=-1))
    means = layers.Identity(dtype="float32", name="means")(enlarge_like(means, lightness, STRIDE))
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(means[..., :2]), name="lite_unet")


def _encoder(x: keras.KerasTensor, width: float) -> list[keras.KerasTensor]:
    """Gray (B, H, W, 1) in about [-1, 1] -> the maps behind each stage, at strides 2, 4, 8, 16, 16, 32 and 32."""
    x = _conv(x, scale_filters(STEM_FILTERS, width), 3, "stem", stride=2)
    features = []
    for stage, (kernel, first_stride, expansion, filters, blocks) in enumerate(STAGES, 1):
        for block in range(1, blocks + 1):
            stride = first_stride if block == 1 else 1
            x = _block(x, kernel, stride, expansion, scale_filters(filters, width), f"stage{stage}_{block}")
        features.append(x)
    return features


def _block(
    x: keras.KerasTensor, kernel: int, stride: int, expansion: int, filters: int, name: str
) -> keras.KerasTensor:
    """An inverted residual block: expanded by a 1 x 1 convolution, filtered channel by channel, projected."""
    y = x
    if expansion > 1:
        y = _conv(y, x.shape[-1] * expansion, 1, f"{name}_expand")
    y = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(y)
    y = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(_norm(y, f"{name}_depthwise"))
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(y)
    y = _norm(y, f"{name}_project")
    # As in the release: where neither size nor number of channels changes.
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and x.shape[-1] == filters else y


def _conv(x: keras.KerasTensor, filters: int, kernel: int, name: str, stride: int = 1) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(_norm(x, name))


def _norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    # The epsilon of the release. Its momentum, 0.99, is Keras's own.
    return layers.BatchNormalization(epsilon=1e-3, synchronized=SYNCHRONIZED, name=f"{name}_norm")(x)
