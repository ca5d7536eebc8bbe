"""Films to frames: what is written, the report, what a second run does, and what goes wrong."""

import json
import os
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media import atomic
from media.films import Film
from tests.films import pan, write_film
from tests.photographs import color_field
from training.data import frames
from training.data.film_reports import FilmReport
from training.data.frame_filter import DROPPED, Settings
from training.data.frames import extract, main
from zoo.errors import ArgumentError, DataError

# === Films to frames ===


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Black leader, three scenes of color, the second one still, and a gray scene before the last; 32 frames."""
    black = [np.zeros((72, 128, 3), np.uint8)] * 4
    still = [pan(1, 1, 1)[0]] * 6
    gray = [p.mean(axis=-1, keepdims=True).repeat(3, axis=-1).astype(np.uint8) for p in pan(3, 6, 4)]
    pictures = [*black, *pan(0, 6, 12), *still, *gray, *pan(2, 10, 16)]
    return write_film(tmp_path / "films" / "a.mkv", pictures)


def report_of(folder: Path) -> dict[str, Any]:
    films = json.loads((folder / "frames.json").read_text())["films"]
    for each in films.values():
        assert each["decoded"] == len(each["frames"]) + sum(each["dropped"].values())
        assert set(each["dropped"]) == set(DROPPED)
    return films


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def frame_files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.glob("*/*"))


def test_what_is_kept_is_written_and_everything_is_counted(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = main([str(film)], out)
    assert (found.failed, found.films) == ([], 1)
    (report,) = report_of(out).values()
    assert report["complete"] and report["reason"] == "" and report["size"] == [128, 72]
    assert report["decoded"] == 32
    dropped = report["dropped"]
    assert dropped["blank"] == 4 and dropped["gray"] == 6
    numbers = [int(each["file"][-11:-4]) for each in report["frames"]]
    assert [number for number in numbers if 10 <= number < 22] == [10]  # the still, once
    assert frame_files(out) == [each["file"] for each in report["frames"]]
    for each in report["frames"]:
        number = int(each["file"][-11:-4])
        assert each["time"] == pytest.approx(number / 25, abs=2e-3)
        assert each["file"] == f"a/scene{each['scene']:04}_frame{number:07}.jpg"
    starts = {int(each["file"][-11:-4]): each["scene"] for each in report["frames"]}
    assert len(set(starts.values())) == 3
    assert {scene for number, scene in starts.items() if number < 10} == {starts[4]}
    assert {name: asdict(each) for name, each in found.reports.items()} == {"a": report}


def test_frames_are_those_of_the_film_and_their_chroma_is_whole(film: Path, tmp_path: Path) -> None:
    main([str(film)], tmp_path / "jpeg")
    main([str(film)], tmp_path / "png", format="png")
    with Film(film) as opened:
        decoded = [opened.full(frame)[..., ::-1] for frame in opened.frames()]
    names = frame_files(tmp_path / "png")
    assert len(names) > 5 and [Path(name).stem for name in names] == [
        Path(name).stem for name in frame_files(tmp_path / "jpeg")
    ]
    for name in names:
        true = decoded[int(name[-11:-4])].astype(int)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "png" / name)), true)
        with Image.open((tmp_path / "jpeg" / name).with_suffix(".jpg")) as image:
            assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]
            assert np.abs(np.asarray(image).astype(int) - true).mean() < 1.5


def test_frames_of_a_rotated_film_are_upright(tmp_path: Path) -> None:
    upright = np.asarray(color_field(1, 128, 72))
    main([str(write_film(tmp_path / "a.mkv", [np.rot90(upright)], rotation=-90))], tmp_path / "out", format="png")
    (report,) = report_of(tmp_path / "out").values()
    assert report["size"] == [72, 128]
    np.testing.assert_array_equal(Image.open(tmp_path / "out" / report["frames"][0]["file"]), upright)


def test_every_counts_seconds_and_not_frames(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.2, 0.3, 2.0, 4.0, 4.1]
    path = write_film(tmp_path / "a.mkv", [np.asarray(color_field(i, 72, 128)) for i in range(7)], times=times)
    main([str(path)], tmp_path / "out", every=1.0)
    (report,) = report_of(tmp_path / "out").values()
    assert [each["time"] for each in report["frames"]] == [0.0, 2.0, 4.0]
    assert report["dropped"]["passed over"] == 4


def test_the_result_does_not_depend_on_the_threads(film: Path, tmp_path: Path) -> None:
    for jobs in (1, 4):
        main([str(film)], tmp_path / str(jobs), jobs=jobs)
    assert content(tmp_path / "1") == content(tmp_path / "4")


def test_the_sheet_shows_all_films(film: Path, tmp_path: Path) -> None:
    red = np.asarray(color_field(7, 72, 128)) // 4 + np.array([180, 0, 0], np.uint8)
    write_film(film.with_name("b.mkv"), [red])
    main([str(film.parent)], tmp_path / "out")
    sheet = np.asarray(Image.open(tmp_path / "out" / "sheet.jpg")).astype(int)
    assert ((sheet[..., 0] > 150) & (sheet[..., 1] < 90)).sum() > 5000
    kept = sum(len(each["frames"]) for each in report_of(tmp_path / "out").values())
    assert sheet.shape[0] == 8 + 264 * -(-kept // 8) and sheet.shape[1] == 8 + 264 * 8


def test_a_film_without_color_leaves_no_frame_and_is_no_error(tmp_path: Path) -> None:
    gray = [p.mean(axis=-1, keepdims=True).repeat(3, axis=-1).astype(np.uint8) for p in pan(3, 10, 9)]
    main([str(write_film(tmp_path / "old.mkv", gray))], tmp_path / "out")
    (report,) = report_of(tmp_path / "out").values()
    assert report["frames"] == [] and report["dropped"]["gray"] == 10
    assert os.listdir(tmp_path / "out") == ["frames.json"]


def test_memory_holds_a_bounded_number_of_frames(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, alive, most, lock, too_many = 2, 0, 0, threading.Lock(), threading.Event()
    convert, write = Film.full, frames._write

    def counted(self: Film, frame: Any) -> np.ndarray:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        if alive > jobs + 2:
            too_many.set()
        return convert(self, frame)

    def late(pixels: np.ndarray, path: Path) -> None:
        nonlocal alive
        if path.name.endswith(("0000004.jpg", "0000005.jpg")):  # the first two: time for the film to run ahead
            too_many.wait(1)
        write(pixels, path)
        with lock:
            alive -= 1

    monkeypatch.setattr(Film, "full", counted)
    monkeypatch.setattr(frames, "_write", late)
    report = FilmReport("", "")
    with Film(film) as opened:
        extract(opened, tmp_path / "a", Settings(threshold=0), report, jobs=jobs)
    assert len(report.frames) > 20
    assert most <= jobs + 2


# === Names ===


def test_films_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "b").mkdir(parents=True)
    (out / "b" / "mine.txt").write_text("not ours")
    for i, name in enumerate(("1/a.mkv", "2/a.mkv", "3/A.mkv", "4/B.mkv", "5/frames.json.mkv", "6/b.mkv")):
        write_film(tmp_path / name, [np.asarray(color_field(i, 72, 128))])
    main([str(tmp_path / "2")], out)
    main([str(tmp_path / "?")], out)
    folders = {name: Path(each["source"]).relative_to(tmp_path).as_posix() for name, each in report_of(out).items()}
    assert folders == {
        "a": "2/a.mkv", "a-2": "1/a.mkv", "A-3": "3/A.mkv", "B-2": "4/B.mkv", "frames.json-2": "5/frames.json.mkv",
        "b-3": "6/b.mkv",
    }  # fmt: skip
    assert os.listdir(out / "b") == ["mine.txt"]
    assert all(len(os.listdir(out / name)) == 1 for name in folders)


def test_a_film_that_was_moved_or_copied_is_the_same(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main([str(film)], out)
    before = content(out)
    moved = film.rename(tmp_path / "moved.mkv")
    (tmp_path / "copy.mkv").write_bytes(moved.read_bytes())
    main([str(tmp_path / "*.mkv")], out)
    assert content(out) == before


# === A second run ===


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the films that are read."""
    names: list[str] = []
    init = Film.__init__

    def noted(self: Film, path: Path) -> None:
        names.append(path.name)
        init(self, path)

    monkeypatch.setattr(Film, "__init__", noted)
    return names


