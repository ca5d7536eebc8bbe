"""Full disks, torn files, lost photographs, numbers that are not finite and SIGTERM: what is said, and what remains."""

import dataclasses
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops import summary_ops_v2

from tests.paths import ROOT
from tests.photographs import easy_field
from tests.training.loop.test_train import Killed, saved_weights
from tests.two_layers import TwoLayers, without_panels, without_tracing
from training.data import cache, datasets
from training.loop import trainer as trainer_module
from training.loop.callbacks import BestModel
from training.loop.checkpoints import State
from training.loop.strategies import make_strategy
from training.loop.train import train
from training.loop.trainer import Trainer
from training.runs import run_folder
from training.runs.run_folder import writing
from zoo.errors import DataError, TrainingError

PHOTOS = {"train": 9, "val": 3}
RECIPE = TwoLayers()  # 2 steps an epoch, with a checkpoint after each of them and one at the end of each epoch
WINDOWS = dataclasses.replace(RECIPE, resize_mode="random_crop", flip=False)

pytestmark = pytest.mark.usefixtures("eagerly")


def run(photos: Path, out: Path, recipe: TwoLayers = RECIPE, strategy: str = "one") -> keras.Model:
    return train(recipe, [photos / "train"], photos / "val", out, make_strategy(strategy))


@pytest.fixture(scope="module", autouse=True)
def no_panels() -> Iterator[None]:
    with without_panels():
        yield


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds "whole", which nobody disturbed, and "half", which was killed in its second epoch."""
    folder = tmp_path_factory.mktemp("runs")
    with without_tracing():
        run(photos, folder / "whole")
        with pytest.MonkeyPatch.context() as patches, pytest.raises(Killed):
            at_step(4, killed, patches)
            run(photos, folder / "half")
    return folder


def killed() -> None:
    raise Killed


def at_step(number: int, act: Callable[[], None], patches: pytest.MonkeyPatch) -> None:
    """Does something behind the step of this number in this process, before a checkpoint is written."""
    original = keras.callbacks.CallbackList.on_train_batch_end
    left = [number]

    def on_train_batch_end(self: keras.callbacks.CallbackList, batch: int, logs: dict[str, float]) -> None:
        original(self, batch, logs)
        left[0] -= 1
        if not left[0]:
            act()

    patches.setattr(keras.callbacks.CallbackList, "on_train_batch_end", on_train_batch_end)


def assert_same(out: Path, expected: Path) -> None:
    for left, right in zip(saved_weights(out), saved_weights(expected), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (out / "log.csv").read_bytes() == (expected / "log.csv").read_bytes()


def newest(out: Path) -> Path:
    return max((out / "checkpoints").glob("*.index"), key=lambda path: int(path.stem[5:]))


def checkpoint_values(path: Path) -> dict[str, Any]:
    reader = tf.train.load_checkpoint(str(path.with_suffix("")))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


# === A full disk ===


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file can grow beyond so many bytes: what is written is cut off there, and then an error."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def full_in(owner: Any, name: str, room: Callable[[], int], call: int, patches: pytest.MonkeyPatch) -> None:
    """The disk is full during one call of a function."""
    original, left = getattr(owner, name), [call]

    def with_little_room(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0]:
            return original(*arguments, **named)
        with full_disk(room()):
            return original(*arguments, **named)

    patches.setattr(owner, name, with_little_room)


def test_full_disk_at_every_kind_of_file(
    photos: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One run that fails at one file after the other, in the order in which they are written."""
    out = tmp_path / "run"
    log = out / "log.csv"
    manager = tf.train.CheckpointManager
    places: list[tuple[Any, str, Callable[[], int], int]] = [
        (cache, "_decode_all", lambda: 5000, 1),  # the frames
        (run_folder, "claim", lambda: 100, 1),
        (State, "save", lambda: 100, 1),
        (State, "save", lambda: 1000, 2),
        (manager, "_record_state", lambda: 10, 1),
        (keras.callbacks.CSVLogger, "on_epoch_end", lambda: 20, 1),  # in the header
        (keras.callbacks.TensorBoard, "on_epoch_end", lambda: 60, 1),
        (BestModel, "write", lambda: 1000, 1),
        (keras.callbacks.CSVLogger, "on_epoch_end", lambda: log.stat().st_size + 3, 2),  # in a later row
        (BestModel, "write", lambda: 9000, 2),
    ]
    for owner, name, room, call in places:
        before = sorted(path.name for path in (out / "checkpoints").glob("*.index"))
        with monkeypatch.context() as patches:
            full_in(owner, name, room, call, patches)
            with pytest.raises((TrainingError, DataError)) as caught:
                run(photos, out)
        # What TensorFlow leaves behind in the process, where the next command has a new one.
        summary_ops_v2._summary_state.writer = None
        text = str(caught.value)
        assert str(out) in text and "cannot be written" in text, (name, text)
        assert "\n" not in text
        assert len(list((out / "checkpoints").glob("*.index"))) >= min(2, len(before)), name
        assert not list(out.rglob(".*.part*")), name
    run(photos, out)
    assert_same(out, runs / "whole")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "/run/ckpt-1; No space left on device\nand more"),
        tf.errors.OutOfRangeError(None, None, "File too large"),
        tf.errors.UnknownError(None, None, "Input/output error"),
        tf.errors.PermissionDeniedError(None, None, "Read-only file system"),
    ],
)
def test_what_writing_fails_with(error: Exception, tmp_path: Path) -> None:
    with (
        pytest.raises(TrainingError, match=f"^{tmp_path} cannot be written to: .* once there is room$"),
        writing(tmp_path),
    ):
        raise error


