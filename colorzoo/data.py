"""What prepares photographs for training: `colorzoo shards`, `frames`, `prior` and `data-service`."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import output as screen
from colorzoo import quiet
from colorzoo.options import FrameFormat, Init, Settings, TrainingData, finite, folder, overrides
from zoo.errors import FilmError

if TYPE_CHECKING:
    from training.data.frames import Extraction

commands = typer.Typer()

MOST_FREQUENT = 5  # classes that `prior` prints


@commands.command(epilog="Example:  colorzoo shards photographs/ more.tar -o shards/ --validation 0.02 --side 256")
def shards(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders, archives (tar, zip; read without being unpacked) and tfds:NAME[:SPLIT], a data set of "
            "tensorflow-datasets such as tfds:imagenet2012:validation."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", callback=folder, help="Folder for the shards; an interrupted command resumes in it."
        ),
    ] = None,
    validation: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the pictures for a validation split, such as 0.02.")
    ] = 0.0,
    side: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Downscale pictures whose shorter side is longer than this many pixels, and store them as JPEG of "
            "quality 95: smaller and faster to read, but not the original pixels.",
        ),
    ] = None,
    near_duplicates: Annotated[
        int | None,
        typer.Option(
            "--drop-near-duplicates",
            metavar="BITS",
            min=0,
            max=8,
            help="Leave out pictures that look like an earlier one: their perceptual hashes differ in at most this "
            "many of 64 bits. 4 finds copies that were resized or saved again.",
        ),
    ] = None,
    keep_gray: Annotated[
        bool, typer.Option("--keep-gray", help="Keep gray and toned pictures, for recipes with drop_gray=False.")
    ] = False,
    tfds_dir: Annotated[Path | None, typer.Option(help="Folder in which tensorflow-datasets keeps its data.")] = None,
    verify: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only check the counts and hashes of existing shards.")
    ] = None,
) -> None:
    """Put photographs into shards: large files that are fast to read, for training on many photographs.

    Files that are not images, copies of earlier pictures, and gray and toned pictures are left out and counted.
    DIR/left_out.tsv lists all of them.
    """
    if verify is not None and output is None and not sources:
        _verify(verify)
        return
    if verify is not None or output is None:
        raise typer.BadParameter("give sources and --output DIR, or --verify DIR alone", param_hint="--output")
    quiet.import_tensorflow()
    from training.data.shards import main as run

    with screen.progress("Writing") as update:
        rows = run(sources or [], output, validation, side, near_duplicates, tfds_dir, update, keep_gray)
    screen.table(("split", "pictures", "shards", "MB"), rows)


def _verify(shards: Path) -> None:
    quiet.import_tensorflow()
    from training.data.records import read_index
    from training.data.verify import verify

    faults = verify(shards)
    if faults:
        screen.table(("file", "fault"), faults, stderr=True)
        raise typer.Exit(1)
    splits = read_index(shards)["splits"].values()
    pictures, files = (sum(split["count"] for split in splits), sum(len(split["shards"]) for split in splits))
    typer.echo(f"{pictures:,} pictures in {files:,} shards are as they were written")


@commands.command(epilog="Example:  colorzoo frames films/*.mkv -o frames/train --every 1")
def frames(
    films: Annotated[list[str], typer.Argument(help="Films, folders (searched recursively) and glob patterns.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", callback=folder, help="Folder for the frames; created if it does not exist."),
    ],
    threshold: Annotated[
        float,
        typer.Option(
            min=0,
            max=255,
            callback=finite,
            help="Minimum mean difference, in gray levels, from the last kept frame of the scene; a higher value keeps "
            "fewer frames.",
        ),
    ] = 15,
    every: Annotated[
        float,
        typer.Option(
            min=0, callback=finite, help="Look at no more than one frame per this many seconds; 0 looks at all."
        ),
    ] = 0,
    format: Annotated[
        FrameFormat, typer.Option(help="jpeg: quality 95, without chroma subsampling. png: lossless, and larger.")
    ] = FrameFormat.jpeg,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Process finished films again, also with other settings.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of threads for encoding; by default the number of cores.")
    ] = None,
) -> None:
    """Extract the frames of films that are worth training on.

    Frames that are nearly identical to the last kept one of their scene, gray, toned, uniform or damaged are dropped
    and counted. Scene cuts are detected, and the name of a frame includes its scene. Finished films are skipped, so
    that an interrupted run can be repeated. Films that cannot be read completely are listed with the reason at the
    end, the frames read so far are kept, and the exit code is then 1.
    """
    quiet.import_tensorflow()
    from training.data.frames import main as run

    with screen.progress("", unit="frames") as update:

        def show(name: str, total: int | None, done: int) -> None:
            update(done, total, name)

        found = run(films, output, threshold, every, format.value, jobs, overwrite, show)
    _report_frames(found, output, passed_over=every > 0)
    if found.failed:
        raise FilmError(f"{len(found.failed)} of {found.films} films could not be read, or not completely")


def _report_frames(found: "Extraction", output: Path, *, passed_over: bool) -> None:
    """Print a table of the films, those that failed, and a summary."""
    from training.data.frame_filter import DROPPED

    reasons = [reason for reason in DROPPED if reason != "passed over" or passed_over]
    rows = []
    for name, film in found.reports.items():
        scenes = len({frame["scene"] for frame in film.frames})
        counts = (film.decoded, len(film.frames), scenes, *(film.dropped[reason] for reason in reasons))
        rows.append((name, " x ".join(map(str, film.size)), *(f"{count:,}" for count in counts)))
    screen.table(("film", "size", "frames", "kept", "scenes", *reasons), rows)
    if found.failed:
        screen.table(("failed", "reason"), found.failed, stderr=True)
    files = [output / frame["file"] for film in found.reports.values() for frame in film.frames]
    size = sum(file.stat().st_size for file in files if file.is_file())
    decoded = sum(film.decoded for film in found.reports.values())
    typer.echo(
        f"{len(files):,} of {decoded:,} frames kept, {size / 1e6:,.0f} MB -> {str(output).rstrip(os.sep)}{os.sep}"
    )


@commands.command(epilog="Example:  colorzoo prior --data photographs/ -o prior.npy")
def prior(
    data: TrainingData,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npy file to write.")],
    recipe: Annotated[str, typer.Option(help="Recipe whose color classes are counted.")] = "zhang2016_imagenet",
    init: Init = None,
    settings: Settings = None,
) -> None:
    """Count how often each color class occurs in photographs; recipes use the file with --set prior=FILE."""
    fields = overrides(settings, init)
    quiet.import_tensorflow()
    from training.publish.prior import main as run

    found = run(recipe, data, output, fields)
    typer.echo(
        f"{len(found.shares)} classes in {found.photographs} photographs -> {output}; the most frequent, by a and b:"
    )
    most = sorted(range(len(found.shares)), key=lambda i: -found.shares[i])[:MOST_FREQUENT]
    for i in most:
        a, b = found.centers[i]
        typer.echo(f"  {a:7.1f} {b:7.1f}  {found.shares[i]:6.1%}")


@commands.command(epilog="Example:  colorzoo data-service --port 5001 --dispatcher HOST:5000")
def data_service(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the dispatcher, or of the worker if --dispatcher is given.")
    ],
    dispatcher: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address of a running dispatcher, to add a worker to it.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Name under which the training run reaches this machine; by default its own.")
    ] = None,
) -> None:
    """Read shards on this machine for training runs on others, until Ctrl-C: a dispatcher and a worker, or a worker.

    Runs use it with `colorzoo train --data-service grpc://HOST:PORT`. The shards must have the same path everywhere.
    """
    # Servers that are stopped properly wait a minute for each other, and have nothing to save: end at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    quiet.import_tensorflow()
    from training.loop.data_service import serve

    servers = serve(port, dispatcher, host)
    print(f"serving at port {port}", flush=True)
    servers[-1].join()
