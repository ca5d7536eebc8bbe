import colorsys
import math
from functools import cache
from statistics import NormalDist

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.accept_golden import formula_network
from tests.zoo import networks
from zoo import color
from zoo.architectures.larsson2016 import larsson2016, read_at, sparse_network, start_from_vgg16
from zoo.errors import ArgumentError, PresetError
from zoo.registry import architecture, parameters

MAPS = {
    1: ["data", "conv1_1", "conv1_2"],
    2: ["conv2_1", "conv2_2"],
    4: ["conv3_1", "conv3_2", "conv3_3"],
    8: ["conv4_1", "conv4_2", "conv4_3"],
    16: ["conv5_1", "conv5_2", "conv5_3"],
    32: ["fc6", "fc7"],
}
CONVOLUTIONS = [name for stride in (1, 2, 4, 8, 16) for name in MAPS[stride] if name != "data"]
COLUMNS = (4, 8, 16, 32)  # the strides at which parts of the 1024 units are computed


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def lightness_of(*shape):
    return np.random.default_rng(sum(shape)).uniform(0, 100, (*shape, 1)).astype(np.float32)


def inside(network, light, *names):
    """What layers of the network give for a lightness."""
    found = keras.Model(network.input, {name: network.get_layer(name).output for name in names})(light)
    return [numpy_of(found[name]) for name in names]


def map_layers():
    suffix = {"data": "", "fc6": "_dropout", "fc7": "_dropout"}
    return {name + suffix.get(name, "_relu"): stride for stride, names in MAPS.items() for name in names}


def stacked_kernel(network):
    return np.concatenate([numpy_of(network.get_layer(f"h_fc1_{stride}").kernel) for stride in COLUMNS])


def linear(values, places, axis):
    """Values read linearly at places along an axis, the ends beyond the ends; float64."""
    size = values.shape[axis]
    matrix = np.stack([np.interp(places, np.arange(size), unit) for unit in np.eye(size)], axis=-1)
    return np.moveaxis(np.tensordot(matrix, values.astype(np.float64), (1, axis)), 0, axis)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def full():
    return networks.full_size("larsson2016")


@pytest.fixture(scope="module")
def tiny():
    return networks.tiny("larsson2016")


# --- structure ---


def test_parameters_of_the_paper(full):
    assert parameters(full) == 147_041_024
    assert stacked_kernel(full).shape == (12_417, 1024)
    assert sum(full.get_layer(f"h_fc1_{stride}").use_bias for stride in COLUMNS) == 1
    assert full.get_layer("scores").count_params() == 2 * 32_800
    assert sum(full.get_layer(name).count_params() for name in CONVOLUTIONS) == 14_713_536
    assert full.get_layer("fc6").count_params() == 102_764_544
    assert full.get_layer("fc7").count_params() == 16_781_312


def test_every_convolution_is_normalized_without_parameters(full):
    names = [*CONVOLUTIONS, "fc6", "fc7"]
    assert len(names) == 15
    for name in names:
        norm = full.get_layer(f"{name}_norm")
        assert norm.synchronized
        assert not norm.trainable_variables
        assert norm.input is full.get_layer(name).output
        assert full.get_layer(f"{name}_relu").input is norm.output


def test_dropout_is_that_of_the_paper(full):
    rates = {layer.name: layer.rate for layer in full.layers if isinstance(layer, keras.layers.Dropout)}
    assert rates == {"fc6_dropout": 0.5, "fc7_dropout": 0.5, "h_fc1_dropout": 0.5}


def test_the_data_is_gray_minus_the_mean(tiny):
    light = np.full((1, 40, 40, 1), 53.3890, np.float32)  # 0.5 in sRGB
    (data,) = inside(tiny, light, "data")
    assert data.shape == (1, 64, 64, 1)
    np.testing.assert_allclose(data, 0.5 - 0.4488, atol=1e-5)


