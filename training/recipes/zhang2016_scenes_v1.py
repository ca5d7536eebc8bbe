"""A narrow zhang2016 on scenes.

A quarter of the filters; 25 images/s, 33 minutes, on one core of an EPYC (AVX2) in float32.

    colorzoo train zhang2016_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    colorzoo pack runs/zhang2016_scenes_v1 -o NAME.keras \\
        --rebalance-lambda 0.9 --temperature 0.38 --saturation 1.3 ...

Expect val_rmse 13.9 (gray: 11.81), since rare colors count as much as frequent ones, and of the packed preset on
799 held-out scenes at 128x128 an RMSE 4.9 % below that of gray with 86 % of the colorfulness. The log is in
docs/runs/.
"""

from training.systems.zhang2016 import Zhang2016Recipe

RECIPE = Zhang2016Recipe(
    size=64,
    resize_mode="center_crop",
    frame_size=96,
    batch=16,
    epochs=4,
    learning_rate=1e-3,
    schedule="cosine",
    noise=(0.0, 0.5, 1.0, 2.0),
    width=0.25,
)
