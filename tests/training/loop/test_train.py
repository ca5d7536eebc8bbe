"""Runs of a tiny network on a handful of pictures: what they leave behind, how they fail, resume, distribute."""

import base64
import csv
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from tests.archives import pack_folder
from tests.paths import ROOT
from tests.photographs import write_fields
from tests.two_layers import without_panels, without_tracing
from training import recipes
from training.data.batches import WorkerInfo
from training.loop import checkpoints
from training.loop.callbacks import Progress
from training.loop.strategies import make_strategy
from training.loop.train import main, train
from zoo.colorizer import network_of
from zoo.errors import ArgumentError, ColorzooError, DataError, TrainingError

NAME = "color_unet_scenes_v1"
PHOTOS = {"train": 14, "val": 6}
# 14 training pictures make 3 steps an epoch, and 6 validation pictures a last incomplete batch.
TINY = {
    "filters": "(4, 8)", "bins": "6", "size": "16", "frame_size": "24", "batch": "4", "epochs": "2",
    "schedule": "cosine", "learning_rate": "0.01", "checkpoint_steps": "2",
}  # fmt: skip
PLATEAU = TINY | {"schedule": "plateau", "plateau_patience": "2"}
LONG = PLATEAU | {"epochs": "4"}


class Killed(BaseException):
    """Stands for a SIGKILL where a process for each kill would take too long: nothing catches it."""


pytestmark = pytest.mark.filterwarnings("ignore:Even though the")  # that tf.data is traced in any case


@pytest.fixture(scope="module", autouse=True)
def eagerly() -> Iterator[None]:
    """Tracing would take most of the time of runs this short."""
    with without_tracing():
        yield


@pytest.fixture
def traced() -> Iterator[None]:
    """As users train."""
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)


@pytest.fixture
def no_panels() -> Iterator[None]:
    with without_panels():
        yield


def start(photos: Path, out: Path, overrides: Mapping[str, str], strategy: str = "one") -> keras.Model:
    return train(recipes.load(NAME, overrides), [photos / "train"], photos / "val", out, make_strategy(strategy))


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "log.csv").read_text().splitlines()))


def weights(model: keras.Model) -> list[np.ndarray]:
    return [ops.convert_to_numpy(v) for v in model.variables]


def saved_weights(out: Path) -> list[np.ndarray]:
    return weights(network_of(keras.models.load_model(out / "last.keras")))


