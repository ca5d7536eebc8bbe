"""The U-Net generator of pix2pix and its discriminator of 70 x 70 patches."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from zoo import color
from zoo.architectures.pix2pix import condition, discriminator, pix2pix
from zoo.colorizer import create_colorizer, parts_of
from zoo.errors import ArgumentError
from zoo.registry import architecture, parameters

SMALL = (4, 6, 8)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def uniform(*shape, low=0.0, high=100.0):
    return np.random.default_rng(len(shape)).uniform(low, high, shape).astype(np.float32)


def inner(network, *names):
    return keras.Model(network.input, [network.get_layer(name).output for name in names])


def randomized(model):
    """The model with weights so large that its output varies, statistics included."""
    generator = np.random.default_rng(0)
    for variable in model.weights:
        values = generator.normal(size=variable.shape)
        if len(variable.shape) > 1:
            values *= 2 / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(np.abs(values) + 0.5 if variable.name in ("gamma", "moving_variance") else values)
    return model


@pytest.fixture(scope="module")
def full_size():
    return pix2pix()


@pytest.fixture(scope="module")
def painting():
    """A small network whose output varies, to be left as it is."""
    return randomized(pix2pix(filters=SMALL))


def test_parameters_of_the_paper(full_size):
    assert parameters(full_size) == 54_412_931
    assert full_size.count_params() == 54_423_811
    (name, part), *others = architecture("pix2pix").parts(full_size).items()
    assert (name, others) == ("discriminator", [])
    assert parameters(part) == 2_766_593
    assert part.count_params() == 2_768_385


def test_maps_of_the_paper(full_size):
    def channels(kind):
        return [layer.output.shape[-1] for layer in full_size.layers if isinstance(layer, kind)]

    assert channels(layers.Conv2D) == [64, 128, 256, 512, 512, 512, 512, 512]
    assert channels(layers.Conv2DTranspose) == [512, 512, 512, 512, 256, 128, 64, 3]
    assert channels(layers.Concatenate) == [1024, 1024, 1024, 1024, 512, 256, 128]
    with_bias = [layer.name for layer in full_size.layers if getattr(layer, "use_bias", False)]
    assert with_bias == ["rgb"]
    normalized = {layer.name for layer in full_size.layers if isinstance(layer, layers.BatchNormalization)}
    assert normalized == {f"down{i}_norm" for i in range(2, 9)} | {f"up{i}_norm" for i in range(1, 8)}
    assert {layer.negative_slope for layer in full_size.layers if isinstance(layer, layers.LeakyReLU)} == {0.2}


def test_initial_weights(full_size):
    kernels = {layer.name: numpy_of(layer.kernel) for layer in full_size.layers if hasattr(layer, "kernel")}
    for kernel in kernels.values():
        assert abs(kernel.std() - 0.02) < 0.001
        assert abs(kernel.mean()) < 0.002
    assert not np.array_equal(kernels["down5_conv"], kernels["down6_conv"])
    gamma = np.concatenate([layer.gamma for layer in full_size.layers if isinstance(layer, layers.BatchNormalization)])
    assert abs(gamma.std() - 0.02) < 0.001
    assert abs(gamma.mean() - 1) < 0.002


def test_skip_connections_start_behind_the_rectifier(painting):
    skip, down = map(numpy_of, inner(painting, "up1_skip", "down1_relu")(uniform(1, 16, 16, 1)))
    np.testing.assert_array_equal(skip[..., SMALL[0] :], down)
    assert (skip[..., : SMALL[0]] >= 0).all()


@pytest.mark.parametrize(
    ("filters", "cells"),
    [
        ((2,) * 8, {7, 6, 5}),
        ((2,) * 7, {6, 5, 4}),
        ((2,) * 5, {4, 3}),
        ((2,) * 3, {2}),
        ((2,) * 2, set()),
    ],
)
def test_dropout_in_the_inner_up_cells(filters, cells):
    model = pix2pix(filters=filters, dropout=0.3)
    dropout = [layer for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert {layer.name for layer in dropout} == {f"up{i}_dropout" for i in cells}
    assert {layer.rate for layer in dropout} <= {0.3}


def test_rgb_and_its_ab(painting):
    lightness = uniform(2, 33, 47, 1)
    rgb, ab = map(numpy_of, inner(painting, "rgb", "ab")(lightness))
    assert rgb.shape == (2, 40, 48, 3)
    assert rgb.dtype == np.float32
    assert np.abs(rgb).max() <= 1
    assert rgb.std() > 0.1
    expected = numpy_of(color.rgb_to_lab(rgb / 2 + 0.5))[:, :33, :47, 1:]
    np.testing.assert_allclose(ab, expected, atol=1e-3)


def test_condition_is_the_gray_of_the_lightness(painting):
    gray = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    lightness = color.lightness(np.repeat(gray, 3, axis=-1))
    np.testing.assert_allclose(numpy_of(condition(lightness)), gray * 2 - 1, atol=1e-5)

    lightness = uniform(1, 9, 13, 1)
    seen = numpy_of(inner(painting, "condition")(lightness))
    padded = np.pad(lightness, [(0, 0), (0, 7), (0, 3), (0, 0)], mode="edge")
    np.testing.assert_allclose(seen, numpy_of(condition(padded)), atol=1e-4)


@pytest.mark.parametrize("axis", [1, 2])
def test_mirrored_weights_paint_the_mirrored_picture(axis):
    # One padded row more on one side, or half a pixel of shift at any level, would break the symmetry.
    lightness = uniform(1, 32, 48, 1)
    model = randomized(pix2pix(filters=SMALL))
    painted = numpy_of(model(lightness))
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(np.flip(numpy_of(layer.kernel), axis - 1))
    mirrored = numpy_of(model(np.flip(lightness, axis)))
    assert painted.std() > 1
    np.testing.assert_allclose(mirrored, np.flip(painted, axis), atol=0.01)


def test_by_default_a_photograph_gets_the_same_colors_every_time():
    model = randomized(pix2pix(filters=SMALL))
    before = [numpy_of(variable) for variable in model.weights]
    lightness = uniform(1, 16, 16, 1)
    np.testing.assert_array_equal(numpy_of(model(lightness)), numpy_of(model(lightness)))
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(numpy_of(variable), value)
    noisy = [numpy_of(model(lightness, training=True)) for _ in range(2)]
    assert np.abs(noisy[0] - noisy[1]).max() > 1


def test_a_call_in_training_mode_uses_the_statistics_of_the_batch():
    model = randomized(pix2pix(filters=SMALL[:2]))  # too few levels for dropout
    lightness = uniform(2, 16, 16, 1)
    alone, together = (numpy_of(model(given, training=True)) for given in (lightness[:1], lightness))
    assert np.abs(together[:1] - alone).max() > 1


def test_a_colorizer_has_no_noise_at_test_time(painting):
    frames = uniform(1, 32, 32, 1)
    model = create_colorizer(painting, 32)
    model.compile(run_eagerly=True)  # `predict` of one batch is not worth a graph
    image = np.full((1, 20, 30, 3), 99, np.uint8)
    np.testing.assert_array_equal(numpy_of(model(image)), numpy_of(model.predict(image, verbose=0)))
    np.testing.assert_array_equal(numpy_of(parts_of(model).colors(frames)), numpy_of(parts_of(model).colors(frames)))


@pytest.mark.parametrize(
    ("size", "patches"), [((256, 256), (30, 30)), ((512, 128), (62, 14)), ((17, 33), (1, 3)), ((70, 71), (7, 7))]
)
def test_patches_of_the_discriminator(size, patches):
    pictures = [uniform(2, *size, channels, low=-1, high=1) for channels in (1, 3)]
    logits = discriminator(width=1 / 64)(pictures)
    assert logits.shape == (2, *patches, 1)


def test_a_logit_judges_70_x_70_pixels():
    model = randomized(discriminator(width=1 / 32))
    gray, rgb = (tf.constant(uniform(1, 128, 128, channels, low=-1, high=1)) for channels in (1, 3))
    with tf.GradientTape() as tape:
        tape.watch([gray, rgb])
        logit = model([gray, rgb])[0, 7, 6, 0]
    for gradient in tape.gradient(logit, [gray, rgb]):
        touched = np.abs(gradient[0]).sum(axis=-1) > 0
        rows, columns = touched.any(axis=1), touched.any(axis=0)
        assert (rows.sum(), columns.sum()) == (70, 70)
        # In one piece, around the middle of the logit's own 8 x 8 pixels (a pixel padding goes before the map).
        assert np.flatnonzero(rows)[[0, -1]].tolist() == [8 * 7 - 23, 8 * 7 + 46]
        assert np.flatnonzero(columns)[[0, -1]].tolist() == [8 * 6 - 23, 8 * 6 + 46]


def test_the_discriminator_sees_gray_and_color():
    model = randomized(discriminator(width=1 / 32))
    gray, rgb = (uniform(1, 32, 32, channels, low=-1, high=1) for channels in (1, 3))
    logits = numpy_of(model([gray, rgb]))
    assert np.abs(numpy_of(model([-gray, rgb])) - logits).max() > 0.01
    assert np.abs(numpy_of(model([gray, -rgb])) - logits).max() > 0.01
    assert model.output_names == ["logits"]
    assert (logits < 0).any() or (numpy_of(model([-gray, -rgb])) < 0).any()


def test_logits_are_float32_in_low_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = discriminator(width=1 / 32)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("patch1_conv").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


def test_the_discriminator_beside_a_network_has_its_width():
    part = architecture("pix2pix").parts(pix2pix(width=1 / 16, filters=(64, 128, 256)))["discriminator"]
    assert part.get_layer("patch4_conv").filters == 32


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (pix2pix, {"width": 0}, "width is 0"),
        (pix2pix, {"filters": (64,)}, r"filters is \(64,\)"),
        (pix2pix, {"filters": (64, 0)}, r"filters is \(64, 0\)"),
        (pix2pix, {"dropout": 1.0}, "dropout is 1.0"),
        (pix2pix, {"dropout": -0.1}, "dropout is -0.1"),
        (discriminator, {"width": -1}, "width is -1"),
    ],
)
def test_argument_errors(build, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        build(**arguments)
