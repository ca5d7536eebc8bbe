"""Frames from films to train on: what is kept, what is dropped, and the report of both.

The paper "Coloring of Grayscale Images using Generative Adversarial Network" makes its data set of animated films,
series and videos in Full HD and 4K: a script takes the frames, drops those that are similar to their neighbors by
scores of frame subtraction, and training cuts random windows of 512 x 512 pixels out of the rest. It gives neither
score nor threshold. Here:

1. A frame is compared as SMALL, the mean gray of 18 x 32 areas: coarse enough that grain, compression and a
   trembling hand do not count. The score of two frames is the mean absolute difference, in levels of 0 to 255.
2. A frame is dropped as near-identical if its score against the last kept frame of its scene is below the threshold.
   The paper speaks of neighbors; against those, a slow pan would be dropped from its beginning to its end. Other
   scenes do not count, so that each has a frame whatever the threshold is.
3. Dropped as well, which the paper does not say: frames of nearly one tone (fades, black leader), frames that are
   gray or toned by `training.data.statistics.colorless`, and frames that the decoder had to make up in part.
4. A new scene begins where two neighbors, kept or not, differ in this score and in the histogram of their colors.
   The paper does not look for cuts. Here the scene is part of a frame's name, for a split between the frames of
   one scene would put near-duplicates on both sides.
5. Frames stay whole: `resize_mode="random_crop"` cuts the windows anew whenever a frame is used.
"""

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from media import atomic, files, reader
from media.files import FRAMES_REPORT as REPORT
from media.files import SHEET, Found
from media.films import SMALL, SUFFIXES, Film
from media.sheets import contact_sheet, fit_cell
from training.data.sampling import choose_evenly
from training.data.statistics import colorless
from zoo.errors import ArgumentError, DataError, FilmError, PhotographError

THRESHOLD = 15.0  # gray levels
BLANK = 5.0  # levels: the standard deviation of every channel; of 2,500 photographs of scenes, the least was 15
CUT_GRAY = 15.0  # gray levels between neighbors at a cut, at least...
CUT_COLORS = 0.35  # ...and the share of the pixels that moved to other bins of the histogram
HISTOGRAM = 8  # bins for each channel
FLASH = 4  # frames after which a scene that comes back is a new one

FORMATS = {"jpeg": ".jpg", "png": ".png"}
# Chroma is not subsampled: it was once already, in the film, and at other places than JPEG's.
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
DROPPED = ("near-identical", "gray", "toned", "blank", "damaged", "passed over")
_OURS = re.compile(r"scene\d{4,}_frame\d{7,}\.(jpg|png)")
_VERSION = 1
_SHEET_PICTURES, _SHEET_COLUMNS, _SHEET_CELL = 48, 8, 256
_END = 1 << 20  # bytes at either end of a film that it is recognized by


@dataclass(frozen=True)
class Settings:
    """What decides which frames are kept, and how they are written.

    threshold: least score against the last kept frame of the scene, in gray levels; 0 keeps identical frames, too.
    every: minimum seconds between frames that are looked at; 0 looks at all.
    format: of the files, "jpeg" (quality 95, 4:4:4) or "png".
    """

    threshold: float = THRESHOLD
    every: float = 0.0
    format: str = "jpeg"


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


class FrameFilter:
    """Decides on the frames of one film, in their order, from their small pictures (*SMALL, 3) uint8."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._looked_at: float | None = None
        self._kept: dict[int, np.ndarray] = {}  # of each scene the last: it may go on after a flash

    def verdict(self, small: np.ndarray, time: float, scene: int) -> str:
        """Why the frame is dropped, one of DROPPED, or "" if it is kept."""
        if self._looked_at is not None and 0 <= time - self._looked_at < self.settings.every:
            return "passed over"
        self._looked_at = time
        if is_blank(small):
            return "blank"
        gray = to_gray(small)
        if scene in self._kept and score(gray, self._kept[scene]) < self.settings.threshold:
            return "near-identical"
        reason = colorless(small[None])[0]
        if not reason:
            self._kept[scene] = gray
        return reason


class SceneDetector:
    """Numbers the scenes of one film, from 1, as its frames come by."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._before: np.ndarray | None = None  # the last frame of the scene before
        self._scene, self._scene_before, self._highest, self._age = 1, 1, 1, 0

    def number(self, small: np.ndarray) -> int:
        """The scene of the next frame, a small picture (*SMALL, 3) uint8."""
        self._age += 1
        if self._last is not None and is_cut(self._last, small):
            back = self._before is not None and self._age <= FLASH and not is_cut(self._before, small)
            flash = back and self._last.mean() > small.mean()  # and not a fade through black
            scene = self._scene_before if flash else self._highest + 1
            self._before, self._scene_before = self._last, self._scene
            self._scene, self._highest, self._age = scene, max(scene, self._highest), 0
        self._last = small
        return self._scene


