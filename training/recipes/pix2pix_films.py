"""pix2pix on frames of films, as in the paper.

54,412,931 parameters, and 2,766,593 of the discriminator; not trained by this project.

    colorzoo train pix2pix_films --strategy mirrored --data frames/train --val frames/val

The paper: frames of animated films, series and videos in Full HD and 4K without near duplicates, random windows
of 512 x 512 pixels at their own resolution; Adam. It does not say how long: 200 epochs of single pictures and the
weight 100 of L1 are those of pix2pix. With several devices, set a batch that they divide.
"""

from training.systems.pix2pix import Pix2pixRecipe

RECIPE = Pix2pixRecipe(
    size=512,
    resize_mode="random_crop",
    frame_size=512,
    batch=1,
    epochs=200,
    learning_rate=2e-4,
    beta_1=0.5,
    schedule="constant",
    crop=1.0,
)
