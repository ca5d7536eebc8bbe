"""The work of a study: every system colorizes every photograph, batch by batch, and what comes out is measured.

One thread colorizes, others measure. Batches are always the same ones, so that neither the number of threads nor an
interruption changes a figure.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.backbones import Backbone
from training.evaluation.histograms import axis_counts, nearest_center, plane_counts
from training.evaluation.protocol import BATCH, Colorize
from training.evaluation.raw_accuracy import balancing_weights
from training.evaluation.study import measures
from training.evaluation.study.measures import measure_picture, to_lab
from training.evaluation.study.parts import Part, Parts
from training.evaluation.study.systems import System
from training.evaluation.study.truth import Progress, Truth
from training.evaluation.tables import Pixels, Values
from zoo.errors import ArgumentError

WAITING = 3  # batches that are colorized and not yet measured, which bounds the memory

Lpips = Callable[[Pixels, Pixels], Values]


@dataclass(frozen=True)
class Networks:
    """The networks that pictures are compared by, if any."""

    backbone: Backbone | None = None
    lpips: Lpips | None = None

    def compare(self, truth: Pixels, rgb: Pixels) -> tuple[dict[str, Values], NDArray[np.float32]]:
        """Of pictures uint8 (B, S, S, 3): distances (B,) by measure, and features (B, C) of the results."""
        distances: dict[str, Values] = {}
        features = np.zeros((len(truth), 0), np.float32)
        if self.backbone is not None:
            distance, features = self.backbone.compare(truth, rgb)
            distances[f"{measures.PERCEPTUAL}{self.backbone.name}"] = distance.astype(np.float64)
        if self.lpips is not None:
            distances[measures.LPIPS] = self.lpips(truth, rgb)
        return distances, features


def count_batches(truth: Truth) -> int:
    """The number of batches that the photographs are divided into."""
    return -(-len(truth) // BATCH)


def measure(
    systems: Sequence[System], truth: Truth, parts: Parts, networks: Networks, jobs: int, progress: Progress
) -> None:
    """Make all parts that are missing.

    Raises:
        ArgumentError: a system returns another shape or type than it was given.
        PresetError: a preset does not load, or uses the color of its input.
    """
    count = count_batches(truth)
    missing = {system.key: parts.missing(system.key, count) for system in systems}
    total = len(truth) * len(systems)
    done = sum(_length(truth, number) for system in systems for number in set(range(count)) - {*missing[system.key]})
    weights = balancing_weights(truth.bin_counts)
    with ThreadPoolExecutor(jobs) as pool:
        for system in systems:
            progress(done, total, system.name)
            if not missing[system.key]:
                continue
            colorize = system.load(truth)
            waiting: deque[tuple[int, _Batch]] = deque()
            for number in missing[system.key]:
                waiting.append((number, _start(pool, system, colorize, _batch(truth, number), networks, weights)))
                while len(waiting) > WAITING:
                    done += _finish(parts, system, *waiting.popleft())
                    progress(done, total, system.name)
            while waiting:
                done += _finish(parts, system, *waiting.popleft())
                progress(done, total, system.name)


def _batch(truth: Truth, number: int) -> Pixels:
    return np.asarray(truth.pictures[number * BATCH : (number + 1) * BATCH])


def _length(truth: Truth, number: int) -> int:
    return min(BATCH, len(truth) - number * BATCH)


@dataclass(frozen=True)
class _Batch:
    """A colorized batch while it is measured."""

    pictures: list[Future[dict[str, Any]]]
    distances: dict[str, Values]
    features: NDArray[np.float32]


def _start(
    pool: ThreadPoolExecutor, system: System, colorize: Colorize, truth: Pixels, networks: Networks, weights: Values
) -> _Batch:
    rgb = np.asarray(colorize(truth))
    if rgb.shape != truth.shape or rgb.dtype != np.uint8:
        raise ArgumentError(f"{system.name} returned {rgb.dtype} {rgb.shape}, where uint8 {truth.shape} is needed")
    pictures = [pool.submit(_measure, *pair, system.centers, weights) for pair in zip(truth, rgb, strict=True)]
    return _Batch(pictures, *networks.compare(truth, rgb))


def _measure(truth: Pixels, rgb: Pixels, centers: np.ndarray, weights: Values) -> dict[str, Any]:
    """All that is found of one picture: its figures under "values", and counts of colors by their names in `Part`."""
    lab_true, lab = to_lab(truth), to_lab(rgb)

    def count_bins(ab: Values) -> NDArray[np.int64]:
        return np.bincount(nearest_center(ab, centers).ravel(), minlength=len(centers))

    return {
        "values": measure_picture(truth, rgb, lab_true, lab, weights),
        "plane": plane_counts(lab[..., 1:]),
        "axes": axis_counts(lab[..., 1:]),
        "bins": count_bins(lab[..., 1:]),
        "true_bins": count_bins(lab_true[..., 1:]),
    }


def _finish(parts: Parts, system: System, number: int, batch: _Batch) -> int:
    """Waits for a batch and keeps its part; returns its length."""
    found = [each.result() for each in batch.pictures]
    values = {name: np.array([each["values"][name] for each in found]) for name in found[0]["values"]}
    part = Part(
        values | batch.distances,
        batch.features,
        *(np.sum([each[name] for each in found], axis=0) for name in ("plane", "axes", "bins", "true_bins")),
    )
    parts.write(system.key, number, part)
    return len(found)
