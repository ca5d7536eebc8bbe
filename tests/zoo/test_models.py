"""The one suite of the registry: every architecture keeps the same contract."""

import dataclasses
import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.accept_golden import FOLDER, formula_network, golden_lightness
from tests.zoo.networks import tiny as network
from zoo import architectures
from zoo.errors import ArgumentError, UnknownNameError
from zoo.registry import ARCHITECTURES, architecture, register

every_model = pytest.mark.parametrize("name", zoo.list_models())
# batch, height, width: multiples of the strides, the smallest size, and sizes that need padding on both axes
SHAPES = [(1, 64, 64), (3, 40, 32), (1, 8, 8), (3, 33, 47)]


def lightness_of(shape):
    return np.random.default_rng(sum(shape)).uniform(0, 100, (*shape, 1)).astype(np.float32)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_every_file_of_the_folder_is_registered():
    files = Path(architectures.__file__).parent.glob("*.py")
    found = {path.stem for path in files} - {"__init__"}
    assert found == set(ARCHITECTURES) == set(zoo.list_models()), "ARCHITECTURES in zoo/registry.py"


def test_a_name_is_registered_once():
    row = architecture("color_unet")
    with pytest.raises(ValueError, match="two architectures are called color_unet"):
        fields = dataclasses.asdict(row)
        register(**{key: fields[key] for key in fields if key != "build"})(row.build)


def test_unknown_names_list_those_that_exist():
    with pytest.raises(UnknownNameError, match="no architecture is called 'color_net': .*color_unet"):
        zoo.create_model("color_net")


@every_model
def test_unknown_arguments_list_those_that_exist(name):
    with pytest.raises(ArgumentError, match=f"{name} has no argument 'widht': it has .*width"):
        zoo.create_model(name, widht=1.0)


@every_model
def test_batch_normalization_is_synchronized_between_devices(name):
    norms = [layer for layer in network(name)._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    assert all(norm.synchronized for norm in norms)


@every_model
def test_registry_entry(name):
    row = architecture(name)
    assert row.build.__name__ == network(name).name == name
    assert row.title
    assert row.paper
    assert row.year is None or 2010 < row.year < 2100
    assert row.stride >= 1


@every_model
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_contract(name, shape):
    ab = numpy_of(network(name)(lightness_of(shape)))
    assert ab.shape == (*shape, 2)
    assert ab.dtype == np.float32
    assert np.isfinite(ab).all()
    assert np.abs(ab).max() < 130


@every_model
def test_pictures_of_a_batch_do_not_mix(name):
    lightness = lightness_of((2, 33, 47))
    singles = [numpy_of(network(name)(lightness[i : i + 1])) for i in range(2)]
    np.testing.assert_allclose(numpy_of(network(name)(lightness)), np.concatenate(singles), atol=1e-3)


@every_model
def test_every_trainable_weight_gets_a_gradient(name):
    model = formula_network(name)
    towards = np.random.default_rng(1).normal(size=(2, 32, 32, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        ab = model(lightness_of((2, 32, 32)), training=True)
        loss = tf.reduce_sum((ab - towards) ** 2)
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    without = [
        variable.path
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True)
        if gradient is None or not np.any(gradient)
    ]
    assert model.trainable_variables
    assert without == []


# One network of each kind by default: classes, ab, RGB.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("color_unet", "ibn_gan", "pix2pix") else pytest.mark.slow)
        for name in zoo.list_models()
    ],
)
def test_export_takes_any_size(name, tmp_path):
    archive = keras.export.ExportArchive()
    archive.track(network(name))
    signature = [tf.TensorSpec((None, None, None, 1), tf.float32)]
    archive.add_endpoint("ab", lambda x: network(name)(x, training=False), signature)
    archive.write_out(str(tmp_path), verbose=False)
    exported = tf.saved_model.load(str(tmp_path))
    for shape in SHAPES:
        lightness = lightness_of(shape)
        np.testing.assert_allclose(exported.ab(lightness), numpy_of(network(name)(lightness)), atol=1e-3)


