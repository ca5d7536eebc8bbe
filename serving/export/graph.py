"""A colorizer as one graph of TensorFlow without variables and loops, which converters to other formats take.

These are the steps of `zoo.pipeline` on whole maps, with a batch of one.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.grappler import tf_optimizer

from zoo import color, pipeline
from zoo.blocks import resample
from zoo.colorizer import parts_of

Function: TypeAlias = tf.types.experimental.ConcreteFunction
IMAGE = "image"  # name of the input
COLORIZED = "colorized"  # name of the output


def trace(model: keras.Model, size: tuple[int, int] | None) -> Function:
    """A colorizer as the function image (1, H, W, 3) uint8 -> colorized (1, H, W, 3) uint8.

    Args:
        model: the colorizer.
        size: H and W in pixels; None: any.

    Raises:
        ArgumentError: the model is not a colorizer.
    """
    parts = parts_of(model)
    matrices_of = _fixed_matrices(*size, parts.size) if size else _matrices

    def colorize(image: tf.Tensor) -> dict[str, tf.Tensor]:
        lightness = color.lightness(tf.cast(image, tf.float32) * (1 / 255))
        frames = resample(lightness[..., 0], *matrices_of(pipeline.to_frame, image, parts.size))[..., None]
        # Their sides are lost on the way where those of the image are unknown, and converters pad wrongly then.
        frames = tf.ensure_shape(frames, (1, parts.size, parts.size, 1))
        ab = parts.colors(frames)
        larger = matrices_of(pipeline.from_frame, image, parts.size)
        planes = tf.stack([resample(ab[..., i], *larger) for i in range(2)], axis=-1)
        return {COLORIZED: pipeline.to_levels(pipeline.recompose(lightness, planes), 255.0, "uint8")}

    spec = tf.TensorSpec((1, *(size or (None, None)), 3), tf.uint8, IMAGE)
    function = tf.function(colorize, [spec], autograph=False).get_concrete_function()
    # Of a function that holds variables, the converter to LiteRT writes noise in the place of weights.
    folded = _fold(convert_variables_to_constants_v2(function))
    # Once more, for a signature with names.
    return tf.function(lambda image: {COLORIZED: folded(image)}, [spec], autograph=False).get_concrete_function()


def _fold(function: Any) -> Any:
    """The function with all that does not depend on its input computed now, as the matrices in a network do not.

    TensorFlow computes them rightly; the converter to LiteRT takes the sums of some for 0.
    """
    meta = tf.compat.v1.train.export_meta_graph(graph_def=function.graph.as_graph_def(), graph=function.graph)
    nodes = meta_graph_pb2.CollectionDef()
    nodes.node_list.value.extend(tensor.name for tensor in (*function.inputs, *function.outputs))
    meta.collection_def["train_op"].CopyFrom(nodes)  # what must stay
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.optimizers.extend(["constfold", "dependency"])
    config.graph_options.rewrite_options.min_graph_nodes = -1
    folded = tf_optimizer.OptimizeGraph(config, meta)
    imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(folded, name=""), [])
    (given,), (made,) = function.inputs, function.outputs
    return imported.prune(given.name, made.name)


def _matrices(matrix: Callable[..., tf.Tensor], image: tf.Tensor, size: int) -> list[tf.Tensor]:
    """`pipeline.to_frame` or `from_frame` -> its matrices of the rows and of the columns of an image (1, H, W, 3)."""
    sides = tf.unstack(tf.shape(image)[1:3])
    longest = tf.cast(tf.maximum(*sides), tf.float32)
    return [matrix(tf.range(tf.cast(side, tf.float32))[:, None], size, longest) for side in sides]


def _fixed_matrices(height: int, width: int, size: int) -> Callable[..., list[np.ndarray]]:
    """The same for images of one size, computed now."""
    longest = np.float32(max(height, width))
    found = {
        matrix: [
            np.asarray(matrix(np.arange(side, dtype=np.float32)[:, None], size, longest)) for side in (height, width)
        ]
        for matrix in (pipeline.to_frame, pipeline.from_frame)
    }
    return lambda matrix, image, size: found[matrix]
