"""The network of Let there be Color!: its size, what its two inputs share, and what its classifier trains."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.accept_golden import formula_network
from tests.zoo import networks
from zoo.architectures.iizuka2016 import classifier, iizuka2016
from zoo.blocks import resize_to
from zoo.errors import ArgumentError
from zoo.registry import architecture, parameters

UNITS = 9  # of the tiny network's global vector and of its mid-level map


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def lightness_of(*shape):
    return np.random.default_rng(0).uniform(0, 100, (*shape, 1)).astype(np.float32)


def size_of(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


tiny = partial(networks.tiny, "iizuka2016")


def inner(name, model=None):
    model = model or tiny()
    return keras.Model(model.input, model.get_layer(name).output)


@pytest.fixture(scope="module")
def full():
    network = networks.full_size("iizuka2016")
    return network, architecture("iizuka2016").parts(network)["classifier"]


def test_parameters_of_the_paper(full):
    network, scene = full
    assert parameters(network) == 42_182_818
    together = {weight.path: weight for weight in network.trainable_weights + scene.trainable_weights}
    assert size_of(together.values()) == 42_367_343
    scales = [weight for path, weight in together.items() if weight.name in ("gamma", "beta")]
    assert size_of(together.values()) - size_of(scales) == 42_353_839
    assert parameters(network.get_layer("low_level")) == 2_287_488 + 2 * (64 + 128 + 128 + 256 + 256 + 512)


def test_layers(full):
    network, scene = full
    layers = [*network.get_layer("low_level").layers, *network.layers]
    convs = {
        layer.name: (layer.filters, layer.kernel_size[0], layer.strides[0])
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert convs == {
        "low_conv1": (64, 3, 2),
        "low_conv2": (128, 3, 1),
        "low_conv3": (128, 3, 2),
        "low_conv4": (256, 3, 1),
        "low_conv5": (256, 3, 2),
        "low_conv6": (512, 3, 1),
        "mid_conv1": (512, 3, 1),
        "mid_conv2": (256, 3, 1),
        "global_conv1": (512, 3, 2),
        "global_conv2": (512, 3, 1),
        "global_conv3": (512, 3, 2),
        "global_conv4": (512, 3, 1),
        "fusion": (256, 1, 1),
        "color1_conv1": (128, 3, 1),
        "color2_conv1": (64, 3, 1),
        "color3_conv1": (64, 3, 1),
        "color4_conv1": (32, 3, 1),
        "map": (2, 3, 1),
    }
    dense = {
        layer.name: layer.kernel.shape
        for layer in {*network.layers, *scene.layers}
        if isinstance(layer, keras.layers.Dense)
    }
    assert dense == {
        "global_fc1": (7 * 7 * 512, 1024),
        "global_fc2": (1024, 512),
        "global_fc3": (512, 256),
        "classifier_fc": (512, 256),
        "classifier_scores": (256, 205),
    }


def test_every_layer_but_the_outputs_is_normalized_before_its_rectifier(full):
    network, scene = full
    layers = {layer.name: layer for layer in [*network.get_layer("low_level").layers, *network.layers, *scene.layers]}
    weighted = {name for name in layers if isinstance(layers[name], keras.layers.Conv2D | keras.layers.Dense)}
    norms = {name for name in layers if isinstance(layers[name], keras.layers.BatchNormalization)}
    assert norms == {f"{name}_norm" for name in weighted - {"map", "classifier_scores"}}
    for name in norms:
        before, after = layers[name.removesuffix("_norm")], layers[name.removesuffix("_norm") + "_relu"]
        assert before.activation is keras.activations.linear
        assert before.use_bias
        assert layers[name].input is before.output
        assert after.input is layers[name].output
        assert layers[name].synchronized
    assert layers["map"].activation is keras.activations.sigmoid


def test_map_becomes_ab_on_the_2_pixels_of_a_cell():
    lightness = lightness_of(2, 33, 47)
    both = keras.Model(tiny().input, [tiny().get_layer("map").output, tiny().output])
    cells, ab = map(numpy_of, both(lightness))
    assert cells.shape == (2, 20, 24, 2)
    assert 0 <= cells.min() < cells.max() <= 1
    expected = numpy_of(keras.ops.image.resize(cells * 200 - 100, (40, 48), interpolation="bilinear"))
    np.testing.assert_allclose(ab, expected[:, :33, :47], atol=1e-3)


def test_a_saturated_map_reaches_the_limits():
    model = iizuka2016(**architecture("iizuka2016").tiny)
    model.get_layer("map").bias.assign([1e3, -1e3])
    ab = numpy_of(model(lightness_of(1, 16, 16)))
    np.testing.assert_allclose(ab, np.broadcast_to([100.0, -100.0], ab.shape))


def test_low_level_cells_lie_on_every_eighth_pixel():
    """Of layers that average: with uniform kernels the gradient of a cell is the weight of every pixel in it."""
    low_level = iizuka2016(1 / 32, global_size=32).get_layer("low_level")
    for weight in low_level.trainable_weights:
        if weight.name == "kernel":
            weight.assign(np.full(weight.shape, 1 / np.prod(weight.shape[:-1])))
    picture = tf.fill((1, 96, 96, 1), 75.0)
    with tf.GradientTape() as tape:
        tape.watch(picture)
        value = low_level(picture)[0, 5, 6, 0]
    weight = tape.gradient(value, picture).numpy()[0, :, :, 0]
    weight /= weight.sum()
    assert weight.sum(axis=1) @ np.arange(96) == pytest.approx(8 * 5, abs=1e-3)
    assert weight.sum(axis=0) @ np.arange(96) == pytest.approx(8 * 6, abs=1e-3)


def test_the_global_branch_sees_the_picture_without_padding_fitted_to_its_square():
    lightness = lightness_of(2, 33, 47)
    fitted = keras.Model(tiny().input, resize_to(tiny().input, 32))(lightness)
    vector = inner("global_fc3_relu")
    assert vector(lightness).shape == (2, UNITS)
    np.testing.assert_allclose(vector(lightness), vector(fitted), atol=1e-5)
    assert np.ptp(numpy_of(vector(lightness)), axis=0).max() > 1e-3


def test_the_global_vector_reaches_every_place_and_only_it_reaches_far():
    model = iizuka2016(1 / 16, global_size=32)
    for weight in model.trainable_weights:
        if weight.name == "kernel":
            weight.assign(weight * 2)  # else little of the picture is left behind so many new layers
    fusion, fused = model.get_layer("fusion"), inner("fusion_relu", model)
    kernel = numpy_of(fusion.kernel).copy()
    from_global = np.arange(32)[:, None] < 16
    lightness = lightness_of(1, 32, 256)
    other = lightness.copy()
    other[:, :, 200:] = 100

    fusion.kernel.assign(kernel * from_global)
    here, there = numpy_of(fused(lightness)), numpy_of(fused(other))
    assert here.shape == (1, 4, 32, 16)
    np.testing.assert_allclose(here, np.broadcast_to(here[:, :1, :1], here.shape), rtol=1e-4)
    assert np.abs(here - there).max() > 1e-3

    fusion.kernel.assign(kernel * ~from_global)
    here, there = numpy_of(fused(lightness)), numpy_of(fused(other))
    np.testing.assert_allclose(here[:, :, :18], there[:, :, :18], rtol=1e-4, atol=1e-5)
    assert np.abs(here - there)[:, :, 25:].max() > 1e-3


def reached(network, model, loss):
    """The parts of the network, and of a classifier on it, that get a gradient."""
    weights = {weight.path: weight.value for weight in network.trainable_weights + model.trainable_weights}
    with tf.GradientTape() as tape:
        value = loss(model(lightness_of(4, 40, 48), training=True))
    gradients = tape.gradient(value, weights)
    return {path.split("/")[0].split("_")[0] for path, gradient in gradients.items() if gradient is not None}


def test_the_classifier_trains_low_level_and_global_layers_alone():
    network = formula_network("iizuka2016")
    scene = classifier(network, 7)
    assert scene(lightness_of(4, 33, 47)).shape == (4, 7)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert reached(network, scene, lambda logits: entropy(np.arange(4), logits)) == {"low", "global", "classifier"}
    colors = {"mid", "fusion", "color1", "color2", "color3", "color4", "map"}
    assert reached(network, network, tf.reduce_sum) == {"low", "global"} | colors


def test_the_classifier_leaves_the_network_out_of_the_last_global_layer():
    before = parameters(tiny())
    scene = classifier(tiny())
    assert scene.get_layer("classifier_fc").input is tiny().get_layer("global_fc2_relu").output
    assert not any("global_fc3" in weight.path for weight in scene.weights)
    assert parameters(tiny()) == before


def test_a_loaded_network_gets_a_classifier(tmp_path):
    tiny().save(tmp_path / "network.keras")
    network = keras.models.load_model(tmp_path / "network.keras")
    scene = architecture("iizuka2016").parts(network)["classifier"]
    scene.save(tmp_path / "classifier.keras")
    lightness = lightness_of(2, 33, 47)
    loaded = keras.models.load_model(tmp_path / "classifier.keras")
    np.testing.assert_allclose(loaded(lightness), scene(lightness), atol=1e-5)


def test_low_precision_inside_gives_float32_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        scene = classifier(iizuka2016(**architecture("iizuka2016").tiny))
    finally:
        keras.config.set_dtype_policy("float32")
    assert scene(lightness_of(1, 16, 16)).dtype == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width is 0: it must be a finite number above 0"),
        ({"width": -1.0}, "width is -1.0"),
        ({"global_size": 0}, "global_size is 0: it must be a multiple of 32, at least 32"),
        ({"global_size": -32}, "global_size is -32"),
        ({"global_size": 100}, "global_size is 100"),
    ],
)
def test_argument_errors(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        iizuka2016(**arguments)


def test_a_classifier_needs_classes():
    with pytest.raises(ArgumentError, match="classes is 1: it must be a whole number, at least 2"):
        classifier(tiny(), 1)


def test_the_global_square_decides_the_first_layer_behind_it():
    model = iizuka2016(1 / 32, global_size=64)
    assert model.get_layer("global_fc1").kernel.shape == (2 * 2 * 16, 32)
