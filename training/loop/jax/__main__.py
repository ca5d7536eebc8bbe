"""Train a recipe on one accelerator with JAX: `python -m training.loop.jax RECIPE --data DIR --out RUN --minutes 9`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from training.systems.constraints import split_settings
from zoo.errors import ArgumentError, ColorzooError

BACKEND = "KERAS_BACKEND"


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; an unknown name lists those that exist.")],
    data: Annotated[
        list[Path], typer.Option(help="Photographs to train on: a folder or an archive; may be given several times.")
    ],
    val: Annotated[Path | None, typer.Option(help="Photographs to validate on, likewise.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; an interrupted run resumes in it.  [default: runs/RECIPE]")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time to train for: the schedule of the learning rate is laid over it. Reading and compiling come on "
            "top. By default, the epochs of the recipe."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Weights to begin with: a preset, a .keras file, the folder of a run, or imagenet."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="Value for a field of the recipe; may be given several times."
        ),
    ] = None,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            help="At the end, round the weights of best.keras and last.keras to the precision of float16, as `colorzoo "
            "pack` does, and compress the files to about half.",
        ),
    ] = False,
) -> None:
    """Train a network with a recipe on one accelerator, with JAX and without TensorFlow.

    The same command resumes an interrupted run. `colorzoo calibrate` and `colorzoo pack` take the folder of the run.
    """
    if minutes is not None and not 0 < minutes < float("inf"):
        raise typer.BadParameter("it must be above 0", param_hint="--minutes")
    try:
        fields = split_settings(settings or [], init)
    except ArgumentError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None
    # Keras reads it when it is imported, which is below.
    if os.environ.setdefault(BACKEND, "jax") != "jax":
        raise typer.BadParameter(f"{BACKEND} is {os.environ[BACKEND]}: this loop needs jax", param_hint="environment")
    try:
        from training.loop.jax.run import main as run

        run(recipe, data, val, out, minutes, fields, compact)
    except ColorzooError as error:
        typer.echo(f"colorzoo: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("colorzoo: interrupted; the same command continues from the last checkpoint", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """Run the command."""
    app = typer.Typer(add_completion=False)
    app.command()(train)
    app(prog_name="python -m training.loop.jax")


if __name__ == "__main__":
    main()
