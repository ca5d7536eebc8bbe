"""Statistics of the colors of photographs: how often each class occurs."""

from typing import Protocol

import numpy as np
from keras import ops

from zoo import bins, color

CHECKED_TOGETHER = 128  # photographs in one color check


class Frames(Protocol):
    """Pictures in frames, such as `training.data.datasets.Photographs`."""

    @property
    def frames(self) -> np.ndarray:
        """(N, S, S, 3) uint8 sRGB, each picture in the upper left."""

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2), height and width of the picture in its frame."""


class WithStatistics:
    """What a system may ask of pictures in frames; see `training.systems.system.Photographs`.

    frames, sizes: see `Frames`.
    """

    frames: np.ndarray
    sizes: np.ndarray

    def frequent_uv_classes(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The n most frequent UV cells -> class of each cell (100,), mean ab of each class (n, 2), prior (n,)."""
        return frequent_uv_classes(self, n)

    def uv_prior(self, classes: np.ndarray) -> np.ndarray:
        """Class of each UV cell (100,) -> the prior (n,) float32 of the classes."""
        return uv_prior(self, classes)

    def ab_prior(self, centers: np.ndarray, *, neighbors: int | None, sigma: float) -> np.ndarray:
        """Centers (n, 2) -> the mean (n,) float32 of the colors, softly encoded by the nearest centers or by all."""
        return ab_prior(self, centers, neighbors=neighbors, sigma=sigma)


def frequent_uv_classes(photographs: Frames, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The n most frequent UV cells -> class of each cell (100,), mean ab of each class (n, 2), prior (n,)."""
    counts, ab_sums = _uv_counts(photographs)
    classes = bins.frequent_classes(counts, n)
    return classes, *bins.class_statistics(classes, counts, ab_sums)


def uv_prior(photographs: Frames, classes: np.ndarray) -> np.ndarray:
    """Class of each UV cell (100,) -> the prior (n,) float32 of the classes in the photographs."""
    count = np.bincount(classes, _uv_counts(photographs)[0])
    return (count / count.sum()).astype(np.float32)


def ab_prior(photographs: Frames, centers: np.ndarray, *, neighbors: int | None, sigma: float) -> np.ndarray:
    """The mean (n,) float32 of the softly encoded colors of all photographs, of every fourth pixel each way.

    Source: Zhang et al., section 2.2, where the prior is smoothed with the kernel of the soft encoding.
    """
    total = np.zeros(len(centers))
    for start in range(0, len(photographs.frames), CHECKED_TOGETHER):
        frames = photographs.frames[start : start + CHECKED_TOGETHER, ::4, ::4]
        heights, widths = photographs.sizes[start : start + CHECKED_TOGETHER].T[..., None]
        places = np.arange(0, photographs.frames.shape[1], 4)
        inside = (places < heights)[:, :, None] & (places < widths)[:, None, :]
        ab = color.rgb_to_lab(frames[inside].astype(np.float32) / 255)[..., 1:]
        encoded = bins.soft_encode(ab, centers, neighbors=neighbors, sigma=sigma)
        total += ops.convert_to_numpy(ops.sum(encoded, axis=0))
    return (total / total.sum()).astype(np.float32)


def _uv_counts(photographs: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Every second pixel each way -> how many lie in each UV cell (100,), and the sums of their ab (100, 2)."""
    counts = np.zeros(bins.UV_CELLS**2)
    ab_sums = np.zeros((bins.UV_CELLS**2, 2))
    for start in range(0, len(photographs.frames), CHECKED_TOGETHER):
        frames = photographs.frames[start : start + CHECKED_TOGETHER, ::2, ::2]
        sizes = photographs.sizes[start : start + CHECKED_TOGETHER]
        pixels = np.concatenate(
            [f[: (h + 1) // 2, : (w + 1) // 2].reshape(-1, 3) for f, (h, w) in zip(frames, sizes, strict=True)]
        )
        rgb = pixels.astype(np.float32) / 255
        cells = ops.convert_to_numpy(bins.uv_cell(color.rgb_to_yuv(rgb)[:, 1:]))
        ab = ops.convert_to_numpy(color.rgb_to_lab(rgb)[:, 1:])
        counts += np.bincount(cells, minlength=len(counts))
        ab_sums += np.stack([np.bincount(cells, ab[:, i], len(counts)) for i in range(2)], axis=-1)
    return counts, ab_sums
