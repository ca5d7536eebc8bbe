"""`colorzoo colorize` and `colorzoo remote`: photographs in, photographs out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from colorzoo import output as screen
from colorzoo import quiet
from colorzoo.options import (
    Compare,
    Format,
    HintsFile,
    KeepTimes,
    LookName,
    Mark,
    MaxPixels,
    Overwrite,
    Page,
    Photographs,
    Quality,
    ReferencePhotograph,
    Refine,
    Report,
    ResultFormat,
    Results,
    Temperature,
    positive,
)

if TYPE_CHECKING:
    from media import provenance
    from serving.local.search import Search
    from serving.local.tasks import FileResult

commands = typer.Typer()


@commands.command(epilog="Example:  colorzoo colorize old/*.jpg -o new/ --compare")
def colorize(
    paths: Photographs,
    output: Results,
    preset: Annotated[
        str | None, typer.Option(help="Name from `colorzoo presets`, or a .keras file; by default the best preset.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Side in pixels of the frame that the network sees; by default the one it was trained with. Results "
            "always have full resolution, so that a larger frame is not better; it shifts the colors.",
        ),
    ] = None,
    look: LookName = None,
    temperature: Temperature = None,
    hints: HintsFile = None,
    reference: ReferencePhotograph = None,
    refine: Refine = False,
    compare: Compare = False,
    format: ResultFormat = None,
    page: Page = None,
    quality: Quality = 95,
    mark: Mark = True,
    keep_times: KeepTimes = False,
    overwrite: Overwrite = False,
    report: Report = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of threads for decoding, and for encoding; by default the number of cores."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Maximum number of photographs in one batch.")] = 16,
    max_pixels: MaxPixels = None,
) -> None:
    """Colorize photographs into a folder.

    Reads JPEG, PNG, TIFF, WebP, BMP, GIF, JPEG 2000, AVIF and, with pillow-heif, HEIC. Full resolution, 16 bits per
    channel, transparency and metadata (EXIF, XMP, IPTC, comments, DPI) are kept. Photographs that cannot be read are
    listed with the reason at the end, and the exit code is then 1.

    Each page of a TIFF becomes a page of the result, and each frame of an animated PNG, WebP, GIF or AVIF a frame that
    is shown as long; GIF and AVIF become an animated PNG. Other formats hold one of them: see --page.

    Photographs that have their result are skipped, so that an interrupted run can be repeated. A hidden file among the
    results, .colorzoo-results.jsonl, records which was made from what; keep it with them. So photographs of the same
    name get results of their own in any number of runs, and one that was moved is recognized by its content.

    Links to folders are followed once. Files of other kinds are counted by suffix at the end.

    Colors can be guided by --hints, --reference and --refine, also together; they need SciPy and pyamg. A result that
    is there is made again only with --overwrite.

    Results say that they were colorized, in XMP and in the text field of their format; see --no-mark.
    """
    import zoo

    found = _find(paths, output, format, page, compare, overwrite, report)
    from colorzoo.guided import Guides
    from media.reader import MAX_PIXELS
    from serving.local.pipeline import colorize_files
    from serving.local.tasks import is_settled

    preset = zoo.DEFAULT_PRESET if preset is None else preset
    guides = Guides(len(found.tasks), hints, reference, refine)
    colorizer = stamp = None
    if not all(is_settled(task, overwrite) for task in found.tasks):  # loading a network takes seconds
        quiet.import_tensorflow()
        from serving.local.tiled import TiledColorizer
        from zoo.presets.loading import load_parts

        parts = load_parts(preset, size=size, temperature=temperature, look=look and look.value)
        colorizer = guides.colorizer(TiledColorizer(parts))
        stamp = mark_of(preset, guides.names) if mark else None
    with _advancing(len(found.tasks), report) as advance:
        results = colorize_files(
            found.tasks,
            output,
            colorizer,
            batch=batch,
            jobs=jobs,
            quality=quality,
            overwrite=overwrite,
            mark=stamp,
            keep_times=keep_times,
            max_pixels=max_pixels or MAX_PIXELS,
            progress=advance,
        )
    screen.report(results, output, found.passed_over)


@commands.command(epilog="Example:  colorzoo remote old/*.jpg --server localhost:8500 -o new/")
def remote(
    paths: Photographs,
    server: Annotated[
        list[str],
        typer.Option(metavar="HOST:PORT", help="gRPC address of TF Serving; several servers are used in turn."),
    ],
    output: Results,
    model: Annotated[
        str | None, typer.Option(help="Name of the model on the server; by default that of the best preset.")
    ] = None,
    version: Annotated[int | None, typer.Option(min=0, help="Version of the model; by default the latest.")] = None,
    label: Annotated[str | None, typer.Option(help="Version of the model by its label, such as stable.")] = None,
    timeout: Annotated[
        float, typer.Option(callback=positive, help="Seconds allowed for one photograph, including all retries.")
    ] = 60,
    retries: Annotated[int, typer.Option(min=0, help="Maximum number of retries while the server is unavailable.")] = 5,
    concurrency: Annotated[
        int, typer.Option(min=1, help="Maximum number of photographs that are sent at the same time.")
    ] = 4,
    compare: Compare = False,
    format: ResultFormat = None,
    page: Page = None,
    quality: Quality = 95,
    mark: Mark = True,
    keep_times: KeepTimes = False,
    overwrite: Overwrite = False,
    report: Report = None,
    max_pixels: MaxPixels = None,
    ca: Annotated[
        Path | None, typer.Option(help="TLS: PEM file with the certificates of the authorities that you trust.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Mutual TLS: private key of this client, a PEM file.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Mutual TLS: certificate of this client, a PEM file.")
    ] = None,
) -> None:
    """Colorize photographs into a folder with a server: TF Serving, or `colorzoo serve`.

    Photographs are found, read, named, skipped, written and reported as by `colorzoo colorize`, and are sent
    losslessly. If the server fails, finished results are kept, and the same command continues with the rest.
    """
    from media.reader import MAX_PIXELS
    from serving.client import TLS, ColorizeClient
    from serving.local.remote import MAX_MESSAGE, colorize_remotely
    from zoo import DEFAULT_PRESET

    found = _find(paths, output, format, page, compare, overwrite, report)
    model = model or DEFAULT_PRESET
    which = f" {label}" if label is not None else "" if version is None else f" version {version}"
    with (
        ColorizeClient(
            server,
            model,
            version=version,
            label=label,
            timeout=timeout,
            retries=retries,
            credentials=TLS(ca, key, certificate) if ca or key or certificate else None,
            max_message=MAX_MESSAGE,
        ) as client,
        _advancing(len(found.tasks), report) as advance,
    ):
        results = colorize_remotely(
            found.tasks,
            output,
            client,
            concurrency=concurrency,
            quality=quality,
            overwrite=overwrite,
            mark=_mark(f"{model}{which} on a server") if mark else None,
            keep_times=keep_times,
            max_pixels=max_pixels or MAX_PIXELS,
            progress=advance,
        )
    screen.report(results, output, found.passed_over)


def mark_of(preset: str, guides: Sequence[str] = ()) -> "provenance.Mark":
    """The mark of what a preset colorized: its name, or the name and the checksum of a file; and what guided it."""
    return _mark(" and ".join([_identity(preset), *guides]))


def _identity(preset: str) -> str:
    from zoo import list_presets
    from zoo.presets.metadata import find_file, sha256

    if preset in list_presets():
        return preset
    return f"{Path(preset).name} (SHA-256 {sha256(find_file(preset))[:12]})"


def _mark(model: str) -> "provenance.Mark":
    from media.provenance import Mark
    from zoo import __version__

    return Mark(__version__, model)


def _find(
    paths: Sequence[str],
    output: Path,
    format: Format | None,
    page: int | None,
    compare: bool,
    overwrite: bool,
    report: Path | None,
) -> "Search":
    """The photographs that `paths` stands for; exits if there are none."""
    from serving.local.index import INDEX
    from serving.local.report import check_report
    from serving.local.search import search

    if report is not None:
        check_report(report)
    found = search(
        paths, output=output, format=format and format.value, compare=compare, overwrite=overwrite, page=page or 0
    )
    if found.damaged:
        typer.echo(
            f"colorzoo: {output / INDEX}: damaged lines are ignored ({found.damaged}); results that only they tell of "
            "are left as they are",
            err=True,
        )
    if all(task.error for task in found.tasks):
        reasons = [f"{task.source}: {task.error}" for task in found.tasks]
        if found.passed_over:
            reasons.append(screen.name_passed_over(found.passed_over))
        typer.echo(f"colorzoo: no photograph found{': ' + '; '.join(reasons) if reasons else ''}", err=True)
        raise typer.Exit(2)
    return found


@contextmanager
def _advancing(count: int, report: Path | None) -> "Iterator[Callable[[FileResult], None]]":
    """Show the progress of colorizing, and write the report. What is yielded is called with each result."""
    from serving.local.report import RunReport

    with screen.colorizing(count) as advance:
        if report is None:
            yield advance
            return
        with RunReport(report) as rows:

            def advance_and_report(result: "FileResult") -> None:
                rows.add(result)
                advance(result)

            yield advance_and_report
