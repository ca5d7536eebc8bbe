"""`colorzoo train` and what follows it: `calibrate`, `evaluate` and `pack`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import output as screen
from colorzoo import quiet
from colorzoo.options import (
    Init,
    LookName,
    PresetName,
    Settings,
    Strategy,
    Temperature,
    TrainingData,
    finite,
    folder,
    overrides,
    parse_looks,
    positive,
)
from zoo.errors import DataError

if TYPE_CHECKING:
    from training.evaluation.protocol import Evaluation

commands = typer.Typer()


@commands.command(epilog="Example:  colorzoo train color_unet_scenes_v1 --data photographs/ --set batch=32")
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; an unknown name lists those that exist.")],
    data: TrainingData,
    val: Annotated[
        Path | None,
        typer.Option(help="Photographs to validate on, in the same forms; of shards, their validation split."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(callback=folder, help="Folder of the run; an interrupted run resumes in it.")
    ] = None,
    strategy: Annotated[
        Strategy,
        typer.Option(
            help="one: a single device. mirrored: all GPUs of this machine. multiworker: several machines, "
            "each with its own TF_CONFIG. tpu: not tested yet."
        ),
    ] = Strategy.one,
    init: Init = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER", help="Layers of --init to leave unchanged, such as 'low_*'; may be given several times."
        ),
    ] = None,
    settings: Settings = None,
    stopped_status: Annotated[
        int,
        typer.Option(min=0, max=255, help="Exit code after SIGTERM; some cluster managers take 0 to mean finished."),
    ] = 0,
    data_service: Annotated[
        str | None,
        typer.Option(
            metavar="grpc://HOST:PORT", help="Address of a `colorzoo data-service` that reads the shards for this run."
        ),
    ] = None,
) -> None:
    """Train a network with a recipe, or continue from an existing one."""
    fields = overrides(settings, init)
    if freeze:
        fields["frozen"] = repr(tuple(freeze))
    quiet.import_tensorflow(onednn=True)
    from training.loop.train import main as run

    run(recipe, data, val, out, strategy.value, fields, stopped_status, data_service)


@commands.command(epilog="Example:  colorzoo calibrate runs/mine --val held-out/")
def calibrate(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    val: Annotated[Path, typer.Option(help="Photographs that were not trained on: a folder, an archive or shards.")],
    least: Annotated[
        float,
        typer.Option(
            min=0, callback=finite, help="Minimum colorfulness, as a share of that of the original photographs."
        ),
    ] = 0.8,
) -> None:
    """List the settings for `colorzoo pack` that reach a minimum colorfulness with the lowest error."""
    if not run.is_dir():
        raise DataError(f"{run} is not the folder of a run")
    quiet.import_tensorflow()
    from training.evaluation.calibration import calibrate as run_calibration

    screen.table(
        ("lambda", "temperature", "saturation", "RMSE/gray", "colorfulness/truth"),
        [
            (
                f"{row.rebalance_lambda:g}",
                f"{row.temperature:g}",
                f"{row.saturation:g}",
                f"{row.rmse:.3f}",
                f"{row.colorfulness:.2f}",
            )
            for row in run_calibration(run, val, least)
        ],
    )


@commands.command(epilog="Example:  colorzoo evaluate --preset color_unet_scenes_v1 --data test/ -o evaluation/")
def evaluate(
    preset: PresetName,
    data: Annotated[
        Path, typer.Option(help="Folder or archive (tar, zip) of color photographs that were not trained on.")
    ],
    size: Annotated[int, typer.Option(min=16, help="Side in pixels to which the photographs are resized.")] = 128,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", callback=folder, help="Folder for the table and the figures.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of photographs to evaluate on.")] = None,
    look: LookName = None,
    temperature: Temperature = None,
    degraded: Annotated[
        bool,
        typer.Option(
            "--degraded", help="Show the preset the photographs as old ones: grainy, faded, scratched, on early film."
        ),
    ] = False,
) -> None:
    """Measure how well a preset colorizes photographs whose colors are known."""
    quiet.import_tensorflow()
    from training.evaluation.protocol import main as run

    with screen.progress("Evaluating") as update:
        found = run(preset, data, size, out, limit, temperature, update, degraded, look and look.value)
    _report_evaluation(preset, data, size, found, degraded)


def _report_evaluation(preset: str, data: Path, size: int, found: "Evaluation", degraded: bool) -> None:
    """Print the table, the files that were left out, and one line that sums up."""
    from training.evaluation.tables import summary_rows

    report, left_out = found.report, found.left_out
    screen.table(("", "RMSE", "PSNR (dB)", "SSIM", "colorfulness"), summary_rows(preset, report))
    for error in left_out:
        typer.echo(f"left out: {error}")
    input_kind = "degraded photographs" if degraded else "photographs"
    skipped = f", {len(left_out)} left out" if left_out else ""
    typer.echo(
        f"{preset}: RMSE {report.colorized.rmse.mean():.3f}, gain {100 * report.gain:.1f} % over gray, "
        f"colorfulness {report.colorfulness_ratio:.2f} of the truth; "
        f"{report.n} {input_kind} of {data.resolve().name} at {size}x{size}{skipped}"
    )


@commands.command(epilog="Example:  colorzoo pack runs/mine -o mine_v1.keras --data test/")
def pack(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .keras file; NAME.json and NAME.md are written beside it.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder or archive of photographs that were not trained on, for the metrics; without it nothing is "
            "measured."
        ),
    ] = None,
    training_data: Annotated[str | None, typer.Option(help="Description of what it was trained on.")] = None,
    license: Annotated[str | None, typer.Option(help="License of the photographs it was trained on.")] = None,
    rebalance_lambda: Annotated[
        float | None, typer.Option(help="Class rebalancing; 1: none. By default what it was trained with.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(callback=positive, help="Temperature of the classes; by default the recipe's.")
    ] = None,
    saturation: Annotated[
        float | None, typer.Option(callback=positive, help="Factor on the colors; by default the recipe's.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Side in pixels of the frame; by default the recipe's.")
    ] = None,
    tta_scales: Annotated[
        list[float] | None,
        typer.Option(
            "--tta-scale",
            help="Test-time augmentation: average the colors seen at this share of the frame's side, mirrored as well; "
            "may be given several times.",
        ),
    ] = None,
    calm: Annotated[
        float,
        typer.Option(min=0, callback=finite, help="How much paler colors become where the network is unsure; 0: not."),
    ] = 0.0,
    looks: Annotated[
        list[str] | None,
        typer.Option(
            "--look",
            metavar="NAME:TEMPERATURE:SATURATION:CALM",
            help="A look beside the natural one, which is that of the other options; may be given several times.",
        ),
    ] = None,
    evaluated_size: Annotated[
        int, typer.Option(min=16, help="Side in pixels to which the photographs for the metrics are resized.")
    ] = 128,
) -> None:
    """Make a preset of the best network of a run: a .keras file, its metadata and its model card."""
    quiet.import_tensorflow()
    from training.publish.pack import main as run_pack

    preset = run_pack(
        run,
        output,
        data,
        training_data=training_data,
        license=license,
        rebalance_lambda=rebalance_lambda,
        temperature=temperature,
        saturation=saturation,
        size=size,
        tta_scales=tta_scales or (),
        calm=calm,
        looks=parse_looks(looks),
        evaluated_size=evaluated_size,
    )
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {preset.parameters:,} parameters")
    for name, value in preset.metrics.items():
        typer.echo(f"  {name} {value:g}")
