"""`colorzoo video`: films in, films out; and how much their colors flicker."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from colorzoo import output as screen
from colorzoo import quiet
from colorzoo.colorize import mark_of
from colorzoo.film_run import FilmRun, WantedFilm, load_colorizer
from colorzoo.options import FilmCodec, LookName, Overwrite, Smoothing, positive
from zoo.errors import ArgumentError, FilmError

commands = typer.Typer()


PresetOrBest = Annotated[
    str | None, typer.Option(help="Name from `colorzoo presets`, or a .keras file; by default the best preset.")
]


class _FilmGroup(TyperGroup):
    """Colorizes films, unless the first word is the name of a command of the group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does, but that films are no commands."""
        if not args or args[0] not in self.commands:
            ctx.allow_interspersed_args = True  # options may follow the films
            return super().parse_args(ctx, args)
        ctx._protected_args, ctx.args = args[:1], args[1:]
        ctx.params = {parameter.name: None for parameter in self.params} | ctx.params
        return args[1:]


_video = typer.Typer(cls=_FilmGroup)
commands.add_typer(_video, name="video")


@_video.callback(invoke_without_command=True, epilog="Example:  colorzoo video film.mp4 -o film-color.mp4")
def video(
    context: typer.Context,
    films: Annotated[list[str], typer.Argument(help="Films, folders (searched recursively) and glob patterns.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The result, if its name ends like that of a film, or a folder for the results."
        ),
    ],
    preset: PresetOrBest = None,
    look: LookName = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=16,
            help="Side in pixels of the frame that the network sees; by default the one it was trained with. Results "
            "always have full resolution.",
        ),
    ] = None,
    smoothing: Annotated[
        Smoothing,
        typer.Option(
            help="flow: colors follow the motion of what is seen, and those of a scene keep their mean. temporal: the "
            "kernel of ColorUNet, each pixel for itself. none: each frame for itself."
        ),
    ] = Smoothing.flow,
    references: Annotated[
        Path | None,
        typer.Option(
            help="Folder of colored stills of the film, called by their time, as 00-01-10.5.png or 70.5s.png, or the "
            "number of their frame from 0, as frame-001762.png. Their colors are carried through their scenes."
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Where the result begins: seconds, MM:SS or HH:MM:SS.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Where the result ends: seconds, MM:SS or HH:MM:SS.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="TIME-TIME",
            help="Color only this part of a finished result again, such as 00:10-00:25; all else in it stays.",
        ),
    ] = None,
    codec: Annotated[
        FilmCodec | None,
        typer.Option(
            help="Codec of the pictures; by default h264, hevc for 10 bits, vp9 or av1 in WebM and mpeg2 in MPEG."
        ),
    ] = None,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="Quality of the pictures; prores and ffv1 have only one.")
    ] = 80,
    preview: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            callback=positive,
            help="Only write NAME-preview.jpg: a frame of every so many seconds, gray and colorized.",
        ),
    ] = None,
    skip_color: Annotated[
        bool, typer.Option("--skip-color", help="Pass over films that are in color already.")
    ] = False,
    overwrite: Overwrite = False,
) -> None:
    """Colorize films, with their sound.

    Reads and writes MP4, MOV, Matroska, WebM, AVI, MPEG and others. Resolution, times of frames, 10 bits, sound,
    subtitles, chapters and metadata are kept; interlaced films become progressive, rotated ones upright. All that can
    be checked is checked before the work: the film, the result, the disk.

    An interrupted run goes on where it was: what is finished lies in a hidden folder beside the result,
    .NAME.colorzoo, until the film is whole. Results that exist are skipped. Films that cannot be colorized are listed
    with the reason, and the exit code is then 1.

    `colorzoo video references FILM -o DIR` writes the frames that are worth coloring by hand, for --references DIR;
    `colorzoo video evaluate TRUE RESULT` measures how much the colors of a result flicker.
    """
    if context.invoked_subcommand is not None:
        return
    import zoo
    from media.files import check_folder
    from media.film_codecs import WRITABLE
    from media.films import SUFFIXES

    first, last = _seconds(start, "--start") or 0.0, _seconds(end, "--end")
    if last is not None and last <= first:
        raise typer.BadParameter(f"{end} is not behind the start", param_hint="--end")
    part = _part(only)
    single = output.suffix.lower() in WRITABLE and not output.is_dir()
    if not single:
        if output.suffix.lower() in SUFFIXES:
            raise ArgumentError(f"{output}: films are written as {', '.join(sorted(WRITABLE))}: choose one of these")
        check_folder(output)
    wanted = _find(films, output, single)
    for option, value in (("--references", references), ("--only", part)):
        if value is not None and len(wanted) > 1:
            raise ArgumentError(f"{option} is for one film, and there are {len(wanted)}: colorize one at a time")
    skipped, failed, work = [], [], []
    for film in wanted:
        reason = None if preview or part else _reason_to_skip(film, skip_color, overwrite)
        if film.error:
            failed.append((str(film.source), film.error))
        elif reason:
            skipped.append((str(film.source), reason))
        else:
            work.append(film)
    done = 0
    if work:
        quiet.import_tensorflow()
        name = zoo.DEFAULT_PRESET if preset is None else preset
        run = FilmRun(name, look, size, smoothing, first, last, codec, quality, references, part)
        for film in work:
            try:
                run.preview(film, preview) if preview else run.colorize(film)
                done += 1
            except FilmError as error:
                failed.append((str(film.source), str(error)))
    for source, reason in skipped:
        typer.echo(f"{source}: skipped: {reason}")
    _end(failed, done, len(skipped), len(wanted))


@_video.command(epilog="Example:  colorzoo video evaluate film.mp4 film-color.mp4 film-unsmoothed.mp4")
def evaluate(
    true: Annotated[Path, typer.Argument(help="The film in its true colors.")],
    results: Annotated[list[Path], typer.Argument(help="Films that were colorized from it, frame by frame.")],
    side: Annotated[int, typer.Option(min=32, help="Longer side in pixels of the frames that are compared.")] = 256,
) -> None:
    """Measure how much the colors of films flicker, and how far they are from the true ones.

    Along the motion of the true film, from frame to frame: warping error of ab; CDC, the divergence of the histograms
    of frames 1, 2 and 4 apart, times 1000; variation of ab in still areas. The true film is measured against itself,
    too: what it has, no result need fall below.
    """
    quiet.import_tensorflow()
    from training.evaluation.film_flicker import measure

    rows = []
    for film in (true, *results):
        with screen.progress(film.name, unit="frames") as update:
            found = measure(true, film, side, update)
        rows.append(
            (
                "true colors" if film is true else str(film),
                f"{found.frames:,}",
                f"{found.warping:.3f}",
                f"{1000 * found.cdc:.2f}",
                f"{found.still:.3f}",
                f"{found.rmse:.2f}",
                f"{found.colorfulness:.1f}",
            )
        )
    screen.table(("film", "frames", "warping error", "CDC", "still areas", "RMSE on ab", "colorfulness"), rows)


@_video.command(epilog="Example:  colorzoo video references film.mp4 -o stills")
def references(
    film: Annotated[Path, typer.Argument(help="The film.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the stills; it must not exist, or be empty.")
    ],
    gray: Annotated[bool, typer.Option("--gray", help="Write them gray, not as the preset colors them.")] = False,
    preset: PresetOrBest = None,
    look: LookName = None,
) -> None:
    """Write the key frames of a film, to be colored and given back with --references.

    They are the first frame of each scene, and each one that too little of the last of them matches. PNG at full
    resolution, called by the time: 00-01-10.500.png. They have the colors of the preset, so that only what is wrong
    need be colored by hand. Those that are not worth it can be deleted.
    """
    import zoo

    quiet.import_tensorflow()
    from serving.local.key_frames import check_empty, write_key_frames

    check_empty(output)
    name = zoo.DEFAULT_PRESET if preset is None else preset
    colorizer = None if gray else load_colorizer(name, look, None)
    with screen.progress(film.name, unit="frames") as update:
        try:
            count = write_key_frames(film, output, colorizer, mark=mark_of(name), progress=update)
        except FilmError as error:
            raise FilmError(f"{film}: {error}") from error
    typer.echo(f"{count} {'still' if count == 1 else 'stills'} -> {output}{os.sep}")


def _end(failed: Sequence[tuple[str, str]], done: int, skipped: int, all_films: int) -> None:
    """Say what failed; one line if it is all there was."""
    if all_films == 1 and failed:
        raise FilmError(": ".join(failed[0]))
    if failed:
        screen.table(("failed", "reason"), failed, stderr=True)
    if all_films > 1:
        typer.echo(f"{done} colorized, {skipped} skipped, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


def _seconds(text: str | None, option: str) -> float | None:
    """The seconds of SS, MM:SS and HH:MM:SS, each of which may have decimals."""
    if text is None:
        return None
    parts = text.split(":")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    total = sum(value * 60**i for i, value in enumerate(reversed(values)))
    if not values or len(values) > 3 or any(not 0 <= value < float("inf") for value in values):
        raise typer.BadParameter(f"{text!r} is no time: give seconds, MM:SS or HH:MM:SS", param_hint=option)
    return total


def _part(text: str | None) -> tuple[float, float] | None:
    """The two times of TIME-TIME in seconds."""
    if text is None:
        return None
    begin, _, end = text.partition("-")
    first, last = _seconds(begin, "--only"), _seconds(end, "--only")
    assert first is not None and last is not None, "they are texts"
    if last <= first:
        raise typer.BadParameter(f"{end} is not behind {begin}", param_hint="--only")
    return first, last


def _find(films: Sequence[str], output: Path, single: bool) -> list[WantedFilm]:
    """The films that are meant, each with its result."""
    from media import files
    from media.film_codecs import WRITABLE
    from media.films import SUFFIXES

    found = files.find(films, SUFFIXES, without=None if single else output)
    if single and len(found) > 1:
        raise ArgumentError(f"{output} can only be one film: name a folder for the results of {len(found)} films")
    if not found or all(entry.error for entry in found):
        reasons = "; ".join(f"{entry.path}: {entry.error}" for entry in found)
        raise ArgumentError(f"no film found{': ' + reasons if reasons else ''}")
    wanted, taken = [], dict[Path, Path]()
    for entry in found:
        name = entry.relative
        if name.suffix.lower() not in WRITABLE:
            name = name.with_suffix(".mkv")
        result = output if single else output / name
        error = entry.error
        if os.path.abspath(result) == os.path.abspath(entry.path) or (
            result.exists() and os.path.samefile(result, entry.path)
        ):
            error = "is the result, too: choose another one"
        elif result in taken:
            error = f"its result would be that of {taken[result]}: colorize it into another folder"
        taken.setdefault(result, entry.path)
        wanted.append(WantedFilm(entry.path, result, error))
    return wanted


def _reason_to_skip(film: WantedFilm, skip_color: bool, overwrite: bool) -> str | None:
    if film.error:
        return None
    if film.result.exists() and not overwrite:
        return f"{film.result} exists; --overwrite replaces it"
    if not skip_color:
        return None
    quiet.import_tensorflow()
    from serving.local.film_preview import has_colors

    try:
        return "it is in color" if has_colors(film.source) else None
    except FilmError:
        return None  # colorizing it says why
