"""The autoencoder of the paper's size on a fifth of CIFAR-10.

3,431,811 parameters, as in the paper; 65 images/s, 33 minutes, on one core of an EPYC (AVX2) in float32.

    colorzoo train autoencoder_cifar10_v1 --data cifar10/train --val cifar10/test
    colorzoo pack runs/autoencoder_cifar10_v1 -o NAME.keras --saturation 1.3 --tta-scale 1 ...

Expect val_loss 0.0095 and val_rmse 10.81 (gray: 11.77) on the 1,946 of 2,000 test pictures that have color. Fewer
pictures than in the paper (9,772 of 10,000 have color), and their mirror images.
"""

from training.systems.autoencoder import AutoencoderRecipe

RECIPE = AutoencoderRecipe(
    size=32,
    resize_mode="center_crop",
    frame_size=32,
    batch=32,
    epochs=13,
    plateau_factor=0.316,
    plateau_patience=5,
    min_learning_rate=5e-7,
    crop=1.0,
)
