"""`colorzoo turing`: people tell originals from colorized photographs, on a local web page; and what came of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import output as screen
from colorzoo import quiet
from colorzoo.many_values import ManyValuesGroup
from colorzoo.options import folder
from zoo.errors import DataError

if TYPE_CHECKING:
    from serving.local.pipeline import Colorizer
    from serving.user_test.experiment import Experiment

commands = typer.Typer()
_turing = typer.Typer(cls=ManyValuesGroup)
commands.add_typer(_turing, name="turing")


@_turing.callback(
    invoke_without_command=True,
    epilog="Example:  colorzoo turing --presets iizuka2016_scenes_v1 zhang2016_scenes_v1 --data photographs/ -o test/",
)
def turing(
    context: typer.Context,
    presets: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME...", help="Names from `colorzoo presets`, or .keras files; one or more."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of color photographs that no preset was trained on, at least 53.")
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", callback=folder, help="Folder of the experiment: its pictures, and what people answer."
        ),
    ] = Path("turing"),
    size: Annotated[int, typer.Option(min=16, help="Side in pixels of the square pictures; the paper's is 128.")] = 128,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials for each participant after five to practice; a multiple of the presets.")
    ] = 48,
    limit: Annotated[
        int, typer.Option(min=1, help="Maximum number of photographs, taken evenly from all sub-folders.")
    ] = 2000,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; 0.0.0.0 lets people on your network take part with their devices, unencrypted."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 chooses a free one.")] = 8600,
) -> None:
    """Ask people which of two pictures was colored by a network, as Araújo and Veloso did.

    The photographs are colorized by each preset, once; then a web page asks. It shows a photograph in gray until a key
    is pressed, then, in random order, the original and a colorized version for one second each. After five trials to
    practice, with foreign colors and feedback, 48 are split evenly among the presets.

    Any number of people can take part, one after the other or at the same time. The same command, given again, goes on
    with the same experiment, and so does a page that is loaded anew. Nothing leaves this machine.

    `colorzoo turing report FOLDER` tells how often people were fooled.
    """
    if context.invoked_subcommand is not None:
        return
    if not presets or data is None:
        raise typer.BadParameter("is needed", param_hint="--data" if presets else "--presets")
    from serving.user_test.experiment import check_settings
    from serving.user_test.server import serve

    check_settings(presets, trials)
    _prepare(output, _settle(presets, data, size, trials, limit), data)
    serve(
        output,
        host,
        port,
        lambda address: typer.echo(f"the page is {address} ; Ctrl+C ends it, and this command continues it"),
    )


@_turing.command(epilog="Example:  colorzoo turing report test/")
def report(
    experiment: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
) -> None:
    """Tell how often each preset fooled people, beside the rates of the paper.

    Only participants who completed the experiment count, and no practice. Written to FOLDER/report: the rates with
    Wilson intervals of 95 % and an exact test against 50 % as fooling_rates.csv, .svg and .png, and trials.csv, with a
    row for each trial that was shown.
    """
    from serving.user_test.experiment import RESULTS, read
    from serving.user_test.store import Store
    from training.evaluation.user_test import PAPER, fooling_rates, table_rows, write_report

    settings = read(experiment)
    store = Store(experiment / RESULTS)
    outcomes = store.outcomes(settings.presets)
    if not outcomes.completed:
        raise DataError(f"{experiment}: nobody has completed the experiment yet; {outcomes.begun} have begun")
    rates = fooling_rates(outcomes.fooled)
    folder = experiment / "report"
    write_report(rates, folder, participants=outcomes.completed)
    store.write_trials(folder / "trials.csv", settings.photographs)
    screen.table(
        ("preset", "trials", "fooled", "95 % interval", "p of guessing"), [*table_rows(rates), *table_rows(PAPER)]
    )
    typer.echo(f"{outcomes.completed} of {outcomes.begun} participants completed the experiment; only they count")
    if outcomes.lost:
        typer.echo(f"{outcomes.lost} of their trials were interrupted and do not count")
    if outcomes.shown:
        times = sorted(outcomes.shown)
        typer.echo(
            f"pictures were shown for {times[len(times) // 2]:.0f} ms (median; {times[0]:.0f} to {times[-1]:.0f})"
        )
    typer.echo(f"-> {folder}{os.sep}")


def _settle(presets: Sequence[str], data: Path, size: int, trials: int, limit: int) -> "Experiment":
    """The experiment on an even choice of the photographs in a folder."""
    from serving.user_test.experiment import Experiment
    from training.data.folder import image_files
    from training.data.sampling import choose_evenly
    from zoo.presets.metadata import find_file, sha256

    names = [path.relative_to(data) for path in image_files([data])]
    chosen = choose_evenly([str(name.parent) for name in names], limit)
    return Experiment(
        presets=tuple(presets),
        checksums=tuple(sha256(find_file(preset)) for preset in presets),
        photographs=tuple(names[i].as_posix() for i in chosen),
        size=size,
        trials=trials,
    )


def _prepare(output: Path, experiment: "Experiment", data: Path) -> None:
    """Make the pictures that are missing, and list the photographs that cannot be read."""
    from serving.user_test.experiment import begin, is_prepared

    begin(output, experiment)
    if is_prepared(output, experiment):  # importing TensorFlow takes seconds
        return
    quiet.import_tensorflow()
    from serving.user_test.prepare import prepare

    with screen.progress("Preparing", decimals=1) as update:
        errors = prepare(output, experiment, data, _load, lambda label, done, total: update(done, total, label))
    for error in errors:
        typer.echo(f"left out: {error}", err=True)


def _load(preset: str) -> "Colorizer":
    from serving.local.tiled import TiledColorizer
    from zoo.presets.loading import load_parts

    return TiledColorizer(load_parts(preset))
