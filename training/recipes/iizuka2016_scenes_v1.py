"""A narrow iizuka2016 on scenes and their classes.

A quarter of the filters; 57 images/s, 43 minutes, on one core of an EPYC (AVX2) in float32.

    colorzoo train iizuka2016_scenes_v1 --data scenes/train --val scenes/val
    colorzoo pack runs/iizuka2016_scenes_v1 -o NAME.keras --saturation 1.3 --tta-scale 0.6667 --tta-scale 1 ...

Expect val_rmse 9.62 (gray: 11.81) after the last epoch, and of the packed preset on 799 held-out scenes at
128x128 an RMSE 22.0 % below that of gray with 77 % of the colorfulness. The log is in docs/runs/. The folders of
scenes/train are the classes.
"""

from training.systems.iizuka2016 import Iizuka2016Recipe

RECIPE = Iizuka2016Recipe(
    size=64,
    resize_mode="center_crop",
    frame_size=96,
    batch=16,
    epochs=18,
    learning_rate=1e-3,
    schedule="cosine",
    noise=(0.0, 0.5, 1.0, 2.0),
    width=0.25,
    global_size=64,
)
