"""Options that several commands share, and the choices that options have.

The choices repeat constants of modules that are too heavy to import for `--help`; a test holds them together.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import ArgumentError


class Format(StrEnum):
    """File formats of colorized photographs."""

    jpeg = "jpeg"
    png = "png"
    tiff = "tiff"
    webp = "webp"


class Look(StrEnum):
    """How much color photographs get."""

    calm = "calm"
    natural = "natural"
    vivid = "vivid"


class Smoothing(StrEnum):
    """Ways of keeping the colors of a film from flickering."""

    flow = "flow"
    temporal = "temporal"
    none = "none"


class FilmCodec(StrEnum):
    """Codecs of colorized films."""

    h264 = "h264"
    hevc = "hevc"
    vp9 = "vp9"
    av1 = "av1"
    prores = "prores"
    ffv1 = "ffv1"
    mpeg2 = "mpeg2"


class FrameFormat(StrEnum):
    """File formats of the frames of films."""

    jpeg = "jpeg"
    png = "png"


class Precision(StrEnum):
    """Precisions of an exported network."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    int8 = "int8"


class ExportFormat(StrEnum):
    """What `colorzoo export` writes."""

    saved_model = "saved-model"
    keras = "keras"
    onnx = "onnx"
    litert = "litert"
    openvino = "openvino"


class LogFormat(StrEnum):
    """Formats of the server's log."""

    json = "json"
    text = "text"


class Strategy(StrEnum):
    """Ways of distributing a training run."""

    one = "one"
    mirrored = "mirrored"
    multiworker = "multiworker"
    tpu = "tpu"


def positive(value: float | None) -> float | None:
    """Refuse numbers that are not greater than 0, and NaN and infinity."""
    if value is not None and not 0 < value < float("inf"):
        raise typer.BadParameter(f"{value:g} is not a number greater than 0")
    return value


def finite(value: float) -> float:
    """Refuse NaN and infinity, which no minimum or maximum of an option excludes."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value:g} is not a finite number")
    return value


def folder(value: Path | None) -> Path | None:
    """Refuse a path at which no folder can be made, before any work is done."""
    from media.files import check_folder

    if value is not None:
        check_folder(value)
    return value


def overrides(settings: Sequence[str] | None, init: str | None) -> dict[str, str]:
    """Values by field, from the FIELD=VALUE texts of --set and from --init."""
    from training.systems.constraints import split_settings

    try:
        return split_settings(settings or [], init)
    except ArgumentError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None


def parse_looks(texts: Sequence[str] | None) -> dict[str, dict[str, float]]:
    """Settings by look, from NAME:TEMPERATURE:SATURATION:CALM texts of --look."""
    looks = {}
    for text in texts or []:
        name, *numbers = text.split(":")
        try:
            temperature, saturation, calm = map(float, numbers)
        except ValueError:
            temperature = saturation = calm = math.nan
        valid = 0 < temperature < math.inf and 0 < saturation < math.inf and 0 <= calm < math.inf
        if not valid or name not in (Look.calm, Look.vivid):
            raise typer.BadParameter(
                f"{text!r} is not calm or vivid with a temperature and a saturation above 0 and a calm of at least 0, "
                "such as vivid:0.5:1.4:0.7",
                param_hint="--look",
            )
        looks[name] = {"temperature": temperature, "saturation": saturation, "calm": calm}
    return looks


Photographs = Annotated[
    list[str], typer.Argument(help="Photographs, folders (searched recursively) and glob patterns.")
]
Results = Annotated[
    Path,
    typer.Option("--output", "-o", callback=folder, help="Folder for the results; created if it does not exist."),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Also write NAME-compare.jpg: gray, colorized and original side by side.")
]
ResultFormat = Annotated[
    Format | None, typer.Option(help="Format of the results; by default the format of each photograph.")
]
Quality = Annotated[int, typer.Option(min=1, max=100, help="Quality of JPEG and WebP files.")]
Mark = Annotated[
    bool,
    typer.Option(
        " /--no-mark",
        help="Do not record in the results that they were colorized, by which preset and which version of Colorzoo; "
        "the XMP of the photographs, which is recorded with this, is left out as well.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that already exist.")]
KeepTimes = Annotated[
    bool, typer.Option("--keep-times", help="Give results the times of the last access and change of their originals.")
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Largest photograph that is read, width x height; by default 180 million, which bounds the memory. "
        "A scan of 20000 x 10000 needs 200000000.",
    ),
]
Page = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Colorize only this page of each file, or this frame of an animation, counted from 1; by default all. The "
        "result is called NAME-pageN.",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        help="CSV file with a row for each photograph, written as the run goes: source, result, seconds of work, "
        "warnings, and the reason if it was not colorized. A report of an earlier run is continued.",
    ),
]
HintsFile = Annotated[
    Path | None,
    typer.Option(
        "--hints",
        help="Colors for places of one photograph: a transparent PNG of the same proportions with colored strokes, or "
        'a JSON file, [{"x": 0.31, "y": 0.52, "color": "#a03020", "radius": 0.01}], x and y as shares of width and '
        "height, the radius, which may be left out, of the longer side.",
    ),
]
ReferencePhotograph = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        help="Photograph in color of something alike, whose colors are taken where the photographs look like it.",
    ),
]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine",
        help="Spread the colors of which the network is surest over the rest, up to edges: fewer stray patches, and "
        "paler. For networks that predict classes.",
    ),
]
PresetName = Annotated[str, typer.Option(help="Name from `colorzoo presets`, or a .keras file.")]
Temperature = Annotated[
    float | None,
    typer.Option(
        callback=positive,
        help="Temperature, for networks that predict classes: lower is more vivid, higher is more muted.",
    ),
]
LookName = Annotated[
    Look | None,
    typer.Option(
        help="calm: few colors, of which the network is sure. vivid: strong ones. By default natural. For presets that "
        "have looks."
    ),
]
Init = Annotated[
    str | None,
    typer.Option(
        help="Start from a preset, a .keras file, the folder of a run or one of its checkpoints instead of random "
        "weights; or, for lite_unet, from the word imagenet: an encoder trained on ImageNet."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set a field of the recipe; may be given several times."),
]
TrainingData = Annotated[
    list[Path],
    typer.Option(
        help="Color photographs: a folder, an archive (tar, zip), a folder of shards or tfds:NAME:SPLIT; may be given "
        "several times."
    ),
]
