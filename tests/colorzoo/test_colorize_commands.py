"""`colorzoo colorize`: what it prints, where, and with which exit code."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.colorzoo.stubs import TiledColorizer


class Interrupted(TiledColorizer):
    """A colorizer during whose work Ctrl-C is pressed."""

    def predict(self, frames: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt


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


def test_colorize_takes_a_limit_of_pixels(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    done = run("colorize", old, "-o", old.parent / "new", "--max-pixels", 100)
    assert done.exit_code == 1 and done.stderr.count("the limit is 100 pixels") == 3


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
