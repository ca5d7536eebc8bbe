"""Pieces that several architectures share, of stock operations only.

Sizes are unknown while a graph is built, and Keras can neither pad nor resize to a size that is computed in the graph.
What can be computed are positions along an axis; a matrix made of them moves rows (or columns) of a map exactly.
"""

import keras
import numpy as np
from keras import layers, ops

from zoo.color import Tensor

# Whether batch normalization computes its statistics over all replicas. Keras has replicas on TensorFlow alone; on
# other backends a step is computed on the whole batch, however many devices share it.
SYNCHRONIZED = keras.backend.backend() == "tensorflow"


def scale_filters(filters: float, width: float) -> int:
    """How many filters a layer has at a width: `filters` times it, rounded, and at least 1."""
    return max(1, round(filters * width))


def positions(row: Tensor) -> Tensor:
    """Any row (B, N, C) of unknown length N -> 0, 1, ..., N - 1 as (B, N, 1) float32."""
    return ops.cumsum(ops.cast(ops.ones_like(row[:, :, :1]), "float32"), axis=1) - 1.0


def _select(wanted: Tensor, available: Tensor) -> Tensor:
    """Positions (B, M, 1), (B, N, 1) -> 0/1 matrices (B, M, N) with a one where they agree."""
    return ops.relu(1.0 - ops.absolute(wanted - ops.transpose(available, (0, 2, 1))))


def _padded_positions(row: Tensor, stride: int, name: str) -> Tensor:
    """Row (B, N, 1) -> positions (B, M, 1), M the next multiple of stride, those past the end repeating the last."""
    here = positions(row)
    longer = layers.MaxPooling1D(stride, padding="same", dtype="float32", name=f"{name}_steps")(here)
    longer = layers.UpSampling1D(stride, dtype="float32", name=f"{name}_length")(longer)
    return ops.minimum(positions(longer), ops.max(here, axis=1, keepdims=True))


def pad_to_stride(x: keras.KerasTensor, stride: int) -> keras.KerasTensor:
    """Map (B, H, W, 1) -> (B, H', W', 1): the border repeated below and right up to a multiple of stride."""
    row, column = x[:, :, 0, :], x[:, 0, :, :]
    rows = _select(_padded_positions(row, stride, "pad_rows"), positions(row))
    columns = _select(_padded_positions(column, stride, "pad_columns"), positions(column))
    return ops.expand_dims(resample(x[..., 0], rows, columns), -1)


def crop_like(x: keras.KerasTensor, reference: keras.KerasTensor) -> keras.KerasTensor:
    """Map (B, H', W', C) -> its upper left part (B, H, W, C), of the size of the reference (B, H, W, K)."""
    rows = _select(positions(reference[:, :, 0, :]), positions(x[:, :, 0, :]))
    columns = _select(positions(reference[:, 0, :, :]), positions(x[:, 0, :, :]))
    return _resample_map(x, ops.expand_dims(rows, 1), ops.expand_dims(columns, 1))


