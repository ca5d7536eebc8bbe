"""`colorzoo train`, `calibrate`, `evaluate` and `pack`: what they pass on and what they print."""

import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from colorzoo.app import app
from tests.colorzoo.stubs import replace_main
from training.evaluation import tables
from zoo.errors import DataError, PhotographError


def test_train_passes_its_arguments_on(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    replace_main(monkeypatch, "training.loop.train", lambda *arguments: calls.append(arguments))
    options = "--data x --data y --val v --out r --strategy mirrored --set batch=32 --set note=a=b"
    done = run("train", "unet", *options.split())
    assert done.exit_code == 0, done.output
    assert run("train", "unet", "--data", "x", "--data-service", "grpc://h:1").exit_code == 0
    assert calls == [
        ("unet", [Path("x"), Path("y")], Path("v"), Path("r"), "mirrored", {"batch": "32", "note": "a=b"}, 0, None),
        ("unet", [Path("x")], None, None, "one", {}, 0, "grpc://h:1"),
    ]
    done = run("train", "unet", "--data", "x", "--set", "batch")
    assert done.exit_code == 2 and "'batch' is not FIELD=VALUE" in done.stderr


def test_what_pack_prints(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.keras").write_bytes(bytes(2_500_000))
    preset = types.SimpleNamespace(parameters=1234567, metrics={"rmse": 10.5})
    replace_main(monkeypatch, "training.publish.pack", lambda *_, **__: preset)
    done = run("pack", "runs/a", "-o", tmp_path / "a.keras")
    assert done.stdout == f"{tmp_path / 'a.keras'}: 2.5 MB, 1,234,567 parameters\n  rmse 10.5\n"


def test_evaluate(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    parts = ((9.0, 20.0, 0.5), (12.0, 18.0, 0.0), (11.0, 19.0, 0.0))
    figures = [tables.Figures(*(np.full(2, value) for value in part)) for part in parts]
    report = tables.Report(
        *figures, mean_ab=(1.0, -2.0), colorfulness=np.full(2, 15.0), truth_colorfulness=np.full(2, 30.0)
    )
    found = types.SimpleNamespace(report=report, left_out=[PhotographError("[b].jpg: cannot be read")])
    replace_main(monkeypatch, "training.evaluation.protocol", lambda *arguments: calls.append(arguments) or found)
    done = run("evaluate", "--preset", "p", "--data", "x", "-o", "e", "--limit", 5, "--temperature", 0.4)
    assert done.exit_code == 0, done.output
    assert calls[0][:6] == ("p", Path("x"), 128, Path("e"), 5, 0.4)
    assert calls[0][7:] == (False, None)  # without the function that shows the progress
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["RMSE", "PSNR", "(dB)", "SSIM", "colorfulness"],
        ["p", "9.000", "20.000", "0.5000", "15.00"],
        ["gray", "12.000", "18.000", "0.0000", "0.00"],
        ["mean", "color", "(1.0,", "-2.0)", "11.000", "19.000", "0.0000", "-"],
        ["truth", "0", "inf", "1", "30.00"],
        ["left", "out:", "[b].jpg:", "cannot", "be", "read"],
        "p: RMSE 9.000, gain 25.0 % over gray, colorfulness 0.50 of the truth; "
        "2 photographs of x at 128x128, 1 left out".split(),
    ]  # fmt: skip


def test_errors_of_training(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise DataError("x: holds no photographs")

    def missing(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'skimage'", name="skimage.metrics")

    replace_main(monkeypatch, "training.loop.train", fail)
    done = run("train", "unet", "--data", "x")
    assert (done.exit_code, done.stderr) == (2, "colorzoo: x: holds no photographs\n")
    replace_main(monkeypatch, "training.evaluation.protocol", missing)
    done = run("evaluate", "--preset", "p", "--data", "x")
    assert done.exit_code == 2
    assert done.stderr == "colorzoo: skimage is not installed: pip install 'colorzoo[train]'\n"


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_training_takes_the_faster_convolutions_unless_told_otherwise(
    before: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")  # so that the old value comes back in any case
    if before is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    seen = []
    # TensorFlow reads it while it is imported.
    tensorflow = types.ModuleType("tensorflow")
    tensorflow.config = types.SimpleNamespace(  # type: ignore[attr-defined]
        list_physical_devices=lambda: seen.append(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
    )
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    replace_main(monkeypatch, "training.loop.train", lambda *_: None)
    assert CliRunner().invoke(app, ["train", "unet", "--data", "x"]).exit_code == 0
    assert seen == [after]


def test_calibrate_without_a_run(run: Callable[..., Any], tmp_path: Path) -> None:
    done = run("calibrate", tmp_path / "nonexistent", "--val", tmp_path)
    assert (done.exit_code, done.stderr) == (2, f"colorzoo: {tmp_path}/nonexistent is not the folder of a run\n")
    done = run("calibrate", tmp_path, "--val", tmp_path)
    assert done.exit_code == 2
    assert done.stderr == f"colorzoo: {tmp_path} is not the folder of a training run: it holds no recipe.json\n"


def test_calibrate_lists_settings(run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = types.ModuleType("training.evaluation.calibration")
    row = types.SimpleNamespace(rebalance_lambda=0.9, temperature=0.38, saturation=1.3, rmse=0.91234, colorfulness=0.8)
    calls = []
    stub.calibrate = lambda *arguments: calls.append(arguments) or [row]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "training.evaluation.calibration", stub)
    done = run("calibrate", tmp_path, "--val", "held-out", "--least", 0.7)
    assert done.exit_code == 0, done.output
    assert calls == [(tmp_path, Path("held-out"), 0.7)]
    assert done.stdout.splitlines()[1].split() == ["0.9", "0.38", "1.3", "0.912", "0.80"]
