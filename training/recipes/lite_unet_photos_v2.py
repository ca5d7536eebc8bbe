"""lite_unet_photos_v1, trained on."""

from dataclasses import replace

from training.recipes import lite_unet_photos_v1

RECIPE = replace(
    lite_unet_photos_v1.RECIPE, init="lite_unet_photos_v1", epochs=3, learning_rate=6e-4, degraded=0.2, frame_size=128
)
