"""From a run's folder to a preset file: what is rounded, what lambda adds, what stays."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from media import atomic
from tests.archives import pack_folder
from tests.photographs import color_field
from training import recipes
from training.publish.pack import _all_looks, main, pack
from training.runs.compact import KEPT_BITS
from zoo.bins import rebalancing_weights
from zoo.colorizer import calm_of, frame_size, network_of, saturation_of, view_sides
from zoo.errors import ArgumentError, ColorzooError, DataError
from zoo.presets.metadata import sha256
from zoo.presets.portable import portable_config

CENTERS = np.array([[0, 0], [30, -20], [-25, 40]], np.float32)
PRIOR = np.array([0.7, 0.2, 0.1], np.float32)
VIVID = {"temperature": 0.4, "saturation": 1.5, "calm": 0.0}
SETTINGS = {
    "rebalance_lambda": 0.5, "temperature": 0.8, "saturation": 1.25, "size": 48, "tta_scales": (0.5, 1.0), "calm": 0.7,
    "looks": {"vivid": VIVID},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, with an untrained network in place of its best."""
    folder = tmp_path_factory.mktemp("run")
    recipe = {"architecture": "color_unet", "filters": [4, 8], "rebalance_lambda": 0.9}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    np.savez(folder / "statistics.npz", centers=CENTERS, prior=PRIOR)
    network = zoo.create_model("color_unet", bins=CENTERS, filters=(4, 8), temperature=1.0)
    zoo.create_colorizer(network, 16).save(folder / "best.keras")
    return folder


