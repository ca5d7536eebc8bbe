"""ibn_gan on ImageNet, as in the paper.

41,830,402 parameters, and 3 x 2,766,529 of the discriminators; not trained by this project.

    colorzoo train ibn_gan_imagenet --strategy mirrored --data imagenet/val --val imagenet/test

The paper: the 50,000 photographs of the validation set of ILSVRC 2012, gray ones among them, resized to 256 x 256
pixels without keeping their proportions, and 10,000 of the training set to test on. Batches of 16, 200 epochs and Adam
are those of the authors' code, which has the least-squares loss where the paper writes the log loss:
`--set adversarial_loss=least_squares`.
"""

from training.systems.ibn_gan import IbnGanRecipe

RECIPE = IbnGanRecipe(
    resize_mode="stretch",
    drop_gray=False,
    batch=16,
    epochs=200,
    learning_rate=2e-4,
    beta_1=0.5,
    schedule="constant",
    flip=False,
    crop=1.0,
)
