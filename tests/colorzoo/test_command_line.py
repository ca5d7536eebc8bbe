"""The command line: what it prints, where, and with which exit code."""

import hashlib
import os
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import zoo
from colorzoo import options, quiet
from colorzoo.app import app
from serving.local.pipeline import Prepared
from tests.paths import ROOT
from tests.photographs import write_fields
from training.data import frames
from training.data.film_reports import FilmReport
from training.evaluation import tables
from zoo.errors import DataError, PhotographError, UnknownNameError
from zoo.presets import loading
from zoo.registry import architecture

GRAY = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))


COMMANDS = (
    "colorize", "remote", "presets", "models", "shards", "frames", "prior", "data-service", "train", "calibrate",
    "evaluate", "pack", "export", "serve",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """The fields of a preset that the table shows."""

    name: str = "stub_v1"
    architecture: str = "stub"
    parameters: int = 1_500_000
    size: int = 128
    training_data: str = "[scenes]"
    license: str = "CC0"
    metrics: dict[str, float] = field(default_factory=lambda: {"psnr": 23.25})
    recipe: str = "stub_recipe"


class TiledColorizer:
    """Stands for serving.local.tiled.TiledColorizer."""

    def __init__(self, model: object) -> None:
        self.model = model

    def prepare(self, pixels: np.ndarray) -> Prepared:
        return Prepared(pixels, np.zeros((8, 8, 1), np.float32), pixels.dtype)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        return np.zeros((len(frames), 8, 8, 2), np.float32)

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        pixels = photograph.lightness
        return np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels


class Interrupted(TiledColorizer):
    """A colorizer during whose work Ctrl-C is pressed."""

    def predict(self, frames: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A zoo without networks; the list holds what was loaded."""
    calls: list[Any] = []

    def load(
        name: str, *, size: int | None = None, temperature: float | None = None, look: str | None = None
    ) -> object:
        if name == "nothing":
            raise UnknownNameError("no preset is called 'nothing': there are\nstub_v1")
        calls.append((name, size, temperature))
        return object()

    monkeypatch.setattr(loading, "load_parts", load)
    monkeypatch.setattr(zoo, "DEFAULT_PRESET", "stub_v1")
    monkeypatch.setattr(zoo, "list_presets", lambda: ["stub_v1"])
    monkeypatch.setattr(zoo, "preset", lambda name: Row(name))
    strips = types.ModuleType("serving.local.tiled")
    strips.TiledColorizer = TiledColorizer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "serving.local.tiled", strips)
    yield calls


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setattr(quiet, "import_tensorflow", lambda **_: None)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "c.tif"):
        Image.fromarray(GRAY).save(folder / name)
    return folder


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


def test_colorize(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    done = run("colorize", old, "-o", old.parent / "new", "--size", 64, "--temperature", 0.5)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"3 colorized, 0 skipped, 0 failed -> {old.parent}/new/\n"
    assert done.stderr == ""
    assert loaded == [("stub_v1", 64, 0.5)]
    assert sorted(path.name for path in (old.parent / "new").iterdir()) == ["a.jpg", "b.png", "c.tif"]
    again = run("colorize", old, "-o", old.parent / "new")
    assert again.stdout.startswith("0 colorized, 3 skipped, 0 failed")
    assert run("colorize", old, "-o", old.parent / "new", "--overwrite").stdout.startswith("3 colorized")


def test_colorize_with_format_and_sheets(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    new = old.parent / "new"
    done = run("colorize", old / "?.*", "-o", new, "--format", "webp", "--compare", "--quality", 80)
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in new.iterdir())
    assert names == [f"{stem}{end}" for stem in "abc" for end in ("-compare.jpg", ".webp")]


def test_results_say_that_they_were_colorized(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    new, plain = old.parent / "new", old.parent / "plain"
    originals = {path.name: path.read_bytes() for path in old.iterdir()}
    assert run("colorize", old, "-o", new, "--compare").exit_code == 0
    assert len(list(new.iterdir())) == 6
    for path in new.iterdir():
        with Image.open(path) as image:
            image.load()
            assert image.getexif()[305] == f"Colorized by colorzoo {zoo.__version__} with stub_v1"
            assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]
    assert run("colorize", old, "-o", plain, "--compare", "--no-mark").exit_code == 0
    for path in plain.iterdir():
        assert b"olorzoo" not in path.read_bytes()
    assert {path.name: path.read_bytes() for path in old.iterdir()} == originals


def test_results_name_the_file_of_a_preset(
    run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.keras").write_bytes(b"weights")
    done = run("colorize", old / "a.jpg", "-o", old.parent / "new", "--preset", tmp_path / "mine.keras")
    assert done.exit_code == 0, done.output
    with Image.open(old.parent / "new" / "a.jpg") as image:
        checksum = hashlib.sha256(b"weights").hexdigest()[:12]
        assert image.info["comment"].decode().endswith(f" with mine.keras (SHA-256 {checksum})")
        assert str(tmp_path).encode() not in image.info["xmp"]


def test_colorize_names_bad_files_and_exits_with_1(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    (old / "empty[b].jpg").touch()
    (old / "text.jpg").write_text("not a photograph")
    done = run("colorize", old, old.parent / "gone.jpg", "-o", old.parent / "new")
    assert done.exit_code == 1
    assert done.stdout == f"3 colorized, 0 skipped, 3 failed -> {old.parent}/new/\n"
    lines = {Path(line.split("  ")[0].strip()).name: line for line in done.stderr.splitlines()[1:]}
    assert "is empty" in lines["empty[b].jpg"]
    assert "is not a JPEG" in lines["text.jpg"]
    assert "there is no such file" in lines["gone.jpg"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "8"], "--size"),
        (["--temperature", "0"], "--temperature"),
        (["--jobs", "0"], "--jobs"),
        (["--batch", "0"], "--batch"),
        (["--quality", "101"], "--quality"),
        (["--format", "heic"], "--format"),
        (["--preset", "nothing"], "colorzoo: no preset is called 'nothing': there are stub_v1\n"),
    ],
)
def test_wrong_arguments_exit_with_2_before_anything_is_loaded(
    run: Callable[..., Any], loaded: list[Any], old: Path, arguments: list[str], words: str
) -> None:
    done = run("colorize", old, "-o", old.parent / "new", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output
    assert loaded == []
    assert not (old.parent / "new").exists()


def test_no_photographs_and_no_room_for_results(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    empty = old.parent / "empty"
    empty.mkdir()
    done = run("colorize", empty, "-o", old.parent / "new")
    assert (done.exit_code, done.stderr) == (2, "colorzoo: no photograph found\n")
    done = run("colorize", old / "*.gif", "-o", old.parent / "new")
    assert done.exit_code == 2
    assert done.stderr.startswith("colorzoo: no photograph found: ") and "*.gif" in done.stderr
    done = run("colorize", old, "-o", old)
    assert done.exit_code == 2
    assert done.stderr == f"colorzoo: {old}: is the output folder too; choose another one for the results\n"
    assert run("colorize", old).exit_code == 2
    assert loaded == []


def test_an_interruption_exits_with_130(
    run: Callable[..., Any], loaded: list[Any], old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["serving.local.tiled"], "TiledColorizer", Interrupted)
    done = run("colorize", old, "-o", old.parent / "new")
    assert done.exit_code == 130
    assert done.stderr == "colorzoo: interrupted; what is finished is kept\n"
    assert not (old.parent / "new").exists()


def test_presets(run: Callable[..., Any], loaded: list[Any]) -> None:
    done = run("presets")
    assert done.exit_code == 0, done.output
    for words in ("stub_v1", "1,500,000", "128", "[scenes]", "CC0", "psnr 23.25", "stub_recipe"):
        assert words in done.stdout


def test_models(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    create_model = zoo.create_model
    # One network in its full size shows that they are what is counted; all seven take five seconds.
    monkeypatch.setattr(
        zoo,
        "create_model",
        lambda name: create_model(name, **({} if name == "color_unet" else architecture(name).tiny)),
    )
    done = run("models")
    assert done.exit_code == 0, done.output
    for words in ("color_unet", "142,016", "2018", "ColorUNet", "arXiv:1811.03120"):
        assert words in done.stdout
    (line,) = [line for line in rows_of(done.stdout) if line.startswith("autoencoder")]
    assert "undated" in line.split()


def test_shards_with_gray_pictures(run: Callable[..., Any], tmp_path: Path) -> None:
    photos = write_fields(tmp_path / "photos", 2)
    Image.fromarray(GRAY).save(photos / "gray.png")
    done = run("shards", photos, "-o", tmp_path / "shards", "--keep-gray")
    assert done.exit_code == 0, done.output
    (line,) = rows_of(done.stdout)
    assert line.split()[:2] == ["train", "3"]


def test_shards(run: Callable[..., Any], tmp_path: Path) -> None:
    photos, out = write_fields(tmp_path / "photos", 8), tmp_path / "shards"
    Image.fromarray(GRAY).save(photos / "gray.png")
    done = run("shards", photos, "-o", out, "--validation", 0.4, "--drop-near-duplicates", 0)
    assert done.exit_code == 0, done.output
    table = {line.split("  ")[0]: int(line.split()[-3 if "left" not in line else -1]) for line in rows_of(done.stdout)}
    assert table.keys() == {"train", "validation", "left out: gray"}
    assert (table["train"] + table["validation"], table["left out: gray"]) == (8, 1)
    done = run("shards", "--verify", out)
    assert (done.exit_code, done.stdout) == (0, "8 pictures in 2 shards are as they were written\n")
    damaged = bytearray((out / "train-00000.tfrecord").read_bytes())
    damaged[500] ^= 1
    (out / "train-00000.tfrecord").write_bytes(damaged)
    done = run("shards", "--verify", out)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "train-00000.tfrecord" in done.stderr and "its SHA-256 is not that of index.json" in done.stderr


def rows_of(table: str) -> list[str]:
    return [line.rstrip() for line in table.splitlines()[1:]]


def test_shards_that_cannot_be_made(run: Callable[..., Any], tmp_path: Path) -> None:
    photos, out = write_fields(tmp_path / "photos", 2), tmp_path / "shards"
    for arguments, words in (
        ((), "give sources and --output DIR, or --verify DIR alone"),
        ((photos,), "give sources and --output DIR, or --verify DIR alone"),
        ((photos, "-o", out, "--verify", out), "give sources and --output DIR, or --verify DIR alone"),
        ((photos, "-o", out, "--side", 8), "--side"),
        ((photos, "-o", out, "--drop-near-duplicates", 9), "--drop-near-duplicates"),
        (("-o", out), "colorzoo: no source is given: name folders, archives or tfds:NAME\n"),
        ((photos, "-o", out, "--validation", 1), "colorzoo: validation is 1.0: it must be a share in [0, 1)\n"),
        ((tmp_path / "gone.tar", "-o", out), "gone.tar: no such folder or archive"),
        (("--verify", photos), "photos is not a folder of shards"),
    ):
        done = run("shards", *arguments)
        assert done.exit_code == 2, arguments
        assert words in " ".join(done.stderr.replace("│", "").split()) + "\n", arguments
        assert "Traceback" not in done.output and not out.exists()


def replace_main(monkeypatch: pytest.MonkeyPatch, module: str, main: Callable[..., None]) -> None:
    stub = types.ModuleType(module)
    stub.main = main  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, stub)


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


def test_frames(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []
    film = FilmReport("films/[a].mkv", "", decoded=1032, size=[128, 72])
    film.dropped["gray"] = 6
    film.frames = [{"file": f"[a]/{i}.jpg", "time": i, "scene": i // 2} for i in range(3)]
    found = frames.Extraction({"[a]": film}, [], 1)
    monkeypatch.setattr(frames, "main", lambda *arguments: calls.append(arguments) or found)
    options = ("--threshold", 8, "--every", 0.5, "--format", "png", "--jobs", 3)
    done = run("frames", "a.mkv", "films", "-o", tmp_path, *options)
    assert (done.exit_code, done.stderr) == (0, "")
    header, row, summary = done.stdout.splitlines()
    assert header.split("  ")[0] == "film" and "near-identical" in header and "passed over" in header
    assert row.split() == "[a] 128 x 72 1,032 3 2 0 6 0 0 0 0".split()
    assert summary == f"3 of 1,032 frames kept, 0 MB -> {tmp_path}/"
    found.failed.append(("films/b.mkv", "ends after 3 s"))
    done = run("frames", "*.mkv", "-o", tmp_path, "--overwrite")
    assert done.exit_code == 1
    assert "passed over" not in done.stdout
    assert done.stderr.splitlines()[1].split("  ") == ["films/b.mkv", "ends after 3 s"]
    assert done.stderr.splitlines()[2:] == ["colorzoo: 1 of 1 films could not be read, or not completely"]
    assert [call[:-1] for call in calls] == [
        (["a.mkv", "films"], tmp_path, 8.0, 0.5, "png", 3, False),
        (["*.mkv"], tmp_path, 15.0, 0.0, "jpeg", None, True),
    ]
    for option in (("--threshold", -1), ("--threshold", 256), ("--every", -1), ("--jobs", 0), ("--format", "tiff")):
        done = run("frames", "a.mkv", "-o", "f", *option)
        assert done.exit_code == 2 and option[0] in done.stderr
    assert run("frames", "a.mkv").exit_code == 2
    assert len(calls) == 2


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
    from serving.export.saved_model import PRECISIONS
    from serving.server import logs
    from training.loop.strategies import STRATEGIES
    from zoo.presets.metadata import LOOKS

    for choices, constants in (
        (options.Format, formats.RESULTS),
        (options.FrameFormat, frames.FORMATS),
        (options.Look, LOOKS),
        (options.Precision, PRECISIONS),
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


def test_prior_prints_the_most_frequent_classes(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares, centers = np.array([0.1, 0.2, 0.7], np.float32), np.array([[0, 0], [10, -20], [-30.5, 40]])
    found = types.SimpleNamespace(shares=shares, centers=centers, photographs=12)
    replace_main(monkeypatch, "training.publish.prior", lambda *_: found)  # type: ignore[arg-type]
    done = run("prior", "--data", tmp_path, "-o", "prior.npy")
    assert done.exit_code == 0, done.output
    first, *rows = done.stdout.splitlines()
    assert first == "3 classes in 12 photographs -> prior.npy; the most frequent, by a and b:"
    assert [row.split() for row in rows] == [
        ["-30.5", "40.0", "70.0%"], ["10.0", "-20.0", "20.0%"], ["0.0", "0.0", "10.0%"]
    ]  # fmt: skip


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
