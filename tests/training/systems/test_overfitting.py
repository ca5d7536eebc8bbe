"""Every system can learn eight real photographs by heart, until their colors are right: what no wrong loss allows.

The photographs come inside scikit-image and scikit-learn.
"""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image
from skimage import data as skimage_data
from sklearn.datasets import load_sample_image

import zoo
from training import recipes
from training.data.batches import batches
from training.data.datasets import Photographs
from training.data.resize import center_crop
from training.loop.strategies import make_strategy
from training.loop.trainer import make_trainer
from zoo import bins, color

SIZE = 64
RIGHT = 4.0  # Lab units, the mean of |error| over a and b
COMMON = {
    "size": str(SIZE), "batch": "8", "optimizer": "adam", "schedule": "constant", "noise": "(0.0,)", "crop": "1.0",
    "flip": "False",
}  # fmt: skip
# recipe -> its smaller network, and the most steps that it gets
SMALL = {
    "autoencoder_cifar10_v1": ({"width": "0.5", "learning_rate": "0.001"}, 1500),
    "color_unet_scenes_v1": ({"learning_rate": "0.003", "bins": "20", "temperature": "1.0"}, 1500),
    "ibn_gan_scenes_v1": ({"width": "0.25", "learning_rate": "0.001"}, 1500),
    "iizuka2016_scenes_v1": ({"width": "0.2", "learning_rate": "0.003"}, 1500),
    "larsson2016_scenes_v1": ({"width": "0.125", "learning_rate": "0.003", "locations": "256", "window": "1"}, 1500),
    # Fifty normalizations follow the weights with a delay, so that these have to come to rest first.
    "lite_unet_photos_v1": (
        {
            "width": "0.5", "init": "", "encoder_lr_factor": "1.0", "resize_mode": "center_crop", "shortest": "(0, 0)",
            "degraded": "0.0", "precision": "float32", "epochs": "1",
            "schedule": "step", "lr_milestones": "(0.4,)", "lr_gamma": "0.01",
        },
        1500,
    ),
    "pix2pix_scenes_v1": ({"learning_rate": "0.001", "dropout": "0.0"}, 1500),
    "zhang2016_scenes_v1": ({"width": "0.2", "learning_rate": "0.002"}, 1500),
}  # fmt: skip


def eight_photographs() -> Photographs:
    whole = [getattr(skimage_data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")]
    for name in ("china.jpg", "flower.jpg"):
        picture = load_sample_image(name)
        whole += [picture[:, : picture.shape[1] // 2], picture[:, picture.shape[1] // 2 :]]
    frames = np.stack([center_crop(Image.fromarray(picture), SIZE)[0] for picture in whole])
    names = [str(i) for i in range(len(frames))]
    return Photographs(frames, np.full((8, 2), SIZE, np.int32), names, names, [], ["one", "other"] * 4)


def test_every_architecture_is_here() -> None:
    assert {recipes.load(name).architecture for name in SMALL} == set(zoo.list_models()), "SMALL in this file"


def error_of_classes(photographs: Photographs, count: int) -> float:
    """The error that the classes of color_unet leave where every pixel is put into the right one."""
    classes, centers, _ = photographs.frequent_uv_classes(count)
    rgb = photographs.frames.astype(np.float32) / 255
    cells = ops.convert_to_numpy(bins.uv_cell(color.rgb_to_yuv(rgb)[..., 1:]))
    ab = ops.convert_to_numpy(color.rgb_to_lab(rgb))[..., 1:]
    return float(np.abs(centers[classes[cells]] - ab).mean())


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_eight_photographs_by_heart(name: str) -> None:
    changes, most_steps = SMALL[name]
    photographs = eight_photographs()
    recipe = recipes.load(name, COMMON | changes)
    tf.random.set_seed(0)
    trainer = make_trainer(recipe, recipe.statistics(photographs), most_steps, make_strategy("one"))
    system = trainer.system
    right = RIGHT
    if recipe.architecture == "color_unet":
        # Its hundred cells are too coarse for 4: these photographs fill twenty of them, which leaves an error of 5.7.
        right = 1.1 * error_of_classes(photographs, recipe.bins)
        assert RIGHT < right < 6.3
    errors = []
    for step in range(most_steps):
        if step % 50 == 0:
            # Other places each time, for the system that learns at a few.
            lightness, truth = next(
                iter(batches(photographs, 8, seed=step, classes=photographs.classes, draws=system.draws))
            )
            ab = system.network(lightness, training=False)
            errors.append(float(tf.reduce_mean(tf.abs(ab - truth["ab"]))))
            if errors[-1] < right:
                break
        trainer.step((lightness, truth))
    print(f"{name}: {errors[0]:.2f} -> {errors[-1]:.2f} in {50 * (len(errors) - 1)} steps")
    assert errors[0] > 2 * RIGHT
    assert errors[-1] < right