def to_gray(small: np.ndarray) -> np.ndarray:
    """A small picture (*SMALL, 3) uint8 -> mean gray of areas of 4 x 4 of its pixels, float32."""
    height, width = SMALL
    gray = small @ np.array([0.299, 0.587, 0.114], np.float32)
    return gray.reshape(height // 4, 4, width // 4, 4).mean((1, 3))


def score(one: np.ndarray, other: np.ndarray) -> float:
    """The mean absolute difference of two pictures of `to_gray`, in levels of 0 to 255."""
    return float(np.abs(one - other).mean())


def is_blank(small: np.ndarray) -> bool:
    """Whether a small picture (*SMALL, 3) uint8 has nearly one tone."""
    return bool(cv2.meanStdDev(small)[1].max() < BLANK)


def is_cut(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two neighbors, small pictures (*SMALL, 3) uint8, belong to different scenes.

    Both criteria must hold: fast motion moves gray but keeps the colors, flicker moves colors over the border of a
    bin but hardly changes the gray. A blank frame ends a scene, so that a fade through black is a cut, too.
    """
    if is_blank(one) or is_blank(other):
        return is_blank(one) != is_blank(other)
    changed = np.abs(_histogram(one) - _histogram(other)).sum() / 2
    return bool(changed >= CUT_COLORS and score(to_gray(one), to_gray(other)) >= CUT_GRAY)


def _histogram(small: np.ndarray) -> np.ndarray:
    bins = (small.reshape(-1, 3) // (256 // HISTOGRAM)) @ np.array([HISTOGRAM**2, HISTOGRAM, 1])
    return np.bincount(bins, minlength=HISTOGRAM**3) / len(bins)


def extract(
    film: Film,
    folder: Path,
    settings: Settings,
    report: FilmReport,
    *,
    jobs: int,
    progress: Callable[[Any], Any] = iter,
) -> None:
    """Writes the frames of a film that are kept into `folder`, and fills in the report.

    Memory holds `jobs` + 2 frames at full size, beside those of the decoder.

    Args:
        film: opened, and not read yet.
        folder: exists; of the files in it, those of an earlier attempt are deleted.
        settings: of the run.
        report: of this film; what it held before is not looked at.
        jobs: threads that encode and write.
        progress: wraps the iteration over frames.

    Raises:
        FilmError: no frame can be decoded, its colors cannot be converted, or a file cannot be written.
    """
    _clear(folder)
    frame_filter, scenes = FrameFilter(settings), SceneDetector()
    writing: deque[Future[None]] = deque()
    workers = ThreadPoolExecutor(jobs, thread_name_prefix="write")
    try:
        for frame in progress(film.frames()):
            report.decoded += 1
            reason = "damaged"
            if not frame.damaged:
                small = film.small(frame)
                scene = scenes.number(small)
                reason = frame_filter.verdict(small, frame.time, scene)
            if reason:
                report.dropped[reason] += 1
                continue
            path = folder / f"scene{scene:04}_frame{frame.number:07}{FORMATS[settings.format]}"
            pixels = film.full(frame)
            report.size = report.size or [pixels.shape[1], pixels.shape[0]]
            report.frames.append({"file": f"{folder.name}/{path.name}", "time": round(frame.time, 3), "scene": scene})
            if len(writing) > jobs:
                writing.popleft().result()
            writing.append(workers.submit(_write, pixels, path))
        for future in writing:
            future.result()
    except (av.FFmpegError, MemoryError) as error:
        raise FilmError(f"frame {report.decoded} cannot be converted: {error}") from error
    finally:
        workers.shutdown(cancel_futures=True)
    report.reason = "; ".join(film.faults)
    report.complete = True


@dataclass(frozen=True)
class Extraction:
    """What became of the films of one call.

    reports: of the films that could be opened, by the names of their folders. failed: path and reason of each film that
    could not be read, or not in full. films: how many there are.
    """

    reports: dict[str, FilmReport]
    failed: list[tuple[str, str]]
    films: int


def main(
    films: Sequence[str],
    output: Path,
    threshold: float = THRESHOLD,
    every: float = 0.0,
    format: str = "jpeg",
    jobs: int | None = None,
    overwrite: bool = False,
) -> Extraction:
    """Writes the frames of films that are worth training on; the body of `colorzoo frames`.

    `output` gets a folder for each film, `frames.json` (see FilmReport) and `sheet.jpg`, an even choice of what was
    kept. A film whose report is complete is skipped; one that was interrupted is started again.

    Args:
        films: files, folders and patterns.
        output: made as needed.
        threshold: see Settings, as are `every` and `format`.
        jobs: threads that encode; by default one per core.
        overwrite: whether films are done again that are done, with other settings, too.

    Raises:
        DataError: no film is found.
        ArgumentError: the folder cannot be written to, or holds frames that were made with other settings.
    """
    settings = Settings(threshold, every, format)
    files.check_folder(output)
    entries = files.find(films, SUFFIXES)
    failed = [(str(entry.path), entry.error) for entry in entries if entry.error]
    if len(failed) == len(entries):
        reasons = "; ".join(f"{source}: {error}" for source, error in failed)
        raise DataError(f"no film found{': ' + reasons if reasons else ''}")
    earlier, reports = _read_report(output)
    chosen = _name_films([entry for entry in entries if not entry.error], reports, output, failed)
    _check_settings(output, earlier, settings, reports, chosen, overwrite)
    results: dict[str, FilmReport] = {}
    if overwrite:
        for name in chosen:
            reports[name].complete = False

    for name, source in chosen.items():
        if not reports[name].complete:
            report = reports[name] = FilmReport(str(source.resolve()), reports[name].fingerprint)
            _write_report(output, settings, reports)  # so that the film keeps its name, if it is interrupted
            try:
                _extract_shown(source, output / name, settings, report, jobs or os.cpu_count() or 1)
            except FilmError as error:
                report.reason = str(error)
            if not report.decoded:
                del reports[name]
            if not report.frames:
                _remove(output / name)
            _write_report(output, settings, reports)
        else:
            report = reports[name]
        results[name] = report
        if report.reason:
            failed.append((str(source), report.reason))
    _write_sheet(output, reports)
    return Extraction(results, failed, len(entries))


def _extract_shown(source: Path, folder: Path, settings: Settings, report: FilmReport, jobs: int) -> None:
    screen = Console(stderr=True)
    with Film(source) as film:
        shown = partial(
            track,
            description=escape(folder.name),
            total=film.total,
            console=screen,
            transient=True,
            disable=not screen.is_terminal,
        )
        extract(film, folder, settings, report, jobs=jobs, progress=shown)


def _name_films(
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


def _check_settings(
    output: Path,
    earlier: Settings | None,
    settings: Settings,
    reports: Mapping[str, FilmReport],
    chosen: Mapping[str, Path],
    overwrite: bool,
) -> None:
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


def _read_report(output: Path) -> tuple[Settings | None, dict[str, FilmReport]]:
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


def _write_report(output: Path, settings: Settings, reports: Mapping[str, FilmReport]) -> None:
    films = {name: asdict(report) for name, report in reports.items()}
    content = json.dumps({"version": _VERSION, "settings": asdict(settings), "films": films}, indent=1)
    try:
        output.mkdir(parents=True, exist_ok=True)
        atomic.write_text(output / REPORT, content)
    except OSError as error:
        raise ArgumentError(f"{output} cannot be written to: {error.strerror or error}") from error


def _write(pixels: np.ndarray, path: Path) -> None:
    """BGR (H, W, 3) uint8 -> a file."""
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(pixels), _JPEG if path.suffix == ".jpg" else [])
    if not done:
        raise FilmError(f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be encoded")
    try:
        atomic.write_bytes(path, data.tobytes())
    except OSError as error:
        raise FilmError(f"{path} cannot be written: {error.strerror or error}") from error


def _clear(folder: Path) -> None:
    """Makes the folder, or deletes what an earlier attempt wrote there, and nothing else."""
    try:
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) or atomic.is_partial(path.name):
                path.unlink()
    except OSError as error:
        raise FilmError(f"{folder} cannot be written to: {error.strerror or error}") from error


def _remove(folder: Path) -> None:
    with suppress(OSError):  # it was not made, or holds what is not ours
        folder.rmdir()


def _write_sheet(output: Path, reports: Mapping[str, FilmReport]) -> None:
    frames = [(name, output / frame["file"]) for name, report in sorted(reports.items()) for frame in report.frames]
    frames = [(name, file) for name, file in frames if file.is_file()]  # the user may have moved some
    chosen = [frames[i][1] for i in choose_evenly([name for name, _ in frames], _SHEET_PICTURES)]
    try:
        pictures = [np.asarray(fit_cell(reader.read(path).pixels, _SHEET_CELL)) for path in chosen]
        rows = [pictures[i : i + _SHEET_COLUMNS] for i in range(0, len(pictures), _SHEET_COLUMNS)]
        if rows:
            _write(contact_sheet(rows, titles=(), cell=_SHEET_CELL)[..., ::-1], output / SHEET)
        else:
            (output / SHEET).unlink(missing_ok=True)  # that of an earlier run would be taken for this one's
    except OSError as error:
        raise ArgumentError(f"{output / SHEET} cannot be made: {error.strerror or error}") from error
    except PhotographError as error:
        raise ArgumentError(f"{output / SHEET} cannot be made: {error}") from error
