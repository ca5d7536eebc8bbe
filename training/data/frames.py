"""Frames from films to train on: what is kept and what is dropped; the body of `colorzoo frames`.

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
   gray or toned by `media.colorless.colorless`, and frames that the decoder had to make up in part.
4. A new scene begins where two neighbors, kept or not, differ in this score and in the histogram of their colors.
   The paper does not look for cuts. Here the scene is part of a frame's name, for a split between the frames of
   one scene would put near-duplicates on both sides.
5. Frames stay whole: `resize_mode="random_crop"` cuts new windows whenever a frame is used.
"""

import os
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from media import atomic, files, reader
from media.files import SHEET
from media.films import SUFFIXES, Film
from media.scenes import SceneDetector
from media.sheets import contact_sheet, fit_cell
from training.data.film_reports import FilmReport, check_settings, name_folders, read_reports, write_reports
from training.data.frame_filter import THRESHOLD, FrameFilter, Settings
from training.data.sampling import choose_evenly
from zoo.errors import ArgumentError, DataError, FilmError, PhotographError

Progress = Callable[[str, int | None, int], None]
FORMATS = {"jpeg": ".jpg", "png": ".png"}
# Chroma is not subsampled: it was once already, in the film, and at other places than JPEG's.
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
_OURS = re.compile(r"scene\d{4,}_frame\d{7,}\.(jpg|png)")
_SHEET_PICTURES, _SHEET_COLUMNS, _SHEET_CELL = 48, 8, 256


def extract(
    film: Film,
    folder: Path,
    settings: Settings,
    report: FilmReport,
    *,
    jobs: int,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Writes the frames of a film that are kept into `folder`, and fills in the report.

    Memory holds `jobs` + 2 frames at full size, beside those of the decoder.

    Args:
        film: opened, and not read yet.
        folder: exists; of the files in it, those of an earlier attempt are deleted.
        settings: of the run.
        report: of this film; what it held before is not looked at.
        jobs: threads that encode and write.
        progress: called with the number of frames that are decoded.

    Raises:
        FilmError: no frame can be decoded, its colors cannot be converted, or a file cannot be written.
    """
    _clear(folder)
    frame_filter, scenes = FrameFilter(settings), SceneDetector()
    writing: deque[Future[None]] = deque()
    workers = ThreadPoolExecutor(jobs, thread_name_prefix="write")
    try:
        for frame in film.frames():
            report.decoded += 1
            progress(report.decoded)
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
    progress: Progress = lambda name, total, done: None,
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
        progress: called with the name of a film's folder, the number of its frames, or None if the film does not say,
            and how many of them are decoded.

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
    earlier, reports = read_reports(output)
    chosen = name_folders([entry for entry in entries if not entry.error], reports, output, failed)
    check_settings(output, earlier, settings, reports, chosen, overwrite)
    results: dict[str, FilmReport] = {}
    if overwrite:
        for name in chosen:
            reports[name].complete = False

    for name, source in chosen.items():
        if not reports[name].complete:
            report = reports[name] = FilmReport(str(source.resolve()), reports[name].fingerprint)
            write_reports(output, settings, reports)  # so that the film keeps its name, if it is interrupted
            try:
                with Film(source) as film:
                    shown = partial(progress, name, film.total)
                    extract(film, output / name, settings, report, jobs=jobs or os.cpu_count() or 1, progress=shown)
            except FilmError as error:
                report.reason = str(error)
            if not report.decoded:
                del reports[name]
            if not report.frames:
                _remove(output / name)
            write_reports(output, settings, reports)
        else:
            report = reports[name]
        results[name] = report
        if report.reason:
            failed.append((str(source), report.reason))
    _write_sheet(output, reports)
    return Extraction(results, failed, len(entries))


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
