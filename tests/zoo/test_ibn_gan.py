"""The generator with instance and batch normalization, and its discriminators at several scales."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.zoo import networks
from zoo.architectures.ibn_gan import VARIANTS, condition, discriminators, ibn_gan
from zoo.errors import ArgumentError
from zoo.registry import architecture, parameters

SMALL = {"levels": 3, "width": 1 / 16}


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def uniform(*shape, low=0.0, high=100.0):
    return np.random.default_rng(len(shape)).uniform(low, high, shape).astype(np.float32)


def pictures(size, batch=1):
    """What a discriminator takes: condition and map."""
    return [uniform(batch, size, size, channels, low=-1, high=1) for channels in (1, 2)]


def inner(network, *names):
    return keras.Model(network.input, [network.get_layer(name).output for name in names])


def norms(model):
    """Kind of normalization by the name of its block."""
    kinds = {layers.BatchNormalization: "bn", layers.GroupNormalization: "in"}
    return {layer.name.removesuffix("_norm"): kinds[type(layer)] for layer in model.layers if type(layer) in kinds}


def spectral(model):
    """Names of the spectrally normalized convolutions, and of the others."""
    wrapped = [layer.name for layer in model.layers if isinstance(layer, layers.SpectralNormalization)]
    return wrapped, [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]


@pytest.fixture(scope="module")
def full_size():
    return networks.full_size("ibn_gan")


@pytest.fixture(scope="module")
def small():
    return ibn_gan(**SMALL)


@pytest.fixture(scope="module")
def narrow():
    """Discriminators of the paper's row, with few filters."""
    return discriminators(width=1 / 64)


# With instance normalization a logit would see every pixel.
@pytest.fixture(scope="module")
def without_instance_norms():
    return discriminators(norm="bn", width=1 / 32)


def test_parameters_of_the_paper(full_size):
    assert parameters(full_size) == 41_830_402
    assert full_size.count_params() - parameters(full_size) == 8_704 + 4_482  # moving statistics, spectral vectors
    parts = architecture("ibn_gan").parts(full_size)
    assert list(parts) == ["discriminator_0", "discriminator_1", "discriminator_2"]
    for part in parts.values():
        assert parameters(part) == 2_766_529
        assert part.count_params() - parameters(part) == 1_536 + 961


def test_maps_of_the_paper(full_size):
    wrapped, bare = spectral(full_size)
    assert bare == []
    channels = {name: full_size.get_layer(name).output.shape[-1] for name in wrapped}
    down = dict(zip((f"down{i}" for i in range(1, 8)), (64, 128, 256, 512, 512, 512, 512), strict=True))
    up = dict(zip((f"up{i}" for i in range(6, 0, -1)), (512, 512, 512, 256, 128, 64), strict=True))
    assert channels == {**down, **up, "map": 2}
    joined = [layer.output.shape[-1] for layer in full_size.layers if isinstance(layer, layers.Concatenate)]
    assert joined == [1024, 1024, 1024, 512, 256, 128]
    kernels = {full_size.get_layer(name).layer.kernel_size for name in wrapped}
    assert kernels == {(4, 4)}
    strides = {name: full_size.get_layer(name).layer.strides for name in wrapped}
    assert strides == {**dict.fromkeys(down, (2, 2)), **dict.fromkeys(up, (1, 1)), "map": (1, 1)}
    grown = [layer for layer in full_size.layers if isinstance(layer, layers.UpSampling2D)]
    assert [layer.interpolation for layer in grown] == ["nearest"] * 7
    assert {layer.power_iterations for layer in map(full_size.get_layer, wrapped)} == {1}


@pytest.mark.parametrize("norm", ["bn", "in", "ibn"])
def test_normalization_by_block(norm):
    shallow, deep = {"bn": ("bn", "bn"), "in": ("in", "in"), "ibn": ("in", "bn")}[norm]
    expected = {"down2": deep, "down3": deep, "up2": deep, "up1": shallow}
    assert norms(ibn_gan(norm, **SMALL)) == expected
    (model,) = discriminators(1, norm, width=1 / 64)
    assert norms(model) == {"patch2": shallow, "patch3": deep, "patch4": deep}
    epsilons = {layer.epsilon for layer in model.layers if isinstance(layer, layers.GroupNormalization)}
    assert epsilons <= {1e-3}


