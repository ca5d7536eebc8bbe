"""iizuka2016 on Places, as in the paper.

42,367,343 parameters with 205 scenes; not trained by this project.

    colorzoo train iizuka2016_places --strategy mirrored --data places205/train --val places205/val

The paper: 2,327,958 photographs of 205 scenes, in folders by scene; windows of 224 x 224 pixels of photographs
whose shorter side is 256, and mirror images; ADADELTA, which has no rate to choose; 200,000 steps, three weeks on
one Tesla K80.
"""

from training.systems.iizuka2016 import Iizuka2016Recipe

RECIPE = Iizuka2016Recipe(
    size=224,
    resize_mode="random_crop",
    shortest=(256, 256),
    frame_size=224,
    batch=128,
    epochs=11,
    optimizer="adadelta",
    learning_rate=1.0,
    schedule="constant",
    crop=1.0,
)
