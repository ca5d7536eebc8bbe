"""The command line as a whole: what all commands have in common."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from colorzoo import options, quiet
from colorzoo.app import app
from tests.paths import ROOT
from tests.photographs import GRAY
from training.data import frames

COMMANDS = (
    "colorize", "remote", "presets", "models", "shards", "frames", "prior", "data-service", "train", "calibrate",
    "evaluate", "study", "confidence", "pack", "export", "serve", "turing", "video", "web",
)  # fmt: skip


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    code = (
        "import sys\n"
        "from colorzoo.__main__ import main\n"
        f"sys.argv[1:] = [{option!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'PIL', 'cv2', 'grpc', 'media'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "colorzoo" in done.stdout.lower()


def test_the_commands() -> None:
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(run: Callable[..., Any], command: str) -> None:
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert f"Example:  colorzoo {command}" in shown.stdout


@pytest.mark.parametrize("command", ["presets", "remote"])
def test_commands_that_start_without_tensorflow(command: str, tmp_path: Path) -> None:
    Image.fromarray(GRAY).save(tmp_path / "a.png")
    arguments = {
        "presets": ["presets"],
        "remote": f"remote {tmp_path}/a.png -o {tmp_path}/new --server localhost:1 --retries 0".split(),
    }[command]
    code = (
        "import atexit, sys\n"
        "from colorzoo.__main__ import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "atexit.register(lambda: print({'tensorflow', 'keras'} & set(sys.modules)))\n"
        "main()\n"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "set()"
    if command == "remote":
        assert done.returncode == 1
        assert "the server cannot be reached" in done.stderr and len(done.stderr.splitlines()) == 1
        assert time.monotonic() - start < 5  # TensorFlow alone takes longer


def test_choices_are_those_of_their_owners() -> None:
    from media import formats
    from media.film_codecs import CODECS
    from serving.export import files, saved_model
    from serving.local.smoothing import SMOOTHINGS
    from serving.server import logs
    from training.loop.strategies import STRATEGIES
    from zoo.presets.metadata import LOOKS

    for choices, constants in (
        (options.Format, formats.RESULTS),
        (options.FrameFormat, frames.FORMATS),
        (options.Smoothing, SMOOTHINGS),
        (options.FilmCodec, CODECS),
        (options.Look, LOOKS),
        (options.Precision, dict.fromkeys((*saved_model.PRECISIONS, *files.PRECISIONS))),
        (options.ExportFormat, ("saved-model", "keras", *files.FORMATS)),
        (options.LogFormat, logs.LOG_FORMATS),
        (options.Strategy, STRATEGIES),
    ):
        assert list(choices) == list(constants)


@pytest.mark.parametrize(
    "arguments",
    [
        ("colorize", "old", "-o", "FILE"),
        ("remote", "old", "--server", "localhost:1", "-o", "FILE"),
        ("shards", "old", "-o", "FILE"),
        ("frames", "old", "-o", "FILE/below"),
        ("train", "color_unet_scenes_v1", "--data", "old", "--out", "FILE"),
        ("evaluate", "--preset", "p", "--data", "old", "-o", "FILE"),
        ("turing", "--presets", "p", "--data", "old", "-o", "FILE"),
        ("export", "p", "-o", "FILE"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_file_in_the_place_of_the_results_is_refused_before_any_work(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(quiet, "import_tensorflow", lambda **_: pytest.fail("work has begun"))
    done = CliRunner().invoke(app, [word.replace("FILE", str(tmp_path / "file")) for word in arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"colorzoo: {tmp_path / 'file'} is a file: choose a folder for the results\n"


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "arguments",
    [
        "calibrate run --val held-out --least",
        "frames film.mkv -o OUT --every",
        "frames film.mkv -o OUT --threshold",
        "serve models --batch-timeout-ms",
        "serve models --poll-seconds",
        "serve models --grace",
        "remote a.jpg --server localhost:1 -o OUT --timeout",
        "colorize a.jpg -o OUT --temperature",
        "pack run -o packed.keras --saturation",
    ],
)
def test_numbers_that_are_not_finite_are_refused_before_any_work(arguments: str, value: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*arguments.replace("OUT", str(tmp_path)).split(), value])
    assert done.exit_code == 2
    assert f"Usage: colorzoo {arguments.split()[0]}" in done.stderr  # of the option, and not of what follows
    assert not list(tmp_path.iterdir())


def test_names_that_are_too_long_are_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "import_tensorflow", lambda **_: pytest.fail("work has begun"))
    done = CliRunner().invoke(app, ["export", "p", "-o", f"{tmp_path}/{'n' * 300}/below"])
    assert done.exit_code == 2
    reason = "the name is too long; at most 255 bytes are possible"
    assert done.stderr == f"colorzoo: {tmp_path}/{'n' * 300}/below: {reason}\n"
    done = CliRunner().invoke(app, ["calibrate", "n" * 300, "--val", "held-out"])
    assert (done.exit_code, done.stderr) == (2, f"colorzoo: {'n' * 300}: File name too long\n")