@every_model
def test_low_precision_inside_gives_float32(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = formula_network(name)
    finally:
        keras.config.set_dtype_policy("float32")
    assert "bfloat16" in {layer.compute_dtype for layer in model.layers}
    lightness = lightness_of((1, 33, 47))
    ab = numpy_of(model(lightness))
    assert ab.dtype == np.float32
    difference = np.abs(ab - numpy_of(network(name)(lightness)))
    assert difference.mean() < 3


@every_model
def test_golden_values(name):
    path = FOLDER / f"{name}.npz"
    assert path.is_file(), f"python -m tests.accept_golden {name} writes it"
    with np.load(path) as golden:
        np.testing.assert_array_equal(golden["lightness"], golden_lightness())
        assert golden["ab"].std() > 1
        np.testing.assert_allclose(numpy_of(network(name)(golden["lightness"])), golden["ab"], atol=0.01)


# --- color_unet ---


@pytest.mark.parametrize(("bins", "parameters"), [(32, 142_016), (64, 142_560)])
def test_color_unet_has_the_parameters_of_the_paper(bins, parameters):
    model = zoo.create_model("color_unet", bins=bins)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == parameters


def test_color_unet_scores_and_probabilities():
    model = network("color_unet")
    inner = keras.Model(model.input, [model.get_layer(n).output for n in ("scores", "probabilities")])
    scores, probabilities = map(numpy_of, inner(lightness_of((3, 33, 47))))
    assert scores.shape == probabilities.shape == (3, 40, 48, 8)
    sharp = np.exp((scores - scores.max(axis=-1, keepdims=True)) / 0.38)
    np.testing.assert_allclose(probabilities, sharp / sharp.sum(axis=-1, keepdims=True), atol=1e-5)


def test_color_unet_decodes_towards_the_most_probable_color():
    centers = np.random.default_rng(0).uniform(-80, 80, (8, 2)).astype(np.float32)
    model = zoo.create_model("color_unet", bins=centers, temperature=1e-3, width=0.25)
    model.set_weights(network("color_unet").get_weights())
    both = keras.Model(model.input, [model.get_layer("scores").output, model.output])
    scores, ab = map(numpy_of, both(lightness_of((2, 32, 32))))
    first, second = np.moveaxis(np.sort(scores, axis=-1), -1, 0)[[-1, -2]]
    clear = first - second > 0.02
    assert clear.mean() > 0.5
    assert len(np.unique(scores.argmax(axis=-1))) > 2
    np.testing.assert_allclose(ab[clear], centers[scores.argmax(axis=-1)][clear], atol=1e-3)


def test_color_unet_pads_with_the_border():
    lightness = lightness_of((2, 33, 47))
    by_hand = np.pad(lightness, [(0, 0), (0, 7), (0, 1), (0, 0)], mode="edge")
    model = network("color_unet")
    expected = numpy_of(model(by_hand))[:, :33, :47]
    np.testing.assert_allclose(numpy_of(model(lightness)), expected, atol=1e-4)


def test_color_unet_takes_more_levels():
    model = zoo.create_model("color_unet", filters=(4, 6, 8, 10, 12), bins=8)
    assert model.get_layer("down5_conv1").kernel.shape == (3, 3, 10, 12)
    assert model(lightness_of((1, 33, 47))).shape == (1, 33, 47, 2)


@pytest.mark.parametrize(
    ("body", "sees", "joined", "parameters"), [("flat", 3, 0, 25_376), ("bottleneck", 22, 0, 135_104)]
)
def test_color_unet_has_the_bodies_that_its_authors_tried_before(body, sees, joined, parameters):
    model = zoo.create_model("color_unet", body=body)
    assert sum(isinstance(layer, keras.layers.Concatenate) for layer in model.layers) == joined
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == parameters
    lightness = np.full((1, 64, 64, 1), 50, np.float32)
    changed = lightness.copy()
    changed[0, 32, 32] = 80
    scores = keras.Model(model.input, model.get_layer("scores").output)
    differs = np.abs(numpy_of(scores(changed)) - numpy_of(scores(lightness))).max(axis=(0, 3)) > 0
    rows = np.flatnonzero(differs.any(axis=1))
    if body == "flat":
        assert (rows[0], rows[-1]) == (32 - sees, 32 + sees)
    else:
        assert rows[0] <= 32 - sees and rows[-1] >= 32 + sees


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), None, "a", False])
@pytest.mark.parametrize("name", zoo.list_models())
def test_widths_and_temperatures_are_positive_and_finite(name, value):
    for argument in {"width", "temperature"} & inspect.signature(architecture(name).build).parameters.keys():
        with pytest.raises(ArgumentError, match=f"{argument} is {value!r}: it must be a finite number above 0"):
            zoo.create_model(name, **{argument: value})


@pytest.mark.parametrize("value", [None, True, float("nan"), float("inf"), "1", "many", [1], {}])
@pytest.mark.parametrize("name", zoo.list_models())
def test_numbers_are_numbers(name, value):
    """Every argument whose default value is a number or several."""
    for parameter in inspect.signature(architecture(name).build).parameters.values():
        if isinstance(parameter.default, int | float | tuple) and not isinstance(parameter.default, bool):
            with pytest.raises(ArgumentError, match=f"^{parameter.name} (is|has shape) "):
                zoo.create_model(name, **{parameter.name: value})


@pytest.mark.parametrize("name", zoo.list_models())
def test_words_are_words(name):
    for parameter in inspect.signature(architecture(name).build).parameters.values():
        if isinstance(parameter.default, str):
            for value in (None, "another", [], 1):
                with pytest.raises(ArgumentError, match=f"^{parameter.name} is .*: it must be one of "):
                    zoo.create_model(name, **{parameter.name: value})


def test_numbers_of_numpy_are_numbers():
    model = zoo.create_model("color_unet", bins=np.int64(8), width=np.float32(0.25), filters=[np.int8(8), 16])
    assert model.get_layer("scores").filters == 8
    assert model.get_layer("down1_conv1").filters == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "bins is 1"),
        ({"bins": 101}, "bins is 101"),
        ({"bins": [1.0, 2.0]}, r"bins has shape \(2,\)"),
        ({"bins": [[1.0, 2.0, 3.0]]}, r"bins has shape \(1, 3\)"),
        ({"bins": [[1.0, 2.0], [3.0]]}, r"bins is \[\[1.0, 2.0\], \[3.0\]\]: a whole number, or colors"),
        ({"filters": (16, 32.5)}, r"filters is \(16, 32.5\): whole numbers above 0"),
        ({"temperature": 0}, "temperature is 0"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"width": 0}, "width is 0"),
        ({"filters": (16,)}, r"filters is \(16,\)"),
    ],
)
def test_color_unet_argument_errors(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        zoo.create_model("color_unet", **arguments)
