"""lite_unet on everyday photographs and scenes, from the weights of ImageNet.

    colorzoo train lite_unet_photos_v1 --data photographs/train-0.tar --data photographs/train-1.tar \\
        --data scenes/train --data objects/train --val photographs/val.tar
    colorzoo pack runs/lite_unet_photos_v1 -o NAME.keras --temperature 0.65 --saturation 1.3 --calm 0.5 \\
        --size 128 --tta-scale 1 --look calm:0.65:1.1:1 --look vivid:0.65:1.6:0.5 ...

4,856,217 parameters; 20 images/s on two cores of an EPYC (AVX-512, bfloat16) that also did other work, 100 minutes for
the four of its five epochs that the preset lite_unet_photos_v2 has seen. Expect val_loss 2.78 and val_rmse 10.0 on the
1,222 photographs of photographs/val.tar and scenes/val, and of the packed preset on 799 held-out scenes at 128x128 an
RMSE 25.2 % below that of gray with 89 % of the colorfulness. The log is in docs/runs/. Three more epochs on the same
photographs made the validation worse: docs/lite_unet.md.
"""

from training.systems.lite_unet import LiteUNetRecipe

RECIPE = LiteUNetRecipe(
    init="imagenet",
    size=128,
    resize_mode="random_crop",
    shortest=(128, 160),
    frame_size=128,
    batch=32,
    epochs=5,
    optimizer="adamw",
    learning_rate=1e-3,
    weight_decay=0.01,
    ema_momentum=0.998,
    encoder_lr_factor=0.3,
    precision="mixed_bfloat16",
    float32_layers=("stem*", "stage*"),
    schedule="cosine",
    rebalance_lambda=1.0,
    temperature=0.7,
    crop=1.0,
    degraded=0.3,
)
