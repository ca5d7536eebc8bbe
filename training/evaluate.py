"""How close a preset's colors are to those of a folder of photographs.

The protocol, which is to be published with every figure (docs/evaluation.md says what the figures mean):

1. All images of the folder and its sub-folders, sorted by path. Those that cannot be read are left out,
   counted and listed. With a limit, an even choice of all class folders.
2. Each is turned upright (EXIF), converted to sRGB by its color profile if it has one, and resized to size x
   size by Pillow's Lanczos filter. The aspect is not kept, as in the comparison paper. This 8-bit picture is
   the truth.
3. The colorizer gets the truth in color, of which by its contract it sees the lightness only; so that
   lightness is exact rather than rounded to 8 bits. That it sees no more is checked: a sample is colorized
   again from 8-bit gray of the same lightness, and a preset that gains by the color is refused.
4. The 8-bit result and the truth are converted to Lab by skimage.color.rgb2lab (D65) and compared on ab:
   RMSE, PSNR and SSIM of `training.metrics` for each picture, then the mean over pictures.
5. The same for two constants that any colorizer must beat: gray (ab = 0), and the mean ab of all pixels of
   the set, which has the lowest MSE of all constants.
6. Colorfulness of the 8-bit result and of the truth, and the ratio of their means.
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from skimage.color import lab2rgb, rgb2lab

import zoo
from training import metrics
from training.photographs import decode, image_files
from zoo.errors import ArgumentError, DataError, PhotographError, PresetError
from zoo.sheet import contact_sheet

SMALLEST = 8  # the side that every network of the zoo accepts
BATCH = 16
SAMPLE = 24  # pictures on the contact sheet, and in the check that color is ignored
LEAK = 1.0  # Lab units of RMSE that 8-bit gray may cost; its rounding costs some hundredths
RESULT_COLUMNS = (
    *("date", "preset", "data", "n", "size", "temperature"),
    *("rmse", "psnr", "psnr_infinite", "ssim", "colorfulness", "colorfulness_ratio", "gain"),
    *("gray_rmse", "gray_psnr", "gray_psnr_infinite", "gray_ssim"),
    *(
        "mean_color_rmse",
        "mean_color_psnr",
        "mean_color_psnr_infinite",
        "mean_color_ssim",
        "mean_a",
        "mean_b",
    ),
    "truth_colorfulness",
)

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]
Colorize = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Figures:
    """RMSE in Lab units, PSNR in dB and SSIM of N pictures, one value (N,) each."""

    rmse: Values
    psnr: Values
    ssim: Values


@dataclass(frozen=True)
class Report:
    """The figures of N pictures: of the colorizer and of two constant colors, all against the truth.

    Attributes:
        colorized: the colorizer's.
        gray: those of ab = 0.
        mean_color: those of ab = `mean_ab`.
        mean_ab: mean a and b over all pixels of the truth, in Lab units.
        colorfulness: of the results (N,).
        truth_colorfulness: of the truth (N,).
    """

    colorized: Figures
    gray: Figures
    mean_color: Figures
    mean_ab: tuple[float, float]
    colorfulness: Values
    truth_colorfulness: Values

    @property
    def n(self) -> int:
        """How many pictures."""
        return self.colorfulness.size

    @property
    def gain(self) -> float:
        """1 - mean RMSE / mean RMSE of gray: 1 is perfect, 0 no better than gray, less is worse than gray."""
        return float(1.0 - self.colorized.rmse.mean() / self.gray.rmse.mean())

    @property
    def colorfulness_ratio(self) -> float:
        """Mean colorfulness of the results / that of the truth: below 1 is duller, above 1 gaudier."""
        return float(self.colorfulness.mean() / self.truth_colorfulness.mean())


def evaluate(colorize: Colorize, pictures: Iterable[Pixels], *, batch: int = BATCH) -> Report:
    """Compare what `colorize` makes of the pictures uint8 (S, S, 3) with the pictures, by steps 3 to 6 above.

    The pictures are iterated once and kept as uint8 (3 bytes a pixel); all else is done batch by batch.

    Args:
        colorize: sRGB uint8 (B, S, S, 3) -> uint8 of the same shape, by the lightness of its input only.
        pictures: the truth, sRGB, all of one size, S >= 5.
        batch: B; the last one may be smaller.

    Raises:
        DataError: there is no picture, or all are gray, so that there is no color to compare with.
        ArgumentError: `colorize` returns another shape or type.
    """
    truths: list[Pixels] = []
    colorized: list[Figures] = []
    gray: list[Figures] = []
    colorfulness: list[Values] = []
    truth_colorfulness: list[Values] = []
    means: list[Values] = []
    for truth in _batches(pictures, batch):
        result = np.asarray(colorize(truth))
        if result.shape != truth.shape or result.dtype != np.uint8:
            raise ArgumentError(
                f"the colorizer returned {result.dtype} {result.shape}, where uint8 {truth.shape} is needed"
            )
        ab_true = _ab(truth)
        truths.append(truth)
        means.append(ab_true.mean(axis=(1, 2)))
        colorized.append(_compare(ab_true, _ab(result)))
        gray.append(_compare(ab_true, np.zeros_like(ab_true)))
        colorfulness.append(metrics.colorfulness(result))
        truth_colorfulness.append(metrics.colorfulness(truth))
    if not truths:
        raise DataError("there is no picture to evaluate on: at least one is needed")
    if not any(np.any(values) for values in truth_colorfulness):
        raise DataError("all pictures are gray: color photographs are needed, to compare the result with")

    mean_ab = np.concatenate(means).mean(axis=0)
    mean_color = []
    for truth in truths:
        ab_true = _ab(truth)
        mean_color.append(_compare(ab_true, np.broadcast_to(mean_ab, ab_true.shape)))
    return Report(
        colorized=_join(colorized),
        gray=_join(gray),
        mean_color=_join(mean_color),
        mean_ab=(float(mean_ab[0]), float(mean_ab[1])),
        colorfulness=np.concatenate(colorfulness),
        truth_colorfulness=np.concatenate(truth_colorfulness),
    )


def _batches(pictures: Iterable[Pixels], batch: int) -> Iterator[Pixels]:
    waiting: list[Pixels] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == batch:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _ab(rgb: Pixels) -> Values:
    return np.asarray(rgb2lab(rgb)[..., 1:], np.float64)


def _compare(ab_true: Values, ab: Values) -> Figures:
    return Figures(metrics.rmse(ab_true, ab), metrics.psnr(ab_true, ab), metrics.ssim(ab_true, ab))


def _join(parts: Sequence[Figures]) -> Figures:
    return Figures(
        rmse=np.concatenate([part.rmse for part in parts]),
        psnr=np.concatenate([part.psnr for part in parts]),
        ssim=np.concatenate([part.ssim for part in parts]),
    )


def read_picture(path: Path, size: int) -> Pixels:
    """One photograph as sRGB uint8 (size, size, 3), by step 2 above.

    Raises:
        PhotographError: the file is not an image, is damaged, or is too large to be one in good faith.
    """
    try:
        picture = decode(path.read_bytes())
    except (OSError, PhotographError) as error:
        raise PhotographError(f"{path}: {error}") from error
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))


def gray_of(rgb: Pixels) -> Pixels:
    """The gray uint8 (..., H, W, 3), of equal channels, with the L nearest to that of sRGB (..., H, W, 3)."""
    lab = rgb2lab(rgb)
    lab[..., 1:] = 0.0
    level = np.rint(255.0 * lab2rgb(lab)[..., 1:2]).astype(np.uint8)
    return np.repeat(level, 3, axis=-1)


def spread(classes: Sequence[str], count: int) -> list[int]:
    """At most `count` positions in `classes`, ascending, evenly over the classes and evenly within each.

    Every class has one as long as there are not more classes than `count`.
    """
    members: dict[str, list[int]] = {}
    for position, name in enumerate(classes):
        members.setdefault(name, []).append(position)
    names = sorted(members)
    groups = [members[names[i]] for i in _evenly(len(names), count)]
    chosen: list[int] = []
    # Small classes first: what they cannot fill goes to those that can.
    for done, group in enumerate(sorted(groups, key=len)):
        share = (count - len(chosen)) // (len(groups) - done)
        chosen += [group[i] for i in _evenly(len(group), share)]
    return sorted(chosen)


def _evenly(length: int, count: int) -> list[int]:
    if length <= count:
        return list(range(length))
    return [(2 * i + 1) * length // (2 * count) for i in range(count)]


def main(
    preset: str,
    data: Path,
    size: int = 128,
    out: Path | None = None,
    limit: int | None = None,
    temperature: float | None = None,
) -> None:
    """Evaluate a preset on a folder of photographs: a table on the screen and, in `out`, files.

    `results.csv` gets one row more; `per_image.csv`, `per_class.csv` (if the photographs lie in sub-folders,
    each of which is a class) and `sheet.jpg` (gray, colorized, original) are those of this run.

    Args:
        preset: what `zoo.load` takes.
        data: the folder.
        size: side of the pictures in pixels, at least 8.
        out: the folder to write to, made if need be; None writes nothing.
        limit: how many photographs at most, evenly over the classes; None takes all.
        temperature: for presets that classify, passed to `zoo.load`; None takes the preset's own.

    Raises:
        DataError: `data` is not a folder, or has no image, none that can be read, or only gray ones.
        ArgumentError: size or limit is too small, or `out` is a file or holds results with other columns.
        PresetError: the preset makes use of the color of its input.
    """
    if size < SMALLEST:
        raise ArgumentError(f"size {size} is too small: at least {SMALLEST} is needed")
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit {limit} is too small: at least 1 is needed")
    paths = image_files([data])
    if limit is not None:
        paths = [paths[i] for i in spread([_class_of(path, data) for path in paths], limit)]
    if out is not None:
        _check_out(out)  # before the work, not after it

    colorize = _load(preset, temperature)
    kept: list[Path] = []
    left_out: list[PhotographError] = []
    report = evaluate(colorize, _read_all(paths, size, kept, left_out))
    classes = [_class_of(path, data) for path in kept]
    sample = spread(classes, SAMPLE)
    truth = np.stack([read_picture(kept[i], size) for i in sample])
    gray = gray_of(truth)
    colorized = np.concatenate([colorize(part) for part in _batches(truth, BATCH)])
    from_gray = np.concatenate([colorize(part) for part in _batches(gray, BATCH)])
    _check_color_ignored(preset, truth, colorized, from_gray)

    _print(preset, data, size, report, left_out)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    _write_images(out / "per_image.csv", report, [path.relative_to(data).as_posix() for path in kept])
    if set(classes) == {"."}:
        (out / "per_class.csv").unlink(missing_ok=True)  # that of an earlier run would be taken for this one's
    else:
        _write_classes(out / "per_class.csv", report, classes)
    _write_sheet(out / "sheet.jpg", gray, colorized, truth)
    _append_result(out / "results.csv", preset, data, size, temperature, report)


def _load(preset: str, temperature: float | None) -> Colorize:
    model = zoo.load(preset, temperature=temperature)
    model.jit_compile = False  # XLA compiles anew for every shape, and is slower on CPUs

    def colorize(rgb: Pixels) -> Pixels:
        return np.asarray(model.predict_on_batch(rgb))

    return colorize


def _class_of(path: Path, data: Path) -> str:
    return path.parent.relative_to(data).as_posix()


def _read_all(paths: Sequence[Path], size: int, kept: list[Path], left_out: list[PhotographError]) -> Iterator[Pixels]:
    for path in track(paths, "evaluating", console=Console(stderr=True), transient=True):
        try:
            picture = read_picture(path, size)
        except PhotographError as error:
            left_out.append(error)
            continue
        kept.append(path)
        yield picture
    if not kept:
        raise DataError(f"none of {len(paths)} images can be read; the first: {left_out[0]}")


def _check_color_ignored(preset: str, truth: Pixels, colorized: Pixels, from_gray: Pixels) -> None:
    ab_true = _ab(truth)
    from_color_rmse = metrics.rmse(ab_true, _ab(colorized)).mean()
    from_gray_rmse = metrics.rmse(ab_true, _ab(from_gray)).mean()
    if from_gray_rmse > from_color_rmse + LEAK:
        raise PresetError(
            f"{preset} makes use of the color of its input (RMSE {from_color_rmse:.2f} from color "
            f"photographs, {from_gray_rmse:.2f} from the same in gray): it must use their lightness only"
        )


def _print(preset: str, data: Path, size: int, report: Report, left_out: Sequence[PhotographError]) -> None:
    table = Table("", "RMSE", "PSNR (dB)", "SSIM", "colorfulness")
    for column in table.columns[1:]:
        column.justify = "right"
    a, b = report.mean_ab
    for name, figures, colorfulness in (
        (preset, report.colorized, f"{report.colorfulness.mean():.2f}"),
        ("gray", report.gray, "0.00"),
        (f"mean color ({a:.1f}, {b:.1f})", report.mean_color, "-"),
    ):
        decibels, infinite = metrics.mean_psnr(figures.psnr)
        note = f" ({infinite} infinite)" if infinite else ""
        table.add_row(
            name,
            f"{figures.rmse.mean():.3f}",
            f"{decibels:.3f}{note}",
            f"{figures.ssim.mean():.4f}",
            colorfulness,
        )
    table.add_row("truth", "0", "inf", "1", f"{report.truth_colorfulness.mean():.2f}")
    console = Console(markup=False, highlight=False)
    console.print(table)
    for error in left_out:
        console.print(f"left out: {error}", soft_wrap=True)
    skipped = f", {len(left_out)} left out" if left_out else ""
    console.print(
        f"{preset}: RMSE {report.colorized.rmse.mean():.3f}, gain {100 * report.gain:.1f} % over gray, "
        f"colorfulness {report.colorfulness_ratio:.2f} of the truth; "
        f"{report.n} photographs of {data.resolve().name} at {size}x{size}{skipped}",
        soft_wrap=True,
    )


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ArgumentError(f"{out} is a file: the folder to write to is needed")
    results = out / "results.csv"
    if not results.exists():
        return
    with results.open(newline="", encoding="utf-8") as stream:
        header = next(csv.reader(stream), [])
    if tuple(header) != RESULT_COLUMNS:
        raise ArgumentError(f"{results} has other columns than {','.join(RESULT_COLUMNS)}: name another folder")


def _append_result(path: Path, preset: str, data: Path, size: int, temperature: float | None, report: Report) -> None:
    row = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "preset": preset,
        "data": data.resolve().name,
        "n": report.n,
        "size": size,
        "temperature": "" if temperature is None else temperature,
        **_summary("", report.colorized),
        "colorfulness": _figure(report.colorfulness.mean()),
        "colorfulness_ratio": _figure(report.colorfulness_ratio),
        "gain": _figure(report.gain),
        **_summary("gray_", report.gray),
        **_summary("mean_color_", report.mean_color),
        "mean_a": _figure(report.mean_ab[0]),
        "mean_b": _figure(report.mean_ab[1]),
        "truth_colorfulness": _figure(report.truth_colorfulness.mean()),
    }
    earlier: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="", encoding="utf-8") as stream:
            earlier = list(csv.DictReader(stream))
    _write_csv(path, RESULT_COLUMNS, [*earlier, row])


def _summary(prefix: str, figures: Figures) -> dict[str, str | int]:
    decibels, infinite = metrics.mean_psnr(figures.psnr)
    return {
        f"{prefix}rmse": _figure(figures.rmse.mean()),
        f"{prefix}psnr": _figure(decibels),
        f"{prefix}psnr_infinite": infinite,
        f"{prefix}ssim": _figure(figures.ssim.mean()),
    }


def _figure(value: float | np.floating) -> str:
    return f"{value:.4f}"


def _write_images(path: Path, report: Report, names: Sequence[str]) -> None:
    columns: dict[str, Values] = {
        "rmse": report.colorized.rmse,
        "psnr": report.colorized.psnr,
        "ssim": report.colorized.ssim,
        "colorfulness": report.colorfulness,
        "gray_rmse": report.gray.rmse,
        "gray_ssim": report.gray.ssim,
        "truth_colorfulness": report.truth_colorfulness,
    }
    rows = [
        {"picture": name, **{column: _figure(values[i]) for column, values in columns.items()}}
        for i, name in enumerate(names)
    ]
    _write_csv(path, ("picture", *columns), rows)


def _write_classes(path: Path, report: Report, classes: Sequence[str]) -> None:
    rows = []
    for name in sorted(set(classes)):
        of_class = np.array([other == name for other in classes])
        rmse, gray_rmse = (figures.rmse[of_class].mean() for figures in (report.colorized, report.gray))
        colorfulness = report.colorfulness[of_class].mean()
        truth = report.truth_colorfulness[of_class].mean()
        rows.append(
            {
                "class": name,
                "n": int(of_class.sum()),
                "rmse": _figure(rmse),
                "gray_rmse": _figure(gray_rmse),
                "colorfulness": _figure(colorfulness),
                "truth_colorfulness": _figure(truth),
                "colorfulness_ratio": _figure(colorfulness / truth) if truth else "",
            }
        )
    _write_csv(path, tuple(rows[0]), rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(part, path)


def _write_sheet(path: Path, gray: Pixels, colorized: Pixels, truth: Pixels) -> None:
    across = 3 if len(truth) >= 6 else 1
    cells = [cell for triple in zip(gray, colorized, truth, strict=True) for cell in triple]
    rows = [cells[start : start + 3 * across] for start in range(0, len(cells), 3 * across)]
    sheet = contact_sheet(rows, titles=("gray", "colorized", "original") * across, cell=max(truth.shape[1], 96))
    part = path.with_name(f".{path.name}.part")
    Image.fromarray(sheet).save(part, format="JPEG", quality=92)
    os.replace(part, path)
