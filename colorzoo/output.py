"""What commands print: progress, tables and the summary of many files. Rich is imported only when it prints."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from serving.local.tasks import FileResult

_REDRAW = 0.1  # seconds; results that are there already come in much faster
_ROWS = 1000  # of a table of files: more than anybody reads, and not a million of them in memory
_KINDS = 10  # suffixes that are named


class Update(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int | None, label: str | None = None) -> None:
        """Show how many are done, out of how many if that is known, and another label if one is given."""


@contextmanager
def progress(label: str, total: int | None = None, *, unit: str = "images", decimals: int = 0) -> Iterator[Update]:
    """Show a progress bar on a terminal, with a rate in units per second."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),  # a file name may contain what Rich takes for markup
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(label, total=total, rate="")

        def update(done: int, total: int | None, label: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=label)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:.{decimals}f} {unit}/s" if speed else "")

        yield update


@contextmanager
def colorizing(count: int) -> Iterator[Callable[["FileResult"], None]]:
    """Show the progress of colorizing `count` photographs. What is yielded is called with each result."""
    with progress("Colorizing", count, decimals=1) as update:
        done, shown = 0, 0.0

        def advance(_: "FileResult") -> None:
            nonlocal done, shown
            done += 1
            if done == count or time.monotonic() - shown > _REDRAW:
                shown = time.monotonic()
                update(done, count)

        yield advance


def report(results: Sequence["FileResult"], output: Path, passed_over: Counter[str]) -> None:
    """Print the files that failed to stderr and a summary to stdout; exit with code 1 if any failed."""
    warned = [(str(result.source), "; ".join(result.warnings)) for result in results if result.warnings]
    failed = [(str(result.source), result.reason) for result in results if result.status == "failed"]
    _files(("colorized", "warning"), warned)
    _files(("failed", "reason"), failed)
    counts = {status: sum(result.status == status for result in results) for status in ("done", "skipped")}
    typer.echo(
        f"{counts['done']} colorized, {counts['skipped']} skipped, {len(failed)} failed -> "
        f"{str(output).rstrip(os.sep)}{os.sep}"
    )
    if passed_over:
        typer.echo(name_passed_over(passed_over))
    if failed:
        raise typer.Exit(1)


def name_passed_over(suffixes: Counter[str]) -> str:
    """What was left out of folders, in one line: the most frequent suffixes, and how many other files."""
    kinds = sorted(suffixes.items(), key=lambda kind: (-kind[1], kind[0]))
    texts = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in kinds[:_KINDS]]
    if kinds[_KINDS:]:
        texts.append(f"{sum(count for _, count in kinds[_KINDS:]):,} with other suffixes")
    return f"passed over: {', '.join(texts)}"


def _files(columns: tuple[str, str], rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        table(columns, rows[:_ROWS], stderr=True)
    if rows[_ROWS:]:
        typer.echo(f"and {len(rows) - _ROWS:,} more; --report lists all", err=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, stderr: bool = False) -> None:
    """Print a table. In a pipe each row is one line."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=stderr)
    if not console.is_terminal:
        # A pipe has no width; nothing is folded, so that a path stays on one line.
        console.width = 10_000
    shown = Table(box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        # As Text, since a file name may contain what Rich takes for markup.
        shown.add_row(*map(Text, row))
    console.print(shown)
