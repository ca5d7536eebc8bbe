"""Many files at once: every file has its result, and none harms another."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from media.photograph import Photograph
from media.reader import read
from media.writer import write
from serving.local import pipeline
from serving.local.index import INDEX
from serving.local.pipeline import Prepared, colorize_files
from serving.local.search import find
from serving.local.tasks import FileResult, FileTask
from tests.photographs import GRAY, visible


class Stub:
    """Paints everything red, and keeps account of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def prepare(self, pixels: np.ndarray) -> Prepared:
        return Prepared(pixels, np.zeros((8, 8, 1), np.float32), pixels.dtype)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        self.batches.append(len(frames))
        return np.ones((len(frames), 8, 8, 2), np.float32)

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        assert ab.shape == (8, 8, 2)
        pixels = photograph.lightness
        gray = pixels if pixels.ndim == 2 else pixels[..., 0]
        return np.dstack([gray, gray // 2, gray // 2])


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GRAY).save(path)
    return path


def results(run: list[FileResult], root: Path) -> dict[str, str]:
    return {str(result.output.relative_to(root)): result.status for result in run}


def test_good_files_are_done_and_bad_ones_are_named(tmp_path: Path) -> None:
    good = [save(tmp_path / "old" / f"{index:02}.jpg") for index in range(30)]
    (tmp_path / "old" / "05-empty.jpg").touch()
    (tmp_path / "old" / "11-text.jpg").write_text("not a photograph")
    (tmp_path / "old" / "20-cut.jpg").write_bytes(good[0].read_bytes()[:-60])
    stub = Stub()
    seen: list[FileResult] = []
    tasks = [
        *find([tmp_path / "old"], output=tmp_path / "new"),
        *find(["missing.jpg"], output=tmp_path / "new"),
    ]
    run = colorize_files(tasks, tmp_path / "new", stub, batch=4, jobs=3, progress=seen.append)
    assert [result.source for result in run] == [task.source for task in tasks]
    assert sorted(map(str, seen)) == sorted(map(str, run))
    failed = {result.source.name: result.reason for result in run if result.status == "failed"}
    assert failed.keys() == {"05-empty.jpg", "11-text.jpg", "20-cut.jpg", "missing.jpg"}
    assert failed["05-empty.jpg"] == "is empty"
    assert "truncated" in failed["20-cut.jpg"]
    assert sum(result.status == "done" for result in run) == 30
    assert sum(stub.batches) == 30 and max(stub.batches) <= 4
    written = [path.name for path in visible(tmp_path / "new")]
    assert written == [path.name for path in good]
    red, green = read(tmp_path / "new" / "07.jpg").pixels[16, 40, :2]
    assert int(red) > int(green) + 60


def test_what_belongs_to_a_photograph_is_kept(tmp_path: Path) -> None:
    deep = GRAY.astype(np.uint16) * 257 - 3 * (GRAY > 9).astype(np.uint16)
    before = Photograph(deep, deep[::-1], None, (600.0, 600.0), "TIFF")
    (tmp_path / "sub").mkdir()
    write(before, tmp_path / "sub" / "a.tif")
    colorize_files(find([tmp_path / "sub"], output=tmp_path / "new"), tmp_path / "new", Stub())
    after = read(tmp_path / "new" / "a.tif")
    np.testing.assert_array_equal(after.pixels[..., 0], deep)
    np.testing.assert_array_equal(after.alpha, deep[::-1])
    assert after.dpi == pytest.approx((600, 600))


def test_existing_results_are_skipped_unless_overwritten(tmp_path: Path) -> None:
    photographs, new = [save(tmp_path / "a.jpg"), save(tmp_path / "b.jpg")], tmp_path / "new"
    colorize_files(find(photographs, output=new), new, Stub())
    (new / "a.jpg").write_bytes(b"retouched")
    run = colorize_files(find(photographs, output=new), new, None)
    assert results(run, new) == {"a.jpg": "skipped", "b.jpg": "skipped"}
    assert (new / "a.jpg").read_bytes() == b"retouched"
    index = (new / INDEX).read_bytes()
    run = colorize_files(find(photographs, output=new), new, Stub(), overwrite=True)
    assert results(run, new) == {"a.jpg": "done", "b.jpg": "done"}
    assert (new / "a.jpg").read_bytes() != b"retouched"
    assert (new / INDEX).read_bytes() == index


@pytest.mark.parametrize("name", ["a.jpg", "a-compare.jpg"])
def test_files_of_unknown_origin_are_neither_replaced_nor_taken_for_results(tmp_path: Path, name: str) -> None:
    tasks = find([save(tmp_path / "a.jpg"), save(tmp_path / "b.jpg")], output=tmp_path / "new", compare=True)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / name).write_bytes(b"mine")
    run = colorize_files(tasks, tmp_path / "new", Stub())
    assert results(run, tmp_path / "new") == {"a.jpg": "failed", "b.jpg": "done"}
    assert run[0].reason == (
        f"{tmp_path / 'new' / name} is there already, and no record says that it was made from this photograph; "
        "--overwrite replaces it, another folder keeps both"
    )
    assert (tmp_path / "new" / name).read_bytes() == b"mine"
    run = colorize_files(tasks, tmp_path / "new", Stub(), overwrite=True)
    assert results(run, tmp_path / "new") == {"a.jpg": "done", "b.jpg": "done"}
    assert (tmp_path / "new" / name).read_bytes() != b"mine"


