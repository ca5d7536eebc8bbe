"""The presets that ship with the package, and how presets are found and read."""

import dataclasses
import hashlib
import json
import math
import re
import zipfile
from functools import cache

import keras
import numpy as np
import pytest

import zoo
from tests.accept_golden import formula_network
from tests.paths import ROOT
from tests.zoo.networks import loaded
from tests.zoo.photographs import photograph
from training import recipes
from zoo import bins
from zoo.colorizer import calm_of, frame_size, network_of, saturation_of, view_sides
from zoo.errors import ArgumentError, PresetError, UnknownNameError
from zoo.presets import loading, metadata

# A preset stays once it is shipped, so that this list only grows.
SHIPPED = [
    "autoencoder_cifar10_v1",
    "color_unet_scenes_v1",
    "color_unet_wide_scenes_v1",
    "color_unet_wide_scenes_v2",
    "ibn_gan_scenes_v1",
    "iizuka2016_scenes_v1",
    "larsson2016_scenes_v1",
    "lite_unet_photos_v2",
    "lite_unet_photos_v3",
    "pix2pix_scenes_v1",
    "zhang2016_scenes_v1",
]
WITH_PRIOR = {"color_unet", "lite_unet", "zhang2016"}
MEGABYTE = 1_000_000
ROWS = {path.stem for path in metadata.FOLDER.glob("*.json")}
every_preset = pytest.mark.parametrize("name", sorted({*SHIPPED, *ROWS}))


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


# --- Those that ship ---


def test_all_shipped_presets_are_listed_and_the_default_is_one_of_them():
    names = zoo.list_presets()
    assert names == sorted({*SHIPPED, *ROWS})
    assert zoo.DEFAULT_PRESET in names


def test_the_folder_holds_nothing_else():
    files = {path.name for path in metadata.FOLDER.iterdir() if path.is_file()}
    assert files == {"__init__.py", "loading.py", "metadata.py", "portable.py"} | {
        f"{name}.{kind}" for name in ROWS for kind in ("json", "keras")
    }


def test_the_files_are_small_enough_to_ship():
    sizes = {path.name: path.stat().st_size for path in metadata.FOLDER.glob("*.keras")}
    assert sizes
    assert max(sizes.values()) <= 20 * MEGABYTE
    assert sum(sizes.values()) <= 80 * MEGABYTE


