"""What commands print: progress, tables and the summary of many files. Rich is imported only when it prints."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import typer

if TYPE_CHECKING:
    from serving.local.tasks import FileResult


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
        done = 0

        def advance(_: "FileResult") -> None:
            nonlocal done
            done += 1
            update(done, count)

        yield advance


def report(results: Sequence["FileResult"], output: Path) -> None:
    """Print the files that failed to stderr and a summary to stdout; exit with code 1 if any failed."""
    failed = [result for result in results if result.status == "failed"]
    if failed:
        table(("failed", "reason"), [(str(result.source), result.reason) for result in failed], stderr=True)
    counts = {status: sum(result.status == status for result in results) for status in ("done", "skipped")}
    typer.echo(
        f"{counts['done']} colorized, {counts['skipped']} skipped, {len(failed)} failed -> "
        f"{str(output).rstrip(os.sep)}{os.sep}"
    )
    if failed:
        raise typer.Exit(1)


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
