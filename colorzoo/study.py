"""`colorzoo study` and `colorzoo confidence`: presets compared on photographs, and where one of them is unsure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import output as screen
from colorzoo import quiet
from colorzoo.many_values import ManyValuesCommand
from colorzoo.options import Photographs, Results, folder

if TYPE_CHECKING:
    from training.evaluation.confidence_sheets import Sheet
    from training.evaluation.study.results import Results as Found

commands = typer.Typer()

# What the table on the screen shows; the others are in results.csv.
COLUMNS = {
    "rmse": "RMSE",
    "gain": "below gray",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "ciede2000": "CIEDE2000",
    "colorfulness_ratio": "colorfulness",
    "auc_rebalanced": "AuC, rebalanced",
}


@commands.command(
    cls=ManyValuesCommand,
    epilog="Example:  colorzoo study --presets lite_unet_photos_v3 zhang2016_scenes_v1 --data test/ -o study/",
)
def study(
    data: Annotated[
        Path, typer.Option(help="Folder or archive (tar, zip) of color photographs that no preset was trained on.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", callback=folder, help="Folder for the tables and figures.")],
    presets: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME...", help="Names from `colorzoo presets`, or .keras files; by default all presets that ship."
        ),
    ] = None,
    size: Annotated[
        int, typer.Option(min=16, help="Side in pixels to which the photographs are resized; the paper's is 128.")
    ] = 128,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximum number of photographs, taken evenly from all sub-folders; by default 250 of each sub-folder.",
        ),
    ] = None,
    vgg19: Annotated[
        Path | None,
        typer.Option(
            help="Weights of VGG19 from Keras Applications (.h5), for the perceptual and Fréchet distances; by "
            "default EfficientNet-Lite0, if the extra 'pretrained' is installed."
        ),
    ] = None,
    lpips: Annotated[bool, typer.Option("--lpips", help="Measure LPIPS, too; needs the package lpips.")] = False,
    runs: Annotated[
        list[Path] | None,
        typer.Option(metavar="RUN...", help="Folders of training runs, or their log.csv, to draw the curves of."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of threads that measure; by default the number of cores.")
    ] = None,
) -> None:
    """Compare presets on photographs: tables with intervals, paired tests, figures and a page that has them all.

    The default is the protocol of Araújo and Veloso: 250 photographs of each class at 128 x 128. An interrupted study
    goes on when the command is given again, and presets can be added to a finished one. Photographs that cannot be read
    are listed.
    """
    quiet.import_tensorflow(onednn=True)
    from training.evaluation.study.report import NAME
    from training.evaluation.study.run import main as run

    with screen.progress("Reading") as update:
        found = run(
            presets or [],
            data,
            output,
            size=size,
            limit=limit,
            vgg19=vgg19,
            lpips=lpips,
            runs=runs or [],
            jobs=jobs,
            progress=update,
        )
    _show(found)
    typer.echo(
        f"{len(found.presets)} presets on {len(found.truth)} photographs of {found.data} at {size}x{size}, "
        f"{len(found.truth.left_out)} left out -> {output / NAME}"
    )


def _show(found: "Found") -> None:
    """Print a part of the table, and what was left out."""
    digits = {each.name: each.digits for each in (*found.of_pictures, *found.of_sets)}
    rows = [
        (system.name, *(f"{found.figures[system.name][name].value:.{digits[name]}f}" for name in COLUMNS))
        for system in found.systems
    ]
    screen.table(("", *COLUMNS.values()), rows)
    for reason in found.truth.left_out:
        typer.echo(f"left out: {reason}")


@commands.command(epilog="Example:  colorzoo confidence old/*.jpg -o confidence/")
def confidence(
    paths: Photographs,
    output: Results,
    preset: Annotated[
        str | None,
        typer.Option(help="Name from `colorzoo presets`, or a .keras file, of a network that predicts classes."),
    ] = None,
) -> None:
    """Show where a preset is sure of its colors.

    For each photograph, NAME-confidence.png and .svg show it beside its prediction, the probability of the most
    probable color, and its ratio to the second: dark where the network is unsure.
    """
    import zoo

    quiet.import_tensorflow()
    from training.evaluation.confidence_sheets import main as run

    with screen.progress("Drawing") as update:
        sheets = run(paths, preset or zoo.DEFAULT_PRESET, output, update)
    _show_sheets(sheets, output)


def _show_sheets(sheets: "Sequence[Sheet]", output: Path) -> None:
    made = [sheet for sheet in sheets if not sheet.error]
    failed = [(str(sheet.source), sheet.error) for sheet in sheets if sheet.error]
    columns = ("photograph", "figure", "mean probability", "median ratio")
    if made:
        screen.table(
            columns, [(str(each.source), f"{each.name}.png", f"{each.top:.2f}", f"{each.ratio:.2f}") for each in made]
        )
    if failed:
        screen.table(("failed", "reason"), failed, stderr=True)
    typer.echo(f"{len(made)} drawn, {len(failed)} failed -> {output}")
    if failed:
        raise typer.Exit(1)
