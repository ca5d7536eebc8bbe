"""Results know their source: over runs, kills, moves, equal names and damage."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from media.photograph import Photograph
from media.reader import PhotographFile, read
from serving.local import index, pipeline, tasks
from serving.local.index import INDEX
from serving.local.pipeline import Prepared, colorize_files
from serving.local.search import find, search
from serving.local.tasks import FileResult
from tests.photographs import visible
from tests.serving.local.test_pipeline import Stub, results
from zoo.errors import ArgumentError


def scan(path: Path, value: int = 90) -> Path:
    """A photograph of one gray, without loss in any format but JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16), value, np.uint8)).save(path)
    return path


def run(new: Path, *paths: Path, format: str | None = None, overwrite: bool = False) -> dict[str, str]:
    """Status by name of the result."""
    return results(through(new, *paths, format=format, overwrite=overwrite), new)


def through(new: Path, *paths: Path, format: str | None = None, overwrite: bool = False) -> list[FileResult]:
    found = find(paths, output=new, format=format, overwrite=overwrite)
    return colorize_files(found, new, Stub(), overwrite=overwrite)


def gray_of_result(path: Path) -> int:
    return int(read(path).pixels[0, 0, 0])


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new"


def test_two_sources_of_one_name_in_two_runs(tmp_path: Path, new: Path) -> None:
    a, b = scan(tmp_path / "a" / "scan.png", 50), scan(tmp_path / "b" / "scan.png", 200)
    assert run(new, a) == {"scan.png": "done"}
    assert run(new, b) == {"scan-2.png": "done"}
    assert (gray_of_result(new / "scan.png"), gray_of_result(new / "scan-2.png")) == (50, 200)
    for order in ((a, b), (b, a), (b,)):
        assert set(run(new, *order).values()) == {"skipped"}
    assert run(new, b, overwrite=True) == {"scan-2.png": "done"}
    assert (gray_of_result(new / "scan.png"), gray_of_result(new / "scan-2.png")) == (50, 200)


def test_a_photograph_beside_another_neither_renames_nor_redoes_it(tmp_path: Path, new: Path) -> None:
    scan(tmp_path / "old" / "a.png")
    assert run(new, tmp_path / "old", format="png") == {"a.png": "done"}
    scan(tmp_path / "old" / "a.jpg")
    assert run(new, tmp_path / "old", format="png") == {"a-2.png": "done", "a.png": "skipped"}


def test_another_format_is_another_result(tmp_path: Path, new: Path) -> None:
    a = scan(tmp_path / "a.png")
    assert run(new, a) == {"a.png": "done"}
    assert run(new, a, format="webp") == {"a.webp": "done"}
    assert run(new, a) == {"a.png": "skipped"}