def test_the_units_are_those_of_the_whole_hypercolumn(tiny):
    """Every map read at the centers of the cells of stride 4, concatenated, by the stacked kernel."""
    layers_ = map_layers()
    *maps, units = inside(tiny, lightness_of(2, 64, 96), *layers_, "h_fc1")
    grids = [np.arange(side // 4) * 4 + 1.5 for side in (64, 96)]
    column = []
    for values, stride in zip(maps, layers_.values(), strict=True):
        assert values.shape[1:3] == (64 // stride, 96 // stride)
        for axis, grid in enumerate(grids, 1):
            values = linear(values, (grid + 0.5) / stride - 0.5, axis)
        column.append(values)
    column = np.concatenate(column, axis=-1)
    kernel = stacked_kernel(tiny)
    assert column.shape == (2, 16, 24, len(kernel))
    expected = np.maximum(column @ kernel + numpy_of(tiny.get_layer("h_fc1_4").bias), 0)
    assert (expected > 0.1).mean() > 0.2
    np.testing.assert_allclose(units, expected, atol=1e-4)


# --- decoding ---


@cache
def decoder(heads):
    network = larsson2016(heads, temperature=0.7, width=0.01)
    return keras.Model([network.input, network.get_layer("scores").output], network.output)


def decoding(light, scores, heads="hue_chroma"):
    """What a network of temperature 0.7 makes of given scores."""
    assert decoder(heads).input[1].shape[-1] == scores.shape[-1]
    return numpy_of(decoder(heads)([light, scores]))


def everywhere(scores):
    """Scores (n, bins) -> the same at every cell of n pictures of 32 x 32 pixels."""
    return np.broadcast_to(scores[:, None, None], (len(scores), 8, 8, scores.shape[1])).astype(np.float32)


def decoded(hue, chroma, gray):
    """The RGB of two histograms and a gray by the formulas of the paper, in float64, and the length |z|."""
    angles = [2 * math.pi * (k + 0.5) / 32 for k in range(32)]
    z = sum(p * complex(math.cos(t), math.sin(t)) for p, t in zip(hue, angles, strict=True)) / 32
    median = next(k for k in range(32) if sum(chroma[: k + 1]) >= 0.5)
    c = (median + 0.5) / 32 * min(abs(z), 0.03) / 0.03
    value = gray + c / 2
    turn = math.atan2(z.imag, z.real) / (2 * math.pi) % 1
    rgb = np.array(colorsys.hsv_to_rgb(turn, min(max(c / value, 0), 1), min(value, 1)))
    return (rgb + gray - rgb.mean()).clip(0, 1), abs(z)


def ab_of(rgb):
    return numpy_of(color.rgb_to_lab(np.array(rgb, np.float32)))[..., 1:]


def test_decoding_of_hue_and_chroma():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20, 64)) * np.tile([0.5, 2, 4, 16, 60], 4)[:, None]
    light = np.broadcast_to(np.linspace(2, 98, 8, dtype=np.float32)[:, None, None], (20, 8, 8, 1))
    gray = numpy_of(color.gray_of_lightness(light))[0, :, 0, 0]
    ab = decoding(light, everywhere(scores * 0.7))
    np.testing.assert_allclose(ab, np.broadcast_to(ab[:, :, :1], ab.shape), atol=1e-3)
    colors = [decoded(softmax(each[:32]), softmax(each[32:]), g) for each in scores for g in gray.tolist()]
    expected = ab_of([rgb for rgb, _ in colors])
    assert 0.2 < np.mean([length < 0.03 for _, length in colors]) < 0.8
    assert (np.linalg.norm(expected, axis=-1) > 30).mean() > 0.1
    np.testing.assert_allclose(ab[:, :, 0].reshape(-1, 2), expected, atol=0.02)


def test_fading_by_hand():
    """Hue in one bin, in two beside each other, and in opposite ones."""
    hues = [{3: 1.0}, {3: 0.5, 4: 0.5}, {3: 0.75, 19: 0.25}, {3: 0.5, 19: 0.5}]
    scores = np.full((4, 64), -40.0)
    for row, shares in zip(scores, hues, strict=True):
        for k, share in shares.items():
            row[k] = math.log(share) * 0.7
        row[32 + 12] = 0
    light = np.full((4, 8, 8, 1), 60, np.float32)
    lab = np.concatenate([light, decoding(light, everywhere(scores))], axis=-1)
    chroma = numpy_of(color.rgb_to_hcl(color.lab_to_rgb(lab)))[:, 0, 0, 1]
    whole = 12.5 / 32
    # Beside each other |z| = cos(pi / 32) / 32 is above 0.03, and nothing fades.
    np.testing.assert_allclose(chroma, [whole, whole, whole * 0.5 / 0.96, 0], atol=0.01)


def test_histograms_are_enlarged_before_they_are_decoded(tiny):
    light = lightness_of(2, 35, 46)
    probabilities, ab = inside(tiny, light, "probabilities", "ab")
    assert probabilities.shape == (2, 16, 16, 64)
    for axis, side in ((1, 35), (2, 46)):
        probabilities = linear(probabilities, (np.arange(side) + 0.5) / 4 - 0.5, axis)
    gray = numpy_of(color.gray_of_lightness(light))
    # Where the sum comes near a half, rounding decides which bin holds the median.
    clear = np.abs(np.cumsum(probabilities[..., 32:], axis=-1) - 0.5).min(axis=-1) > 1e-4
    assert clear.mean() > 0.9
    places = np.argwhere(clear)[::7]
    colors = [decoded(probabilities[*p, :32], probabilities[*p, 32:], float(gray[*p, 0]))[0] for p in places]
    expected = ab_of(colors)
    assert expected.std() > 1
    np.testing.assert_allclose(ab[tuple(places.T)], expected, atol=0.02)


@pytest.mark.parametrize("heads", ["lab", "lab_joint"])
def test_lab_heads_give_the_expectation(heads):
    """Of the histograms at stride 4, enlarged linearly: this is the expectation of enlarged histograms."""
    count, classes = (32, 64) if heads == "lab" else (16, 256)
    scores = np.random.default_rng(0).normal(0, 1.5, (1, 8, 16, classes)).astype(np.float32)
    centers = np.array([NormalDist(0, 25).inv_cdf((k + 0.5) / count) for k in range(count)])
    if heads == "lab":
        expected = [softmax(scores[..., :32] / 0.7) @ centers, softmax(scores[..., 32:] / 0.7) @ centers]
    else:
        joint = softmax(scores / 0.7).reshape(1, 8, 16, 16, 16)
        expected = [joint.sum(axis=4) @ centers, joint.sum(axis=3) @ centers]
    expected = np.stack(expected, axis=-1)
    for axis, side in ((1, 30), (2, 41)):
        expected = linear(expected, (np.arange(side) + 0.5) / 4 - 0.5, axis)
    assert expected.std() > 1
    np.testing.assert_allclose(decoding(lightness_of(1, 30, 41), scores, heads), expected, atol=1e-3)


def test_each_histogram_is_a_softmax_at_the_temperature(tiny):
    assert architecture("larsson2016").tiny["temperature"] == 0.7
    scores, probabilities = inside(tiny, lightness_of(2, 32, 32), "scores", "probabilities")
    expected = [softmax(scores[..., :32] / 0.7), softmax(scores[..., 32:] / 0.7)]
    assert np.max(expected) > 0.1
    np.testing.assert_allclose(probabilities, np.concatenate(expected, axis=-1), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": "hcl"}, "heads is 'hcl': it must be one of hue_chroma, lab, lab_joint"),
        ({"temperature": 0}, "temperature is 0: it must be a finite number above 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_argument_errors(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        larsson2016(**arguments)


# --- training at few locations ---


@pytest.mark.parametrize("stride", list(MAPS))
def test_reading_a_map(stride):
    rng = np.random.default_rng(stride)
    values = rng.normal(size=(3, 3, 5, 4)).astype(np.float32)
    places = rng.uniform(-2, [3 * stride + 1, 5 * stride + 1], (3, 40, 2)).astype(np.float32)
    got = numpy_of(read_at(values, places, stride))
    for picture in range(3):
        for (row, column), found in zip(places[picture].astype(np.float64), got[picture], strict=True):
            expected = linear(values[picture], [(row + 0.5) / stride - 0.5], 0)
            np.testing.assert_allclose(found, linear(expected, [(column + 0.5) / stride - 0.5], 1)[0, 0], atol=1e-4)


@pytest.mark.parametrize("pictures", [1, 2, 3, 4])
def test_pictures_of_a_batch_are_read_each_at_its_own_places(pictures):
    """In a functional model, where sums of tensors that look like a bias take another way."""
    rng = np.random.default_rng(pictures)
    values = rng.normal(size=(pictures, 6, 7, 3)).astype(np.float32)
    places = rng.integers(0, 6, (pictures, 4, 2))
    data, locations = keras.Input((None, None, 3)), keras.Input((None, 2))
    model = keras.Model([data, locations], read_at(data, locations, 1))
    got = numpy_of(model([values, places.astype(np.float32)]))
    for picture in range(pictures):
        np.testing.assert_array_equal(got[picture], values[picture][tuple(places[picture].T)])


@pytest.mark.parametrize("size", [(64, 96), (70, 45), (8, 8)], ids=str)
def test_scores_at_the_centers_of_cells_are_the_dense_ones(tiny, size):
    light = lightness_of(3, *size)
    (dense,) = inside(tiny, light, "scores")
    grid = np.meshgrid(*(4 * np.arange(side) + 1.5 for side in dense.shape[1:3]), indexing="ij")
    centers = np.broadcast_to(np.stack(grid, axis=-1).reshape(1, -1, 2), (3, grid[0].size, 2)).astype(np.float32)
    assert dense.std() > 0.1
    np.testing.assert_allclose(numpy_of(sparse_network(tiny)([light, centers])).reshape(dense.shape), dense, atol=1e-4)


def test_gradients_at_locations_reach_every_weight():
    """In a graph of unknown sizes, as it is trained; a warning would be an error."""
    network = formula_network("larsson2016")
    model = sparse_network(network)
    assert {id(each) for each in model.variables} == {id(each) for each in network.variables}
    rng = np.random.default_rng(0)
    variables = [variable.value for variable in network.trainable_variables]

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1)), tf.TensorSpec((None, None, 2))])
    def gradients(light, locations):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model([light, locations], training=True)[..., ::3] ** 2)
        return tape.gradient(loss, variables)

    found = gradients(lightness_of(2, 40, 64), rng.uniform(0, 40, (2, 6, 2)).astype(np.float32))
    empty = [v.path for v, g in zip(network.trainable_variables, found, strict=True) if g is None or not np.any(g)]
    assert len(found) == 2 * 15 + 5 + 2
    assert empty == []