def test_variants_are_the_rows_of_the_table(small, narrow):
    rows = {
        name: (generator["norm"], generator["spectral"], judges["scales"])
        for name, (generator, judges) in VARIANTS.items()
    }
    assert rows == {
        "BN": ("bn", False, 1),
        "IN": ("in", False, 1),
        "BN+SN": ("bn", True, 1),
        "IN+SN": ("in", True, 1),
        "BN+SN+MD": ("bn", True, 3),
        "IBN+SN+MD": ("ibn", True, 3),
    }
    # The paper's final row is what the builders build when nothing is said.
    assert norms(small) == norms(ibn_gan(**VARIANTS["IBN+SN+MD"][0], **SMALL))
    assert len(narrow) == VARIANTS["IBN+SN+MD"][1]["scales"]


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_build_and_run(name):
    generator, judges = VARIANTS[name]
    model = ibn_gan(**generator, **SMALL)
    group = discriminators(**judges, width=1 / 16)
    assert len(group) == (3 if "MD" in name else 1)
    for each in (model, *group):
        wrapped, bare = spectral(each)
        assert bool(wrapped) == ("SN" in name) != bool(bare)
        assert set(norms(each).values()) == {"BN": {"bn"}, "IN": {"in"}, "IBN": {"bn", "in"}}[name.split("+")[0]]
    assert model(uniform(1, 9, 13, 1)).shape == (1, 9, 13, 2)


@pytest.mark.parametrize(("norm", "with_spectral"), [("bn", True), ("in", False), ("ibn", True)])
def test_the_discriminators_beside_a_network_are_of_its_kind(norm, with_spectral):
    parts = architecture("ibn_gan").parts(ibn_gan(norm, with_spectral, **SMALL))
    expected = discriminators(1, norm, with_spectral, width=1 / 16)[0]
    assert len(parts) == 3
    for part in parts.values():
        assert parameters(part) == parameters(expected)
        assert norms(part) == norms(expected)
        assert spectral(part) == spectral(expected)


def test_map_and_its_ab():
    lightness = uniform(2, 33, 47, 1)
    model = ibn_gan(**SMALL)
    layer = model.get_layer("map").layer
    layer.kernel.assign(numpy_of(layer.kernel) * 4)
    scaled, ab = map(numpy_of, inner(model, "map", "ab")(lightness))
    assert scaled.shape == (2, 40, 48, 2)
    assert scaled.dtype == np.float32
    assert np.abs(scaled).max() <= 1
    assert scaled.std() > 0.1
    np.testing.assert_allclose(ab, 110 * scaled[:, :33, :47], atol=1e-3)


def test_condition_is_the_scaled_lightness(small):
    np.testing.assert_allclose(condition(np.float32([[0], [50], [100]])), [[-1], [0], [1]], atol=1e-6)
    lightness = uniform(1, 9, 13, 1)
    padded = np.pad(lightness, [(0, 0), (0, 7), (0, 3), (0, 0)], mode="edge")
    np.testing.assert_allclose(numpy_of(inner(small, "condition")(lightness)), padded / 50 - 1, atol=1e-5)


def test_the_same_colors_every_time_after_training(small):
    before = [numpy_of(variable) for variable in small.weights]
    lightness = uniform(1, 16, 16, 1)
    np.testing.assert_array_equal(numpy_of(small(lightness)), numpy_of(small(lightness)))
    for variable, value in zip(small.weights, before, strict=True):
        np.testing.assert_array_equal(numpy_of(variable), value)


def test_training_divides_every_kernel_by_its_largest_singular_value():
    model = ibn_gan(**SMALL)
    wrapped, _ = spectral(model)
    for wrapper in map(model.get_layer, wrapped):
        kernel = numpy_of(wrapper.layer.kernel)
        # From the singular vector itself the power iteration of one step is exact.
        wrapper.vector_u.assign(np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), full_matrices=False)[2][:1])
    model(uniform(2, 16, 16, 1), training=True)
    for wrapper in map(model.get_layer, wrapped):
        kernel = numpy_of(wrapper.layer.kernel)
        assert abs(np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), ord=2) - 1) < 1e-4, wrapper.name


