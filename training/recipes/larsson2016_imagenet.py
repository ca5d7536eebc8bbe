"""larsson2016 on ImageNet, as in the authors' training files.

147,041,024 parameters; not trained by this project.

    colorzoo train larsson2016_imagenet --strategy mirrored --data imagenet/train --val imagenet/val

It starts from Keras's VGG-16, whose weight file has to be there. 1.2 million photographs, the shorter side drawn
from 352 to 600 pixels, windows of 352, 128 places in each, batches of 8; momentum, 2 million steps, a tenth of
the rate after 1, 1.5 and 1.75 million.
"""

from training.systems.larsson2016 import Larsson2016Recipe

RECIPE = Larsson2016Recipe(
    size=352,
    resize_mode="random_crop",
    shortest=(352, 600),
    frame_size=352,
    batch=8,
    epochs=13,
    optimizer="momentum",
    learning_rate=1e-3,
    weight_decay=5e-4,
    schedule="step",
    lr_milestones=(6.5, 9.75, 11.4),
    min_learning_rate=1e-6,
    crop=1.0,
    vgg16="keras",
)
