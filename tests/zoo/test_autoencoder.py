"""The autoencoder against the tables of its paper, and what it does to pictures of other sizes."""

from functools import cache, partial

import keras
import numpy as np
import pytest

import zoo
from tests.zoo import networks
from zoo import color
from zoo.errors import ArgumentError
from zoo.registry import architecture, parameters

# Tables I and II: layer, output shape, parameters.
ENCODER = [
    ("encoder_input", (32, 32, 1), 0),
    ("conv1", (16, 16, 64), 640),
    ("conv2", (8, 8, 128), 73_856),
    ("conv3", (4, 4, 256), 295_168),
    ("flatten", (4096,), 0),
    ("latent_vector", (256,), 1_048_832),
]
DECODER = [
    ("decoder_input", (256,), 0),
    ("dense", (4096,), 1_052_672),
    ("reshape", (4, 4, 256), 0),
    ("upconv1", (8, 8, 256), 590_080),
    ("upconv2", (16, 16, 128), 295_040),
    ("upconv3", (32, 32, 64), 73_792),
    ("decoder_output", (32, 32, 3), 1_731),
]


def numpy_of(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def lightness_of(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(0, 100, (*shape, 1)).astype(np.float32)


def rows(model: keras.Model) -> list[tuple[str, tuple[int, ...], int]]:
    return [(layer.name, tuple(layer.output.shape[1:]), layer.count_params()) for layer in model.layers]


tiny = partial(networks.tiny, "autoencoder")


@cache
def full() -> dict[str, keras.Model]:
    network = networks.full_size("autoencoder")
    return {"network": network} | architecture("autoencoder").parts(network)


def painted(network: keras.Model, lightness: np.ndarray) -> np.ndarray:
    return numpy_of(keras.Model(network.input, network.get_layer("rgb").output)(lightness))


# --- the tables of the paper ---


def test_layers_of_the_paper() -> None:
    assert rows(full()["encoder"]) == ENCODER
    assert rows(full()["decoder"]) == DECODER


def test_parameters_of_the_paper() -> None:
    counts = {name: parameters(model) for name, model in full().items()}
    assert counts == {"network": 3_431_811, "encoder": 1_418_496, "decoder": 2_013_315}


def test_strides_kernels_and_activations() -> None:
    for name in ("encoder", "decoder"):
        for layer in full()[name].layers:
            if "conv" in layer.name or layer.name == "decoder_output":
                last = layer.name == "decoder_output"
                assert (layer.kernel_size, layer.padding) == ((3, 3), "same")
                assert layer.strides == ((1, 1) if last else (2, 2))
                assert layer.activation is (keras.activations.sigmoid if last else keras.activations.relu)
    for name, layer in (("encoder", "latent_vector"), ("decoder", "dense")):
        assert full()[name].get_layer(layer).activation is keras.activations.linear


def test_parts_are_those_of_the_network() -> None:
    network = full()["network"]
    assert list(architecture("autoencoder").parts(network)) == ["encoder", "decoder"]
    assert full()["encoder"].output is full()["encoder"].get_layer("latent_vector").output
    inside = [id(v) for name in ("encoder", "decoder") for v in full()[name].trainable_variables]
    assert inside == [id(v) for v in network.trainable_variables]


# --- regularization ---


@pytest.mark.parametrize("regularization", ["dropout", "batch_norm"])
def test_regularization_stands_behind_every_convolution(regularization: str) -> None:
    network = zoo.create_model("autoencoder", regularization=regularization, width=1 / 16)
    plain = zoo.create_model("autoencoder", width=1 / 16)
    added = {"dropout": ["Dropout"], "batch_norm": ["BatchNormalization", "Dropout"]}[regularization]
    for name in ("encoder", "decoder"):
        expected = []
        for layer in plain.get_layer(name).layers:
            expected.append(type(layer).__name__)
            expected += added if "conv" in layer.name else []
        assert [type(layer).__name__ for layer in network.get_layer(name).layers] == expected
    norms = [
        layer
        for part in architecture("autoencoder").parts(network).values()
        for layer in part.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == (6 if regularization == "batch_norm" else 0)
    assert all(layer.synchronized for layer in norms)
    assert {layer.epsilon for layer in norms} <= {1e-5}
    filters = (4, 8, 16, 16, 8, 4)
    assert parameters(network) == parameters(plain) + (2 * sum(filters) if norms else 0)


def test_dropout_acts_in_training_only() -> None:
    network = zoo.create_model("autoencoder", regularization="dropout", width=1 / 4)
    encoder = network.get_layer("encoder")
    first = keras.Model(encoder.input, [encoder.get_layer(n).output for n in ("conv1", "conv1_dropout")])
    gray = np.ones((4, 32, 32, 1), np.float32)
    before, after = map(numpy_of, first(gray, training=True))
    assert np.mean(after[before > 0] == 0) == pytest.approx(0.5, abs=0.03)
    before, after = map(numpy_of, first(gray, training=False))
    np.testing.assert_array_equal(after, before)
    lightness = lightness_of(2, 32, 32)
    np.testing.assert_array_equal(numpy_of(network(lightness)), numpy_of(network(lightness)))


def test_plain_network_is_the_same_in_training() -> None:
    lightness = lightness_of(2, 32, 32)
    np.testing.assert_array_equal(numpy_of(tiny()(lightness, training=True)), numpy_of(tiny()(lightness)))


# --- sizes ---


def test_a_picture_of_the_size_is_not_resampled() -> None:
    lightness = lightness_of(2, 32, 32)
    gray = color.gray_of_lightness(lightness)
    encoder, decoder = (tiny().get_layer(name) for name in ("encoder", "decoder"))
    rgb = decoder(encoder(gray))
    inner = keras.Model(tiny().input, [tiny().get_layer(name).output for name in ("gray", "rgb")])
    got_gray, got_rgb = map(numpy_of, inner(lightness))
    np.testing.assert_array_equal(got_gray, numpy_of(gray))
    np.testing.assert_array_equal(got_rgb, numpy_of(rgb))
    np.testing.assert_array_equal(numpy_of(tiny()(lightness)), numpy_of(color.rgb_to_lab(got_rgb))[..., 1:])


def test_gray_and_rgb_lie_between_0_and_1() -> None:
    lightness = np.concatenate([np.zeros((1, 32, 32, 1)), np.full((1, 32, 32, 1), 100)]).astype(np.float32)
    inner = keras.Model(tiny().input, [tiny().get_layer(name).output for name in ("gray", "rgb")])
    gray, rgb = map(numpy_of, inner(lightness))
    np.testing.assert_allclose(gray[:, 0, 0, 0], [0, 1], atol=1e-5)
    assert gray.shape == (2, 32, 32, 1)
    assert rgb.shape == (2, 32, 32, 3)
    assert rgb.dtype == np.float32
    assert rgb.min() > 0
    assert rgb.max() < 1


def enlarged(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map (h, w) -> (height, width), linear between the centers of its pixels."""

    def line(values: np.ndarray, count: int) -> np.ndarray:
        here = (np.arange(len(values)) + 0.5) / len(values)
        return np.interp((np.arange(count) + 0.5) / count, here, values)

    taller = np.stack([line(column, height) for column in plane.T], axis=1)
    return np.stack([line(row, width) for row in taller])


@pytest.mark.parametrize("shape", [(64, 64), (33, 47), (120, 32)], ids=str)
def test_larger_pictures_get_the_ab_of_the_painted_one(shape: tuple[int, int]) -> None:
    lightness = lightness_of(2, *shape)
    ab = numpy_of(color.rgb_to_lab(painted(tiny(), lightness)))[..., 1:]
    assert ab.shape == (2, 32, 32, 2)
    expected = np.stack([np.stack([enlarged(p[..., i], *shape) for i in range(2)], axis=-1) for p in ab])
    got = numpy_of(tiny()(lightness))
    assert got.shape == (2, *shape, 2)
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_small_pictures_are_enlarged_to_the_size() -> None:
    lightness = lightness_of(1, 8, 16)
    inner = keras.Model(tiny().input, tiny().get_layer("gray").output)
    expected = color.gray_of_lightness(enlarged(lightness[0, ..., 0], 32, 32).astype(np.float32))
    np.testing.assert_allclose(numpy_of(inner(lightness))[0, ..., 0], numpy_of(expected), atol=1e-5)


@pytest.mark.parametrize(("size", "dense"), [(8, 16), (40, 400), (64, 1024)])
def test_other_sizes(size: int, dense: int) -> None:
    network = zoo.create_model("autoencoder", size=size, width=1 / 16)
    lightness = lightness_of(2, size, size)
    assert painted(network, lightness).shape == (2, size, size, 3)
    decoder = network.get_layer("decoder")
    assert decoder.get_layer("dense").units == dense
    assert decoder.get_layer("reshape").output.shape == (None, size // 8, size // 8, 16)
    gray = numpy_of(color.gray_of_lightness(lightness))
    ab = numpy_of(color.rgb_to_lab(decoder(network.get_layer("encoder")(gray))))[..., 1:]
    np.testing.assert_array_equal(numpy_of(network(lightness)), ab)
    assert numpy_of(network(lightness_of(1, 50, 30))).shape == (1, 50, 30, 2)


def test_the_latent_vector_fixes_the_whole_picture() -> None:
    network = zoo.create_model("autoencoder", width=1 / 16)
    assert network.get_layer("encoder").output.shape == (None, 16)
    lightness = lightness_of(1, 32, 32)
    changed = lightness.copy()
    changed[0, 5, 5] = 100 - changed[0, 5, 5]
    difference = np.abs(painted(network, changed) - painted(network, lightness)).max(-1)
    assert (difference > 0).mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regularization": "l2"}, "regularization is 'l2': it must be one of none, dropout, batch_norm"),
        ({"size": 36}, "size is 36: it must be a multiple of 8, at least 8"),
        ({"size": 0}, "size is 0"),
        ({"size": -8}, "size is -8"),
        ({"width": 0}, "width is 0"),
        ({"width": -1.0}, "width is -1.0"),
    ],
)
def test_argument_errors(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        zoo.create_model("autoencoder", **arguments)