def test_low_precision_does_not_round_the_kernels():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = [ibn_gan(**SMALL), discriminators(1, width=1 / 16)[0]]
    finally:
        keras.config.set_dtype_policy("float32")
    models[0](uniform(1, 16, 16, 1), training=True)
    models[1](pictures(32), training=True)
    for model in models:
        wrapped, _ = spectral(model)
        for name in wrapped:
            inside = model.get_layer(name).layer
            kernel = numpy_of(inside.kernel)
            assert not np.array_equal(kernel, tf.cast(tf.cast(kernel, tf.bfloat16), tf.float32)), name
            assert inside.compute_dtype == ("float32" if name in ("map", "logits") else "bfloat16")
        assert model.output.dtype == "float32"


@pytest.mark.parametrize(("size", "constant"), [(8, True), (16, False)])
def test_instance_normalization_of_one_value_is_a_constant(size, constant):
    model = ibn_gan("in", **SMALL)
    bottleneck = inner(model, "down3_norm")
    first, second = (numpy_of(bottleneck(uniform(1, size, size, 1, high=high))) for high in (50, 100))
    assert first.shape[1:3] == (size // 8, size // 8)
    assert np.array_equal(first, second) == constant
    assert numpy_of(model(uniform(1, size, size, 1))).std() > 0.1


@pytest.mark.parametrize(("size", "maps"), [(256, (16, 8, 4)), (64, (4, 2, 1)), (100, (7, 4, 2))])
def test_maps_of_the_discriminators(narrow, size, maps):
    shapes = [model(pictures(size, batch=2)).shape for model in narrow]
    assert shapes == [(2, side, side, 1) for side in maps]


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_a_logit_judges_94_pixels_of_its_scale(without_instance_norms, scale):
    model = without_instance_norms[scale]
    inputs = [tf.constant(picture) for picture in pictures(128 * 2**scale)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        logit = model(inputs)[0, 3, 4, 0]
    for gradient in tape.gradient(logit, inputs):
        touched = np.abs(gradient[0]).sum(axis=-1) > 0
        assert touched.any(axis=1).sum() == 94 * 2**scale
        assert touched.any(axis=0).sum() == 94 * 2**scale


def test_a_discriminator_averages_its_inputs():
    fine, _, coarse = discriminators(width=1 / 16)
    coarse.set_weights(fine.get_weights())
    averaged = [picture.reshape(1, 16, 4, 16, 4, -1).mean(axis=(2, 4)) for picture in pictures(64)]
    np.testing.assert_allclose(numpy_of(coarse(pictures(64))), numpy_of(fine(averaged)), atol=1e-5)


def test_discriminators_share_nothing(narrow):
    group = narrow
    assert len({id(weight) for model in group for weight in model.weights}) == sum(len(m.weights) for m in group)
    first = [numpy_of(model.get_layer("patch4").layer.kernel) for model in group]
    assert not np.array_equal(first[0], first[1])
    assert [model.output_names for model in group] == [["logits"]] * 3


def test_a_discriminator_sees_condition_and_map():
    model = discriminators(1, width=1 / 32)[0]
    light, ab = pictures(32)
    logits = numpy_of(model([light, ab]))
    assert np.abs(numpy_of(model([-light, ab])) - logits).max() > 0.01
    assert np.abs(numpy_of(model([light, -ab])) - logits).max() > 0.01


def test_a_saved_discriminator_gives_the_same(tmp_path):
    model = discriminators(3, width=1 / 32)[2]
    model(pictures(64), training=True)
    model.save(tmp_path / "discriminator.keras")
    loaded = keras.models.load_model(tmp_path / "discriminator.keras")
    np.testing.assert_array_equal(numpy_of(loaded(pictures(64))), numpy_of(model(pictures(64))))
    again = [numpy_of(each(pictures(64), training=True)) for each in (loaded, model)]
    np.testing.assert_allclose(*again, atol=1e-6)  # the vectors of the power iteration are saved as well


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (ibn_gan, {"norm": "layer"}, "norm is 'layer': it must be one of bn, in, ibn"),
        (ibn_gan, {"width": 0}, "width is 0"),
        (ibn_gan, {"levels": 1}, "levels is 1"),
        (discriminators, {"norm": "BN"}, "norm is 'BN'"),
        (discriminators, {"width": -0.5}, "width is -0.5"),
        (discriminators, {"scales": 0}, "scales is 0"),
    ],
)
def test_argument_errors(build, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        build(**arguments)