def test_gradients_are_scattered_to_the_cells_that_were_read():
    values = tf.Variable(np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32))
    # Picture 0 is read amid four cells, picture 1 twice at one cell.
    places = np.array([[[15.5, 23.5], [15.5, 23.5]], [[3.5, 35.5], [3.5, 60]]], np.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(read_at(values, places, 8))
    expected = np.zeros((2, 4, 5, 3))
    expected[0, 1:3, 2:4] = 2 * 0.25
    expected[1, 0, 4] = 2
    np.testing.assert_allclose(tape.gradient(total, values), expected, atol=1e-6)


def test_a_network_with_a_model_for_locations_beside_it_saves_and_loads(tiny, tmp_path):
    model = sparse_network(tiny)
    light, locations = lightness_of(2, 32, 32), np.random.default_rng(0).uniform(0, 32, (2, 5, 2)).astype(np.float32)
    tiny.save(tmp_path / "network.keras")
    loaded = sparse_network(keras.models.load_model(tmp_path / "network.keras"))
    np.testing.assert_allclose(numpy_of(loaded([light, locations])), numpy_of(model([light, locations])), atol=1e-5)


# --- the start from VGG-16 ---


def vgg_file(folder, top):
    """A VGG-16 of random weights, and its weight file in the form that Keras offers for downloading."""
    vgg = keras.applications.VGG16(weights=None, include_top=top)
    rng = np.random.default_rng(0)
    for layer in vgg.layers:
        if layer.weights:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    vgg.save(folder / "whole.h5")
    name = f"vgg16_weights_tf_dim_ordering_tf_kernels{'' if top else '_notop'}.h5"
    with h5py.File(folder / "whole.h5") as whole, h5py.File(folder / name, "w") as file:
        weights = whole["model_weights"]
        for key in weights:
            weights.copy(key, file)
        file.attrs.update(weights.attrs)
    (folder / "whole.h5").unlink()
    return vgg, folder / name


def pictures_of(gray):
    """What VGG-16 sees of a gray picture (..., 1) in [0, 1]: blue, green, red in 0..255 minus their means."""
    return keras.applications.vgg16.preprocess_input(255 * np.repeat(gray, 3, axis=-1))


def check_convolutions(network, vgg):
    light = lightness_of(1, 64, 64)
    gray = numpy_of(color.gray_of_lightness(light))
    ours = inside(network, light, "conv1_1_relu")[0][:, 1:-1, 1:-1]
    theirs = keras.Model(vgg.layers[0].output, vgg.get_layer("block1_conv1").output)
    padded = np.zeros((1, *vgg.input_shape[1:]), np.float32) if vgg.input_shape[1] else pictures_of(gray)
    padded[:, :64, :64] = pictures_of(gray)
    expected = numpy_of(theirs(padded))[:, 1:63, 1:63]
    assert expected.std() > 10
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=0.05)
    for name in CONVOLUTIONS[1:]:
        theirs = vgg.get_layer(f"block{name[4]}_conv{name[6]}")
        for got, wanted in zip(network.get_layer(name).weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(numpy_of(got), numpy_of(wanted))


def test_convolutions_start_as_those_of_vgg16(full, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    vgg, path = vgg_file(tmp_path / "models", top=False)
    fc6 = numpy_of(full.get_layer("fc6").bias)
    start_from_vgg16(full, path)
    check_convolutions(full, vgg)
    np.testing.assert_array_equal(numpy_of(full.get_layer("fc6").bias), fc6)

    # And from Keras's folder of downloads.
    full.get_layer("conv5_3").bias.assign(np.zeros(512))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    start_from_vgg16(full)
    assert np.any(numpy_of(full.get_layer("conv5_3").bias))


@pytest.mark.slow
def test_fully_connected_layers_start_as_those_of_vgg16(full, tmp_path):
    vgg, path = vgg_file(tmp_path, top=True)
    start_from_vgg16(full, path)
    path.unlink()
    check_convolutions(full, vgg)
    maps = np.random.default_rng(1).normal(size=(1, 7, 7, 512)).astype(np.float32)
    fc6 = numpy_of(full.get_layer("fc6")(maps))[:, 3, 3]
    expected = numpy_of(maps.reshape(1, -1) @ vgg.get_layer("fc1").kernel + vgg.get_layer("fc1").bias)
    np.testing.assert_allclose(fc6, expected, atol=1e-3)
    wide = np.random.default_rng(2).normal(size=(1, 4096)).astype(np.float32)
    fc7 = numpy_of(full.get_layer("fc7")(wide[:, None, None]))[:, 0, 0]
    expected = numpy_of(wide @ vgg.get_layer("fc2").kernel + vgg.get_layer("fc2").bias)
    np.testing.assert_allclose(fc7, expected, atol=1e-3)


def test_weights_that_are_not_there(full, tmp_path, monkeypatch):
    with pytest.raises(PresetError, match=r"no VGG-16 weights at .*there.h5: put Keras's .*notop.h5 there; nothing is"):
        start_from_vgg16(full, tmp_path / "there.h5")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with pytest.raises(PresetError, match="no VGG-16 weights at .*home/models: "):
        start_from_vgg16(full)


@pytest.mark.parametrize("kind", ["text", "other network"])
def test_files_of_something_else(full, tmp_path, kind):
    path = tmp_path / "vgg.h5"
    if kind == "text":
        path.write_text("<html>")
    else:
        inputs = keras.Input((3,))
        keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(path)
    with pytest.raises(PresetError, match="vgg.h5 does not hold the weights of VGG-16: put Keras's"):
        start_from_vgg16(full, path)


def test_only_full_width_starts_as_vgg16(tiny):
    with pytest.raises(ArgumentError, match="fc7 has 82 filters: VGG-16 fits a network of width 1"):
        start_from_vgg16(tiny)
