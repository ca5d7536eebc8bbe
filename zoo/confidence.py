"""The confidence of a network in its colors, for networks that score classes."""

import keras
from keras import layers, ops

from zoo.blocks import enlarge_like
from zoo.errors import ArgumentError
from zoo.registry import architecture, list_models

PROBED = 256  # side in pixels, a multiple of all strides
LARGEST_LOG = 80.0  # the ratio ends at e ** 80, which float32 still holds


def confidence(network: keras.Model) -> keras.Model:
    """The network's confidence: lightness (B, H, W, 1) in [0, 100] -> {"top": (B, H, W, 1), "ratio": (B, H, W, 1)}.

    "top" is the probability of the most probable class, in (0, 1], and "ratio" how many times that of the second it
    is, at least 1; both at temperature 1, as the scores were learned. Where a color is made of two histograms, its
    classes are the pairs of their bins: probabilities multiply, and the second best pair differs in one bin.

    Raises:
        ArgumentError: the network has no layer "scores".
    """
    if "scores" not in {layer.name for layer in network.layers}:
        raise ArgumentError(f"{network.name} predicts colors directly: it has no class probabilities")
    scores, probabilities = network.get_layer("scores").output, network.get_layer("probabilities")
    histograms = len(probabilities.input) if isinstance(probabilities, layers.Concatenate) else 1
    stride = PROBED // keras.Model(network.input, scores).compute_output_shape((1, PROBED, PROBED, 1))[1]
    # A separate model: Keras numbers operations in their names, and those of a loaded network would clash.
    first = architecture(network.name).first_center if network.name in list_models() else None
    head = _head(keras.Input(scores.shape[1:]), keras.Input(network.input.shape[1:]), histograms, stride, first)
    return keras.Model(network.input, head([scores, network.input]), name=f"{network.name}_confidence")


def _head(
    scores: keras.KerasTensor, lightness: keras.KerasTensor, histograms: int, stride: int, first: float | None
) -> keras.Model:
    """Scores (B, h, w, K) and lightness (B, H, W, 1) -> the two maps (B, H, W, 1).

    Args:
        histograms: number of histograms that the K scores are made of, 1 or 2.
        stride: pixels from one score to the next.
        first: the pixel that the first score stands for; see `zoo.blocks.enlarge_like`.
    """
    log_top, log_ratio = [], []
    for part in ops.split(scores, histograms, axis=-1):
        best = ops.top_k(part, 2)[0]
        log_top.append(best[..., :1] - ops.logsumexp(part, axis=-1, keepdims=True))
        log_ratio.append(best[..., :1] - best[..., 1:])
    top = ops.exp(log_top[0] + log_top[1] if histograms == 2 else log_top[0])
    ratio = ops.minimum(log_ratio[0], log_ratio[1]) if histograms == 2 else log_ratio[0]
    maps = ops.concatenate([top, ops.minimum(ratio, LARGEST_LOG)], axis=-1)
    enlarged = enlarge_like(maps, lightness, stride, first)
    outputs = {
        "top": layers.Identity(dtype="float32", name="top")(enlarged[..., :1]),
        "ratio": layers.Identity(dtype="float32", name="ratio")(ops.exp(enlarged[..., 1:])),
    }
    return keras.Model([scores, lightness], outputs, name="confidence")
