"""Repeat an experiment of a paper: `python -m training.evaluation.experiments NAME --data DIR --test DIR -o OUT`."""

from pathlib import Path
from typing import Annotated

import typer

from training.systems.constraints import split_settings
from zoo.errors import ColorzooError, UnknownNameError


def repeat(
    name: Annotated[str, typer.Argument(help="Name of an experiment; an unknown name lists those that exist.")],
    data: Annotated[Path, typer.Option(help="Folder of photographs to train on.")],
    test: Annotated[Path, typer.Option(help="Photographs to compare on, none of which was trained on.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for runs, tables and figures.")],
    val: Annotated[Path | None, typer.Option(help="Photographs for the learning curves.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of photographs to compare on.")] = None,
    vgg19: Annotated[Path | None, typer.Option(help="Weights of VGG19, for the perceptual distance.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Set a field of the recipe of all variants."),
    ] = None,
) -> None:
    """Train the variants of an experiment, compare them, and set them beside the figures and claims of the paper.

    The same command resumes an interrupted experiment.
    """
    try:
        from training.evaluation.experiments.designs import EXPERIMENTS

        if name not in EXPERIMENTS:
            raise UnknownNameError(f"no experiment is called {name!r}: there are {', '.join(EXPERIMENTS)}")
        from training.evaluation.experiments.run import main as run

        fields = split_settings(settings or [], None)
        run(EXPERIMENTS[name], data, val, test, out / name, fields, limit=limit, vgg19=vgg19, announce=typer.echo)
    except ColorzooError as error:
        typer.echo(f"colorzoo: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None


app = typer.Typer(add_completion=False)
app.command()(repeat)

if __name__ == "__main__":
    app(prog_name="python -m training.evaluation.experiments")
