"""`colorzoo shards`, `frames` and `prior`."""

import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.colorzoo.stubs import replace_main, rows_of
from tests.photographs import GRAY, write_fields
from training.data import frames
from training.data.film_reports import FilmReport


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