@pytest.fixture(scope="module")
def packed_run(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    return pack(run, "packed_v1", tmp_path_factory.mktemp("packed"), **SETTINGS)


def test_weights_are_rounded_and_lambda_is_in_the_bias(run: Path, packed_run: tuple[Path, dict[str, Any]]) -> None:
    path, row = packed_run
    assert [p.name for p in path.parent.iterdir()] == ["packed_v1.keras"]
    assert row["sha256"] == sha256(path)
    trained = network_of(keras.models.load_model(run / "best.keras"))
    packed = network_of(keras.models.load_model(path))
    for before, after in zip(trained.layers, packed.layers, strict=True):
        for old, new in zip(before.get_weights(), after.get_weights(), strict=True):
            if before.name == "scores" and old.ndim == 1:
                old = old + np.log(rebalancing_weights(PRIOR, 0.5)) - np.log(rebalancing_weights(PRIOR, 0.9))
                np.testing.assert_allclose(new, old, atol=1e-6)
            else:
                np.testing.assert_allclose(new, old, rtol=2.0 ** -(KEPT_BITS + 1), atol=0)
                assert not (new.view(np.uint32) & ((1 << (23 - KEPT_BITS)) - 1)).any()


def test_the_file_has_the_settings(run: Path, packed_run: tuple[Path, dict[str, Any]]) -> None:
    path, row = packed_run
    model = keras.models.load_model(path)
    assert (frame_size(model), saturation_of(model)) == (48, 1.25)
    assert network_of(model).get_layer("temperature").scale == pytest.approx(1 / 0.8)
    assert view_sides(model) == [24, 48]
    assert (row["rebalance_lambda"], row["size"], row["saturation"], row["tta_scales"]) == (0.5, 48, 1.25, [0.5, 1.0])
    assert calm_of(model) == 0.7
    assert row["looks"] == {"natural": {"temperature": 0.8, "saturation": 1.25, "calm": 0.7}, "vivid": VIVID}
    assert row["arguments"]["bins"] == CENTERS.tolist()
    assert path.stat().st_size < (run / "best.keras").stat().st_size


def test_it_loads_on_every_backend(packed_run: tuple[Path, dict[str, Any]]) -> None:
    # Batch normalization that is synchronized, as it is in training, is refused outside of TensorFlow.
    with zipfile.ZipFile(packed_run[0]) as archive:
        config = json.loads(archive.read("config.json"))
    assert portable_config(config) == config


def test_looks_need_a_temperature(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="looks need a network that has a temperature"):
        _all_looks(None, 1.0, 0.0, {"vivid": VIVID})


def test_never_over_a_preset(run: Path, packed_run: tuple[Path, dict[str, Any]]) -> None:
    path, row = packed_run
    with pytest.raises(ArgumentError, match="presets never change"):
        pack(run, "packed_v1", path.parent, **SETTINGS | {"rebalance_lambda": 1.0})
    assert sha256(path) == row["sha256"]


def test_measured_first_and_written_last(run: Path, tmp_path: Path) -> None:
    """A command that fails leaves nothing that would be in the way of the corrected one."""
    data, gray, out = tmp_path / "data", tmp_path / "gray", tmp_path / "presets" / "packed_v1.keras"
    data.mkdir()
    gray.mkdir()
    color_field(1, 24, 24).save(data / "a.png")
    color_field(1, 24, 24).convert("L").save(gray / "a.png")
    with pytest.raises(DataError, match="missing is not a folder"):
        main(run, out, tmp_path / "missing", evaluated_size=16)
    with pytest.raises(DataError, match="all pictures are gray"):
        main(run, out, gray, evaluated_size=16)
    write_bytes = atomic.write_bytes

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise OSError(28, "No space left on device")
        write_bytes(path, data)

    with (
        mock.patch.object(atomic, "write_bytes", full),
        pytest.raises(ArgumentError, match="packed_v1.json cannot be written: No space left on device"),
    ):
        main(run, out, None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [data / "a.png", gray / "a.png"]
    main(run, out, pack_folder(data, tmp_path / "data.zip"), evaluated_size=16)
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "packed_v1.json", "packed_v1.keras", "packed_v1.md",
    ]  # fmt: skip
    row = json.loads(out.with_suffix(".json").read_text())
    assert (row["metrics"]["pictures"], row["sha256"]) == (1, sha256(out))
    with pytest.raises(ArgumentError, match="packed_v1.keras exists already"):
        main(run, out, data)


def test_names_that_no_file_can_have(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, words in (
        (tmp_path / "file" / "a.keras", "a.keras cannot be written, since .*file is a file"),
        (tmp_path / f"{'a' * 300}.keras", "the name is too long"),
        (tmp_path / "a.h5", "the name of a .keras file is needed"),
    ):
        with pytest.raises(ArgumentError, match=words):
            main(run, out, None)


def test_a_run_without_a_network(run: Path, tmp_path: Path) -> None:
    for name in ("recipe.json", "statistics.npz"):
        shutil.copy(run / name, tmp_path)
    with pytest.raises(ArgumentError, match="has no best.keras: no epoch of the run is done"):
        main(tmp_path, tmp_path / "packed_v1.keras", None)


@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        ("larsson2016", {"width": 0.02, "resize_mode": "center_crop"}),
        ("autoencoder", {"width": 0.06, "resize_mode": "center_crop", "size": 32}),
    ],
)
def test_weights_find_their_layers(architecture: str, fields: dict[str, object], tmp_path: Path) -> None:
    """The order of a model's weights is another in the file, where branches meet and where models are nested."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text(json.dumps({"architecture": architecture} | fields))
    np.savez(run / "statistics.npz")
    recipe = recipes.of_run(run)
    network = zoo.create_model(architecture, **recipe.arguments({}))
    zoo.create_colorizer(network, 32).save(run / "best.keras")
    path, _ = pack(run, "packed_v1", tmp_path, saturation=1.0, size=32)
    packed = {v.path: ops.convert_to_numpy(v) for v in network_of(keras.models.load_model(path)).weights}
    for variable in network.weights:
        np.testing.assert_allclose(packed[variable.path], variable, rtol=2.0 ** -(KEPT_BITS + 1), err_msg=variable.path)


@pytest.mark.parametrize("name", ["statistics.npz", "best.keras"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_damaged_files_of_a_run_are_named(run: Path, tmp_path: Path, name: str, share: float) -> None:
    damaged = tmp_path / "run"
    shutil.copytree(run, damaged)
    data = (damaged / name).read_bytes()
    (damaged / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(ColorzooError, match=rf"^[^\n]*{name} "):
        main(damaged, tmp_path / "packed.keras", None)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
