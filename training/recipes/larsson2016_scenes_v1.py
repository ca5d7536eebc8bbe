"""A narrow larsson2016 on scenes, from scratch.

An eighth of the filters, from random weights; 23 images/s, 35 minutes, on one core of an EPYC (AVX2) in float32.

    colorzoo train larsson2016_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    colorzoo pack runs/larsson2016_scenes_v1 -o NAME.keras --temperature 0.6 --saturation 1.5 ...

Expect val_rmse 10.18 (gray: 11.81) after the last epoch, and of the packed preset on 799 held-out scenes at
128x128 an RMSE 14.7 % below that of gray with 72 % of the colorfulness. The log is in docs/runs/. Places are drawn
up to the border.
"""

from training.systems.larsson2016 import Larsson2016Recipe

RECIPE = Larsson2016Recipe(
    size=64,
    resize_mode="center_crop",
    frame_size=96,
    batch=16,
    epochs=4,
    learning_rate=1e-3,
    schedule="cosine",
    noise=(0.0, 0.5, 1.0, 2.0),
    width=0.125,
    margin=0.0,
)