def test_films_that_are_done_are_skipped(film: Path, tmp_path: Path, opened: list[str]) -> None:
    out = tmp_path / "out"
    main([str(film)], out)
    before = content(out)
    write_film(film.with_name("b.mkv"), pan(5, 3, 30))
    main([str(film.parent)], out)
    assert opened == ["a.mkv", "b.mkv"]
    after = content(out)
    assert before.items() - after.items() == {(name, before[name]) for name in ("frames.json", "sheet.jpg")}
    assert [name for name in after if name.startswith("b/")]


def test_frames_may_be_moved_and_a_deleted_folder_is_made_anew(film: Path, tmp_path: Path, opened: list[str]) -> None:
    out = tmp_path / "out"
    main([str(film)], out)
    before = content(out)
    first = min((out / "a").iterdir())
    first.rename(tmp_path / first.name)
    main([str(film)], out)
    assert opened == ["a.mkv"] and not first.exists()
    for path in (out / "a").iterdir():
        path.unlink()
    (out / "a").rmdir()
    main([str(film)], out)
    assert opened == ["a.mkv"] * 2 and content(out) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_film_is_begun_again_without_stale_frames(
    error: type[BaseException], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main([str(film)], tmp_path / "whole")
    out = tmp_path / "out"
    full = Film.full

    def interrupted(self: Film, frame: Any) -> np.ndarray:
        if frame.number > 15:
            raise error
        return full(self, frame)

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(Film, "full", interrupted)
        main([str(film)], out, threshold=1)
    assert 1 < len(frame_files(out)) < 10
    assert not list(out.rglob(".*.part*"))
    (out / "a" / ".colorzoo-0123.part").write_text("what a power cut leaves")
    (out / "a" / "notes.txt").write_text("not ours")
    main([str(film)], out, overwrite=True)
    assert (out / "a" / "notes.txt").read_text() == "not ours"
    (out / "a" / "notes.txt").unlink()
    assert content(out) == content(tmp_path / "whole")


def test_after_an_interruption_it_goes_on_with_the_film_that_was_read(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    for name in ("b.mkv", "c.mkv"):
        write_film(film.with_name(name), pan(ord(name[0]), 4, 30))
    main([str(film.parent)], tmp_path / "whole")
    del opened[:]
    out = tmp_path / "out"
    write = frames._write

    def interrupted(pixels: np.ndarray, path: Path) -> None:
        if path.parent.name == "b":
            raise KeyboardInterrupt
        write(pixels, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(frames, "_write", interrupted)
        main([str(film.parent)], out)
    main([str(film.parent)], out)
    assert opened == ["a.mkv", "b.mkv", "b.mkv", "c.mkv"]
    assert content(out) == content(tmp_path / "whole")


def test_a_film_that_has_changed_is_done_again(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main([str(film)], out)
    write_film(film, pan(9, 10, 30))
    main([str(film)], out)
    (report,) = report_of(out).values()
    assert report["decoded"] == 10 and frame_files(out) == [each["file"] for each in report["frames"]]


def test_other_settings_are_refused_and_done_again_on_request(film: Path, tmp_path: Path, opened: list[str]) -> None:
    out = tmp_path / "out"
    other = write_film(film.with_name("b.mkv"), pan(5, 3, 30))
    main([str(film.parent)], out)
    before = content(out)
    with pytest.raises(
        ArgumentError, match=r"chosen with other settings \(threshold was 15.0 and is 3, format was jpeg"
    ):
        main([str(film.parent)], out, threshold=3, format="png")
    with pytest.raises(ArgumentError, match=r"frames of 1 other films .*b\.mkv for one"):
        main([str(film)], out, threshold=3, overwrite=True)
    assert content(out) == before and len(opened) == 2
    main([str(film), str(other)], out, format="png", overwrite=True)
    assert {Path(name).suffix for name in frame_files(out)} == {".png"}
    main([str(film.parent)], out, format="png")
    assert len(opened) == 4
    main([str(film)], out, format="png", overwrite=True)
    assert len(opened) == 5


# === What goes wrong ===


def test_bad_films_are_named_and_the_rest_is_done(film: Path, tmp_path: Path, opened: list[str]) -> None:
    out = tmp_path / "out"
    broken = write_film(film.with_name("broken.mkv"), pan(0, 50, 6))
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    film.with_name("empty.mp4").touch()
    film.with_name("text.mp4").write_text("no film\n" * 50)
    arguments = [str(film.parent), str(tmp_path / "gone.mkv")]
    found = main(arguments, out)
    assert (len(found.failed), found.films) == (4, 5)
    errors = "\n".join(": ".join(each) for each in found.failed)
    for words in ("broken.mkv: ends after", "empty.mp4: is empty", "text.mp4: is not a film", "gone.mkv: there is no"):
        assert words in errors
    reports = report_of(out)
    assert sorted(reports) == ["a", "broken"] and reports["broken"]["frames"] and reports["broken"]["complete"]
    assert sorted(path.name for path in out.iterdir()) == ["a", "broken", "frames.json", "sheet.jpg"]
    # The second run names them again, and reads again only what could not be opened.
    del opened[:]
    before = content(out)
    assert main(arguments, out) == found
    assert sorted(opened) == ["empty.mp4", "text.mp4"]
    assert content(out) == before


def test_damaged_frames_are_not_kept(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", pan(0, 50, 6), codec="mpeg4", pix_fmt="yuv420p")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(data)
    main([str(path)], tmp_path / "out", threshold=0)
    (report,) = report_of(tmp_path / "out").values()
    assert report["dropped"]["damaged"] >= 1 and len(report["frames"]) > 30


def test_a_full_disk_is_a_reason_and_the_film_is_begun_again(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write = atomic.write_bytes

    def full(path: Path, data: bytes, **options: bool) -> None:
        if "0000007" in path.name:
            raise OSError(28, "No space left on device")
        write(path, data, **options)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_bytes", full)
        ((_, reason),) = main([str(film)], out, threshold=1).failed
    assert "0000007.jpg cannot be written: No space left on device" in reason
    assert not report_of(out)["a"]["complete"]
    main([str(film)], out, threshold=1)
    (report,) = report_of(out).values()
    assert report["complete"] and frame_files(out) == [each["file"] for each in report["frames"]]


def test_a_frame_that_was_spoiled_is_named(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main([str(film)], out)
    (out / "a" / "scene0002_frame0000004.jpg").write_text("no picture")
    with pytest.raises(ArgumentError, match=r"sheet\.jpg cannot be made: .*0000004\.jpg"):
        main([str(film)], out)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be(film: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ArgumentError, match=r"file"):
        main([str(film)], tmp_path / name)
    assert (tmp_path / "file").read_text() == "a file"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 2}', '{"version": 1, "films": {"a": 3}}'])
def test_a_report_that_is_none_is_left_alone(film: Path, tmp_path: Path, text: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "frames.json").write_text(text)
    with pytest.raises(ArgumentError, match=r"frames\.json is not the report of such a run"):
        main([str(film)], out)
    assert content(out) == {"frames.json": text.encode()}


def test_no_film(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="^no film found$"):
        main([str(tmp_path / "empty")], tmp_path / "out")
    with pytest.raises(DataError, match=r"no film found: .*x\.mkv: there is no such file"):
        main([str(tmp_path / "x.mkv")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_sees_every_frame(film: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    with Film(film) as opened:
        assert opened.total == 32
        extract(opened, tmp_path / "a", Settings(), FilmReport("", ""), jobs=1, progress=seen.append)
    assert seen == list(range(1, 33))