def sampling_matrix(wanted: Tensor, available: Tensor, step: Tensor) -> Tensor:
    """The matrix that resamples a line: linear interpolation where it gets longer, averaging where it gets shorter.

    Args:
        wanted: indices (..., M, 1) of the new samples.
        available: indices (..., 1, N) of the existing samples.
        step: (...) old samples per new sample; above 1 a triangle of that half-width prevents aliasing.

    Returns:
        Weights (..., M, N), each row of which sums to 1. Positions beyond either end read the end.
    """
    place = ops.multiply(wanted + 0.5, step) - 0.5  # not every backend multiplies its tensors by symbolic ones
    place = ops.minimum(ops.maximum(place, 0.0), ops.max(available, axis=-1, keepdims=True, initial=0.0))
    weights = ops.relu(1.0 - ops.absolute(place - available) / ops.maximum(step, 1.0))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def resample(plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Plane (..., H, W) by matrices rows (..., M, H) and columns (..., N, W) -> (..., M, N)."""
    return resample_rows(resample_columns(plane, columns), rows)


def resample_columns(plane: Tensor, columns: Tensor) -> Tensor:
    """Plane (..., H, W) by a matrix (..., N, W) -> (..., H, N)."""
    return ops.matmul(plane, ops.swapaxes(columns, -1, -2))


def resample_rows(plane: Tensor, rows: Tensor) -> Tensor:
    """Plane (..., H, W) by a matrix (..., M, H) -> (..., M, W)."""
    return ops.matmul(rows, plane)


def resize_to(x: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Map (B, H, W, C) of any size -> (B, size, size, C), stretched: averaged down, or interpolated linearly up."""
    wanted = ops.expand_dims(np.arange(size, dtype=np.float32), -1)  # a tensor: NumPy cannot multiply symbolic ones

    def axis(row: keras.KerasTensor) -> keras.KerasTensor:
        here = positions(row)
        step = (ops.max(here, axis=1, keepdims=True) + 1.0) / size
        return ops.expand_dims(sampling_matrix(wanted, ops.transpose(here, (0, 2, 1)), step), 1)

    return _resample_map(x, axis(x[:, :, 0, :]), axis(x[:, 0, :, :]))


def resize_like(x: keras.KerasTensor, reference: keras.KerasTensor) -> keras.KerasTensor:
    """Map (B, h, w, C) -> (B, H, W, C), stretched to the size of the reference (B, H, W, K), either way."""

    def axis(row: keras.KerasTensor, longer: keras.KerasTensor) -> keras.KerasTensor:
        here, there = positions(row), positions(longer)
        step = (ops.max(here, axis=1, keepdims=True) + 1.0) / (ops.max(there, axis=1, keepdims=True) + 1.0)
        return ops.expand_dims(sampling_matrix(there, ops.transpose(here, (0, 2, 1)), step), 1)

    return _resample_map(x, axis(x[:, :, 0, :], reference[:, :, 0, :]), axis(x[:, 0, :, :], reference[:, 0, :, :]))


def enlarge_like(
    x: keras.KerasTensor, reference: keras.KerasTensor, factor: int, first: float | None = None
) -> keras.KerasTensor:
    """Map (B, h, w, C) of stride `factor` -> (B, H, W, C) of the reference: linear between centers, then cropped.

    factor * h and factor * w are at least the H and W of the reference (B, H, W, K): what padding added is cut off.
    Pixels outside the outermost centers have the color of these.

    Args:
        first: the pixel that the first center lies on; by default the middle of the first `factor` pixels.
    """
    shift = 0.0 if first is None else (factor - 1) / 2 - first

    def axis(row: keras.KerasTensor, longer: keras.KerasTensor) -> keras.KerasTensor:
        here, there = ops.transpose(positions(row), (0, 2, 1)), positions(longer)
        return ops.expand_dims(sampling_matrix(there + shift if shift else there, here, np.float32(1 / factor)), 1)

    return _resample_map(x, axis(x[:, :, 0, :], reference[:, :, 0, :]), axis(x[:, 0, :, :], reference[:, 0, :, :]))


def _resample_map(x: keras.KerasTensor, rows: keras.KerasTensor, columns: keras.KerasTensor) -> keras.KerasTensor:
    """Map (B, H, W, C) by matrices rows (B, 1, M, H) and columns (B, 1, N, W) -> (B, M, N, C)."""
    return ops.transpose(resample(ops.transpose(x, (0, 3, 1, 2)), rows, columns), (0, 2, 3, 1))


def conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    *,
    stride: int = 1,
    dilation: int = 1,
    activation: str | None = "relu",
) -> keras.KerasTensor:
    """A 3 x 3 convolution with equal padding on all sides, as in Caffe and Torch.

    Keras's "same" pads a strided map on one side more, which shifts every later map by half a pixel.
    """
    if stride > 1:
        x = layers.ZeroPadding2D(name=f"{name}_pad")(x)
    return layers.Conv2D(
        filters,
        3,
        stride,
        padding="valid" if stride > 1 else "same",
        dilation_rate=dilation,
        activation=activation,
        name=name,
    )(x)
