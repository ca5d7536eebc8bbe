"""The network lite_unet: its size and cost, the encoder of the release, and which pixels a cell stands for."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from tests.accept_golden import formula_network
from tests.zoo import networks
from zoo.architectures.lite_unet import lite_unet
from zoo.bins import ab_grid
from zoo.errors import ArgumentError
from zoo.registry import architecture, parameters

SIDE = 128  # of the pictures that its cost is counted on

tiny = partial(networks.tiny, "lite_unet")


@pytest.fixture(scope="module")
def full():
    return networks.full_size("lite_unet")


def convolutions(network):
    kinds = keras.layers.Conv2D, keras.layers.DepthwiseConv2D
    return {layer.name: layer for layer in network.layers if isinstance(layer, kinds)}


def test_size_and_cost(full):
    assert parameters(full) == 4_856_217 < 8_000_000
    convs = convolutions(full)
    outputs = keras.Model(full.input, {name: layer.output for name, layer in convs.items()})
    shapes = outputs.compute_output_shape((1, SIDE, SIDE, 1))
    multiplications = 0
    for name, layer in convs.items():
        _, height, width, channels = shapes[name]
        rows, columns, inputs, _ = layer.kernel.shape
        each = inputs if isinstance(layer, keras.layers.DepthwiseConv2D) else inputs * channels
        multiplications += height * width * rows * columns * each
    assert 2 * multiplications <= 1.5e9  # floating-point operations, with the addition that goes with each


def test_encoder_of_the_release(full):
    convs = convolutions(full)
    encoder = [name for name in convs if name.startswith(("stem", "stage"))]
    assert len(encoder) == 1 + 2 + 15 * 3
    depthwise = [convs[name] for name in encoder if name.endswith("depthwise")]
    assert [layer.kernel_size[0] for layer in depthwise] == [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    strided = [layer.name for layer in depthwise if layer.strides[0] == 2]
    assert strided == ["stage2_1_depthwise", "stage3_1_depthwise", "stage4_1_depthwise", "stage6_1_depthwise"]
    projected = [convs[name].filters for name in encoder if name.endswith("project")]
    assert projected == [16] + 2 * [24] + 2 * [40] + 3 * [80] + 3 * [112] + 4 * [192] + [320]
    assert not any(layer.use_bias for name, layer in convs.items() if name != "scores")
    norms = [layer for layer in full.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == len(convs) - 1 and {norm.epsilon for norm in norms} == {1e-3}
    ends = {layer.max_value for layer in full.layers if isinstance(layer, keras.layers.ReLU)}
    assert ends == {6.0}
    sums = [layer.name for layer in full.layers if isinstance(layer, keras.layers.Add)]
    assert len(sums) == 9  # all blocks but the first of each stage


def test_it_sees_the_gray_of_the_lightness_as_the_release_centers_it():
    center = tiny().get_layer("center").output
    gray = keras.Model(tiny().input, center)(np.float32([0, 100]).reshape(2, 1, 1, 1).repeat(8, 1).repeat(8, 2))
    np.testing.assert_allclose(ops.convert_to_numpy(gray)[:, 0, 0, 0], [-127 / 128, 1.0], atol=1e-5)


def test_means_of_the_bins():
    network = formula_network("lite_unet")
    wanted = {name: network.get_layer(name).output for name in ("probabilities", "means", "ab")}
    lightness = np.random.default_rng(0).uniform(0, 100, (1, 32, 32, 1)).astype(np.float32)
    found = {name: ops.convert_to_numpy(value) for name, value in keras.Model(network.input, wanted)(lightness).items()}
    assert found["probabilities"].shape == (1, 8, 8, 313)
    centers = ab_grid()
    ab, chroma = found["probabilities"] @ centers, found["probabilities"] @ np.linalg.norm(centers, axis=-1)
    np.testing.assert_array_equal(found["ab"], found["means"][..., :2])
    corner = found["means"][0, 0, 0]
    np.testing.assert_allclose(corner, [*ab[0, 0, 0], chroma[0, 0, 0]], rtol=1e-4)
    assert (np.linalg.norm(found["ab"], axis=-1) <= found["means"][..., 2] + 1e-4).all()


def test_a_higher_temperature_is_paler():
    lightness = np.random.default_rng(1).uniform(0, 100, (1, 32, 32, 1)).astype(np.float32)
    cold, warm = (
        formula_network("lite_unet", architecture("lite_unet").tiny | {"temperature": temperature})
        for temperature in (0.3, 1.0)
    )
    chroma = [np.abs(ops.convert_to_numpy(network(lightness))).mean() for network in (cold, warm)]
    assert chroma[0] > chroma[1]


@pytest.mark.parametrize("arguments", [{"temperature": 0}, {"width": -1}, {"temperature": float("nan")}])
def test_arguments_outside_their_range(arguments):
    with pytest.raises(ArgumentError, match="must be a finite number above 0"):
        lite_unet(**arguments)
