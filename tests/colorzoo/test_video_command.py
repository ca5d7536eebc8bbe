"""`colorzoo video`, with a stub in the place of the network."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from serving.local.film_preview import has_colors
from tests.films import pan, write_film
from tests.photographs import write_gray
from tests.spoiled_films import SPOILED
from tests.talkies import read, write_talkie
from zoo.presets import metadata

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def checksums(monkeypatch: pytest.MonkeyPatch, loaded: list[Any]) -> None:
    monkeypatch.setattr(metadata, "find_file", lambda name: Path(name))
    monkeypatch.setattr(metadata, "sha256", lambda path: f"checksum of {path}")


@pytest.mark.parametrize("smoothing", ["none", "flow"])
def test_one_film(run: Run, loaded: list[Any], tmp_path: Path, smoothing: str) -> None:
    source = write_talkie(tmp_path / "old.mp4")
    done = run("video", source, "-o", tmp_path / "new.mp4", "--smoothing", smoothing, "--size", 32, "--start", "0:00.2")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("5 frames, ") and done.stdout.endswith(f"frames/s -> {tmp_path}/new.mp4\n")
    assert len(read(tmp_path / "new.mp4").frames) == 5
    assert loaded == [("stub_v1", 32, None)]
    again = run("video", source, "-o", tmp_path / "new.mp4")
    assert again.stdout == f"{source}: skipped: {tmp_path}/new.mp4 exists; --overwrite replaces it\n"
    assert len(loaded) == 1 and again.exit_code == 0


def test_references(run: Run, tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=3, sound=None)
    stills = tmp_path / "stills"
    stills.mkdir()
    cv2.imwrite(str(stills / "00-00-00.04.png"), np.full((48, 64, 3), (60, 90, 120), np.uint8))
    done = run("video", source, "-o", tmp_path / "new.mp4", "--references", stills)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("3 frames, with 1 reference, ")
    (stills / "frame-1.png").write_bytes((stills / "00-00-00.04.png").read_bytes())
    done = run("video", source, "-o", tmp_path / "other.mp4", "--references", stills)
    expected = f"{stills}/00-00-00.04.png and {stills}/frame-1.png are both references of the frame at 0.040 seconds"
    assert (done.exit_code, done.stderr) == (1, f"colorzoo: {source}: {expected}\n")


@pytest.mark.parametrize("gray", [True, False])
def test_key_frames(run: Run, loaded: list[Any], tmp_path: Path, gray: bool) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=3, sound=None)
    done = run("video", "references", source, "-o", tmp_path / "stills", *(["--gray"] if gray else []))
    assert (done.exit_code, done.stdout) == (0, f"1 still -> {tmp_path}/stills/\n"), done.output
    assert [path.name for path in (tmp_path / "stills").iterdir()] == ["00-00-00.000.png"]
    assert len(loaded) == (not gray)
    done = run("video", "references", source, "-o", tmp_path / "stills")
    assert done.exit_code == 2 and "is not empty" in done.stderr
    done = run("video", "references", tmp_path / "none.mp4", "-o", tmp_path / "other")
    assert (done.exit_code, done.stderr[:26]) == (1, f"colorzoo: {tmp_path}/none.mp4"[:26])


def test_only_a_part(run: Run, tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4")
    assert run("video", source, "-o", tmp_path / "new.mp4").exit_code == 0
    done = run("video", source, "-o", tmp_path / "new.mp4", "--only", "0.1-00:00.2")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2 frames, ") and len(read(tmp_path / "new.mp4").frames) == 10
    for part, text in (("5", "is no time"), ("2-1", "1 is not behind 2"), ("a-b", "'a' is no time")):
        done = run("video", source, "-o", tmp_path / "new.mp4", "--only", part)
        assert done.exit_code == 2 and text in " ".join(done.stderr.replace("│", " ").split())
    done = run("video", source, "-o", tmp_path / "none.mp4", "--only", "0-1")
    assert done.exit_code == 1 and "none.mp4 does not exist: colorize the whole film first" in done.stderr


def test_a_folder_of_films(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    write_talkie(tmp_path / "old" / "good.mp4", count=3, sound=None)
    (tmp_path / "old" / "bad.mkv").write_bytes(b"no film" * 100)
    done = run("video", tmp_path / "old", "-o", tmp_path / "new", "--smoothing", "none")
    assert done.exit_code == 1
    assert "1 colorized, 0 skipped, 1 failed" in done.stdout
    assert "bad.mkv" in done.stderr and "is not a film" in done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["good.mp4"]


def test_films_in_color_are_passed_over(run: Run, loaded: list[Any], tmp_path: Path) -> None:
    source = write_film(tmp_path / "old.mkv", pan(0, 5, 2))
    done = run("video", source, "-o", tmp_path / "new.mkv", "--skip-color")
    assert (done.exit_code, done.stdout) == (0, f"{source}: skipped: it is in color\n")
    assert not loaded and not has_colors(write_talkie(tmp_path / "gray.mp4"))


def test_preview(run: Run, tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=50, sound=None)
    done = run("video", source, "-o", tmp_path / "new.mp4", "--preview", "0.5")
    assert done.exit_code == 0, done.output
    count = int(done.stdout.split()[0])
    assert count >= 2 and done.stdout == f"{count} frames -> {tmp_path}/new-preview.jpg\n"
    with Image.open(tmp_path / "new-preview.jpg") as sheet:
        assert np.asarray(sheet.convert("L")).std() > 10


def wrong(tmp_path: Path) -> dict[str, tuple[list[Any], int, str]]:
    film = tmp_path / "old.mp4"
    return {
        "two films": ([film, tmp_path / "garbage.mkv", "-o", "new.mp4"], 2, "new.mp4 can only be one film: name a fo"),
        "nothing": ([tmp_path / "none.mp4", "-o", "new.mp4"], 2, "no film found: "),
        "itself": ([film, "-o", film], 1, "old.mp4: is the result, too: choose another one"),
        "suffix": ([film, "-o", "new.ogv"], 2, "new.ogv: films are written as .3gp, "),
        "time": ([film, "-o", "new.mp4", "--start", "1:2:3:4"], 2, "is no time: give seconds, MM:SS or HH:MM:SS"),
        "order": ([film, "-o", "new.mp4", "--start", "5", "--end", "4"], 2, "4 is not behind the start"),
    }


@pytest.mark.parametrize("kind", list(wrong(Path())))
def test_what_is_wrong_is_said_in_one_line(run: Run, tmp_path: Path, kind: str) -> None:
    write_talkie(tmp_path / "old.mp4", count=2, sound=None)
    (tmp_path / "garbage.mkv").write_bytes(b"no film" * 100)
    arguments, code, text = wrong(tmp_path)[kind]
    done = run("video", *arguments)
    assert done.exit_code == code
    assert text in " ".join(done.stderr.replace("│", " ").split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["garbage.mkv", "old.mp4"]


@pytest.mark.parametrize("kind", SPOILED)
def test_films_that_cannot_be_colorized(run: Run, loaded: list[Any], tmp_path: Path, kind: str) -> None:
    suffix, write, reason = SPOILED[kind]
    film = tmp_path / f"old{suffix}"
    write(film)
    done = run("video", film, "-o", tmp_path / "new.mkv")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(rf"colorzoo: {re.escape(str(film))}: ({reason}).*\n", done.stderr)
    assert not loaded and [path.name for path in tmp_path.iterdir()] == [film.name]


def test_photographs_are_no_films(run: Run, tmp_path: Path) -> None:
    old = write_gray(tmp_path / "old", ("a.jpg",))
    done = run("video", old / "a.jpg", "-o", tmp_path / "new.mp4")
    assert (done.exit_code, done.stderr) == (1, f"colorzoo: {old / 'a.jpg'}: is a picture, not a film\n")


def test_evaluate(run: Run, tmp_path: Path) -> None:
    frames = [cv2.resize(frame, (64, 48)) for frame in pan(4, 5, 2)]
    gray = [frame[..., 1:2].repeat(3, axis=-1) for frame in frames]
    true, other = write_film(tmp_path / "true.mkv", frames), write_film(tmp_path / "gray.mkv", gray)
    done = run("video", "evaluate", true, other)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1][:3] == ["true", "colors", "5"] and rows[1][-2] == "0.00"
    assert rows[2][:2] == [str(other), "5"] and rows[2][2] == "0.000" and rows[2][-1] == "0.0"
    short = write_film(tmp_path / "short.mkv", gray[:3])
    done = run("video", "evaluate", true, short)
    assert (done.exit_code, done.stderr) == (1, f"colorzoo: {short} has only 3 frames, fewer than {true}\n")
    assert "--side" in run("video", "evaluate", "--help").stdout and "--smoothing" in run("video", "--help").stdout