@every_preset
def test_row(name):
    row = zoo.preset(name)
    fields = {field.name: field.type for field in dataclasses.fields(row)}
    written = json.loads((metadata.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    # These came later than the first presets, which have none.
    written = {metadata.RENAMED_FIELDS.get(field, field): value for field, value in written.items()}
    assert set(written) | {"tta_scales", "cell_classes", "looks"} == set(fields)
    for field in ("name", "architecture", "training_data", "license", "recipe", "commit"):
        assert isinstance(getattr(row, field), str), field
        assert getattr(row, field).strip(), field
    assert row.architecture in zoo.list_models()
    assert re.fullmatch(r"[0-9a-f]{7,40}", row.commit)
    assert re.fullmatch(r"3\.\d+\.\d+", row.keras_version)
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in row.metrics.values())
    assert row.metrics
    if row.architecture in WITH_PRIOR:
        assert len(row.prior) > 1
        assert min(row.prior) >= 0
        assert sum(row.prior) == pytest.approx(1, abs=1e-3)
    else:
        assert row.prior == []
    if row.architecture == "color_unet":
        assert len(row.cell_classes) == bins.UV_CELLS**2
        assert set(row.cell_classes) == set(range(len(row.prior)))


@every_preset
def test_recipe(name):
    row = zoo.preset(name)
    assert row.recipe in recipes.list_recipes()
    recipe = recipes.load(row.recipe)
    assert recipe.architecture == row.architecture
    assert recipe.frame_size == row.size


@every_preset
def test_readme_has_the_figures_of_its_row(name):
    row = zoo.preset(name)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    line = next(line for line in readme.splitlines() if line.startswith(f"| `{name}`"))
    parameters, rmse, gain, colorfulness = (float(cell.strip(" %").replace(",", "")) for cell in line.split("|")[2:6])
    assert parameters == row.parameters
    assert rmse == pytest.approx(row.metrics["rmse"], abs=0.006)
    assert gain == pytest.approx(100 * row.metrics["gain"], abs=0.06)
    assert colorfulness == pytest.approx(100 * row.metrics["colorfulness_ratio"], abs=0.6)


@every_preset
def test_file_matches_its_row(name):
    row = zoo.preset(name)
    assert re.fullmatch(r"[0-9a-f]{64}", row.sha256)
    assert hashlib.sha256(row.path.read_bytes()).hexdigest() == row.sha256
    with zipfile.ZipFile(row.path) as archive:
        assert json.loads(archive.read("metadata.json"))["keras_version"] == row.keras_version
        # Without the state of the optimizer, which would triple the file.
        assert not json.loads(archive.read("config.json")).get("compile_config")
    model = loaded(name)
    assert frame_size(model) == row.size
    assert saturation_of(model) == pytest.approx(row.saturation)
    assert view_sides(model) == [round(share * row.size) for share in row.tta_scales]


def layers_of(model):
    """The layers of a model and of the models in it."""
    for layer in model.layers:
        yield from layers_of(layer) if isinstance(layer, keras.Model) else [layer]


@every_preset
def test_network_is_that_of_its_row(name):
    row = zoo.preset(name)
    network = network_of(loaded(name))
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == row.parameters
    built = zoo.create_model(row.architecture, **row.arguments)
    # Layer by layer: a file brings back all weights, but not their order.
    saved = {layer.name: layer for layer in layers_of(network)}
    shapes = {layer.name: [weight.shape for weight in layer.weights] for layer in layers_of(built)}
    assert shapes == {name: [weight.shape for weight in layer.weights] for name, layer in saved.items()}
    # The arguments hold the colors of the classes too: with the weights, they give the same network.
    for layer in layers_of(built):
        layer.set_weights(saved[layer.name].get_weights())
    lightness = np.random.default_rng(0).uniform(0, 100, (1, 32, 32, 1)).astype(np.float32)
    np.testing.assert_allclose(numpy_of(built(lightness)), numpy_of(network(lightness)), atol=1e-2)


@every_preset
def test_colors_a_photograph(name):
    image = photograph((150, 120))
    colorized = numpy_of(loaded(name)(image)).astype(int)
    assert colorized.shape == image.shape
    assert np.ptp(colorized, axis=-1).mean() > 2  # gray has none


# --- How they are read: on a preset of formula weights ---


TINY = {"filters": (4, 4), "bins": 4}


@cache
def tiny_network():
    """One with fewer layers than that of the registry, as it is loaded often."""
    return formula_network("color_unet", TINY)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with one preset, "tiny_v1"."""
    folder = tmp_path_factory.mktemp("folder")
    network = tiny_network()
    zoo.create_colorizer(network, 32, saturation=1.25).save(folder / "tiny_v1.keras")
    row = {
        "name": "tiny_v1",
        "architecture": "color_unet",
        "arguments": TINY,
        "parameters": sum(int(np.prod(weight.shape)) for weight in network.trainable_weights),
        "size": 32,
        "rebalance_lambda": 1.0,
        "saturation": 1.25,
        "prior": [0.25] * 4,
        "training_data": "none",
        "license": "none",
        "recipe": "color_unet_scenes_v1",
        "commit": "0000000",
        "metrics": {"rmse": 1.0},
        "keras_version": keras.__version__,
        "sha256": metadata.sha256(folder / "tiny_v1.keras"),
    }
    (folder / "tiny_v1.json").write_text(json.dumps(row))
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy of that folder, in the place of zoo/presets."""
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(metadata, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def read_once(monkeypatch):
    """Only the first read of a file builds its model: enough for tests of what is changed in it afterwards."""
    monkeypatch.setattr(loading, "_read", cache(loading._read))


GRAY = np.tile(np.linspace(0, 255, 47, dtype=np.float32)[None, None, :, None], (1, 33, 1, 3))


def test_sha256_is_that_of_the_file(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert metadata.sha256(tmp_path / "abc") == expected


def test_a_preset_is_found_by_name_and_by_path(folder):
    assert zoo.list_presets() == ["tiny_v1"]
    assert zoo.preset("tiny_v1").path == folder / "tiny_v1.keras"
    by_name = numpy_of(zoo.load("tiny_v1")(GRAY))
    np.testing.assert_array_equal(numpy_of(zoo.load(folder / "tiny_v1.keras")(GRAY)), by_name)
    for name in ("tiny_v1", folder / "tiny_v1.keras", str(folder / "tiny_v1.keras")):
        assert metadata.find_file(name) == folder / "tiny_v1.keras"


def test_another_size_and_temperature(folder):
    def made_of(size, temperature):
        network = zoo.create_model("color_unet", **TINY, temperature=temperature)
        network.set_weights(tiny_network().get_weights())
        return numpy_of(zoo.create_colorizer(network, size, saturation=1.25)(GRAY)).astype(int)

    expected = made_of(48, 0.1)
    changed = zoo.load("tiny_v1", size=48, temperature=0.1)
    assert frame_size(changed) == 48
    assert saturation_of(changed) == 1.25
    assert np.abs(numpy_of(changed(GRAY)) - expected).max() <= 1
    for size, temperature in ((48, 0.38), (32, 0.1)):
        assert np.abs(made_of(size, temperature) - expected).max() > 1


LOOKS = {
    "calm": {"temperature": 0.5, "saturation": 0.8, "calm": 1.5},
    "vivid": {"temperature": 0.1, "saturation": 2.0, "calm": 0.5},
}


def test_looks(folder):
    row = json.loads((folder / "tiny_v1.json").read_text())
    (folder / "tiny_v1.json").write_text(json.dumps(row | {"looks": LOOKS}))
    pictures = {}
    for look, setting in LOOKS.items():
        model = zoo.load("tiny_v1", look=look)
        assert (saturation_of(model), calm_of(model)) == (setting["saturation"], setting["calm"])
        network = zoo.create_model("color_unet", **TINY, temperature=setting["temperature"])
        network.set_weights(tiny_network().get_weights())
        settings = {key: value for key, value in setting.items() if key != "temperature"}
        expected = numpy_of(zoo.create_colorizer(network, 32, **settings)(GRAY)).astype(int)
        pictures[look] = numpy_of(model(GRAY)).astype(int)
        assert np.abs(pictures[look] - expected).max() <= 1
    assert np.abs(pictures["calm"] - pictures["vivid"]).max() > 1
    # What is given beside the look counts more.
    warmer = zoo.load("tiny_v1", look="vivid", temperature=0.5, size=48)
    assert network_of(warmer).get_layer("temperature").scale == 2.0
    assert frame_size(warmer) == 48
    with pytest.raises(ArgumentError, match="tiny_v1 has no look 'natural': presets that have it are none"):
        zoo.load("tiny_v1", look="natural")


def test_presets_without_looks(folder, read_once):
    with pytest.raises(ArgumentError, match="look is 'sepia': it must be one of calm, natural, vivid"):
        zoo.load("tiny_v1", look="sepia")
    with pytest.raises(ArgumentError, match="tiny_v1 has no look 'vivid': presets that have it are none"):
        zoo.load("tiny_v1", look="vivid")


def test_only_the_temperature_keeps_the_size(folder):
    assert frame_size(zoo.load("tiny_v1", temperature=1.0)) == 32


def test_another_size_keeps_the_views(tmp_path, read_once):
    zoo.create_colorizer(tiny_network(), 48, tta_scales=(0.5, 1.0)).save(tmp_path / "views.keras")
    assert view_sides(zoo.load(tmp_path / "views.keras")) == [24, 48]
    assert view_sides(zoo.load(tmp_path / "views.keras", size=96)) == [48, 96]
    assert view_sides(zoo.load(tmp_path / "views.keras", size=20)) == [16, 20]
    assert view_sides(zoo.load(tmp_path / "views.keras", size=16, temperature=0.5)) == [16]


def test_wrong_temperatures_and_sizes(folder, read_once):
    for temperature in (0, -0.5, math.nan, math.inf):
        with pytest.raises(ArgumentError, match=f"temperature is {temperature}: it must be a finite number above 0"):
            zoo.load("tiny_v1", temperature=temperature)
    for size in (0, 15, -64):
        with pytest.raises(ArgumentError, match=f"size is {size}"):
            zoo.load("tiny_v1", size=size)


def test_networks_without_a_temperature(folder, read_once):
    lightness = keras.Input((None, None, 1))
    direct = keras.Model(lightness, keras.layers.Conv2D(2, 1)(lightness), name="direct")
    zoo.create_colorizer(direct, 16).save(folder / "direct.keras")
    assert zoo.load(folder / "direct.keras", size=32)(GRAY).shape == GRAY.shape
    with pytest.raises(ArgumentError, match="direct predicts colors directly"):
        zoo.load(folder / "direct.keras", temperature=0.5)


def test_unknown_names_list_those_that_exist(folder):
    with pytest.raises(UnknownNameError, match="no preset or file is called 'tiny': there are tiny_v1"):
        zoo.load("tiny")
    with pytest.raises(UnknownNameError, match="no preset is called 'tiny': there are tiny_v1"):
        zoo.preset("tiny")


@pytest.mark.parametrize("name", ["n" * 300, "folder/" + "n" * 300 + ".keras", "nul\0.keras", ""])
def test_names_that_no_file_can_have(folder, name):
    with pytest.raises(UnknownNameError, match="no preset or file is called"):
        zoo.load(name)
    assert metadata.find_metadata(name) is None


def test_only_the_wanted_row_is_read(folder):
    (folder / "other_v1.json").write_text("not a row")
    assert zoo.list_presets() == ["other_v1", "tiny_v1"]
    assert zoo.load("tiny_v1").name
    with pytest.raises(PresetError, match="other_v1.json does not describe a preset"):
        zoo.preset("other_v1")


def test_a_file_is_hashed_again_only_after_it_has_changed(folder, monkeypatch):
    path = metadata.find_file("tiny_v1")
    with monkeypatch.context() as patched:
        patched.setattr(metadata, "sha256", lambda path: pytest.fail("hashed again"))
        assert metadata.find_file("tiny_v1") == path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(PresetError, match="damaged"):
        metadata.find_file("tiny_v1")


def test_unknown_names_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata, "FOLDER", tmp_path)
    with pytest.raises(UnknownNameError, match="there are none"):
        zoo.load("tiny_v1")


def test_damaged_presets(folder):
    path = folder / "tiny_v1.keras"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PresetError, match="tiny_v1.keras is missing or damaged: install"):
        zoo.load("tiny_v1")
    with pytest.raises(PresetError, match="tiny_v1.keras is not a .keras file"):
        zoo.load(path)
    path.write_bytes(whole[:-1] + b"\1")
    with pytest.raises(PresetError, match="damaged"):
        zoo.load("tiny_v1")
    path.unlink()
    with pytest.raises(PresetError, match="missing"):
        zoo.load("tiny_v1")


def test_files_of_another_kind(folder):
    (folder / "notes.keras").write_text("not a model")
    with zipfile.ZipFile(folder / "archive.keras", "w") as archive:
        archive.writestr("notes.txt", "not a model")
    for name in ("notes", "archive"):
        with pytest.raises(PresetError, match=f"{name}.keras is not a .keras file"):
            zoo.load(folder / f"{name}.keras")


def test_a_keras_file_that_does_not_load(folder):
    with (
        zipfile.ZipFile(folder / "tiny_v1.keras") as whole,
        zipfile.ZipFile(folder / "part.keras", "w") as part,
    ):
        for name in ("metadata.json", "config.json"):
            part.writestr(name, whole.read(name))
    with pytest.raises(PresetError, match=r"part.keras, written by Keras \d.*, does not load here: \S"):
        zoo.load(folder / "part.keras")


def test_a_keras_file_that_is_not_a_colorizer(folder):
    tiny_network().save(folder / "network.keras")
    with pytest.raises(PresetError, match="network.keras does not hold a colorizer"):
        zoo.load(folder / "network.keras")
