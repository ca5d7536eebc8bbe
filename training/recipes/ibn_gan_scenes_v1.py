"""A narrow ibn_gan on scenes.

Six levels, a quarter of the filters; 14 images/s, 59 minutes, on a shared core of an EPYC (AVX2) in float32.

    colorzoo train ibn_gan_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    colorzoo pack runs/ibn_gan_scenes_v1 -o NAME.keras --saturation 0.8 --tta-scale 0.6667 --tta-scale 1 ...

Expect val_loss 0.094 and val_rmse 13.42 (gray: 11.81) after the last epoch, and of the packed preset on 799
held-out scenes at 128x128 an RMSE 2.5 % above that of gray with 72 % of the colorfulness. The log is in docs/runs/.
"""

from training.systems.ibn_gan import IbnGanRecipe

RECIPE = IbnGanRecipe(
    size=64,
    resize_mode="center_crop",
    frame_size=96,
    batch=16,
    epochs=4,
    learning_rate=5e-4,
    schedule="cosine",
    noise=(0.0, 0.5, 1.0, 2.0),
    beta_1=0.5,
    levels=6,
    width=0.25,
)