def assert_same_run(out: Path, expected: Path) -> None:
    """Weights to the last bit, the log to the last byte, and the same best colorizer."""
    for left, right in zip(saved_weights(out), saved_weights(expected), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (out / "log.csv").read_bytes() == (expected / "log.csv").read_bytes()
    pixels = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    one, other = (keras.models.load_model(folder / "best.keras")(pixels) for folder in (out, expected))
    np.testing.assert_array_equal(one, other)


# === What a run leaves behind ===


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs that nobody stops."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    (photos / "train" / "coast" / "broken.jpg").write_text("no picture")
    main(NAME, [photos / "train"], photos / "val", out, "one", PLATEAU)
    return out


@pytest.fixture(scope="module")
def long(finished: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs that nobody stops, of the same photographs."""
    out = tmp_path_factory.mktemp("runs") / "long"
    main(NAME, [photos / "train"], photos / "val", out, "one", LONG)
    return out


def test_files_of_a_run(finished: Path, photos: Path) -> None:
    assert {p.name for p in finished.iterdir()} == {
        "recipe.json", "photographs.json", "photographs.tsv", "left_out.txt", "statistics.npz", "starts.jsonl",
        "log.csv", "times.csv", "report.html", "best.keras", "last.keras", "checkpoints", "tensorboard", "cache",
    }  # fmt: skip
    assert json.loads((finished / "recipe.json").read_text())["filters"] == [4, 8]
    assert (finished / "left_out.txt").read_text() == (
        f"{photos / 'train' / 'coast' / 'broken.jpg'}\t"
        "cannot be read: is not a JPEG, PNG, TIFF, WEBP, BMP, JPEG2000, AVIF, HEIF or GIF\n"
    )
    assert len(list((finished / "checkpoints").glob("*.index"))) == checkpoints.KEPT_CHECKPOINTS


def test_log(finished: Path) -> None:
    found = rows(finished)
    assert [row["epoch"] for row in found] == ["0", "1"]
    assert set(found[0]) == {"epoch", "learning_rate", "loss", "val_loss", "val_rmse"}
    assert all(math.isfinite(float(value)) for row in found for value in row.values())
    losses = [float(row["loss"]) for row in found]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.04
    assert float(found[0]["learning_rate"]) == pytest.approx(0.01)


def test_times_and_report(finished: Path) -> None:
    times = list(csv.DictReader((finished / "times.csv").read_text().splitlines()))
    assert [(row["epoch"], row["steps"]) for row in times] == [(str(i), "3") for i in range(2)]
    assert all(0 < float(row["training_seconds"]) <= float(row["seconds"]) for row in times)
    page = (finished / "report.html").read_text()
    for text in (
        NAME,
        "images/s",
        "<td>plateau_patience</td>",
        "is not a JPEG, PNG",
        "14 photographs",
        "Photographs of the validation set",
    ):
        assert text in page
    panels = base64.b64decode(page.split("data:image/jpeg;base64,")[1].split('"')[0])
    pixels = np.asarray(Image.open(io.BytesIO(panels)))
    gray, others = pixels[:, : pixels.shape[1] // 3], pixels[:, pixels.shape[1] // 3 :]
    assert np.ptp(gray, axis=-1).max() < 15
    assert np.ptp(others, axis=-1).max() > 50


def test_tensorboard_has_scalars_and_panels(finished: Path) -> None:
    scalars: dict[str, list[float]] = {}
    panels = []
    for path in sorted((finished / "tensorboard").rglob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tensor = tf.make_ndarray(value.tensor) if value.HasField("tensor") else None
                if value.tag == "panels":
                    panels.append(tf.io.decode_png(tensor[2]).numpy())
                elif value.tag.startswith("epoch_"):
                    scalars.setdefault(f"{path.parent.name}/{value.tag}", []).append(float(tensor))
    assert scalars["train/epoch_loss"] == pytest.approx([float(row["loss"]) for row in rows(finished)])
    assert scalars["validation/epoch_loss"] == pytest.approx([float(row["val_loss"]) for row in rows(finished)])
    assert scalars["train/epoch_learning_rate"] == pytest.approx(
        [float(row["learning_rate"]) for row in rows(finished)]
    )
    assert len(panels) == 2
    gray, colorized = panels[-1][:, : panels[-1].shape[1] // 3], panels[-1][:, panels[-1].shape[1] // 3 :]
    assert np.ptp(gray, axis=-1).max() == 0
    assert np.ptp(colorized, axis=-1).max() > 50


def test_colorizers_hold_no_optimizer(finished: Path) -> None:
    for name in ("best.keras", "last.keras"):
        with zipfile.ZipFile(finished / name) as archive:
            assert b'"compile_config": {"' not in archive.read("config.json")
            groups: list[str] = []
            h5py.File(io.BytesIO(archive.read("model.weights.h5"))).visit(groups.append)
        assert not [group for group in groups if "optimizer" in group]


PLAIN_KERAS = """
import sys, keras, numpy as np
colorizer = keras.models.load_model(sys.argv[1])
rng = np.random.default_rng(0)
result = np.asarray(colorizer(rng.integers(0, 256, (2, 37, 21, 3), np.uint8)))
assert result.shape == (2, 37, 21, 3) and result.dtype == np.uint8, (result.shape, result.dtype)
assert np.ptp(result, axis=-1).max() > 0
assert not {"zoo", "training"} & set(sys.modules)
"""


def modules(config: object) -> set[str]:
    """The modules of everything that a saved model consists of."""
    if isinstance(config, list):
        return set().union(*map(modules, config))
    if not isinstance(config, dict):
        return set()
    return modules(list(config.values())) | ({config["module"]} if config.get("module") else set())


def test_best_consists_of_keras_and_colorizes(finished: Path) -> None:
    with zipfile.ZipFile(finished / "best.keras") as archive:
        config = archive.read("config.json")
    assert {name.partition(".")[0] for name in modules(json.loads(config))} <= {"keras", "builtins"}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 37, 21, 3), np.uint8)
    result = ops.convert_to_numpy(keras.models.load_model(finished / "best.keras")(pixels))
    assert result.shape == pixels.shape and result.dtype == np.uint8
    assert np.ptp(result, axis=-1).max() > 0


@pytest.mark.slow  # above without a process, and test_only_keras has all models of the zoo in one
def test_best_loads_with_plain_keras(finished: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_KERAS, str(finished / "best.keras")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_finished_run_does_nothing_more(finished: Path, photos: Path) -> None:
    before = (finished / "log.csv").read_bytes(), saved_weights(finished)
    starts = (finished / "report.html").read_text().count("+00:00</td>")
    start(photos, finished, PLATEAU)
    assert (finished / "report.html").read_text().count("+00:00</td>") == starts + 1
    assert (finished / "log.csv").read_bytes() == before[0]
    for left, right in zip(saved_weights(finished), before[1], strict=True):
        np.testing.assert_array_equal(left, right)


def test_no_validation_and_a_size_that_the_stride_does_not_divide(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = []  # what the workers find where they meet

    def total(strategy: tf.distribute.Strategy, place: WorkerInfo, value: float) -> float:
        met.append({path.name for path in (tmp_path / "run").iterdir()})
        return value

    monkeypatch.setattr("training.loop.train.total", total)
    overrides = TINY | {"size": "18", "epochs": "1"}
    train(recipes.load(NAME, overrides), [photos / "train"], None, tmp_path / "run", make_strategy("one"))
    assert math.isfinite(float(rows(tmp_path / "run")[0]["loss"]))
    assert (tmp_path / "run" / "best.keras").is_file()
    assert json.loads((tmp_path / "run" / "photographs.json").read_text())["validation"] == "none"
    assert {"report.html", "last.keras"} <= met[-1], "no worker ends before"
    assert "Photographs of the training set" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_mixed_bfloat16(photos: Path, tmp_path: Path) -> None:
    network = start(photos, tmp_path / "run", TINY | {"precision": "mixed_bfloat16"})
    assert network.get_layer("down1_conv1").compute_dtype == "bfloat16"
    assert {v.dtype for v in network.variables} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    log = rows(tmp_path / "run")
    assert float(log[1]["loss"]) < float(log[0]["loss"])
    colorizer = keras.models.load_model(tmp_path / "run" / "best.keras")
    result = ops.convert_to_numpy(colorizer(np.full((1, 20, 30, 3), 99, np.uint8)))
    assert result.dtype == np.uint8
    ab = ops.convert_to_numpy(network_of(colorizer)(np.full((1, 16, 16, 1), 50, np.float32)))
    assert ab.dtype == np.float32


# === How it fails ===


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, where the absurd weights are looked at
def test_loss_that_is_not_finite(photos: Path, tmp_path: Path) -> None:
    overrides = TINY | {"learning_rate": "1e30", "checkpoint_steps": "1"}
    with pytest.raises(TrainingError, match=r"loss became (nan|inf) at step [23] of epoch 1: .*learning_rate"):
        start(photos, tmp_path / "run", overrides)
    assert list((tmp_path / "run" / "checkpoints").glob("*.index"))
    assert tf.train.latest_checkpoint(str(tmp_path / "run" / "checkpoints"))


def test_folder_of_another_recipe(finished: Path, photos: Path) -> None:
    log = (finished / "log.csv").read_bytes()
    with pytest.raises(TrainingError, match="another run: the run has batch=4, the command batch=6; name"):
        start(photos, finished, PLATEAU | {"batch": "6"})
    assert (finished / "log.csv").read_bytes() == log


def test_folder_of_other_photographs(finished: Path, photos: Path, tmp_path: Path) -> None:
    recipe, strategy = recipes.load(NAME, PLATEAU), make_strategy("one")
    with pytest.raises(TrainingError, match=r"has training='14 photographs, .*', the command training='9 photographs"):
        train(recipe, [write_fields(tmp_path, 9)], photos / "val", finished, strategy)
    with pytest.raises(TrainingError, match=r"has validation='6 photographs, .*', the command validation='none'"):
        train(recipe, [photos / "train"], None, finished, strategy)


def test_a_start_that_failed_does_not_claim_the_folder(photos: Path, tmp_path: Path) -> None:
    recipe, strategy = recipes.load(NAME, TINY), make_strategy("one")
    with pytest.raises(DataError):
        train(recipe, [tmp_path / "missing"], None, tmp_path / "run", strategy)
    with pytest.raises(DataError, match="6 of 6 validation pictures are also trained on"):
        train(recipe, [photos / "train", photos / "val"], photos / "val", tmp_path / "run", strategy)
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_batch_that_the_devices_do_not_divide(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="batch is 5: it must be a multiple of the 2 devices"):
        start(photos, tmp_path / "run", TINY | {"batch": "5"}, "mirrored")


def test_batch_above_the_photographs(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="batch is 15: it must be at most 14, the number of photographs"):
        start(photos, tmp_path / "run", TINY | {"batch": "15"})


def test_unknown_strategy() -> None:
    with pytest.raises(ArgumentError, match="strategy is 'two': it must be one of one, mirrored"):
        make_strategy("two")


def test_precision_does_not_outlive_a_network_that_cannot_be_built(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(name: str, **arguments: object) -> keras.Model:
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        raise ArgumentError("no such network")

    monkeypatch.setattr("zoo.create_model", build)
    with pytest.raises(ColorzooError, match="no such network"):
        start(photos, tmp_path / "run", TINY | {"precision": "mixed_bfloat16"})
    assert keras.config.dtype_policy().name == "float32"


# === Kill and resume ===


def stop_at(point: str, stop: Callable[[], None], patch: Callable[[object, str, object], None]) -> None:
    """Makes the next run in this process stop at a point.

    step N: behind the Nth step of this process, before a checkpoint is written.
    row N: between the Nth row of the log and the checkpoint of that epoch.
    checkpoint N: in the Nth checkpoint, which is left torn.
    colorizer N: in the Nth .keras file, which is left torn.
    """
    what, _, number = point.partition(" ")
    left = [int(number or 1)]

    def now() -> bool:
        left[0] -= 1
        return left[0] == 0

    if what == "checkpoint":
        left[0] = 2 * left[0] - 1  # each is recorded twice, before and after old ones are deleted
    if what == "step":
        original_step = keras.callbacks.CallbackList.on_train_batch_end

        def on_train_batch_end(self: keras.callbacks.CallbackList, batch: int, logs: dict[str, float]) -> None:
            original_step(self, batch, logs)
            if now():
                stop()

        patch(keras.callbacks.CallbackList, "on_train_batch_end", on_train_batch_end)
    elif what == "row":
        original_next = checkpoints.State.next_epoch

        def next_epoch(self: checkpoints.State) -> None:
            original_next(self)
            if now():
                stop()

        patch(checkpoints.State, "next_epoch", next_epoch)
    elif what == "checkpoint":
        original_record = tf.train.CheckpointManager._record_state

        def record_state(self: tf.train.CheckpointManager) -> None:
            if now():
                newest = max(Path(self.directory).glob("*.data*"), key=lambda p: int(p.name[5:].split(".")[0]))
                newest.write_bytes(newest.read_bytes()[:-100])
                stop()
            original_record(self)

        patch(tf.train.CheckpointManager, "_record_state", record_state)
    elif what == "colorizer":
        original_save = keras.Model.save

        def save(self: keras.Model, path: Path) -> None:
            original_save(self, path)
            if now():
                path.write_bytes(path.read_bytes()[:1000])
                stop()

        patch(keras.Model, "save", save)
    else:
        raise ValueError(point)


def run_until_killed(photos: str, out: str, point: str) -> None:
    """What a process of `test_sigkill` does: `point` is "" for one that is not killed."""
    if point:
        stop_at(point, lambda: os.kill(os.getpid(), signal.SIGKILL), setattr)
    with without_tracing():
        main(NAME, [Path(photos) / "train"], Path(photos) / "val", Path(out), "one", LONG)


# Three steps an epoch, checkpoints behind the second and the third; the points in the order of the run.
KILLS = ("step 1", "step 3", "row", "checkpoint 1", "colorizer", "checkpoint 4", "row 2")


@pytest.mark.usefixtures("no_panels")
@pytest.mark.parametrize(
    ("points", "settings", "undisturbed"),
    [(KILLS[1:4:2], PLATEAU, "finished"), pytest.param(KILLS, LONG, "long", marks=pytest.mark.slow)],
)
def test_resumed_after_every_kind_of_kill(
    points: tuple[str, ...],
    settings: dict[str, str],
    undisturbed: str,
    request: pytest.FixtureRequest,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop() -> None:
        raise Killed

    expected = request.getfixturevalue(undisturbed)
    for point in points:
        with monkeypatch.context() as patches, pytest.raises(Killed):
            stop_at(point, stop, patches.setattr)
            start(photos, tmp_path / "run", settings)
        assert not (tmp_path / "run" / "report.html").exists()
    leftover = tmp_path / "run" / ".colorzoo-0a1f.part.npz"
    leftover.touch()
    os.utime(leftover, (0, 0))
    start(photos, tmp_path / "run", settings)
    assert not leftover.exists()
    assert_same_run(tmp_path / "run", expected)
    times = (tmp_path / "run" / "times.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in times] == ["epoch", *(str(i) for i in range(int(settings["epochs"])))]
    assert (tmp_path / "run" / "report.html").read_text().count("+00:00</td>") == len(points) + 1


@pytest.mark.usefixtures("no_panels")
def test_resumed_on_archives(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of pictures in archives and in a folder, as an undisturbed run sees them."""

    def stop() -> None:
        raise Killed

    data = [photos / "train", pack_folder(write_fields(tmp_path / "more", 6, seed=2), tmp_path / "more.tar.gz")]
    val = pack_folder(photos / "val", tmp_path / "val.tar")
    recipe, strategy = recipes.load(NAME, TINY | {"resize_mode": "random_crop", "epochs": "1"}), make_strategy("one")
    train(recipe, data, val, tmp_path / "whole", strategy)
    with monkeypatch.context() as patches, pytest.raises(Killed):
        stop_at("step 4", stop, patches.setattr)
        train(recipe, data, val, tmp_path / "run", strategy)
    train(recipe, data, val, tmp_path / "run", strategy)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    names = [line.split("\t")[2] for line in (tmp_path / "run" / "photographs.tsv").read_text().splitlines()]
    assert len(names) == 26
    assert names[14:16] == [f"{data[1]}/coast/000.jpg", f"{data[1]}/coast/002.jpg"]
    assert names[20] == f"{val}/coast/000.jpg"
    pack_folder(photos / "train", data[1])
    with pytest.raises(TrainingError, match="another run: the run has training='20 photographs, .*', the command"):
        train(recipe, data, val, tmp_path / "run", strategy)


@pytest.mark.slow
def test_sigkill(long: Path, photos: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    driver = "import sys; from tests.training.loop import test_train; test_train.run_until_killed(*sys.argv[1:])"
    for point in ("step 4", "checkpoint 3", ""):
        done = subprocess.run(
            [sys.executable, "-c", driver, str(photos), str(tmp_path / "run"), point],
            env=environment, cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == (-signal.SIGKILL if point else 0), done.stderr
    assert_same_run(tmp_path / "run", long)


def test_sigterm(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster manager that takes a machine away: a checkpoint of the step, and the status that it asked for."""
    stop_at("step 1", lambda: os.kill(os.getpid(), signal.SIGTERM), monkeypatch.setattr)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        main(NAME, [photos / "train"], None, tmp_path / "run", "one", TINY, 143)
    assert stopped.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
    checkpoint = tf.train.load_checkpoint(str(tmp_path / "run" / "checkpoints"))
    state = json.loads(checkpoint.get_tensor("state/.ATTRIBUTES/VARIABLE_VALUE"))
    assert (state["epoch"], state["step"]) == (0, 1)
    assert not (tmp_path / "run" / "last.keras").exists()


def never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first epoch counts as better, so that the plateau acts in a run of a few epochs."""
    monkeypatch.setattr(keras.callbacks.ReduceLROnPlateau, "_is_improvement", lambda self, value, best: best is None)


@pytest.mark.slow
def test_plateau_survives_a_resume(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise Killed

    never_again(monkeypatch)
    overrides = LONG | {"epochs": "6", "batch": "14"}  # one step an epoch
    with monkeypatch.context() as patches, pytest.raises(Killed):
        stop_at("step 3", stop, patches.setattr)
        start(photos, tmp_path / "run", overrides)
    start(photos, tmp_path / "run", overrides)
    # Epochs 1 and 2 are waited through, then 3 and 4.
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "run")]
    assert rates == pytest.approx([0.01, 0.01, 0.01, 0.003, 0.003, 0.0009])


def test_interrupted_command(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C leaves one line and a folder that the same command goes on in."""
    settings = [part for pair in (TINY | {"epochs": "500"}).items() for part in ("--set", "=".join(pair))]
    command = [
        sys.executable, "-m", "colorzoo", "train", NAME, "--data", str(photos / "train"), "--out",
        str(tmp_path / "run"), *settings,
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # A shell lets what it starts in the background ignore Ctrl-C, and so would the command, if the tests run there.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        signal.signal(signal.SIGINT, handler)
        assert process.stdout and process.stderr
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "done" in line and "epoch 1/" not in line:  # the first epoch is surely on the disk by now
                process.send_signal(signal.SIGINT)
                break
        lines += process.stdout.readlines()
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    assert errors.splitlines() == ["colorzoo: interrupted; what is finished is kept"]
    assert "14 training photographs; left out: " in lines[0]
    progress = next(line for line in lines if "step" in line)
    assert re.fullmatch(r"epoch 1/500  step \d/3  loss \d+\.\d+  \d+\.\d images/s  \d+ min left\n", progress)
    epochs = [row["epoch"] for row in rows(tmp_path / "run")]
    assert epochs == [str(i) for i in range(len(epochs))]
    assert epochs

    def stop() -> None:
        raise Killed

    stop_at("step 1", stop, monkeypatch.setattr)
    with pytest.raises(Killed):
        main(NAME, [photos / "train"], None, tmp_path / "run", "one", TINY | {"epochs": "500"})
    resumed = re.search(r"epoch (\d+)/500  step \d/3  loss", capsys.readouterr().out)
    assert resumed and int(resumed[1]) > 1
    # The row of an epoch whose checkpoint the signal came before is dropped.
    assert [row["epoch"] for row in rows(tmp_path / "run")] == epochs[: int(resumed[1]) - 1]


# === Distribution ===


@pytest.mark.slow  # test_systems does it without tracing
@pytest.mark.usefixtures("traced")
def test_two_devices_train_as_one(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synchronized batch norm, its moving statistics, the plateau and a resume included."""

    def stop() -> None:
        raise Killed

    never_again(monkeypatch)
    overrides = PLATEAU | {"plateau_patience": "1", "epochs": "3", "learning_rate": "0.001"}
    one = start(photos, tmp_path / "one", overrides)
    with monkeypatch.context() as patches, pytest.raises(Killed):
        stop_at("step 4", stop, patches.setattr)
        start(photos, tmp_path / "two", overrides, "mirrored")
    two = start(photos, tmp_path / "two", overrides, "mirrored")
    assert [v.path for v in two.variables] == [v.path for v in one.variables]
    assert any("moving_variance" in v.path for v in one.variables)
    for variable, left, right in zip(one.variables, weights(one), weights(two), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5, rtol=0, err_msg=variable.path)
    for variable in two.variables:
        replicas = [part.numpy() for part in variable.value.values]
        np.testing.assert_array_equal(replicas[0], replicas[1], err_msg=variable.path)
    for left_row, right_row in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        left_log, right_log = ({k: float(v) for k, v in row.items()} for row in (left_row, right_row))
        assert left_log == pytest.approx(right_log, abs=1e-4)
    assert left_log["learning_rate"] == pytest.approx(0.0003)


# === Progress ===


def progress(terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    times = iter([0.0, *(100.0 + 20 * i for i in range(20))])
    monkeypatch.setattr("training.loop.callbacks.time.monotonic", lambda: next(times))
    callback = Progress(epochs=2, steps=4, batch=8, start=2)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    for step in (2, 3):
        callback.on_train_batch_end(step, {"loss": 1.0})
    callback.on_epoch_end(0, {"loss": 1.0, "val_loss": 0.5})
    callback.on_epoch_begin(1)
    callback.on_train_batch_end(0, {"loss": 1.0})
    callback.on_train_end()
    return capsys.readouterr().out


def test_progress_in_a_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Of 8 steps 2 were done before: the first takes 100 s, and 5 are left.
    assert progress(False, monkeypatch, capsys).splitlines() == [
        "epoch 1/2  step 3/4  loss 1.0000  0.1 images/s  8 min left",
        "epoch 1/2 done  loss 1  val_loss 0.5",
        "epoch 2/2  step 1/4  loss 1.0000  0.2 images/s  2 min left",
    ]


def test_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    output = progress(True, monkeypatch, capsys)
    assert output.count("\r") == 3
    assert output.count("\n") == 3
    assert output.endswith("min left \n")
