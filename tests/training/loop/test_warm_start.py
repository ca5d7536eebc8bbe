"""Training further: what is taken over, what stays, what starts anew, and what does not fit."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from tests.photographs import write_fields
from tests.two_layers import without_panels, without_tracing
from training import recipes
from training.loop.inputs import prepare_photographs
from training.loop.train import main as train
from training.loop.warm_start import begin_with, read
from training.publish.pack import main as pack
from training.publish.prior import main as count_prior
from training.systems.recipe import Recipe
from training.systems.system import Statistics, System
from zoo.bins import rebalancing_weights
from zoo.colorizer import network_of
from zoo.errors import ArgumentError, DataError, PresetError, UnknownNameError

NAME = "color_unet_scenes_v1"
TINY = {
    "filters": "(4, 8)", "bins": "6", "size": "32", "frame_size": "32", "batch": "4", "epochs": "1",
    "rebalance_lambda": "0.5",
}  # fmt: skip


pytestmark = pytest.mark.filterwarnings("ignore:Even though the")  # that tf.data is traced in any case


@pytest.fixture(scope="module", autouse=True)
def eagerly() -> Iterator[None]:
    """Tracing the steps of networks this small, and panels, would take most of the time."""
    with without_tracing(), without_panels():
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_fields(folder / "old" / "sea", 6)
    write_fields(folder / "old" / "wood", 6, seed=2)
    write_fields(folder / "new" / "sea", 8, seed=1)
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of color_unet."""
    out = tmp_path_factory.mktemp("runs") / "first"
    train(NAME, [photos / "old"], None, out, "one", TINY)
    return out


@pytest.fixture(scope="module")
def packed(run: Path) -> Path:
    path = run.parent / "first_v1.keras"
    pack(run, path, None, rebalance_lambda=0.9)
    return path


def recipe(**fields: Any) -> Recipe:
    return dataclasses.replace(recipes.load(NAME, TINY), **fields)


def begun(settings: Recipe, photos: Path) -> tuple[System, Statistics]:
    """A new system as a run of the recipe begins with it."""
    start = read(settings.init)
    photographs = prepare_photographs(settings, [photos / "new"], photos / "cache")
    statistics = settings.statistics(photographs, start.statistics)
    keras.utils.set_random_seed(5)
    system = settings.system(statistics)
    begin_with(start, settings, system, statistics)
    return system, statistics


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    return {v.path: ops.convert_to_numpy(v) for v in model.weights}


def test_every_source_gives_the_same_weights(run: Path, packed: Path, photos: Path) -> None:
    (checkpoint,) = (p.with_suffix("") for p in (run / "checkpoints").glob("*.index"))
    kept = weights(network_of(keras.models.load_model(run / "best.keras")))
    for source in (run, run / "best.keras", checkpoint):
        if source.suffix == ".keras":
            shutil.copy(packed.with_suffix(".json"), source.with_suffix(".json"))
        system, _ = begun(recipe(init=str(source), rebalance_lambda=0.9 if source.suffix == ".keras" else 0.5), photos)
        for path, value in weights(system.network).items():
            if path != "scores/bias":  # has the prior of the new photographs
                np.testing.assert_array_equal(value, kept[path], err_msg=f"{source}: {path}")


def test_classes_stay_and_their_prior_is_counted_anew(run: Path, photos: Path) -> None:
    before = read(str(run)).statistics
    _, statistics = begun(recipe(init=str(run)), photos)
    np.testing.assert_array_equal(statistics["cell_classes"], before["cell_classes"])
    np.testing.assert_array_equal(statistics["centers"], before["centers"])
    assert np.abs(statistics["prior"] - before["prior"]).max() > 0.01
    assert statistics["prior"].sum() == pytest.approx(1, abs=1e-5)


def test_scores_get_the_rebalancing_of_the_recipe(packed: Path, photos: Path) -> None:
    system, statistics = begun(recipe(init=str(packed), rebalance_lambda=0.3), photos)
    old = weights(network_of(keras.models.load_model(packed)))["scores/bias"]
    old_weights = rebalancing_weights(read(str(packed)).statistics["prior"], 0.9)
    expected = old + np.log(rebalancing_weights(statistics["prior"], 0.3)) - np.log(old_weights)
    np.testing.assert_allclose(weights(system.network)["scores/bias"], expected, atol=1e-6)