def test_photographs_above_the_limit_are_named(tmp_path: Path) -> None:
    tasks = find([save(tmp_path / "a.jpg")], output=tmp_path / "new")
    (refused,) = colorize_files(tasks, tmp_path / "new", Stub(), max_pixels=GRAY.size - 1)
    assert refused.status == "failed" and f"the limit is {GRAY.size - 1} pixels" in str(refused.reason)
    (done,) = colorize_files(tasks, tmp_path / "new", Stub(), max_pixels=GRAY.size)
    assert done.status == "done"


def test_sheets(tmp_path: Path) -> None:
    gray = save(tmp_path / "gray.jpg")
    Image.fromarray(np.dstack([GRAY, GRAY // 2, GRAY // 3])).save(tmp_path / "color.png")
    tasks = find([gray, tmp_path / "color.png"], output=tmp_path / "new", compare=True)
    colorize_files(tasks, tmp_path / "new", Stub())
    widths = [read(tmp_path / "new" / f"{name}-compare.jpg").pixels.shape[1] for name in ("gray", "color")]
    assert widths == [8 + 2 * 520, 8 + 3 * 520]


def test_unexpected_errors_stay_with_their_file(tmp_path: Path) -> None:
    class Fragile(Stub):
        def prepare(self, pixels: np.ndarray) -> Prepared:
            if pixels.shape[0] == 7:
                raise MemoryError
            return Prepared(pixels, np.full((8, 8, 1), pixels.shape[0], np.float32), pixels.dtype)

        def predict(self, frames: np.ndarray) -> np.ndarray:
            if (frames == 9).any():
                raise RuntimeError("out of\nmemory")
            return super().predict(frames)

        def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
            if photograph.lightness.shape[0] == 11:
                raise ZeroDivisionError
            return super().paint(photograph, ab)

    for side in (7, 9, 11, 32, 33, 34):
        Image.fromarray(np.zeros((side, 20), np.uint8)).save(tmp_path / f"{side:02}.png")
    run = colorize_files(find([tmp_path], output=tmp_path / "new"), tmp_path / "new", Fragile(), jobs=2)
    assert [(result.status, result.reason) for result in run] == [
        ("failed", "MemoryError"),
        ("failed", "RuntimeError: out of memory"),
        ("failed", "ZeroDivisionError"),
        *[("done", "")] * 3,
    ]


def test_pixels_in_flight_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PIXELS_IN_FLIGHT", 2 * GRAY.size)
    lock, flight, most = threading.Lock(), 0, 0

    class Counting(Stub):
        def prepare(self, pixels: np.ndarray) -> Prepared:
            nonlocal flight, most
            with lock:
                flight += pixels.size
                most = max(most, flight)
            return super().prepare(pixels)

        def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
            nonlocal flight
            with lock:
                flight -= photograph.lightness.size
            return super().paint(photograph, ab)

    for index in range(12):
        save(tmp_path / "old" / f"{index}.png")
    Image.fromarray(np.zeros((100, 200), np.uint8)).save(tmp_path / "old" / "huge.png")
    run = colorize_files(find([tmp_path / "old"], output=tmp_path / "new"), tmp_path / "new", Counting(), jobs=6)
    assert {result.status for result in run} == {"done"}
    assert most == 100 * 200


def test_an_interrupted_run_leaves_only_finished_files(tmp_path: Path) -> None:
    for index in range(40):
        save(tmp_path / "old" / f"{index:02}.png")
    done: list[FileResult] = []

    def interrupt(result: FileResult) -> None:
        done.append(result)
        if len(done) == 3:
            raise KeyboardInterrupt

    tasks = find([tmp_path / "old"], output=tmp_path / "new")
    with pytest.raises(KeyboardInterrupt):
        colorize_files(tasks, tmp_path / "new", Stub(), batch=2, jobs=2, progress=interrupt)
    written = visible(tmp_path / "new")
    assert {result.output for result in done} <= set(written)
    assert all(read(path).pixels.shape == (32, 48, 3) for path in written)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("read", "write"))]
    again = colorize_files(find([tmp_path / "old"], output=tmp_path / "new"), tmp_path / "new", Stub())
    assert [result.status for result in again].count("skipped") == len(written)


def test_nothing_to_do(tmp_path: Path) -> None:
    assert colorize_files([], tmp_path / "new", Stub()) == []
    failed = FileTask(tmp_path / "a.jpg", Path("a.jpg"), error="broken")
    assert [result.reason for result in colorize_files([failed], tmp_path / "new", Stub())] == ["broken"]
    assert not (tmp_path / "new").exists()


def test_each_photograph_is_opened_for_its_pixels_and_for_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs = [save(tmp_path / "old" / name) for name in ("a.jpg", "b.tif", "c.gif")]
    write(
        Photograph(np.dstack([GRAY] * 3).astype(np.uint16) * 257, None, None, None, "PNG"), tmp_path / "old" / "d.png"
    )
    tasks = find([tmp_path / "old"], output=tmp_path / "new")
    opened: list[str] = []
    original = open

    def counted(path: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", counted)
    run = colorize_files(tasks, tmp_path / "new", Stub())
    assert {result.status for result in run} == {"done"}
    assert sorted(opened) == sorted(2 * [str(path) for path in (*photographs, tmp_path / "old" / "d.png")])
    opened.clear()
    colorize_files(find([tmp_path / "old"], output=tmp_path / "new"), tmp_path / "new", None)
    assert opened == [str(tmp_path / "new" / INDEX)]
