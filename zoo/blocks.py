"""Pieces that several architectures share, of stock operations only.

Sizes are unknown while a graph is built, and Keras can neither pad nor resize to a size that is computed in the graph.
What can be computed are positions along an axis; a matrix made of them moves rows (or columns) of a map exactly.
"""

import keras
from keras import layers, ops

from zoo.color import Tensor


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
    planes = ops.transpose(x, (0, 3, 1, 2))
    planes = resample(planes, ops.expand_dims(rows, 1), ops.expand_dims(columns, 1))
    return ops.transpose(planes, (0, 2, 3, 1))


def resample(plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Plane (..., H, W) by matrices rows (..., M, H) and columns (..., N, W) -> (..., M, N)."""
    return ops.matmul(rows, ops.matmul(plane, ops.swapaxes(columns, -1, -2)))
