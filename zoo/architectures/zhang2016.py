"""Color as one of 313 ab bins, scored on a quarter of the resolution by a plain stack of dilated convolutions.

Zhang, Isola, Efros. Colorful Image Colorization. ECCV 2016.
https://arxiv.org/abs/1603.08511

The network is the second version that the authors released, whose size is the one that the paper reports. As there:
all blocks, with strides in the last convolutions of the first three, two dilated blocks, normalization behind the
last rectifier of a block, the 313 bins and the annealed mean. Departures, each with its reason:

* Batch normalization has a scale and a shift, as in the authors' port to PyTorch; their Caffe layer had none. It uses
  batch statistics in training, synchronized between replicas, and moving ones afterwards.
* The temperature of the decoding is the paper's 0.38; the authors' deployed network has 1 / 2.606.
* The input is L / 50 - 1, where the authors feed L - 50 or a hundredth of it.
* Enlarging puts cell i on pixel 4i, where the authors put it on 4i + 1.5. Their training takes the colors of pixels
  0, 4, 8 and so on, and so does ours, because the mean of 4 x 4 pixels holds colors that the picture lacks. What is
  learned for pixel 4i is then shown on pixel 4i and not beside it: 1.5 pixels of 256 are 12 of 2000. The strides fit
  that best as well: the receptive field of a cell is centered on pixel 4i - 2.
"""

import keras
from keras import layers, ops

from zoo.arguments import check_positive
from zoo.bins import ab_grid
from zoo.blocks import SYNCHRONIZED, conv, enlarge_like, pad_to_stride, scale_filters
from zoo.registry import register

STRIDE = 4  # of the scores; the map inside is half as large
FIRST_CENTER = 0.0  # cell i stands for the pixel 4i
BLOCKS = (  # filters, convolutions, stride of the last one, dilation
    (64, 2, 2, 1),
    (128, 2, 2, 1),
    (256, 3, 2, 1),
    (512, 3, 1, 1),
    (512, 3, 1, 2),
    (512, 3, 1, 2),
    (512, 3, 1, 1),
)
UP_FILTERS = 256


@register(
    title="Colorful Image Colorization",
    paper="arXiv:1603.08511",
    year=2016,
    output="313 ab bins",
    loss="rebalanced cross-entropy",
    paper_size=256,
    stride=8,
    tiny={"width": 1 / 25},
    first_center=FIRST_CENTER,
)
def zhang2016(temperature: float = 0.38, *, width: float = 1.0) -> keras.Model:
    """Lightness (B, H, W, 1) in [0, 100] -> ab (B, H, W, 2) in Lab units, for any H, W >= 8.

    The scores of the bins of `zoo.bins.ab_grid` are the layer "scores", (B, H' / 4, W' / 4, 313), H' and W' the next
    multiples of 8: train on that. Cell (i, j) stands for the pixel (4i, 4j), so that its target is the color
    ab[:, ::4, ::4]. "probabilities" are softmax(scores / temperature).

    Args:
        temperature: of the annealed mean, above 0: near 0 the most probable color, 1 the mean.
        width: multiplies all filters.

    Raises:
        ArgumentError: an argument outside its range.
    """
    check_positive("temperature", temperature)
    check_positive("width", width)
    centers = ab_grid()

    lightness = keras.Input((None, None, 1), name="lightness")
    x = pad_to_stride(lightness, 2 * STRIDE)
    x = layers.Rescaling(1 / 50, offset=-1, name="center")(x)
    for block, (filters, count, stride, dilation) in enumerate(BLOCKS, 1):
        filters = scale_filters(filters, width)
        for i in range(1, count + 1):
            x = conv(x, filters, f"conv{block}_{i}", stride=stride if i == count else 1, dilation=dilation)
        x = layers.BatchNormalization(synchronized=SYNCHRONIZED, name=f"conv{block}_norm")(x)

    filters = scale_filters(UP_FILTERS, width)
    x = layers.Conv2DTranspose(filters, 4, 2, padding="same", activation="relu", name="conv8_1")(x)
    for i in (2, 3):
        x = conv(x, filters, f"conv8_{i}")

    scores = layers.Conv2D(len(centers), 1, dtype="float32", name="scores")(x)
    sharp = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(scores)
    probabilities = layers.Softmax(dtype="float32", name="probabilities")(sharp)
    ab = enlarge_like(ops.matmul(probabilities, centers), lightness, STRIDE, first=FIRST_CENTER)
    return keras.Model(lightness, layers.Identity(dtype="float32", name="ab")(ab), name="zhang2016")
