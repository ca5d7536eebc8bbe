"""lite_unet on everyday photographs and scenes, from the weights of ImageNet.

    colorzoo train lite_unet_photos_v1 --data photographs/train-0.tar --data photographs/train-1.tar \\
        --data scenes/train --data objects/train --val photographs/val.tar
"""

from training.systems.lite_unet import LiteUNetRecipe

RECIPE = LiteUNetRecipe(
    init="imagenet",
    size=128,
    resize_mode="random_crop",
    shortest=(128, 160),
    frame_size=256,
    batch=32,
    epochs=6,
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