def test_moved_photographs_are_found_by_their_content(
    tmp_path: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(tmp_path / "old" / "a.png", 50)
    scan(tmp_path / "old" / "b.png", 200)
    run(new, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "archive")
    (tmp_path / "archive" / "a.png").rename(tmp_path / "archive" / "c.png")
    assert run(new, tmp_path / "archive") == {"b.png": "skipped", "a.png": "skipped"}
    assert [path.name for path in visible(new)] == ["a.png", "b.png"]
    # From now on their new places are known.
    monkeypatch.setattr(index, "hash_of", None)
    assert run(new, tmp_path / "archive") == {"b.png": "skipped", "a.png": "skipped"}


def test_a_photograph_that_was_touched_has_not_changed(tmp_path: Path, new: Path) -> None:
    a = scan(tmp_path / "a.png")
    run(new, a)
    os.utime(a, ns=(0, 0))
    assert run(new, a) == {"a.png": "skipped"}


def test_a_copy_is_a_photograph_of_its_own(tmp_path: Path, new: Path) -> None:
    a, b = scan(tmp_path / "a" / "scan.png"), scan(tmp_path / "b" / "scan.png")
    assert a.read_bytes() == b.read_bytes()
    assert run(new, a) == {"scan.png": "done"}
    assert run(new, b) == {"scan-2.png": "done"}


def test_two_copies_of_one_that_is_gone_do_not_share_its_result(tmp_path: Path, new: Path) -> None:
    a, b, c = (scan(tmp_path / name / "scan.png") for name in "abc")
    run(new, a)
    a.unlink()
    assert run(new, b, c) == {"scan.png": "skipped", "scan-2.png": "done"}


def test_another_photograph_under_the_same_path(tmp_path: Path, new: Path) -> None:
    a = scan(tmp_path / "card" / "1.png", 50)
    run(new, a)
    scan(a, 200)
    (result,) = through(new, a)
    assert (result.output, result.status) == (new / "1-2.png", "done")
    assert result.warnings == ("its path was that of another photograph before, whose result, 1.png, is kept",)
    assert (gray_of_result(new / "1.png"), gray_of_result(new / "1-2.png")) == (50, 200)
    scan(a, 50)
    assert run(new, a) == {"1.png": "skipped"}


def test_a_changed_photograph_replaces_its_result_on_request(tmp_path: Path, new: Path) -> None:
    a = scan(tmp_path / "a.png", 50)
    run(new, a)
    scan(a, 200)
    assert run(new, a, overwrite=True) == {"a.png": "done"}
    assert gray_of_result(new / "a.png") == 200
    assert run(new, a) == {"a.png": "skipped"}


def test_overwriting_does_not_take_the_result_of_a_renamed_photograph(tmp_path: Path, new: Path) -> None:
    a = scan(tmp_path / "old" / "a.png", 50)
    run(new, tmp_path / "old")
    a.rename(tmp_path / "old" / "z.png")
    scan(a, 200)
    assert run(new, tmp_path / "old", overwrite=True) == {"a-2.png": "done", "a.png": "done"}
    assert (gray_of_result(new / "a.png"), gray_of_result(new / "a-2.png")) == (50, 200)


def test_a_result_that_was_deleted_is_made_again_under_its_name(tmp_path: Path, new: Path) -> None:
    a, b = scan(tmp_path / "a" / "scan.png", 50), scan(tmp_path / "b" / "scan.png", 200)
    run(new, a, b)
    (new / "scan.png").unlink()
    assert run(new, b, a) == {"scan-2.png": "skipped", "scan.png": "done"}


def test_a_folder_by_another_way(tmp_path: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(tmp_path / "old" / "a.png")
    (tmp_path / "link").symlink_to("old")
    run(new, tmp_path / "old")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(index, "hash_of", None)
    for way in (tmp_path / "link", Path("old"), Path("old/a.png"), tmp_path / "new" / ".." / "old"):
        assert run(new, way) == {"a.png": "skipped"}
    assert len(find([tmp_path / "old", tmp_path / "link"], output=new)) == 1


@pytest.mark.parametrize("place", ["the index", "the sheet", "the result"])
def test_a_run_that_is_killed(tmp_path: Path, new: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is killed, each result is there whole or not at all, and is made once."""

    class Killed(BaseException):
        pass

    sources = [scan(tmp_path / name / "scan.png", value) for name, value in (("a", 50), ("b", 200))]
    original, left = tasks.write, [{"the index": 1, "the sheet": 2, "the result": 3}[place]]

    def killed(*arguments: object, **options: object) -> tuple[str, ...]:
        left[0] -= 1
        if not left[0]:
            raise Killed
        return original(*arguments, **options)  # type: ignore[arg-type]

    def colorize() -> dict[str, str]:
        found = find(sources, output=new, compare=True)
        destination = tasks.Destination(new, index.Journal(new), 95, False, None)
        statuses = []
        for task in found:
            if tasks.is_settled(task, False):
                statuses.append(tasks.settle(task, destination).status)
                continue
            photograph = read(task.source)
            entry = tasks.describe(task, index.stamp_of(task.source))
            pixels = np.dstack([photograph.pixels] * 3)
            with PhotographFile(task.source) as file:
                result = tasks.ResultFile(task, destination, file, 1)
            result.add(photograph, pixels)
            statuses.append(result.finish(entry).status)
        return dict(zip([str(task.output) for task in found], statuses, strict=True))

    with monkeypatch.context() as patches, pytest.raises(Killed):
        patches.setattr(tasks, "write", killed)
        colorize()
    first = "skipped" if place == "the result" else "done"
    assert colorize() == {"scan.png": first, "scan-2.png": "done"}
    assert colorize() == {"scan.png": "skipped", "scan-2.png": "skipped"}
    assert [path.name for path in visible(new)] == ["scan-2-compare.jpg", "scan-2.png", "scan-compare.jpg", "scan.png"]
    assert (gray_of_result(new / "scan.png"), gray_of_result(new / "scan-2.png")) == (50, 200)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '"text"', '{"result": 1}', "\0\0", "\udcff", "9" * 5000, "[" * 100_000,
     '{"result": "a", "sheet": "", "source": "b", "size": "1", "mtime_ns": 1, "sha256": "00"}'],
    ids=range(11),
)  # fmt: skip
def test_damaged_lines_cost_only_themselves(tmp_path: Path, new: Path, damage: str) -> None:
    a, b = scan(tmp_path / "a.png"), scan(tmp_path / "b.png")
    run(new, a, b)
    lines = (new / INDEX).read_bytes().splitlines()
    broken = damage.encode(errors="surrogateescape")
    (new / INDEX).write_bytes(b"\n".join([broken, *(line for line in lines if b"a.png" in line), broken]))
    found = search([a, b], output=new)
    assert found.damaged == (2 if damage else 0)
    assert results(colorize_files(found.tasks, new, Stub()), new) == {"a.png": "skipped", "b.png": "failed"}
    c = scan(tmp_path / "c.png")
    assert run(new, c) == {"c.png": "done"}  # behind a line that was cut off
    assert run(new, a, c) == {"a.png": "skipped", "c.png": "skipped"}


def test_an_index_that_cannot_be_read_or_written(tmp_path: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = scan(tmp_path / "a.png")
    (new / INDEX).mkdir(parents=True)
    with pytest.raises(ArgumentError, match=f"^{new / INDEX}: cannot be read: it is a folder; "):
        find([a], output=new)
    (new / INDEX).rmdir()
    found = find([a], output=new)
    with monkeypatch.context() as patches:
        patches.setattr(os, "write", lambda file, data: 5)
        (result,) = colorize_files(found, new, Stub())
    assert result.reason == f"{new / INDEX}: cannot be written as a whole"
    assert visible(new) == [], "a result whose source is not recorded"


def test_a_photograph_that_changes_while_it_is_read(tmp_path: Path, new: Path) -> None:
    a = scan(tmp_path / "a.png")

    class Scanner(Stub):
        def prepare(self, pixels: np.ndarray) -> Prepared:
            raise AssertionError("half a photograph was colorized")

    class Slow(PhotographFile):
        def read(self) -> Photograph:
            os.utime(a, ns=(0, 0))
            return super().read()

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(pipeline, "PhotographFile", Slow)
        (result,) = colorize_files(find([a], output=new), new, Scanner())
    assert result.reason == "has changed while it was read; try again"


def test_names_that_are_no_text(tmp_path: Path, new: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.png")
    try:
        a = scan(tmp_path / name)
    except OSError:
        pytest.skip("the file system takes only names in UTF-8")  # APFS of macOS refuses all others
    assert run(new, a) == {name: "done"}
    assert run(new, a) == {name: "skipped"}


def test_many_photographs_of_one_name(tmp_path: Path, new: Path) -> None:
    """The numbers do not start from 2 for each."""
    sources = []
    for number in range(3000):
        path = tmp_path / f"{number:04}" / "scan.png"
        path.parent.mkdir()
        path.touch()
        sources.append(path)
    names = [str(task.output) for task in find(sources, output=new)]
    assert names[:2] == ["scan.png", "scan-2.png"] and names[-1] == "scan-3000.png"


def test_equal_sizes_alone_cause_no_reading(tmp_path: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = scan(tmp_path / "a.bmp", 50)
    run(new, a)
    b = scan(tmp_path / "b.bmp", 200)
    assert a.stat().st_size == b.stat().st_size
    monkeypatch.setattr(index, "hash_of", None)
    assert [str(task.output) for task in find([a, b], output=new)] == ["a.png", "b.png"]
