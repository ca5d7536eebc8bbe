"""The report of a run: what its rows say, and that nothing of an earlier one is lost."""

import csv
import errno
import io
import os
from pathlib import Path

import pytest

from serving.local.report import COLUMNS, RunReport, check_report
from serving.local.tasks import FileResult
from zoo.errors import ArgumentError

DONE = FileResult(Path("a, b.jpg"), Path("new/a, b.jpg"), "done", seconds=1.25, warnings=("one", "two"))
SKIPPED = FileResult(Path("c.jpg"), Path("new/c.jpg"), "skipped")
FAILED = FileResult(Path("line\nbreak.jpg"), Path("new/line\nbreak.jpg"), "failed", 'is "empty"', seconds=0.5)
ROWS = [
    ["a, b.jpg", "new/a, b.jpg", "1.250", "one; two", ""],
    ["c.jpg", "new/c.jpg", "", "", "skipped: the result is there"],
    ["line\nbreak.jpg", "", "0.500", "", 'is "empty"'],
]


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def add(path: Path, *results: FileResult) -> None:
    with RunReport(path) as report:
        for result in results:
            report.add(result)


def test_rows_are_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.csv"
    with RunReport(path) as report:
        assert rows(path) == [list(COLUMNS)]
        for count, result in enumerate((DONE, SKIPPED, FAILED), 1):
            report.add(result)
            assert rows(path) == [list(COLUMNS), *ROWS[:count]]


def test_an_earlier_report_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    add(path, DONE, FAILED)
    add(path, SKIPPED)
    assert rows(path) == [list(COLUMNS), ROWS[0], ROWS[2], ROWS[1]]


@pytest.mark.parametrize("cut", [1, 5, 40, 50])
def test_a_row_that_was_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "report.csv"
    add(path, SKIPPED, DONE)
    os.truncate(path, path.stat().st_size - cut)
    add(path, FAILED)
    kept = [ROWS[1]] if cut < 50 else []
    assert rows(path) == [list(COLUMNS), *kept, ROWS[2]]


@pytest.mark.parametrize("content", ["", "source,res"])
def test_a_report_that_was_hardly_begun(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.csv"
    path.write_text(content)
    add(path, DONE)
    assert rows(path) == [list(COLUMNS), ROWS[0]]


def test_other_files_are_refused_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "inventory.csv"
    path.write_text("shelf,box\n1,2\n")
    with pytest.raises(ArgumentError, match=r"inventory\.csv is not a report of an earlier run"):
        RunReport(path)
    assert path.read_text() == "shelf,box\n1,2\n"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArgumentError, match="pipe is not a file"):
        check_report(tmp_path / "pipe")
    with pytest.raises(ArgumentError, match="is a folder"):
        check_report(tmp_path)


class FullDisk(io.RawIOBase):
    """A file on a disk without space."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with RunReport(tmp_path / "report.csv") as report:
        report._file.close()
        report._file = FullDisk()
        with pytest.raises(ArgumentError, match=r"report\.csv: the report cannot be written: No space left on device"):
            report.add(DONE)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.jpg")
    add(tmp_path / "report.csv", FileResult(Path(name), Path(name), "done"))
    assert b"\xff.jpg,\xff.jpg,0.000,," in (tmp_path / "report.csv").read_bytes()
