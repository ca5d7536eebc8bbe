"""A narrow pix2pix on scenes.

Six levels, half of the filters; 33 images/s, 56 minutes, on a shared core of an EPYC (AVX2) in float32.

    colorzoo train pix2pix_scenes_v1 --data scenes/train --data objects/train --val scenes/val
    colorzoo pack runs/pix2pix_scenes_v1 -o NAME.keras --saturation 0.8 --tta-scale 0.6667 --tta-scale 1 ...

Expect val_loss 0.133 and val_rmse 12.69 (gray: 11.81) in epoch 8, and of the packed preset on 799 held-out
scenes at 128x128 an RMSE 7.4 % below that of gray with 73 % of the colorfulness. The log is in docs/runs/.
"""

from training.systems.pix2pix import Pix2pixRecipe

RECIPE = Pix2pixRecipe(
    size=64,
    resize_mode="center_crop",
    frame_size=96,
    batch=16,
    epochs=9,
    learning_rate=5e-4,
    schedule="cosine",
    noise=(0.0, 0.5, 1.0, 2.0),
    beta_1=0.5,
    filters=(32, 64, 128, 256, 256, 256),
    width=0.5,
)
