"""`colorzoo export`: presets for TensorFlow Serving and for other runtimes."""

import re
from pathlib import Path
from typing import Annotated

import typer

from colorzoo import quiet
from colorzoo.options import ExportFormat, Precision, folder
from zoo.errors import ArgumentError

commands = typer.Typer()

SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def _parse_size(text: str | None) -> tuple[int, int] | None:
    """Height and width in pixels of HEIGHTxWIDTH."""
    if text is None:
        return None
    found = SIZE.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"{text!r} is not HEIGHTxWIDTH in pixels, such as 480x640", param_hint="--size")
    return int(found[1]), int(found[2])


@commands.command(epilog="Example:  colorzoo export lite_unet_photos_v3 -o models/")
def export(
    presets: Annotated[list[str], typer.Argument(help="Names from `colorzoo presets`, or .keras files.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            callback=folder,
            help="Folder of all models; versions of a SavedModel are written to NAME/VERSION, other formats to files.",
        ),
    ],
    format: Annotated[
        ExportFormat,
        typer.Option(
            help="saved-model: for TF Serving and `colorzoo serve`. onnx, litert, openvino: one file for that runtime, "
            "which needs colorzoo[onnx], [litert] or [openvino]. keras: a .keras file for plain Keras on any backend."
        ),
    ] = ExportFormat.saved_model,
    version: Annotated[
        int | None,
        typer.Option(min=1, help="Version of a SavedModel; by default one more than the highest in the folder."),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            help="Precision of the network: float32 or bfloat16 of a SavedModel (faster on GPUs and on CPUs with AMX, "
            "and slower on others); float32, float16 or int8 of onnx, litert and openvino."
        ),
    ] = Precision.float32,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HEIGHTxWIDTH", help="For onnx, litert and openvino: pictures of this size alone; by default any."
        ),
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="Folder of photographs, for int8: half of them set its ranges, half measure it.")
    ] = None,
    max_pixels: Annotated[
        int,
        typer.Option(
            min=1, help="Maximum number of pixels of a SavedModel; larger pictures are refused before they are decoded."
        ),
    ] = 50_000_000,
) -> None:
    """Write presets as SavedModels for TensorFlow Serving, or as files for other runtimes.

    What is written appears only after it is complete and its pictures were compared with the preset's. Nothing that
    exists is overwritten. The folder's models.config, for TensorFlow Serving, is updated.
    """
    fixed = _parse_size(size)
    if format is not ExportFormat.saved_model and version is not None:
        raise ArgumentError(f"version is {version}: {format.value} has none")
    if format in (ExportFormat.saved_model, ExportFormat.keras) and (fixed or calibration):
        raise ArgumentError("--size and --calibration are for onnx, litert and openvino")
    if format is ExportFormat.keras and precision is not Precision.float32:
        raise ArgumentError(f"precision is {precision.value}: the weights of a .keras file stay as they are")
    quiet.import_tensorflow()
    for preset in presets:
        if format is ExportFormat.saved_model:
            _export_saved_model(preset, output, version, precision, max_pixels)
        elif format is ExportFormat.keras:
            from serving.export.keras_file import export_keras

            typer.echo(f"{export_keras(preset, output)}: loads on every backend of Keras")
        else:
            from serving.export.files import export_file

            made = export_file(
                preset, output, format.value, size=fixed, precision=precision.value, calibration=calibration
            )
            typer.echo(
                f"{made.path}: within {made.largest} of 255 of the .keras file, {made.mean:.2g} on average; "
                f"CIEDE2000 {made.ciede2000:.2g}"
            )


def _export_saved_model(preset: str, output: Path, version: int | None, precision: Precision, max_pixels: int) -> None:
    from serving.export.saved_model import export as export_preset
    from serving.models_config import write_models_config

    made = export_preset(preset, output, version=version, precision=precision.value, max_pixels=max_pixels)
    write_models_config(output)
    typer.echo(
        f"{made.folder}: {', '.join(made.signatures)}; within {made.largest:g} of 255 of the .keras file, "
        f"{made.mean:.2g} on average"
    )
