"""A narrow larsson2016 on scenes, from scratch."""

from dataclasses import dataclass

from training.systems.larsson2016 import Larsson2016Recipe


@dataclass(frozen=True, kw_only=True)
class Larsson2016ScenesV1(Larsson2016Recipe):
    """An eighth of the filters, from random weights; 23 images/s, 35 minutes, on one core of an EPYC (AVX2) in float32.

        colorzoo train larsson2016_scenes_v1 --data scenes/train --data objects/train --val scenes/val
        colorzoo pack runs/larsson2016_scenes_v1 -o NAME.keras --temperature 0.6 --saturation 1.5 ...

    Expect val_rmse 10.18 (gray: 11.81) after the last epoch, and of the packed preset on 799 held-out scenes at
    128x128 an RMSE 14.7 % below that of gray with 72 % of the colorfulness. The log is in docs/runs/. Places are drawn
    up to the border.
    """

    size: int = 64
    resize_mode: str = "center_crop"
    frame_size: int = 96
    batch: int = 16
    epochs: int = 4
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    noise: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    width: float = 0.125
    margin: float = 0.0
