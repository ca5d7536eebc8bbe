"""lite_unet on everyday photographs and scenes at several scales, from the weights of ImageNet, on one accelerator.

    python -m training.loop.jax lite_unet_photos_v3 --minutes 5.8 --data photographs/train-0.tar \\
        --data photographs/train-1.tar --data scenes/train --data objects/train --val photographs/val.tar
    colorzoo train lite_unet_photos_v3 --data ...    # by epochs, with TensorFlow: nobody has tried it
    colorzoo pack runs/lite_unet_photos_v3 -o NAME.keras --temperature 0.65 --saturation 1.25 --calm 0.5 \\
        --size 160 --look calm:0.65:1.1:1 --look vivid:0.65:1.5:0.5 ...

4,856,217 parameters; 5.8 minutes of one H200 that trained two other networks at the same time, 3,000 images/s of 8,200
in all. Expect val_loss 2.78 and val_rmse 9.93 on the 1,222 photographs of photographs/val.tar and scenes/val after half
of the time, which is the network that is kept: from then on the loss rises, to 2.91, and the RMSE stays. The log is
in docs/runs/, and what was tried besides in docs/lite_unet.md.
"""

from training.systems.lite_unet import LiteUNetRecipe

RECIPE = LiteUNetRecipe(
    init="imagenet",
    size=128,
    resize_mode="random_crop",
    shortest=(128, 208),
    frame_size=160,
    batch=256,
    epochs=5,
    optimizer="adamw",
    learning_rate=2e-3,
    weight_decay=0.01,
    ema_momentum=0.998,
    encoder_lr_factor=0.3,
    precision="mixed_bfloat16",
    schedule="cosine",
    rebalance_lambda=1.0,
    temperature=0.7,
    crop=1.0,
    degraded=0.4,
)
