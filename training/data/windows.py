"""Square windows cut out of strips, on any backend of Keras; see `training.data.memory`."""

from keras import ops

from zoo.blocks import resample, sampling_matrix
from zoo.color import Tensor

DRAWS = 3  # uniform numbers that a window needs


def cut_windows(
    pixels: Tensor, extents: Tensor, upright: Tensor, draws: Tensor, *, size: int, shortest: tuple[int, int]
) -> Tensor:
    """A random window of each picture, as `training.data.resize.Window` cuts it.

    Args:
        pixels: strips (B, H, W, 3) in [0, 1], H at least the greatest of `shortest`.
        extents: height and width (B, 2) of the pictures in their strips.
        upright: whether a strip lies on its side, (B,).
        draws: uniform numbers (B, DRAWS) in [0, 1): scale, position down and across.
        size: side of the windows in pixels.
        shortest: range that the shorter side of a picture is scaled into.

    Returns:
        (B, size, size, 3) in [0, 1].
    """
    low, high = shortest
    height, width = pixels.shape[1:3]
    shorter = ops.floor(low + draws[:, 0] * (high + 1 - low))
    step = height / shorter  # pixels of the strip for each pixel of the window
    spare = ops.cast(extents, "float32") - (size * step)[:, None]

    def read_at(axis: int, length: int) -> Tensor:
        # In pixels of the scaled picture, as `sampling_matrix` counts.
        first = draws[:, 1 + axis] * ops.maximum(spare[:, axis], 0.0) / step
        wanted = first[:, None, None] + ops.reshape(ops.arange(size, dtype="float32"), (1, size, 1))
        available = ops.reshape(ops.arange(length, dtype="float32"), (1, 1, length))
        return ops.expand_dims(sampling_matrix(wanted, available, step[:, None, None]), 1)

    planes = resample(ops.transpose(pixels, (0, 3, 1, 2)), read_at(0, height), read_at(1, width))
    planes = ops.where(upright[:, None, None, None], ops.swapaxes(planes, 2, 3), planes)
    return ops.transpose(planes, (0, 2, 3, 1))
