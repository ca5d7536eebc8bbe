"""The command line: colorize, export, serve, remote, presets, models, train, pack, evaluate, and what they need.

Nothing heavy is imported before a command needs it, so that `--help` and `--version` answer at once.
"""

import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import keras
    from rich.progress import Progress

    from serving.local.pipeline import Entry, FileResult

app = typer.Typer(
    name="colorzoo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Colorize gray photographs with published networks, and train and evaluate these networks.",
)


INIT = "Begin with a preset, a .keras file, a run's folder or one of its checkpoints, in place of random weights."
SET = "Change a field of the recipe."


class Format(StrEnum):
    """File formats of the results."""

    jpeg = "jpeg"
    png = "png"
    tiff = "tiff"
    webp = "webp"


class FrameFormat(StrEnum):
    """File formats of the frames of films."""

    jpeg = "jpeg"
    png = "png"


class Precision(StrEnum):
    """What the network of a SavedModel computes in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class LogFormat(StrEnum):
    """Forms of a log."""

    json = "json"
    text = "text"


class Strategy(StrEnum):
    """How a training run is distributed."""

    one = "one"
    mirrored = "mirrored"
    multiworker = "multiworker"
    tpu = "tpu"


Photographs = Annotated[
    list[str], typer.Argument(help="Photographs, folders (searched with their sub-folders) and patterns.")
]
Results = Annotated[Path, typer.Option("--output", "-o", help="Folder of the results; made if it does not exist.")]
Compare = Annotated[bool, typer.Option("--compare", help="Also write NAME-compare.jpg: gray, colorized, original.")]
ResultFormat = Annotated[Format | None, typer.Option(help="Format of the results; by default that of each photograph.")]
Quality = Annotated[int, typer.Option(min=1, max=100, help="Quality of JPEG and WebP.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist.")]


def main() -> None:
    """Entry point of the `colorzoo` command."""
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            version = metadata.version("colorzoo")
        except metadata.PackageNotFoundError:
            version = "(not installed)"
        typer.echo(f"colorzoo {version}")
        raise typer.Exit()


def _positive(value: float | None) -> float | None:
    if value is not None and value <= 0:
        raise typer.BadParameter(f"{value:g} is not greater than 0")
    return value


@app.callback()
def _colorzoo(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


@app.command(epilog="Example:  colorzoo colorize old/*.jpg -o new/ --compare")
def colorize(
    paths: Photographs,
    output: Results,
    preset: Annotated[
        str | None, typer.Option(help="Name from `colorzoo presets`, or a .keras file; by default the best.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Side in pixels at which the network sees the photograph; by default that of its training. "
            "The result always has the full resolution: more is not better, and shifts the colors.",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(callback=_positive, help="For networks that classify: lower is more vivid, higher is calmer."),
    ] = None,
    compare: Compare = False,
    format: ResultFormat = None,
    quality: Quality = 95,
    overwrite: Overwrite = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Threads that decode, and that encode; by default one per core.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Most photographs that the network gets at once.")] = 16,
) -> None:
    """Colorize photographs into a folder.

    JPEG, PNG, TIFF, WebP, BMP and still GIF are read. Full resolution, 16 bits, transparency, EXIF and DPI
    are kept. Results that exist are skipped, so that an interrupted run can be repeated. A photograph that
    cannot be read is named with the reason at the end, and the exit code is then 1.
    """
    with _reported():
        from serving.local.pipeline import colorize_files

        entries = _found(paths, output, format, compare)

        import zoo
        from serving.local.tiled import TiledColorizer
        from zoo.presets.loading import load_parts

        parts = load_parts(zoo.DEFAULT_PRESET if preset is None else preset, size=size, temperature=temperature)
        with _colorizing(len(entries)) as advance:
            results = colorize_files(
                entries,
                output,
                TiledColorizer(parts),
                batch=batch,
                jobs=jobs,
                quality=quality,
                overwrite=overwrite,
                progress=advance,
            )
        _report(results, output)


@app.command(epilog="Example:  colorzoo remote old/*.jpg --server localhost:8500 -o new/")
def remote(
    paths: Photographs,
    server: Annotated[
        list[str], typer.Option(metavar="HOST:PORT", help="The gRPC port of TF Serving; several servers take turns.")
    ],
    output: Results,
    model: Annotated[
        str | None, typer.Option(help="Its name on the server; by default that of the best preset.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=0, help="By default the latest that is loaded.")] = None,
    label: Annotated[str | None, typer.Option(help="A version by its label, such as stable.")] = None,
    timeout: Annotated[
        float, typer.Option(callback=_positive, help="Seconds for one photograph, all retries included.")
    ] = 60,
    retries: Annotated[int, typer.Option(min=0, help="Further attempts where the server is not available.")] = 5,
    concurrency: Annotated[int, typer.Option(min=1, help="Most photographs that the server gets at once.")] = 4,
    compare: Compare = False,
    format: ResultFormat = None,
    quality: Quality = 95,
    overwrite: Overwrite = False,
    ca: Annotated[
        Path | None, typer.Option(help="TLS: certificates of who may have signed the server's, a PEM file.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Mutual TLS: the private key of this client.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Mutual TLS: the certificate of this client.")] = None,
) -> None:
    """Colorize photographs into a folder, on a server: TF Serving, or `colorzoo serve`.

    Photographs are found, read, named, skipped and written as by `colorzoo colorize`, and are sent without loss. If
    the server goes away, what is finished stays; the same command goes on with the rest.
    """
    with _reported(), _extra("serve"):
        from serving.client import (
            TLS,
            ColorizeClient,
            InvalidRequestError,
            ModelNotFoundError,
            ServingClientError,
        )
        from serving.local.remote import MAX_MESSAGE, colorize_remotely
        from zoo import DEFAULT_PRESET

        entries = _found(paths, output, format, compare)
        try:
            with (
                ColorizeClient(
                    server,
                    model or DEFAULT_PRESET,
                    version=version,
                    label=label,
                    timeout=timeout,
                    retries=retries,
                    credentials=TLS(ca, key, certificate) if ca or key or certificate else None,
                    max_message=MAX_MESSAGE,
                ) as client,
                _colorizing(len(entries)) as advance,
            ):
                results = colorize_remotely(
                    entries,
                    output,
                    client,
                    concurrency=concurrency,
                    quality=quality,
                    overwrite=overwrite,
                    progress=advance,
                )
        except ServingClientError as error:
            typer.echo(f"colorzoo: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InvalidRequestError | ModelNotFoundError) else 1) from None
        _report(results, output)


def _found(paths: Sequence[str], output: Path, format: Format | None, compare: bool) -> list["Entry"]:
    """The photographs behind `paths`; usage is wrong if there are none."""
    from serving.local.pipeline import find

    entries = find(paths, output=output, format=format and format.value, compare=compare)
    if all(entry.error for entry in entries):
        reason = "; ".join(f"{entry.source}: {entry.error}" for entry in entries)
        typer.echo(f"colorzoo: no photograph found{': ' + reason if reason else ''}", err=True)
        raise typer.Exit(2)
    return entries


@contextmanager
def _colorizing(count: int) -> Iterator[Callable[["FileResult"], None]]:
    """Show how far so many photographs are; what is given is called with each result."""
    with _progress() as progress:
        task = progress.add_task("Colorizing", total=count, rate="")

        def advance(_: "FileResult") -> None:
            progress.advance(task)
            speed = progress.tasks[task].speed
            progress.update(task, rate=f"{speed:.1f} images/s" if speed else "")

        yield advance


@app.command(epilog="Example:  colorzoo presets")
def presets() -> None:
    """List the trained networks that can be used at once, with their measured quality."""
    with _reported():
        import zoo

        rows = []
        for preset in map(zoo.preset, zoo.list_presets()):
            metrics = ", ".join(f"{name} {value:g}" for name, value in preset.metrics.items())
            rows.append(
                (
                    preset.name,
                    preset.architecture,
                    f"{preset.parameters:,}",
                    str(preset.size),
                    preset.training_data,
                    preset.license,
                    metrics,
                    str(preset.recipe),
                )
            )
        _print_table(
            ("preset", "architecture", "parameters", "size", "trained on", "license", "metrics", "recipe"),
            rows,
        )


@app.command(epilog="Example:  colorzoo models --counts")
def models(
    counts: Annotated[
        bool,
        typer.Option("--counts", help="Count the trainable parameters of every part: generator, discriminators, ..."),
    ] = False,
) -> None:
    """List the networks that can be trained: paper, year, parameters, size of its pictures, output and loss."""
    with _reported():
        import keras

        import zoo
        from zoo.registry import entry, parameters

        rows: list[tuple[str, ...]] = []
        for name in zoo.list_models():
            row = entry(name)
            network = zoo.create_model(name)
            if counts:
                rows += [(name, part, f"{count:,}") for part, count in _counted(network, row.parts(network)).items()]
            else:
                size = f"{row.size} x {row.size}"
                facts = (row.output, row.loss, str(row.year or "undated"), row.title, row.paper)
                rows.append((name, f"{parameters(network):,}", size, *facts))
            keras.utils.clear_session()
        if counts:
            _print_table(("model", "part", "trainable parameters"), rows)
        else:
            _print_table(("model", "parameters", "size", "output", "loss", "year", "title", "paper"), rows)


def _counted(network: "keras.Model", parts: "dict[str, keras.Model]") -> dict[str, int]:
    """Trainable parameters of the network, of the parts, and of both together where a part shares some."""
    from zoo.registry import parameters

    counted = {"network": parameters(network)} | {name: parameters(part) for name, part in parts.items()}
    own = {id(v): v for v in network.trainable_variables}
    for name, part in parts.items():
        beyond = sum(math.prod(v.shape) for v in part.trainable_variables if id(v) not in own)
        if 0 < beyond < counted[name]:
            counted[name] = beyond
            counted[f"network and {name}"] = counted["network"] + beyond
    return counted


@app.command(epilog="Example:  colorzoo shards photographs/ more.tar -o shards/ --validation 0.02 --side 256")
def shards(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders, archives (tar, zip; read without being unpacked) and tfds:NAME[:SPLIT], a data set of "
            "tensorflow-datasets such as tfds:imagenet2012:validation."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the shards; an interrupted command goes on in it.")
    ] = None,
    validation: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the pictures for a validation split, such as 0.02.")
    ] = 0.0,
    side: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Scale pictures whose shorter side is longer down to so many pixels, and store these as JPEG of "
            "quality 95: smaller and faster to read, but no longer the very pixels.",
        ),
    ] = None,
    near_duplicates: Annotated[
        int | None,
        typer.Option(
            "--drop-near-duplicates",
            metavar="BITS",
            min=0,
            max=8,
            help="Leave out what looks like an earlier picture: perceptual hashes that differ in at most so many of "
            "64 bits. 4 finds copies that were scaled or saved anew.",
        ),
    ] = None,
    tfds_dir: Annotated[Path | None, typer.Option(help="Where tensorflow-datasets keeps its data.")] = None,
    verify: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only check the counts and hashes of shards that are there.")
    ] = None,
) -> None:
    """Put photographs into shards, large files that are quick to read: for training on many.

    Left out and counted are: files that are no images; gray and toned pictures; copies of a picture that was there
    before. DIR/left_out.tsv names all of them.
    """
    with _reported(), _extra("train"):
        if verify is not None and output is None and not sources:
            _verify(verify)
            return
        if verify is not None or output is None:
            raise typer.BadParameter("give sources and --output DIR, or --verify DIR alone", param_hint="--output")
        from training.data.shards import main as run

        with _progress() as progress:
            task = progress.add_task("Writing", total=None, rate="")

            def advance(done: int, total: int | None) -> None:
                progress.update(task, completed=done, total=total)
                speed = progress.tasks[task].speed
                progress.update(task, rate=f"{speed:.0f} images/s" if speed else "")

            rows = run(sources or [], output, validation, side, near_duplicates, tfds_dir, advance)
        _print_table(("split", "pictures", "shards", "MB"), rows)


def _verify(folder: Path) -> None:
    from training.data.records import read_index, verify

    faults = verify(folder)
    if faults:
        _print_table(("file", "fault"), faults, stderr=True)
        raise typer.Exit(1)
    splits = read_index(folder)["splits"].values()
    pictures, files = (sum(split["count"] for split in splits), sum(len(split["shards"]) for split in splits))
    typer.echo(f"{pictures:,} pictures in {files:,} shards are as they were written")


@app.command(epilog="Example:  colorzoo train color_unet_scenes_v1 --data photographs/ --set batch=32")
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe; a wrong one lists those that exist.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Color photographs: a folder, a folder of shards or tfds:NAME:SPLIT; may be given several times."
        ),
    ],
    val: Annotated[
        Path | None,
        typer.Option(help="Photographs to validate on, likewise; of shards it is their validation split."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; an interrupted run resumes in it.")] = None,
    strategy: Annotated[
        Strategy,
        typer.Option(
            help="one: a single device. mirrored: all GPUs of this machine. multiworker: several machines, "
            "each with its own TF_CONFIG. tpu: not tried yet."
        ),
    ] = Strategy.one,
    init: Annotated[str | None, typer.Option(help=INIT)] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER", help="Layers of --init to leave as they are, such as 'low_*'; several times."),
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help=SET)] = None,
    stopped_status: Annotated[
        int,
        typer.Option(min=0, max=255, help="Exit code after SIGTERM, which some cluster managers take for done if 0."),
    ] = 0,
    data_service: Annotated[
        str | None,
        typer.Option(
            metavar="grpc://HOST:PORT", help="A tf.data service that reads shards: see training.loop.data_service."
        ),
    ] = None,
) -> None:
    """Train a network as its recipe says, or train one further."""
    overrides = _overrides(settings, init)
    if freeze:
        overrides["frozen"] = repr(tuple(freeze))
    # TensorFlow takes oneDNN's convolutions by itself only on CPUs with AVX-512; they are faster with AVX2 as well.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _reported():
        with _extra("train"):
            from training.loop.train import main as run

            run(recipe, data, val, out, strategy.value, overrides, stopped_status, data_service)


@app.command(epilog="Example:  colorzoo prior --data photographs/ -o prior.npy")
def prior(
    data: Annotated[list[Path], typer.Option(help="Folder of color photographs; may be given several times.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npy file to write.")],
    recipe: Annotated[str, typer.Option(help="The recipe whose classes of color are counted.")] = "zhang2016_imagenet",
    init: Annotated[str | None, typer.Option(help=INIT)] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help=SET)] = None,
) -> None:
    """Count how often each class of color comes in photographs; recipes take the file as --set prior=FILE."""
    overrides = _overrides(settings, init)
    with _reported():
        with _extra("train"):
            from training.publish.prior import main as run

            run(recipe, data, output, overrides)


@app.command(epilog="Example:  colorzoo pack runs/mine -o mine_v1.keras --data test/")
def pack(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The .keras file; NAME.json and NAME.md are written beside it.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="Photographs that were not trained on, to measure it with; none: not measured.")
    ] = None,
    training_data: Annotated[str | None, typer.Option(help="What it was trained on, in words.")] = None,
    license: Annotated[str | None, typer.Option(help="The license of the photographs it was trained on.")] = None,
    rebalance_lambda: Annotated[
        float | None, typer.Option(help="Class rebalancing; 1: none. By default what it was trained with.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(callback=_positive, help="Of the classes; by default the recipe's.")
    ] = None,
    saturation: Annotated[
        float | None, typer.Option(callback=_positive, help="Factor on the colors; by default the recipe's.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=16, help="Side in pixels of the frame; by default the recipe's.")
    ] = None,
    tta_scales: Annotated[
        list[float] | None,
        typer.Option(help="Shares of the frame to look at, each also mirrored, and take the mean; several times."),
    ] = None,
    evaluated_size: Annotated[int, typer.Option(min=16, help="Side in pixels of the measured photographs.")] = 128,
) -> None:
    """Make a preset of the best network of a run: one .keras file, its metadata and its model card."""
    with _reported():
        with _extra("train"):
            from training.publish.pack import main as packed

            packed(
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
                evaluated_size=evaluated_size,
            )


@app.command(epilog="Example:  colorzoo export color_unet_wide_scenes_v2 -o models/")
def export(
    presets: Annotated[list[str], typer.Argument(help="Names from `colorzoo presets`, or .keras files.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of all models; each version becomes NAME/VERSION in it.")
    ],
    version: Annotated[
        int | None, typer.Option(min=1, help="By default one more than the highest that is there.")
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(help="Of the network. bfloat16 is faster on GPUs and on CPUs with AMX, and slower on others."),
    ] = Precision.float32,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Pictures with more pixels are refused, before they are decoded.")
    ] = 50_000_000,
) -> None:
    """Write presets as SavedModels for TensorFlow Serving, or for `colorzoo serve`.

    A version appears in the folder only when it is complete and was seen to paint what the preset paints. Versions
    that exist are never written over. The folder's models.config, for TensorFlow Serving, is brought up to date.
    """
    with _reported():
        from serving.export.saved_model import export as exported
        from serving.models_config import write_models_config

        for preset in presets:
            made = exported(preset, output, version=version, precision=precision.value, max_pixels=max_pixels)
            write_models_config(output)
            typer.echo(
                f"{made.folder}: {', '.join(made.signatures)}; within {made.largest:g} of 255 of the .keras file, "
                f"{made.mean:.2g} on average"
            )


@app.command(epilog="Example:  colorzoo frames films/*.mkv -o frames/train --every 1")
def frames(
    films: Annotated[list[str], typer.Argument(help="Films, folders (searched with their sub-folders) and patterns.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the frames; made if it does not exist.")],
    threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=255,
            help="Least mean difference from the scene's last kept frame, in gray levels: higher keeps fewer frames.",
        ),
    ] = 15,
    every: Annotated[
        float, typer.Option(min=0, help="Look at one frame in so many seconds at most; 0 looks at all.")
    ] = 0,
    format: Annotated[
        FrameFormat, typer.Option(help="jpeg: quality 95, chroma not subsampled. png: without loss, and larger.")
    ] = FrameFormat.jpeg,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Do films again that are done, also with other settings.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Threads that encode; by default one per core.")] = None,
) -> None:
    """Take the frames of films that are worth training on.

    Frames that are near-identical to the last kept one of their scene, gray, toned, of one tone or damaged are dropped
    and counted; scene cuts are found, and the scene is part of a frame's name. Films that are done are skipped, so that
    an interrupted run can be repeated. A film that cannot be read in full is named with the reason at the end, what
    was read of it is kept, and the exit code is then 1.
    """
    with _reported():
        with _extra("train"):
            from training.data.frames import main as run

            run(films, output, threshold, every, format.value, jobs, overwrite)


def _overrides(settings: Sequence[str] | None, init: str | None) -> dict[str, str]:
    """FIELD=VALUE texts -> values by field."""
    overrides = {} if init is None else {"init": init}
    for setting in settings or []:
        field, equals, value = setting.partition("=")
        if not (field.strip() and equals):
            raise typer.BadParameter(f"{setting!r} is not FIELD=VALUE", param_hint="--set")
        overrides[field.strip()] = value
    return overrides


@app.command(epilog="Example:  colorzoo evaluate --preset color_unet_scenes_v1 --data test/ -o evaluation/")
def evaluate(
    preset: Annotated[str, typer.Option(help="Name from `colorzoo presets`, or a .keras file.")],
    data: Annotated[Path, typer.Option(help="Folder of color photographs that were not trained on.")],
    size: Annotated[int, typer.Option(min=16, help="Side in pixels of the measured pictures.")] = 128,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the table and the figures.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most photographs to measure.")] = None,
    temperature: Annotated[float | None, typer.Option(callback=_positive, help="As for `colorzoo colorize`.")] = None,
) -> None:
    """Measure how well a preset colorizes photographs whose colors are known."""
    with _reported():
        with _extra("train"):
            from training.evaluation.protocol import main as run

            run(preset, data, size, out, limit, temperature)


@app.command(epilog="Example:  colorzoo serve models/")
def serve(
    models: Annotated[
        Path | None,
        typer.Argument(help="Folder of NAME/VERSION/ as exported; the highest version of every model is served."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A models.config of TF Serving: which models, which versions, labels.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: on all, without any protection.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of gRPC; 0: a free one.")] = 8500,
    rest_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of REST and of the metrics for Prometheus; 0: without.")
    ] = 8501,
    queue: Annotated[int, typer.Option(min=1, help="Most requests that wait; more are refused at once.")] = 64,
    max_batch: Annotated[int, typer.Option(min=1, help="Most pictures of several requests in one run.")] = 16,
    threads: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    batch_timeout_ms: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a request may wait for others to fill its batch.")
    ] = 0,
    poll_seconds: Annotated[float, typer.Option(min=0.01, help="Between two looks for new versions.")] = 1,
    grace: Annotated[float, typer.Option(min=0, help="Seconds that accepted requests have when it is stopped.")] = 30,
    max_message: Annotated[int, typer.Option(min=1, max=2047, help="MiB of a message, either way.")] = 64,
    ssl_key: Annotated[Path | None, typer.Option(help="Private key, PEM; with --ssl-cert: TLS.")] = None,
    ssl_cert: Annotated[Path | None, typer.Option(help="Certificate, PEM.")] = None,
    ssl_ca: Annotated[
        Path | None, typer.Option(help="Certificates, PEM, one of which has to have signed that of each client.")
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="Of the log on stderr.")] = LogFormat.json,
) -> None:
    """Serve exported models by TF Serving's gRPC and REST interfaces, without Docker.

    New versions are taken while it runs. It is for development and small uses: TF Serving is the production server.
    A SavedModel is a program: serve only what you exported, and let only those in whom you trust.
    """
    # As for `train`.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _reported():
        with _extra("serve"):
            from serving.server import logs
            from serving.server.batching import Limits
            from serving.server.server import Settings, main

        logs.start(log_format.value)
        limits = Limits(queue=queue, batch=max_batch, threads=threads, timeout=batch_timeout_ms / 1000)
        answered = main(
            Settings(
                models=models,
                config=config,
                host=host,
                port=port,
                rest_port=rest_port or None,
                limits=limits,
                poll_seconds=poll_seconds,
                grace=grace,
                max_message=max_message << 20,
                ssl_key=ssl_key,
                ssl_cert=ssl_cert,
                ssl_ca=ssl_ca,
            ),
            typer.echo,
        )
        if not answered:
            typer.echo(f"colorzoo: stopped after {grace:g} s with requests unanswered", err=True)
            # Threads that are still in TensorFlow would take the interpreter down with them.
            os._exit(1)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn the errors of the project into one line and an exit code: 1 for failed inputs, 2 for usage."""
    _silence()
    from zoo.errors import ColorzooError, FilmError, PhotographError

    try:
        yield
    except ColorzooError as error:
        typer.echo(f"colorzoo: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(1 if isinstance(error, PhotographError | FilmError) else 2) from None
    except KeyboardInterrupt:
        typer.echo("colorzoo: interrupted; what is finished is kept", err=True)
        raise typer.Exit(130) from None


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say which extra of the package brings a module that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("zoo", "training", "serving", ""):
            raise
        typer.echo(f"colorzoo: {package} is not installed: pip install 'colorzoo[{name}]'", err=True)
        raise typer.Exit(2) from None


def _silence() -> None:
    """Import TensorFlow, and keep its chatter and Pillow's off the screen."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("absl").setLevel(logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    # What TensorFlow's libraries say while they are loaded goes past all settings, to the descriptor itself.
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow

        tensorflow.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _report(results: Sequence["FileResult"], output: Path) -> None:
    """The failed files on stderr, a summary on stdout, and exit code 1 if any failed."""
    failed = [result for result in results if result.status == "failed"]
    if failed:
        rows = [(str(result.source), result.reason) for result in failed]
        _print_table(("failed", "reason"), rows, stderr=True)
    counts = {status: sum(result.status == status for result in results) for status in ("done", "skipped")}
    typer.echo(
        f"{counts['done']} colorized, {counts['skipped']} skipped, {len(failed)} failed -> "
        f"{str(output).rstrip(os.sep)}{os.sep}"
    )
    if failed:
        raise typer.Exit(1)


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, stderr: bool = False) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=stderr)
    if not console.is_terminal:
        # A pipe has no width; nothing is folded, so that a path stays on one line.
        console.width = 10_000
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As Text, since a file name may hold what Rich takes for markup.
        table.add_row(*map(Text, row))
    console.print(table)


if __name__ == "__main__":
    main()
