"""The input pipeline: photographs to augmented batches in Lab.

A batch is a function of the seed, the epoch and the step alone, so that a killed run resumes exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from training.data.augmentation import Augmentation, crop_and_flip
from training.data.datasets import Photographs
from training.data.draws import age, draw_params, noise
from zoo import color


@dataclass(frozen=True)
class WorkerInfo:
    """Which of how many workers a process is."""

    worker: int = 0
    workers: int = 1

    @property
    def chief(self) -> bool:
        """Whether this worker writes the files that all workers share."""
        return self.worker == 0

    def part(self, count: Any) -> slice:
        """This worker's part of `count` things, an int or a tensor."""
        return slice(count * self.worker // self.workers, count * (self.worker + 1) // self.workers)


ALONE = WorkerInfo()


class Reader(Protocol):
    """Reads pictures outside this process; see `training.loop.data_service.DataService`."""

    def read(self, photographs: Photographs, items: np.ndarray, seeds: Sequence[int] | None) -> tf.data.Dataset:
        """What `photographs.read(row, seeds)` gives, for each row of items (steps, B), in their order.

        All of an epoch's items are given at once, so that a reader can work ahead.
        """


def batches(
    photographs: Photographs,
    batch: int,
    *,
    seed: int = 0,
    epoch: int = 0,
    start: int = 0,
    augmentation: Augmentation | None = None,
    classes: Sequence[str] = (),
    draws: int = 0,
    worker: WorkerInfo = ALONE,
    reader: Reader | None = None,
) -> tf.data.Dataset:
    """One epoch from its batch number `start` on, or one worker's part of each of its batches.

    With an augmentation the pictures come in an order drawn from seed and epoch and a last incomplete batch
    is left out; without one they come in their own order, all of them. What is drawn does not depend on the number of
    workers. With an augmentation and a reader, the pictures are read by the reader and not in this process.

    Yields:
        lightness (B, S, S, 1) float32 in [0, 100], degraded and noisy where that is asked for, and a dict of
        rgb (B, S, S, 3) float32 in [0, 1], ab (B, S, S, 2) float32 in Lab units,
        mask (B, S, S) float32: 1 on the picture and 0 on the padding,
        labels (B,) int32: index of the picture's class folder in `classes`, -1 if it is not there, and
        draws (B, draws) float32: uniform random numbers in [0, 1) for what a system draws by itself.
    """
    variants = augmentation.variants if augmentation else 1
    order = np.arange(len(photographs) * variants)  # picture * variants + variant
    if augmentation:
        order = photographs.draw_order(np.random.default_rng([seed, epoch]), variants)
        order = order[: len(order) // batch * batch]
    else:
        order, worker = np.array_split(order, worker.workers)[worker.worker], ALONE
    seeds = [seed, epoch] if augmentation else None
    labels = tf.constant(photographs.labels(classes))

    def read(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return photographs.read(chosen, seeds)

    def pictures(
        step: tf.Tensor, items: tf.Tensor, there: tuple[tf.Tensor, tf.Tensor] | None = None
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        # Sorted, since neighbors in a memory-mapped array or a shard are read faster one after the other.
        items = tf.sort(items)
        count = tf.shape(items)[0]
        mine = worker.part(count)
        chosen = items[mine] // variants
        frames, sizes = there or tf.numpy_function(read, [chosen], (tf.uint8, tf.int32))
        frames = tf.ensure_shape(frames, (None, photographs.side, photographs.side, 3))
        rgb = tf.cast(frames, tf.float32) / 255
        sizes = tf.ensure_shape(sizes, (None, 2))
        draw = tf.stack([tf.cast(seed, tf.int64), step])
        if augmentation:
            # Drawn for the whole batch and then divided, so that a worker draws what a single process would.
            params = draw_params(augmentation, tf.cast(items % variants, tf.int32), draw).part(mine)
            rgb = crop_and_flip(rgb, sizes, params)
        lab = color.rgb_to_lab(rgb)
        light = lab[..., :1]
        if augmentation and augmentation.degraded:
            light = age(rgb, count, augmentation.degraded, draw + 4, mine)
        if augmentation:
            light += noise((count, *light.shape[1:]), params, draw + 2, mine)
        return light, {
            "rgb": rgb,
            "ab": lab[..., 1:],
            "mask": padding_mask(sizes, photographs.side),
            "labels": tf.gather(labels, chosen),
            "draws": tf.random.stateless_uniform((count, draws), draw + 3)[mine],
        }

    steps = tf.data.Dataset.range(epoch * (len(order) // batch) + start, np.iinfo(np.int64).max)
    inputs = [steps, tf.data.Dataset.from_tensor_slices(order[start * batch :]).batch(batch)]
    if reader and augmentation:
        chosen = np.sort(order[start * batch :].reshape(-1, batch))[:, worker.part(batch)] // variants
        inputs.append(reader.read(photographs, chosen, seeds))
    # Two batches ahead are enough: a step of a network takes longer than its input.
    return tf.data.Dataset.zip(*inputs).map(pictures, num_parallel_calls=2, deterministic=True).prefetch(2)


def padding_mask(sizes: tf.Tensor, size: int) -> tf.Tensor:
    """Heights and widths (B, 2) -> (B, size, size) float32: 1 on the picture, 0 on the padding."""
    inside = tf.range(size)[None, None] < sizes[:, :, None]
    return tf.cast(inside[:, 0, :, None] & inside[:, 1, None, :], tf.float32)
