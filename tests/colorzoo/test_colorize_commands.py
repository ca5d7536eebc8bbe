"""`colorzoo colorize`: what it prints, where, and with which exit code."""

import csv
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

import zoo
from colorzoo import output as screen
from colorzoo.output import name_passed_over
from serving.local.index import INDEX
from tests.colorzoo.stubs import TiledColorizer, rows_of
from tests.photographs import visible, write_gray


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
    assert [path.name for path in visible(old.parent / "new")] == ["a.jpg", "b.png", "c.tif"]
    again = run("colorize", old, "-o", old.parent / "new")
    assert again.stdout.startswith("0 colorized, 3 skipped, 0 failed")
    assert run("colorize", old, "-o", old.parent / "new", "--overwrite").stdout.startswith("3 colorized")


def test_colorize_with_format_and_sheets(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    new = old.parent / "new"
    done = run("colorize", old / "?.*", "-o", new, "--format", "webp", "--compare", "--quality", 80)
    assert done.exit_code == 0, done.output
    names = [path.name for path in visible(new)]
    assert names == [f"{stem}{end}" for stem in "abc" for end in ("-compare.jpg", ".webp")]


def test_results_say_that_they_were_colorized(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    new, plain = old.parent / "new", old.parent / "plain"
    originals = {path.name: path.read_bytes() for path in old.iterdir()}
    assert run("colorize", old, "-o", new, "--compare").exit_code == 0
    assert len(visible(new)) == 6
    for path in visible(new):
        with Image.open(path) as image:
            image.load()
            assert image.getexif()[305] == f"Colorized by colorzoo {zoo.__version__} with stub_v1"
            assert b"compositeWithTrainedAlgorithmicMedia" in image.info["xmp"]
    assert run("colorize", old, "-o", plain, "--compare", "--no-mark").exit_code == 0
    for path in visible(plain):
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


def test_colorize_keeps_the_times_of_originals(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    times = 1_000_000_000_123_456_789, 900_000_000_123_456_789
    for name in ("a.jpg", "b.png"):
        os.utime(old / name, ns=times)
    done = run("colorize", old / "a.jpg", "-o", old.parent / "new", "--keep-times")
    assert done.exit_code == 0, done.output
    status = (old.parent / "new" / "a.jpg").stat()
    assert (status.st_atime_ns, status.st_mtime_ns) == times
    run("colorize", old / "b.png", "-o", old.parent / "new")
    assert (old.parent / "new" / "b.png").stat().st_mtime_ns > times[1]
    assert run("colorize", old / "?.[jp]*", "-o", old.parent / "new").stdout.startswith("0 colorized, 2 skipped")


def test_colorize_warns_of_a_jpeg_without_its_end(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    (old / "a.jpg").write_bytes((old / "a.jpg").read_bytes()[:-2])
    report = old.parent / "report.csv"
    done = run("colorize", old, "-o", old.parent / "new", "--report", report)
    assert (done.exit_code, done.stdout) == (0, f"3 colorized, 0 skipped, 0 failed -> {old.parent}/new/\n")
    assert rows_of(done.stderr) == [f"{old / 'a.jpg'}  ends too early; all of its rows are there"]
    with report.open(newline="") as file:
        warnings = {Path(row["source"]).name: row["warnings"] for row in csv.DictReader(file)}
    assert warnings == {"a.jpg": "ends too early; all of its rows are there", "b.png": "", "c.tif": ""}


def test_colorize_takes_all_pages_or_one(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    new, page = old.parent / "new", Image.open(old / "a.jpg")
    page.save(old / "c.tif", save_all=True, append_images=[page, page])
    refused = run("colorize", old / "c.tif", "-o", new, "--format", "png")
    assert refused.exit_code == 1 and "PNG does not hold 3 pages; choose --format tiff, or one" in refused.stderr
    assert run("colorize", old / "c.tif", "-o", new).exit_code == 0
    with Image.open(new / "c.tif") as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile) and image.n_frames == 3
    done = run("colorize", old / "c.tif", "-o", new, "--format", "png", "--page", 3)
    assert (done.exit_code, [path.name for path in visible(new)]) == (0, ["c-page3.png", "c.tif"])
    assert run("colorize", old / "c.tif", "-o", new, "--page", 4).exit_code == 1
    assert run("colorize", old / "c.tif", "-o", new, "--page", 0).exit_code == 2


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


def test_photographs_of_one_name_in_two_runs(run: Callable[..., Any], loaded: list[Any], tmp_path: Path) -> None:
    new = tmp_path / "new"
    for folder in "ab":
        done = run("colorize", write_gray(tmp_path / folder, ["scan.jpg"]) / "scan.jpg", "-o", new)
        assert (done.exit_code, done.stdout) == (0, f"1 colorized, 0 skipped, 0 failed -> {new}/\n")
    assert [path.name for path in visible(new)] == ["scan-2.jpg", "scan.jpg"]
    both = run("colorize", tmp_path / "b" / "scan.jpg", tmp_path / "a" / "scan.jpg", "-o", new)
    assert both.stdout == f"0 colorized, 2 skipped, 0 failed -> {new}/\n"
    assert len(loaded) == 2, "a network was loaded for nothing"


def test_what_is_passed_over_is_said(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    for name in ("d.dng", "e.DNG", "notes.txt", "raw"):
        (old / name).touch()
    done = run("colorize", old, "-o", old.parent / "new")
    assert done.exit_code == 0
    assert done.stdout.endswith("/new/\npassed over: 2 .dng, 1 without a suffix, 1 .txt\n")
    assert name_passed_over(Counter({f".{n:02}": 1 for n in range(12)})).endswith(".09, 2 with other suffixes")
    (old.parent / "other").mkdir()
    (old.parent / "other" / "a.dng").touch()
    done = run("colorize", old.parent / "other", "-o", old.parent / "new")
    assert (done.exit_code, done.stderr) == (2, "colorzoo: no photograph found: passed over: 1 .dng\n")


def test_a_pipe_fails_and_the_others_are_done(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    os.mkfifo(old / "p.jpg")
    done = run("colorize", old, "-o", old.parent / "new")
    assert done.exit_code == 1
    assert done.stdout.startswith("3 colorized, 0 skipped, 1 failed")
    assert rows_of(done.stderr) == [f"{old / 'p.jpg'}  is not a file but a pipe"]


def test_report(run: Callable[..., Any], loaded: list[Any], old: Path, tmp_path: Path) -> None:
    new, report = tmp_path / "new", tmp_path / "report.csv"
    run("colorize", old / "a.jpg", "-o", new)
    (old / "a.jpg").rename(old / "moved.jpg")
    Image.new("L", (20, 20), 90).save(old / "a.jpg")  # another photograph
    (old / "empty.jpg").touch()
    done = run("colorize", old, "-o", new, "--report", report)
    assert (done.exit_code, done.stdout) == (1, f"3 colorized, 1 skipped, 1 failed -> {new}/\n")
    warning = "its path was that of another photograph before, whose result, a.jpg, is kept"
    assert rows_of(done.stderr)[0] == f"{old / 'a.jpg'}  {warning}"
    with report.open(newline="") as file:
        rows = {row["source"]: row for row in csv.DictReader(file)}
    assert list(rows[str(old / "a.jpg")]) == ["source", "result", "seconds", "warnings", "reason"]
    assert {Path(source).name: (row["result"], row["warnings"], row["reason"]) for source, row in rows.items()} == {
        "a.jpg": (str(new / "a-2.jpg"), warning, ""),
        "b.png": (str(new / "b.png"), "", ""),
        "c.tif": (str(new / "c.tif"), "", ""),
        "empty.jpg": ("", "", "is empty"),
        "moved.jpg": (str(new / "a.jpg"), "", "skipped: the result is there"),
    }
    assert [source for source, row in rows.items() if not row["seconds"]] == [str(old / "moved.jpg")]
    done = run("colorize", old, "-o", new, "--report", old / "a.jpg")
    assert (done.exit_code, done.stderr) == (
        2, f"colorzoo: {old / 'a.jpg'} is not a report of an earlier run: name a new file for the report\n"
    )  # fmt: skip


def test_damaged_index(run: Callable[..., Any], loaded: list[Any], old: Path) -> None:
    new = old.parent / "new"
    run("colorize", old, "-o", new)
    (new / INDEX).write_text("torn")
    done = run("colorize", old, "-o", new)
    assert done.exit_code == 1
    assert done.stderr.startswith(
        f"colorzoo: {new / INDEX}: damaged lines are ignored (1); results that only they tell"
    )
    assert done.stdout == f"0 colorized, 0 skipped, 3 failed -> {new}/\n"
    assert run("colorize", old, "-o", new, "--overwrite").exit_code == 0
    assert run("colorize", old, "-o", new).stdout.startswith("0 colorized, 3 skipped")


def test_long_tables_are_cut(run: Callable[..., Any], loaded: list[Any], old: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(screen, "_ROWS", 1)
    for name in ("d.jpg", "e.jpg"):
        (old / name).touch()
    done = run("colorize", old, "-o", old.parent / "new")
    assert rows_of(done.stderr) == [f"{old / 'd.jpg'}  is empty", "and 1 more; --report lists all"]


def test_an_interruption_exits_with_130(
    run: Callable[..., Any], loaded: list[Any], old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["serving.local.tiled"], "TiledColorizer", Interrupted)
    done = run("colorize", old, "-o", old.parent / "new")
    assert done.exit_code == 130
    assert done.stderr == "colorzoo: interrupted; what is finished is kept\n"
    assert not (old.parent / "new").exists()
