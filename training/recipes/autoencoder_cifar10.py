"""autoencoder on CIFAR-10, as in the paper.

3,431,811 parameters; not trained by this project on the whole of CIFAR-10.

    colorzoo train autoencoder_cifar10 --data cifar10/train --val cifar10/test

The paper: all 50,000 pictures to train on, gray ones among them, and 10,000 to test on, mean squared error, Adam, a
rate that falls when the validation accuracy (that of Keras: the share of pixels whose strongest channel is the true
one) does not rise any more. Batches of 32, 30 epochs and the plateau's numbers are those of the book that its listing
is from. Its other settings: `--set distance=smooth_absolute`, `--set distance=cross_entropy`, `--set optimizer=rmsprop`
(nadam, momentum, sgd), `--set regularization=dropout` (batch_norm).
"""

from training.systems.autoencoder import AutoencoderRecipe

RECIPE = AutoencoderRecipe(
    size=32,
    resize_mode="center_crop",
    drop_gray=False,
    frame_size=32,
    batch=32,
    epochs=30,
    plateau_monitor="accuracy",
    plateau_factor=0.316,
    plateau_patience=5,
    min_learning_rate=5e-7,
    flip=False,
    crop=1.0,
)
