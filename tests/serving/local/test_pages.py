"""Files with several pages, and animations: each page is colorized, one at a time, or the one that is asked for."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from colorzoo.app import app
from media.reader import PhotographFile
from serving.local import pipeline
from serving.local.pipeline import Prepared, colorize_files
from serving.local.search import find
from serving.local.tasks import FileResult
from tests.photographs import GRAY, visible
from tests.serving.local.test_pipeline import Stub
from tests.stand_in import MODEL, standing_in, tinted

PAGES = 5


def scans(path: Path, pages: int = PAGES, last: np.ndarray | None = None) -> Path:
    """Pages that are darker and darker."""
    with tifffile.TiffWriter(path) as file:
        for page in range(pages):
            pixels = GRAY // (page + 1) if last is None or page < pages - 1 else last
            file.write(pixels, photometric="minisblack", metadata=None)
    return path


def animation(path: Path, **options: Any) -> Path:
    first, *others = (Image.fromarray(GRAY // (page + 1)) for page in range(PAGES))
    first.save(path, save_all=True, append_images=others, duration=[40, 50, 60, 70, 80], loop=2, **options)
    return path


def red_of(path: Path) -> list[np.ndarray]:
    with PhotographFile(path) as file:
        pages = []
        for page in range(file.pages):
            file.turn_to(page)
            pages.append(file.read().pixels[..., 0])
        return pages


def colorize(paths: list[Path], new: Path, colorizer: Any = None, page: int = 0, **options: Any) -> list[FileResult]:
    tasks = find(paths, output=new, page=page, **options)
    return colorize_files(tasks, new, colorizer or Stub(), jobs=2, batch=3)


def test_every_page_is_colorized_and_written(tmp_path: Path) -> None:
    sources = [scans(tmp_path / "a.tif"), animation(tmp_path / "b.png"), animation(tmp_path / "c.gif")]
    sources.append(animation(tmp_path / "d.webp", lossless=True))
    run = colorize(sources, tmp_path / "new", compare=True)
    assert [(result.status, result.reason) for result in run] == [("done", "")] * 4
    names = ["a-compare.jpg", "a.tif", "b-compare.jpg", "b.png", "c-compare.jpg", "c.png", "d-compare.jpg", "d.webp"]
    assert [path.name for path in visible(tmp_path / "new")] == names
    for name, tolerance in (("a.tif", 0), ("b.png", 0), ("c.png", 0), ("d.webp", 8)):
        found = red_of(tmp_path / "new" / name)
        assert len(found) == PAGES
        for page, red in enumerate(found):
            assert np.abs(red.astype(int) - GRAY // (page + 1)).mean() <= tolerance
    for name in ("b.png", "c.png", "d.webp"):
        with Image.open(tmp_path / "new" / name) as image:
            assert image.info["loop"] == (3 if name == "c.png" else 2)
            durations = []
            for page in range(PAGES):
                image.seek(page)
                image.load()
                durations.append(image.info["duration"])
        assert durations == [40, 50, 60, 70, 80]
    again = colorize(sources, tmp_path / "new")
    assert [result.status for result in again] == ["skipped"] * 4


def test_one_page_has_a_result_of_its_own(tmp_path: Path) -> None:
    sources, new = [scans(tmp_path / "a.tif"), animation(tmp_path / "c.gif")], tmp_path / "new"
    for page in (2, 0, 3):
        assert [result.status for result in colorize(sources, new, page=page)] == ["done", "done"]
    assert [path.name for path in visible(new)] == [
        *("a-page2.tif", "a-page3.tif", "a.tif", "c-page2.png", "c-page3.png", "c.png")
    ]
    for page in (2, 3):
        for name in (f"a-page{page}.tif", f"c-page{page}.png"):
            (red,) = red_of(new / name)
            np.testing.assert_array_equal(red, GRAY // page)
    for page in (2, 0, 3):
        assert [result.status for result in colorize(sources, new, page=page)] == ["skipped", "skipped"]
    # A moved one is found by its content, with the page that its result shows.
    moved = sources[0].rename(tmp_path / "moved.tif")
    (known,) = colorize([moved], new, page=3)
    assert (known.status, known.output.name) == ("skipped", "a-page3.tif")
    refused = colorize([moved, sources[1]], new, page=PAGES + 1)
    assert [result.reason for result in refused] == ["has 5 pages, and no page 6", "has 5 frames, and no frame 6"]
    (still,) = colorize([scans(tmp_path / "one.tif", 1)], new, page=2)
    assert still.reason == "has 1 page, and no page 2"


def test_a_page_of_any_file_in_any_format(tmp_path: Path) -> None:
    new = tmp_path / "new"
    (refused,) = colorize([scans(tmp_path / "a.tif")], new, format="jpeg")
    assert refused.status == "failed" and refused.reason.endswith(
        "JPEG does not hold 5 pages; choose --format tiff, or one of them with --page"
    )
    (done,) = colorize([tmp_path / "a.tif"], new, page=4, format="jpeg")
    assert (done.status, done.output.name) == ("done", "a-page4.jpg")
    assert np.abs(red_of(done.output)[0].astype(int) - GRAY // 4).mean() < 6


def test_a_damaged_page_leaves_nothing_behind(tmp_path: Path) -> None:
    source = scans(tmp_path / "a.tif", last=GRAY.astype(np.float32))
    (result,) = colorize([source], tmp_path / "new")
    assert result.status == "failed" and result.reason.startswith("page 5: holds floating-point samples")
    assert list((tmp_path / "new").iterdir()) == []
    assert colorize([source], tmp_path / "new", page=4)[0].status == "done"


class Counting(Stub):
    """Counts the pages between reading and writing, and is stopped at one of them."""

    def __init__(self, stop: int = 0) -> None:
        super().__init__()
        self.lock, self.flight, self.most, self.begun, self.stop = threading.Lock(), 0, 0, 0, stop

    def prepare(self, pixels: np.ndarray) -> Prepared:
        with self.lock:
            self.flight += 1
            self.most = max(self.most, self.flight)
        return super().prepare(pixels)

    def predict(self, frames: np.ndarray) -> np.ndarray:
        self.begun += len(frames)
        if self.begun == self.stop:
            raise KeyboardInterrupt
        return super().predict(frames)

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        with self.lock:
            self.flight -= 1
        return super().paint(photograph, ab)


def test_one_page_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    (result,) = colorize([scans(tmp_path / "a.tif", 20)], tmp_path / "new", counting)
    assert (result.status, counting.most) == ("done", 1)
    # And of several files as many as their pixels allow.
    monkeypatch.setattr(pipeline, "PIXELS_IN_FLIGHT", 2 * GRAY.size)
    counting = Counting()
    run = colorize([scans(tmp_path / f"{name}.tif") for name in "bcde"], tmp_path / "new", counting)
    assert {result.status for result in run} == {"done"} and counting.most <= 2


def test_an_interrupted_run_leaves_no_pages(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        colorize([scans(tmp_path / "a.tif")], tmp_path / "new", Counting(stop=3))
    assert list((tmp_path / "new").iterdir()) == []


@pytest.fixture
def run() -> Callable[..., Any]:
    return lambda *arguments: CliRunner().invoke(app, ["remote", *map(str, arguments)])


def test_pages_through_a_server(run: Callable[..., Any], tmp_path: Path) -> None:
    sources, new = [scans(tmp_path / "a.tif"), animation(tmp_path / "b.gif")], tmp_path / "new"
    scans(tmp_path / "bad.tif", last=GRAY.astype(np.float32))
    with standing_in() as server:
        command = (*sources, tmp_path / "bad.tif", "--server", server.address, "--model", MODEL, "-o", new)
        done = run(*command)
        assert done.exit_code == 1 and done.stdout.startswith("2 colorized, 0 skipped, 1 failed")
        assert "page 5: holds floating-point samples" in done.stderr
        assert run(*command, "--page", 2).stdout.startswith("3 colorized, 0 skipped, 0 failed")
        assert run(*command, "--page", 9).exit_code == 1
    assert [path.name for path in visible(new)] == ["a-page2.tif", "a.tif", "b-page2.png", "b.png", "bad-page2.tif"]
    for name in ("a.tif", "b.png"):
        for page, red in enumerate(red_of(new / name)):
            np.testing.assert_array_equal(red, tinted(np.dstack([GRAY // (page + 1)] * 3))[..., 0])
