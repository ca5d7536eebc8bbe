"""The network of Colorful Image Colorization: its size, its structure, and which pixel a cell stands for."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.accept_golden import formula_network
from tests.zoo import networks
from training import recipes
from training.systems.losses import pixel_weights, soft_cross_entropy
from zoo import bins
from zoo.architectures.zhang2016 import zhang2016
from zoo.bins import ab_grid
from zoo.errors import ArgumentError
from zoo.registry import architecture, parameters


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def lightness_of(*shape):
    return np.random.default_rng(0).uniform(0, 100, (*shape, 1)).astype(np.float32)


tiny = partial(networks.tiny, "zhang2016")


@pytest.fixture(scope="module")
def full():
    return networks.full_size("zhang2016")


def test_parameters_of_the_paper(full):
    assert parameters(full) == 32_235_385
    norms = [layer for layer in full.layers if isinstance(layer, keras.layers.BatchNormalization)]
    scales = sum(int(np.prod(weight.shape)) for norm in norms for weight in norm.trainable_weights)
    assert parameters(full) - scales == 32_230_393  # the authors' Caffe network
    assert all(norm.synchronized for norm in norms)


def test_convolutions(full):
    convs = {
        layer.name: (layer.filters, layer.strides[0], layer.dilation_rate[0])
        for layer in full.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert convs == {
        "conv1_1": (64, 1, 1),
        "conv1_2": (64, 2, 1),
        "conv2_1": (128, 1, 1),
        "conv2_2": (128, 2, 1),
        "conv3_1": (256, 1, 1),
        "conv3_2": (256, 1, 1),
        "conv3_3": (256, 2, 1),
        **{f"conv4_{i}": (512, 1, 1) for i in (1, 2, 3)},
        **{f"conv5_{i}": (512, 1, 2) for i in (1, 2, 3)},
        **{f"conv6_{i}": (512, 1, 2) for i in (1, 2, 3)},
        **{f"conv7_{i}": (512, 1, 1) for i in (1, 2, 3)},
        "conv8_2": (256, 1, 1),
        "conv8_3": (256, 1, 1),
        "scores": (313, 1, 1),
    }
    up = full.get_layer("conv8_1")
    assert (up.filters, up.kernel_size, up.strides) == (256, (4, 4), (2, 2))


def test_normalization_follows_the_last_rectifier_of_a_block(full):
    norms = [layer.name for layer in full.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms == [f"conv{block}_norm" for block in range(1, 8)]
    for block, last in enumerate((2, 2, 3, 3, 3, 3, 3), 1):
        before = full.get_layer(f"conv{block}_{last}")
        assert before.activation is keras.activations.relu
        assert full.get_layer(f"conv{block}_norm").input is before.output


def test_scores_and_probabilities():
    model = tiny()
    inner = keras.Model(model.input, [model.get_layer(n).output for n in ("scores", "probabilities")])
    scores, probabilities = map(numpy_of, inner(lightness_of(2, 33, 47)))
    assert scores.shape == probabilities.shape == (2, 10, 12, 313)
    sharp = np.exp((scores - scores.max(axis=-1, keepdims=True)) / 0.38)
    assert probabilities.max() > 0.1
    np.testing.assert_allclose(probabilities, sharp / sharp.sum(axis=-1, keepdims=True), atol=1e-5)


def test_temperature_is_that_of_its_layer():
    model = zhang2016(0.5, **architecture("zhang2016").tiny)
    assert model.get_layer("temperature").scale == 2
    inner = keras.Model(model.input, [model.get_layer(n).output for n in ("scores", "temperature")])
    scores, sharp = map(numpy_of, inner(lightness_of(1, 16, 16)))
    np.testing.assert_allclose(sharp, scores * 2)


def test_the_middle_of_the_field_is_near_the_pixel_of_the_cell():
    """Of a network that averages: with uniform kernels the gradient of a cell is the weight of every pixel in it."""
    model = zhang2016(width=1 / 64)
    for weight in model.trainable_weights:
        if weight.name == "kernel":
            weight.assign(np.full(weight.shape, 1 / np.prod(weight.shape[:-1])))
    scores = keras.Model(model.input, model.get_layer("scores").output)
    picture = tf.fill((1, 480, 480, 1), 75.0)
    for cell in np.array([(59, 60), (60, 59)]):
        with tf.GradientTape() as tape:
            tape.watch(picture)
            value = scores(picture)[0, cell[0], cell[1], 0]
        weight = tape.gradient(value, picture).numpy()[0, :, :, 0].astype(np.float64)
        along = np.stack([weight.sum(axis=1), weight.sum(axis=0)]) / weight.sum()
        # Even cells see a little more on the one side, odd cells on the other.
        np.testing.assert_allclose(along @ np.arange(480) - 4 * cell, -2, atol=0.3)
        assert np.ptp(np.flatnonzero(along[0])) + 1 < 400  # all of it lies in the picture


def decoder():
    """The part behind the probabilities: (probabilities, lightness) -> ab."""
    model = formula_network("zhang2016")  # for itself: Keras does not save a network that was cut open
    return keras.Model([model.get_layer("probabilities").output, model.input], model.output)


def test_a_cell_is_shown_on_the_pixel_that_it_learns_from():
    classes = np.random.default_rng(0).integers(0, 313, (1, 4, 6))
    ab = numpy_of(decoder()([np.eye(313, dtype=np.float32)[classes], np.zeros((1, 15, 22, 1), np.float32)]))
    cells = ab_grid()[classes]
    assert ab.shape == (1, 15, 22, 2)
    np.testing.assert_allclose(ab[:, ::4, ::4], cells, atol=1e-3)
    np.testing.assert_allclose(ab[:, ::4, 2:-2:4], (cells[:, :, :-1] + cells[:, :, 1:]) / 2, atol=1e-3)
    np.testing.assert_allclose(ab[:, 1:-2:4, ::4], cells[:, :-1] * 0.75 + cells[:, 1:] * 0.25, atol=1e-3)
    np.testing.assert_allclose(ab[:, 12:, ::4], np.broadcast_to(cells[:, 3:], (1, 3, 6, 2)), atol=1e-3)


def test_pads_with_the_border():
    lightness = lightness_of(2, 33, 47)
    by_hand = np.pad(lightness, [(0, 0), (0, 7), (0, 1), (0, 0)], mode="edge")
    expected = numpy_of(tiny()(by_hand))[:, :33, :47]
    np.testing.assert_allclose(numpy_of(tiny()(lightness)), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0}, "temperature is 0: it must be a finite number above 0"),
        ({"temperature": -0.38}, "temperature is -0.38"),
        ({"width": 0}, "width is 0: it must be a finite number above 0"),
        ({"width": -1.0}, "width is -1.0"),
    ],
)
def test_argument_errors(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        zhang2016(**arguments)


def test_the_loss_of_the_system_is_the_weighted_one_of_every_fourth_pixel() -> None:
    rng = np.random.default_rng(0)
    centers, prior = ab_grid(), rng.dirichlet(np.ones(313)).astype(np.float32)
    recipe = recipes.load("zhang2016_scenes_v1", {"width": "0.03"})
    system = recipe.system({"centers": centers, "prior": prior})
    lightness = rng.uniform(0, 100, (3, 20, 20, 1)).astype(np.float32)
    ab = rng.normal(0, 30, (3, 20, 20, 2)).astype(np.float32)
    ab[1] *= 0.01  # a gray picture
    mask = np.ones((3, 20, 20), np.float32)
    mask[2, 9:] = 0
    truth = {"ab": ab, "mask": mask}
    truth |= system.targets(truth)
    outputs = system.forward(lightness, truth, False)
    found = numpy_of(system.validate(outputs, truth)["loss"])

    scores = keras.Model(system.network.input, system.network.get_layer("scores").output)(lightness, training=False)
    targets = bins.soft_encode(ab[:, ::4, ::4], centers)
    weights = numpy_of(pixel_weights(targets, bins.rebalancing_weights(prior, recipe.rebalance_lambda)))
    weights = weights * mask[:, ::4, ::4]
    expected = numpy_of(soft_cross_entropy(scores[:, :5, :5], targets, weights))
    assert found[1] == 0
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-5)