def test_fresh_scores_learn_other_classes(run: Path, photos: Path) -> None:
    system, statistics = begun(recipe(init=str(run), bins=4, fresh=("scores",)), photos)
    old, new = weights(network_of(keras.models.load_model(run / "best.keras"))), weights(system.network)
    assert len(statistics["centers"]) == 4
    assert new["scores/bias"].shape == (4,)
    same = {path for path in new if path in old and np.array_equal(new[path], old[path])}
    assert same >= {path for path in new if "scores" not in path}


def test_a_given_prior(run: Path, photos: Path, tmp_path: Path) -> None:
    count_prior(NAME, [photos / "new"], tmp_path / "prior.npy", TINY | {"init": str(run)})
    counted = np.load(tmp_path / "prior.npy")
    _, statistics = begun(recipe(init=str(run)), photos)
    np.testing.assert_array_equal(counted, statistics["prior"])
    np.save(tmp_path / "flat.npy", np.full(6, 1 / 6))
    _, statistics = begun(recipe(init=str(run), prior=str(tmp_path / "flat.npy")), photos)
    np.testing.assert_allclose(statistics["prior"], 1 / 6)


def test_no_prior_without_classes(photos: Path, tmp_path: Path) -> None:
    small = {"size": "32", "width": "0.03"}
    with pytest.raises(ArgumentError, match="has no classes of color"):
        count_prior("pix2pix_scenes_v1", [photos / "new"], tmp_path / "prior.npy", small)
    with pytest.raises(ArgumentError, match="npy"):
        count_prior(NAME, [photos / "new"], tmp_path / "prior.txt", TINY)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def further(run: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A run of one step that goes on from the other one, and its settings."""
    settings = TINY | {
        "batch": "8", "init": str(run), "frozen": "('down*', 'up1_*')", "learning_rate": "0.01",
    }  # fmt: skip
    out = tmp_path_factory.mktemp("runs") / "further"
    train(NAME, [photos / "new"], None, out, "one", settings)
    return out, settings


def test_frozen_layers_stay_and_the_others_move(run: Path, further: tuple[Path, dict[str, str]]) -> None:
    old = weights(network_of(keras.models.load_model(run / "best.keras")))
    new = weights(network_of(keras.models.load_model(further[0] / "last.keras")))
    frozen = {path for path in new if path.startswith(("down", "up1_"))}
    assert frozen and frozen != set(new)
    for path, value in new.items():
        assert np.array_equal(value, old[path]) == (path in frozen), path


def test_a_run_goes_on_from_its_own_checkpoint(further: tuple[Path, dict[str, str]], photos: Path) -> None:
    """Not from init again."""
    out, settings = further
    first = weights(network_of(keras.models.load_model(out / "last.keras")))
    times = (out / "times.csv").read_bytes()
    (out / "last.keras").unlink()
    train(NAME, [photos / "new"], None, out, "one", settings)
    again = weights(network_of(keras.models.load_model(out / "last.keras")))
    for path, value in first.items():
        np.testing.assert_array_equal(value, again[path], err_msg=path)
    assert (out / "times.csv").read_bytes() == times, "no step was trained again"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"filters": (4, 16)}, r"it has filters=\[4, 8\], the recipe filters=\(4, 16\)"),
        ({"bins": 5}, ".* has bins=6, the recipe bins=5"),
        ({"frozen": ("lowest*",)}, "frozen is 'lowest.*there are down1"),
        ({"fresh": ("lowest*",)}, "fresh is 'lowest.*there are down1"),
        ({"frozen": ("*",)}, "nothing is left to train"),
    ],
)
def test_what_does_not_fit(fields: dict[str, Any], said: str, packed: Path, photos: Path, tmp_path: Path) -> None:
    texts = {name: repr(value) for name, value in fields.items()}
    with pytest.raises(ArgumentError, match=said):
        train(NAME, [photos / "new"], None, tmp_path / "run", "one", TINY | {"init": str(packed)} | texts)
    assert not (tmp_path / "run" / "recipe.json").exists(), "a start that failed does not bind the folder"


def test_shapes_are_compared_where_nobody_wrote_arguments_down(run: Path, photos: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.keras"
    shutil.copy(run / "best.keras", alone)
    with pytest.raises(ArgumentError, match="its classes are not known"):
        begun(recipe(init=str(alone)), photos)
    begun(recipe(init=str(alone), fresh=("scores",)), photos)
    with pytest.raises(
        ArgumentError, match=r"layer \w+ has weights .*\(3, 3, 1, 4\).*, the recipe's of .*\(3, 3, 1, 5"
    ):
        begun(recipe(init=str(alone), fresh=("scores",), filters=(5, 8)), photos)


def test_another_architecture(packed: Path, photos: Path) -> None:
    other = recipes.load("iizuka2016_scenes_v1", {"size": "32", "width": "0.03", "init": str(packed)})
    with pytest.raises(ArgumentError, match="a color_unet: the recipe trains a iizuka2016"):
        begun(other, photos)


def test_what_is_not_there(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="color_unet_wide_scenes_v2"):
        read("color_unet_wide")
    with pytest.raises(UnknownNameError):
        read(str(tmp_path / "none.keras"))
    with pytest.raises(ArgumentError, match="not the folder of a training run"):
        read(str(tmp_path))
    shutil.copytree(run, tmp_path / "early")
    (tmp_path / "early" / "best.keras").unlink()
    with pytest.raises(ArgumentError, match="newest checkpoint is .*ckpt-"):
        read(str(tmp_path / "early"))
    (tmp_path / "bad.keras").write_bytes(b"nothing")
    with pytest.raises(PresetError):
        read(str(tmp_path / "bad.keras"))
    with pytest.raises(ArgumentError, match="it needs init"):
        recipe(frozen=("down*",))


@pytest.mark.slow
def test_discriminators_come_from_a_checkpoint_only(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {
        "width": "0.06", "levels": "3", "scales": "1", "size": "32", "frame_size": "32", "batch": "4", "epochs": "1",
    }  # fmt: skip
    train("ibn_gan_scenes_v1", [photos / "old"], None, tmp_path / "run", "one", small)
    (checkpoint,) = (p.with_suffix("") for p in (tmp_path / "run" / "checkpoints").glob("*.index"))
    systems = {}
    for source in (checkpoint, tmp_path / "run"):
        systems[source], _ = begun(recipes.load("ibn_gan_scenes_v1", small | {"init": str(source)}), photos)
        said = capsys.readouterr().out
        assert ("starts from random weights" in said) == (source != checkpoint)
    trained = read(str(checkpoint)).models[1]
    found = {source: weights(system.trained["discriminator"][0]) for source, system in systems.items()}
    for path, value in weights(trained).items():
        np.testing.assert_array_equal(found[checkpoint][path], value)
    assert any(not np.array_equal(found[tmp_path / "run"][path], value) for path, value in weights(trained).items())


def test_the_packed_file(run: Path, packed: Path) -> None:
    row = json.loads(packed.with_suffix(".json").read_text())
    assert row["metrics"] == {}
    assert row["training_data"].startswith("12 photographs, sha256")
    card = packed.with_suffix(".md").read_text()
    for part in ("color_unet", row["sha256"], "| filters | [4, 8] |", "Not measured", "keras.models.load_model"):
        assert part in card
    model = zoo.load(packed, temperature=0.5)
    assert ops.shape(model(np.zeros((1, 20, 30, 3), np.uint8))) == (1, 20, 30, 3)
    with pytest.raises(ArgumentError, match="presets never change"):
        pack(run, packed, None)
    with pytest.raises(ArgumentError, match=r"\.keras file is needed"):
        pack(run, packed.with_suffix(".h5"), None)


def test_packed_with_metrics(run: Path, photos: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "measured.keras", photos / "new", evaluated_size=32, license="CC0", training_data="fields")
    row = json.loads((tmp_path / "measured.json").read_text())
    assert (row["metrics"]["pictures"], row["license"], row["training_data"]) == (8, "CC0", "fields")
    assert f"| RMSE of ab | {row['metrics']['rmse']:g} |" in (tmp_path / "measured.md").read_text()
    assert {p.name for p in tmp_path.iterdir()} == {"measured.keras", "measured.json", "measured.md"}


@pytest.mark.parametrize(
    ("overrides", "val", "message"),
    [({"init": "n" * 9}, None, "init is 'nnnnnnnnn': it must be"), ({}, "missing", "missing is not a folder")],
)
def test_what_does_not_exist_is_named_before_photographs_are_decoded(
    photos: Path, tmp_path: Path, overrides: dict[str, str], val: str | None, message: str
) -> None:
    with pytest.raises((UnknownNameError, DataError), match=message):
        train(NAME, [photos], val and tmp_path / val, tmp_path / "run", "one", TINY | overrides)
    assert not (tmp_path / "run").exists()
