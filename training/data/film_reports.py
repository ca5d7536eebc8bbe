"""frames.json: what became of each film of a folder of frames, and how a film is found again in a later run."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from media import atomic
from media.files import FRAMES_REPORT as REPORT
from media.files import SHEET, Found
from training.data.frame_filter import DROPPED, Settings
from zoo.errors import ArgumentError

_VERSION = 1
_END = 1 << 20  # bytes at either end of a film that it is recognized by


@dataclass
class FilmReport:
    """What became of one film.

    source: its path. fingerprint: of its content. complete: whether it was read to its end.
    reason: why less came out than it should hold, or "". size: width and height of its kept frames.
    decoded: how many frames; each was either kept or is counted in `dropped`, whose keys are DROPPED.
    frames: of each kept one the "file" relative to the output folder, its "time" in seconds and its "scene".
    """

    source: str
    fingerprint: str
    complete: bool = False
    reason: str = ""
    size: list[int] = field(default_factory=list)
    decoded: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DROPPED, 0))
    frames: list[dict[str, Any]] = field(default_factory=list)


def read_reports(output: Path) -> tuple[Settings | None, dict[str, FilmReport]]:
    """The settings and the reports of a folder, by the names of the films' folders; None and none if it has none.

    Raises:
        ArgumentError: the folder, or its report, is something else.
    """
    path = output / REPORT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        reports = {name: FilmReport(**report) for name, report in content["films"].items()}
        return (Settings(**content["settings"]) if reports else None), reports
    except FileNotFoundError:
        return None, {}
    except NotADirectoryError:
        raise ArgumentError(f"{output} cannot be a folder, since a part of it is a file: name another one") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(f"{path} is not the report of such a run ({error}): name another folder") from error


def write_reports(output: Path, settings: Settings, reports: Mapping[str, FilmReport]) -> None:
    """Writes what `read_reports` reads.

    Raises:
        ArgumentError: the folder cannot be written to.
    """
    films = {name: asdict(report) for name, report in reports.items()}
    content = json.dumps({"version": _VERSION, "settings": asdict(settings), "films": films}, indent=1)
    try:
        output.mkdir(parents=True, exist_ok=True)
        atomic.write_text(output / REPORT, content)
    except OSError as error:
        raise ArgumentError(f"{output} cannot be written to: {error.strerror or error}") from error


def name_folders(
    entries: Sequence[Found], reports: dict[str, FilmReport], output: Path, failed: list[tuple[str, str]]
) -> dict[str, Path]:
    """Name of its folder -> path of each film; those without a report get an empty one.

    A film is recognized by its content, wherever it lies, or by its path, if its content has changed. A new one is
    called like its file, or `name-2`, `name-3` and so on where that is taken, small and capital letters being equal.
    """
    chosen: dict[str, Path] = {}
    for entry in entries:
        try:
            content = fingerprint(entry.path)
        except OSError as error:
            failed.append((str(entry.path), f"cannot be opened: {error.strerror or error}"))
            continue
        path = str(entry.path.resolve())
        same = [name for name, report in reports.items() if report.fingerprint == content]
        same += [name for name, report in reports.items() if report.source == path]
        if same:
            name = same[0]
        else:
            taken = {known.casefold() for known in (REPORT, SHEET, *reports)}
            taken |= {item.name.casefold() for item in output.iterdir()} if output.is_dir() else set()
            stem = entry.path.stem.lstrip(".") or "film"
            names = chain([stem], (f"{stem}-{number}" for number in count(2)))
            name = next(name for name in names if name.casefold() not in taken)
        gone = name in reports and reports[name].frames and not (output / name).is_dir()
        if gone or name not in reports or reports[name].fingerprint != content:
            reports[name] = FilmReport(path, content)
        chosen.setdefault(name, entry.path)
    return chosen


def fingerprint(path: Path) -> str:
    """What a film is recognized by: its size, and the SHA-256 of its first and last MiB.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.sha256(file.read(_END))
        file.seek(max(_END, size - _END))
        digest.update(file.read(_END))
    return f"{size} {digest.hexdigest()}"


def check_settings(
    output: Path,
    earlier: Settings | None,
    settings: Settings,
    reports: Mapping[str, FilmReport],
    chosen: Mapping[str, Path],
    overwrite: bool,
) -> None:
    """Checks that a folder does not come to hold frames that were chosen with different settings.

    Args:
        output: the folder.
        earlier: the settings of its report; None where there is none, or it has no films.
        settings: of this run.
        reports: of the films in the folder and of those of this run.
        chosen: the films of this run, by the names of their folders.
        overwrite: whether the films of this run are done again.

    Raises:
        ArgumentError: it would.
    """
    there = {name: report for name, report in reports.items() if report.complete or (output / name).is_dir()}
    if earlier is None or earlier == settings or not there:
        return
    before, now = asdict(earlier), asdict(settings)
    changes = ", ".join(f"{key} was {before[key]} and is {now[key]}" for key in before if before[key] != now[key])
    if not overwrite:
        raise ArgumentError(
            f"{output} holds frames that were chosen with other settings ({changes}): name another folder, or do "
            "them again with --overwrite"
        )
    others = [report.source for name, report in there.items() if name not in chosen]
    if others:
        raise ArgumentError(
            f"{output} holds frames of {len(others)} other films with other settings ({changes}): name these films, "
            f"too ({others[0]} for one), or another folder"
        )
