"""Callbacks of the training loop by themselves; tests/training/loop/test_train.py has them in runs."""

from pathlib import Path

from training.loop.callbacks import EpochLog
from training.runs.curves import read_log


def log_epochs(path: Path, *epochs: tuple[int, dict[str, float]]) -> None:
    """What one start of a run logs."""
    log = EpochLog(path)
    log.on_train_begin()
    for epoch, values in epochs:
        log.on_epoch_end(epoch, values)
    log.on_train_end()


def test_a_log_of_several_starts_is_as_one_of_a_single_start(tmp_path: Path) -> None:
    epochs = [(i, {"loss": 3.5 - i, "val_loss": 4.25 - i, "learning_rate": 0.5}) for i in range(4)]
    log_epochs(tmp_path / "whole.csv", *epochs)
    for some in (epochs[:1], epochs[1:3], epochs[3:]):
        log_epochs(tmp_path / "parts.csv", *some)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_log_of_an_earlier_version_gets_the_columns_that_came_later(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(b"epoch,learning_rate,loss,val_loss\r\n0,0.5,3.0,4.0\r\n")
    later = {"accuracy": 0.25, "learning_rate": 0.5, "loss": 2.0, "val_accuracy": 0.125, "val_loss": 3.0}
    log_epochs(path, (1, later), (2, later))
    assert path.read_bytes().decode().split("\r\n") == [
        "epoch,learning_rate,loss,val_loss,accuracy,val_accuracy",
        "0,0.5,3.0,4.0,NA,NA",
        "1,0.5,2.0,3.0,0.25,0.125",
        "2,0.5,2.0,3.0,0.25,0.125",
        "",
    ]
    assert str(read_log(path)["accuracy"]) == "[nan, 0.25, 0.25]"
    log_epochs(path, (3, {"learning_rate": 0.5, "loss": 1.0, "val_loss": 2.0}))  # with the earlier version again
    assert path.read_text().splitlines()[-1] == "3,0.5,1.0,2.0,NA,NA"