def test_full_disk_under_the_printed_progress(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    at_step(1, full, monkeypatch)
    with pytest.raises(TrainingError, match=r"cannot be written to: .*No space left on device; .*checkpoint"):
        run(photos, tmp_path / "run")


def test_memory_is_not_the_disk(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(self: Trainer, parts: object) -> dict[str, float]:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Trainer, "train", exhausted)
    with pytest.raises(TrainingError, match="needs more memory than there is: OOM .* gradient_accumulation_steps"):
        run(photos, tmp_path / "run")


def test_out_is_a_file(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(DataError, match="run.* cannot be written"):
        run(photos, tmp_path / "run")


def test_torn_rows_of_the_log(tmp_path: Path) -> None:
    good = "epoch,loss\r\n" + "".join(f"{i},0.5\r\n" for i in range(12))
    for torn in ("1", "12", "12,0.", "12,0.5", "\0\0\0\0"):
        (tmp_path / "log.csv").write_bytes((good + torn).encode())
        run_folder.drop_rows(tmp_path, 12)
        assert (tmp_path / "log.csv").read_bytes() == good.encode()
    for torn in ("", "epo", "epoch,loss\r\n0"):
        (tmp_path / "log.csv").write_text(torn)
        run_folder.drop_rows(tmp_path, 0)
        assert (tmp_path / "log.csv").read_text() == ""


def test_damaged_recipe(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"batch": ')
    with pytest.raises(TrainingError, match="recipe.json cannot be read: .*; restore it, or name another --out"):
        run(photos, tmp_path)


# === Torn checkpoints ===


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def data_of(index: Path) -> Path:
    return index.with_suffix(".data-00000-of-00001")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "data cut": lambda index: cut(data_of(index)),
    "data changed": lambda index: data_of(index).write_bytes(b"\x7f" * data_of(index).stat().st_size),
    "data lost": lambda index: data_of(index).unlink(),
    "index cut": cut,
    "index empty": lambda index: index.write_bytes(b""),
}


@pytest.mark.parametrize(
    "damage", [name if name.endswith("cut") else pytest.param(name, marks=pytest.mark.slow) for name in DAMAGES]
)
def test_older_checkpoint_if_the_newest_is_damaged(
    damage: str, photos: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(runs / "half", tmp_path / "run")
    torn = newest(out)
    DAMAGES[damage](torn)
    run(photos, out)
    output = capsys.readouterr().out
    assert f"damaged checkpoints: {torn.with_suffix('')}: " in output
    assert "; continuing from the older " in output
    assert_same(out, runs / "whole")


@pytest.mark.parametrize(
    "note",
    ["", *(pytest.param(note, marks=pytest.mark.slow) for note in (None, "text", 'model_checkpoint_path: "ckpt-1"\n'))],
)
def test_checkpoints_that_tensorflow_lost_sight_of(
    note: str | None, photos: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(runs / "half", tmp_path / "run")
    (out / "checkpoints" / "checkpoint").unlink()
    if note is not None:
        (out / "checkpoints" / "checkpoint").write_text(note)
    at = newest(out).stem
    run(photos, out)
    assert "epoch 1/2" not in capsys.readouterr().out
    assert_same(out, runs / "whole")
    left = sorted(path.stem for path in (out / "checkpoints").glob("*.index"))
    assert len(left) == 2 and at not in left


def test_no_checkpoint_that_can_be_read(photos: Path, runs: Path, tmp_path: Path) -> None:
    out = shutil.copytree(runs / "half", tmp_path / "run")
    for index in (out / "checkpoints").glob("*.index"):
        cut(data_of(index))
    with pytest.raises(
        TrainingError, match=r"^no checkpoint can be read: .*ckpt-4: .*ckpt-3: .*; restore one, or"
    ) as e:
        run(photos, out)
    assert "\n" not in str(e.value)


# === Photographs and their cache ===


def test_photographs_that_are_lost_or_replaced_during_a_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(photos, tmp_path / "whole", WINDOWS)
    own = shutil.copytree(photos, tmp_path / "photos")
    victims = [own / "train" / "coast" / name for name in ("000.jpg", "002.jpg")]  # an epoch leaves out one of nine
    kept = [(path, path.read_bytes(), path.stat()) for path in victims]

    def replace(path: Path) -> None:
        easy_field(77, 40, 48).save(path, quality=95)

    harms: list[tuple[Callable[[Path], None], str]] = [
        (Path.unlink, "no longer"), (replace, "has changed since the run began")
    ]  # fmt: skip
    for i, (harm, text) in enumerate(harms):
        out = tmp_path / str(i)

        def harm_all(harm: Callable[[Path], None] = harm) -> None:
            for path in victims:
                harm(path)

        with monkeypatch.context() as patches, pytest.raises(DataError) as caught:
            at_step(1, harm_all, patches)
            run(own, out, WINDOWS)
        assert any(str(path) in str(caught.value) for path in victims)
        assert text in str(caught.value)
        assert f"the last checkpoint in {out / 'checkpoints'} is complete" in str(caught.value)
        for path, content, state in kept:
            path.write_bytes(content)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    run(own, out, WINDOWS)
    assert_same(out, tmp_path / "whole")


@pytest.mark.slow
def test_cache_that_is_lost_during_a_run(
    photos: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(1, lambda: shutil.rmtree(tmp_path / "run" / "cache"), monkeypatch)
    run(photos, tmp_path / "run")
    assert_same(tmp_path / "run", runs / "whole")


def test_damaged_cache_is_made_again(photos: Path, tmp_path: Path) -> None:
    def prepared() -> datasets.Photographs:
        return datasets.prepare([photos / "train"], 32, tmp_path, "center_crop")

    expected = np.array(prepared().frames)
    frames, index = tmp_path / "frames.npy", tmp_path / "index.json"
    whole = frames.read_bytes(), index.read_bytes()
    for path, content in (
        (frames, None), (frames, whole[0][:-1]), (frames, whole[0][:50]), (frames, b""),
        (index, None), (index, whole[1][:-9]), (index, b"{}"), (index, b"[]"),
    ):  # fmt: skip
        path.unlink() if content is None else path.write_bytes(content)
        np.testing.assert_array_equal(prepared().frames, expected)
        assert (frames.read_bytes(), index.read_bytes()) == whole


# === Numbers that are not finite ===


def poison(step: int, patches: pytest.MonkeyPatch) -> None:
    """Makes weights infinite behind a step, whose loss is that of the weights before it."""
    original, left = Trainer.train, [step]

    def poisoned(self: Trainer, parts: Any) -> dict[str, float]:
        losses = original(self, parts)
        left[0] -= 1
        if not left[0]:
            self.system.network.trainable_variables[0].assign(np.full((3, 3, 1, 4), np.inf))
        return losses

    patches.setattr(Trainer, "train", poisoned)


def test_weights_that_are_not_finite_are_never_kept(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patches, pytest.raises(TrainingError) as caught:
        poison(3, patches)
        run(photos, out)
    index = newest(out)
    kept = index.with_suffix("")
    assert str(caught.value) == (
        f"first/kernel is not finite at step 1 of epoch 2: train with --init {kept}, which is from before and finite, "
        "into another --out, with a lower learning_rate or a global_clipnorm"
    )
    found = checkpoint_values(index)
    assert all(np.isfinite(value).all() for value in found.values() if value.dtype.kind == "f")

    # What the message advises works.
    monkeypatch.setitem(sys.modules, "training.systems.two_layers", sys.modules[TwoLayers.__module__])
    calm = dataclasses.replace(RECIPE, init=str(kept), learning_rate=1e-5, min_learning_rate=1e-6, epochs=1)
    network = run(photos, tmp_path / "further", calm)
    began = [value for value in found.values() if value.shape == (3, 3, 1, 4)]
    assert any(np.allclose(network.trainable_variables[0], value, atol=1e-4) for value in began)


def test_weights_that_are_not_finite_at_the_end_of_an_epoch(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without validation they would become the best colorizer."""
    recipe = dataclasses.replace(RECIPE, checkpoint_steps=100)
    poison(2, monkeypatch)
    with pytest.raises(TrainingError, match="is not finite at step 2 of epoch 1: train from the beginning, into"):
        train(recipe, [photos / "train"], None, tmp_path / "run", make_strategy("one"))
    assert not (tmp_path / "run" / "best.keras").exists()


def test_loss_that_is_not_finite_in_the_middle(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, done = Trainer.train, [0]

    def poisoned(self: Trainer, parts: Any) -> dict[str, float]:
        done[0] += 1
        return step(self, parts) | ({"loss": float("nan")} if done[0] == 4 else {})

    monkeypatch.setattr(Trainer, "train", poisoned)
    with pytest.raises(TrainingError, match=r"^the loss became nan at step 2 of epoch 2: train with --init .*ckpt-4, "):
        run(photos, tmp_path / "run")


# === SIGTERM ===


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_at_any_time(
    photos: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    handler = signal.getsignal(signal.SIGTERM)
    before_the_first_step: list[tuple[Any, str]] = [(cache, "_decode"), (run_folder, "claim"), (State, "_restore")]
    for owner, name in before_the_first_step:
        original = getattr(owner, name)

        def then(*arguments: Any, original: Callable[..., Any] = original) -> Any:
            terminate()
            return original(*arguments)

        with monkeypatch.context() as patches, pytest.raises(SystemExit) as caught:
            patches.setattr(owner, name, then)
            run(photos, out)
        assert caught.value.code == 0
        assert capsys.readouterr().out.endswith(
            "stopped by SIGTERM before the first step; the same command starts again\n"
        )
        assert signal.getsignal(signal.SIGTERM) == handler

    def stops(where: str) -> None:
        run(photos, out)
        assert capsys.readouterr().out.endswith("stopped by SIGTERM; the same command continues from here\n"), where
        assert not (out / "last.keras").exists()
        assert signal.getsignal(signal.SIGTERM) == handler

    with monkeypatch.context() as patches:
        at_step(1, terminate, patches)
        stops("step 1")
    original_sum = trainer_module.sum_losses

    def sum_losses(losses: Any) -> Any:
        terminate()
        return original_sum(losses)

    with monkeypatch.context() as patches:
        patches.setattr(trainer_module, "sum_losses", sum_losses)
        stops("validation")
        assert (out / "log.csv").read_text() == "", "the epoch's row would have been written"
    run(photos, out)
    assert_same(out, runs / "whole")


# === The command ===

COMMAND = [
    "train", "color_unet_scenes_v1", "--set", "filters=(4, 8)", "--set", "bins=6", "--set", "size=16", "--set",
    "frame_size=24", "--set", "batch=4", "--set", "epochs=8",
]  # fmt: skip


def command(photos: Path, out: Path, before: str = "") -> subprocess.Popen[str]:
    code = f"{before}\nfrom colorzoo.__main__ import main\nmain()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *COMMAND, "--data", str(photos / "train"), "--out", str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_terminated_command(photos: Path, tmp_path: Path) -> None:
    for waits_for in ("epoch 2/8 done", ""):
        with command(photos, tmp_path / "run") as process:
            assert process.stdout and process.stderr
            if waits_for:
                for line in process.stdout:
                    if line.startswith(waits_for):
                        break
                process.send_signal(signal.SIGTERM)
            output, errors = process.communicate()
        assert (process.returncode, errors) == (0, "")
        assert output.endswith("stopped by SIGTERM; the same command continues from here\n") == bool(waits_for)
    with command(photos, tmp_path / "whole") as process:
        process.communicate()
    assert_same(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_terminated_command_that_prepares_photographs(photos: Path, tmp_path: Path) -> None:
    slow = (
        "from colorzoo import quiet; quiet.import_tensorflow(); "
        "import time, training.data.cache as d; f = d._decode; "
        "d._decode = lambda *a: (time.sleep(10), f(*a))[1]"
    )
    with command(photos, tmp_path / "run", slow) as process:
        while not (tmp_path / "run" / "cache").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output == "stopped by SIGTERM before the first step; the same command starts again\n"


@pytest.mark.slow
@pytest.mark.parametrize("room", [3000, 30000])
def test_command_on_a_full_disk(room: int, photos: Path, tmp_path: Path) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))"
    with command(photos, tmp_path / "run", limit) as process:
        _, errors = process.communicate()
    assert process.returncode == 2
    assert len(errors.splitlines()) == 1, errors
    assert errors.startswith("colorzoo: ") and str(tmp_path / "run") in errors and "cannot be written" in errors
