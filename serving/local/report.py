"""The report of a run over many files: a CSV file with a row for each, written as they are finished."""

import csv
import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from media import files
from media.reader import os_reason
from zoo.errors import ArgumentError

if TYPE_CHECKING:
    from serving.local.tasks import FileResult

COLUMNS = ("source", "result", "seconds", "warnings", "reason")

_HEADER = f"{','.join(COLUMNS)}\r\n".encode()
_SKIPPED = "skipped: the result is there"
_LONGEST_ROW = 1 << 20  # bytes


def check_report(path: Path) -> None:
    """Refuse a path at which no report can be written or continued, before any work.

    Raises:
        ArgumentError: it is something else than a report of an earlier run, or cannot become a file.
    """
    files.check_file(path)
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise ArgumentError(f"{path} is not a file: name one for the report")
    try:
        with path.open("rb") as file:
            head = file.read(len(_HEADER))
    except OSError as error:
        raise _refusal(path, error) from error
    if not _HEADER.startswith(head):
        raise ArgumentError(f"{path} is not a report of an earlier run: name a new file for the report")


class RunReport:
    """Adds a row for each result to a file; a context manager.

    A report that exists is continued, so that nothing is lost where an interrupted run is repeated. In each row,
    `result` is empty if there is none, `seconds` is empty where nothing was done, and `reason` says why not.

    Args:
        path: The file; its folder is made as needed.

    Raises:
        ArgumentError: see `check_report`; or it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        check_report(path)
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
            self._cut()
        except OSError as error:
            raise _refusal(path, error) from error

    def __enter__(self) -> "RunReport":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, result: "FileResult") -> None:
        """Write the row of a result, which is in the file when this returns.

        Raises:
            ArgumentError: it cannot be written.
        """
        failed = result.status == "failed"
        row = io.StringIO(newline="")
        csv.writer(row).writerow(
            (
                result.source,
                "" if failed else result.output,
                "" if result.status == "skipped" else f"{result.seconds:.3f}",
                "; ".join(result.warnings),
                _SKIPPED if result.status == "skipped" else result.reason,
            )
        )
        try:
            # Names of files may hold bytes that are no UTF-8.
            self._write(row.getvalue().encode(errors="surrogateescape"))
        except OSError as error:
            raise _refusal(self._path, error) from error

    def _cut(self) -> None:
        """Begin a new report, or cut off what is left of a row whose writing was not finished."""
        size = self._path.stat().st_size
        if size < len(_HEADER):
            self._file.truncate(0)
            self._write(_HEADER)
            return
        with self._path.open("rb") as file:
            start = max(0, size - _LONGEST_ROW)
            file.seek(start)
            end = file.read().rfind(b"\r\n")
        if end >= 0:
            self._file.truncate(start + end + 2)

    def _write(self, data: bytes) -> None:
        if self._file.write(data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _refusal(path: Path, error: OSError) -> ArgumentError:
    return ArgumentError(f"{path}: the report cannot be written: {os_reason(error)}")
