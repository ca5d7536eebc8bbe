"""zhang2016 on ImageNet, as in the paper.

32,235,385 parameters; not trained by this project.

    colorzoo train zhang2016_imagenet --strategy mirrored --data imagenet/train --val imagenet/val

The paper: 1.3 million photographs, windows of 176 x 176 pixels as in the authors' code, batches of 40, Adam with
weight decay; 450,000 steps, 3e-5 and then about a third of it after 200,000 and again after 375,000.
"""

from training.systems.zhang2016 import Zhang2016Recipe

RECIPE = Zhang2016Recipe(
    size=176,
    resize_mode="random_crop",
    shortest=(256, 256),
    batch=40,
    epochs=14,
    learning_rate=3e-5,
    beta_2=0.99,
    weight_decay=1e-3,
    schedule="step",
    lr_milestones=(6.15, 11.5),
    lr_gamma=0.316,
    min_learning_rate=3e-6,
    crop=1.0,
)
