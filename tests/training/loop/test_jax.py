"""The loop on JAX: that a step is that of the loop on TensorFlow, and what a run leaves behind."""

import csv
import json
import math
import tarfile
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import zoo
from tests import on_jax
from tests.photographs import write_fields
from training import recipes
from training.data.augmentation import Augmentation
from training.data.batches import batches
from training.data.datasets import prepare
from training.loop.strategies import make_strategy
from training.loop.train import train
from training.loop.trainer import Trainer, make_trainer, train_step
from training.publish.pack import main as pack
from training.runs import run_folder
from training.systems.system import Tensors
from zoo.errors import TrainingError

pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")

COMMON = {"size": "32", "frame_size": "32", "batch": "4", "epochs": "2", "crop": "0.8"}
# What is beside the plain rule: decay, clipping and averages. Adam would make much of the rounding of small gradients.
RULE = {
    "optimizer": "momentum", "learning_rate": "0.05", "min_learning_rate": "0.05", "schedule": "constant",
    "weight_decay": "0.01", "global_clipnorm": "0.5", "ema_momentum": "0.9",
}  # fmt: skip
FAST = {
    "color_unet_scenes_v1": {"filters": "(4, 8)", "bins": "6"},
    "zhang2016_scenes_v1": {"width": "0.03"},
}  # fmt: skip
SLOW = {
    "autoencoder_cifar10_v1": {"width": "0.06", "regularization": "batch_norm"},
    "iizuka2016_scenes_v1": {"width": "0.03", "global_size": "32"},
    "larsson2016_scenes_v1": {"width": "0.02", "locations": "20"},
    "lite_unet_photos_v1": {
        "width": "0.09",
        "init": "",
        "size": "128",  # below, the deepest maps have so few pixels that their normalization makes rounding large
        "resize_mode": "center_crop",
        "shortest": "(0, 0)",
        "precision": "float32",
    },
    "pix2pix_scenes_v1": {"filters": "(4, 6, 8, 8)", "width": "1.0"},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_fields(folder / "train", 13)
    write_fields(folder / "val", 5, seed=1)
    return folder


# === One step ===


@pytest.mark.parametrize(
    "names", [pytest.param(FAST, id="fast"), pytest.param(SLOW, id="slow", marks=pytest.mark.slow)]
)
def test_step_is_that_of_tensorflow(names: dict[str, dict[str, str]], photos: Path, tmp_path: Path) -> None:
    """Losses, gradients and, of one step of the optimizers, the weights; and nothing imports TensorFlow."""
    jobs, expected = {}, {}
    for name, tiny in names.items():
        fields = COMMON | RULE | tiny
        recipe = recipes.load(name, fields)
        prepared = prepare([photos / "train"], recipe.size, tmp_path / f"{recipe.size}", "center_crop")
        statistics = recipe.statistics(prepared)
        trainer = make_trainer(recipe, statistics, 10, make_strategy("one"))
        models = [model for part in trainer.system.trained.values() for model in part]
        on_jax.without_dropout(models)
        if name.startswith("lite_unet"):
            keep_off_the_ends(models[0])
        augmentation, draws = Augmentation(True, 0.8, (0.0,)), trainer.system.draws
        made = batches(prepared, 4, augmentation=augmentation, classes=prepared.classes, draws=draws)
        lightness, truth = next(iter(made))
        arrays = {f"truth/{key}": np.asarray(value) for key, value in truth.items()}
        arrays |= {f"statistics/{key}": value for key, value in statistics.items()}
        jobs[name] = (fields, arrays | on_jax.weights_of(models) | {"lightness": np.asarray(lightness)})
        expected[name] = step_of_tensorflow(trainer, lightness, truth)
    found = on_jax.steps_on_jax(jobs, tmp_path)
    for name, values in expected.items():
        assert found[name].keys() >= values.keys()
        for key, value in values.items():
            error = np.linalg.norm(found[name][key] - value)
            # The gradient of a bias before a normalization is 0 but for rounding.
            assert error <= 1e-4 * np.linalg.norm(value) + 1e-6, f"{name} {key}: {error} of {np.linalg.norm(value)}"


def keep_off_the_ends(network: keras.Model) -> None:
    """Moves what comes into ReLU6 to its middle.

    A new network is full of zeros there, whose gradient rounding decides: of lightness that is larger by 1e-6,
    TensorFlow itself computes gradients that differ by up to a fifth.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(np.full(layer.gamma.shape, 0.5))
            layer.beta.assign(np.full(layer.beta.shape, 3.0))


def step_of_tensorflow(trainer: Trainer, lightness: tf.Tensor, truth: Tensors) -> on_jax.Arrays:
    """What `tests.on_jax.steps_on_jax` gives; of adversarial systems without the gradients."""
    system = trainer.system
    models = [model for part in system.trained.values() for model in part]
    before = [model.get_weights() for model in models]
    variables = list({id(v): v for model in models for v in model.trainable_variables}.values())
    gradients: list[tf.Tensor] = []
    if len(system.losses) == 1:

        def update(name: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
            # Of the mean, which the tape no longer records.
            share = tf.fill(tf.shape(losses), 1 / len(losses))
            gradients.extend(tape.gradient(losses, variables, output_gradients=share))

        train_step(system, lightness, truth, update)
        # The statistics of batch normalization have moved.
        for model, weights in zip(models, before, strict=True):
            model.set_weights(weights)
    losses = {key: np.asarray(value) for key, value in trainer.train([(lightness, dict(truth))]).items()}
    return losses | {f"gradient{i}": np.asarray(g) for i, g in enumerate(gradients)} | on_jax.weights_of(models)


# === Runs ===


def command(photos: Path, out: Path, *more: str) -> list[str]:
    fields = COMMON | FAST["color_unet_scenes_v1"] | {"learning_rate": "0.02", "min_learning_rate": "0.001"}
    settings = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    data = ["--data", str(photos / "train.tar"), "--val", str(photos / "val")]
    return ["color_unet_scenes_v1", *data, "--out", str(out), *settings, *more]


def rows(out: Path) -> list[dict[str, float]]:
    table = csv.DictReader((out / "log.csv").read_text().splitlines())
    return [{name: float(value) for name, value in row.items()} for row in table]


def test_runs(photos: Path, tmp_path: Path) -> None:
    """One with an interruption ends as one without; one on the clock ends in time; both can be packed."""
    with tarfile.open(photos / "train.tar", "w") as archive:
        archive.add(photos / "train", "train")
    names = ("whole", "resumed", "together", "timed", "wrong", "other")
    whole, resumed, together, timed, wrong, other = (tmp_path / name for name in names)
    (other / "checkpoints").mkdir(parents=True)
    (other / "checkpoints" / "ckpt-1.index").touch()
    windows = ("resize_mode=random_crop", "shortest=(32,40)", "degraded=0.5", "epochs=50")
    small = [word for setting in ("width=0.06", "size=32", "batch=4") for word in ("--set", setting)]
    more = ["--minutes", "0.02", "--compact", *(word for setting in windows for word in ("--set", setting))]
    printed = on_jax.run_on_jax(
        [
            (command(photos, whole), None, False),
            (command(photos, resumed), 1, False),
            (command(photos, resumed), None, False),
            (command(photos, together), None, True),
            (command(photos, timed, *more), None, False),
            (command(photos, wrong, "--set", "schedule=plateau"), None, False),
            (command(photos, other), None, False),
            (["ibn_gan_scenes_v1", "--data", str(photos / "val"), "--out", str(wrong), *small], None, False),
        ],
        tmp_path,
    )  # fmt: skip
    assert [line for line in printed.splitlines() if line.startswith("exit code")] == [
        *("exit code 0", "exit code 130", *["exit code 0"] * 3, *["exit code 2"] * 3)
    ]
    assert "13 training photographs; left out: none" in printed

    first, last = rows(whole)
    assert last["loss"] < first["loss"]
    assert {"val_loss", "val_rmse", "learning_rate"} <= first.keys()
    assert all(math.isfinite(value) for row in (first, last) for value in row.values())
    # Of three steps each: where a cosine from 0.02 to 0.001 is after three and six of them.
    assert first["learning_rate"] == pytest.approx(0.0105) and last["learning_rate"] == pytest.approx(0.001)
    # The interruption was after the first of the two epochs.
    assert rows(resumed) == rows(whole)
    states = [np.load(out / "checkpoints" / "step-6.npz") for out in (whole, resumed)]
    assert states[0].files == states[1].files
    for name in states[0].files:
        if name != "position":  # which has the seconds
            np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name)
    assert len(run_folder.starts(resumed)) == 2

    for row, expected in zip(rows(together), rows(whole), strict=True):
        assert row == pytest.approx(expected, rel=1e-3)

    newest = max((timed / "checkpoints").glob("step-*.npz"), key=lambda path: int(path.stem.removeprefix("step-")))
    position = json.loads(str(np.load(newest)["position"]))
    assert position["seconds"] >= 1.2
    assert 1 <= len(rows(timed)) <= 20
    assert (timed / "last.keras").stat().st_size < 0.9 * (whole / "last.keras").stat().st_size
    assert not (wrong / "recipe.json").exists() and not (other / "recipe.json").exists()
    # Nor does the other loop begin anew in this one's folder.
    with pytest.raises(TrainingError, match=r"is the folder of a run of `python -m training.loop.jax`"):
        train(recipes.of_run(whole), [photos / "train"], photos / "val", whole, make_strategy("one"))

    for out in (whole, timed):
        model = keras.models.load_model(out / "best.keras")
        assert ops.convert_to_numpy(model(np.full((1, 21, 30, 3), 120, np.uint8))).shape == (1, 21, 30, 3)
        assert pack(out, tmp_path / f"{out.name}_v1.keras", None).recipe == "color_unet_scenes_v1"


def test_schedule_follows_the_epochs_or_the_clock() -> None:
    from training.loop.jax.checkpoints import Position
    from training.loop.jax.run import ROUNDS, Plan

    epochs = Plan(epochs=3, steps=10)
    assert epochs.rounds == 3
    assert [epochs.done_rounds(Position(step=step)) for step in (0, 9, 10, 30)] == [0, 0, 1, 3]
    assert [epochs.steps_together(Position(step=step), 8) for step in (0, 8, 10, 19)] == [8, 2, 8, 1]
    assert epochs.on_schedule(Position(step=12, seconds=99), 3).tolist() == [12, 13, 14]
    assert epochs.minutes_left(Position(step=12), per_step=10) == pytest.approx(3)
    clock = Plan(epochs=3, steps=10, minutes=2)
    assert clock.rounds == ROUNDS == 20
    assert [clock.done_rounds(Position(seconds=seconds)) for seconds in (0, 5.9, 6.1, 119, 120, 999)] == [
        *(0, 0, 1, 19, 20, 20)
    ]
    assert clock.steps_together(Position(step=9), 8) == 8
    # Where half of the time is over, the rate is that of the middle of the three epochs.
    assert clock.on_schedule(Position(step=12, seconds=60), 2).tolist() == [15, 15]
    assert clock.on_schedule(Position(seconds=500), 1).tolist() == [30]
    assert clock.minutes_left(Position(seconds=90), per_step=10) == pytest.approx(0.5)


# === Networks ===


@pytest.mark.slow
def test_every_network_is_built_and_saved(tmp_path: Path) -> None:
    built = on_jax.build_on_jax(tmp_path).split()
    assert built == zoo.list_models()
    for name in built:
        with np.load(tmp_path / f"{name}.npz") as arrays:
            network = keras.models.load_model(tmp_path / f"{name}.keras")
            ab = ops.convert_to_numpy(network(arrays["lightness"], training=False))
            np.testing.assert_allclose(ab, arrays["ab"], rtol=1e-3, atol=1e-3, err_msg=name)
