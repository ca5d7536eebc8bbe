"""What an evaluation found: the figures, and the rows and files that they are shown in."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from media import atomic, files
from media.sheets import contact_sheet
from training.evaluation import metrics
from zoo.errors import ArgumentError

RESULT_COLUMNS = (
    *("date", "preset", "data", "n", "size", "look", "temperature", "degraded"),
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


def summary_rows(preset: str, report: Report) -> list[tuple[str, ...]]:
    """Rows of the table on the screen: name, RMSE, PSNR in dB, SSIM, colorfulness."""
    a, b = report.mean_ab
    rows = []
    for name, figures, colorfulness in (
        (preset, report.colorized, f"{report.colorfulness.mean():.2f}"),
        ("gray", report.gray, "0.00"),
        (f"mean color ({a:.1f}, {b:.1f})", report.mean_color, "-"),
    ):
        decibels, infinite = metrics.mean_psnr(figures.psnr)
        note = f" ({infinite} infinite)" if infinite else ""
        rows.append(
            (name, f"{figures.rmse.mean():.3f}", f"{decibels:.3f}{note}", f"{figures.ssim.mean():.4f}", colorfulness)
        )
    return [*rows, ("truth", "0", "inf", "1", f"{report.truth_colorfulness.mean():.2f}")]


def check_folder(out: Path) -> None:
    """Raises ArgumentError if results cannot be written into the folder, before the work rather than after it."""
    files.check_folder(out)
    results = out / "results.csv"
    if not results.exists():
        return
    with results.open(newline="", encoding="utf-8") as stream:
        header = next(csv.reader(stream), [])
    if tuple(header) != RESULT_COLUMNS:
        raise ArgumentError(f"{results} has other columns than {','.join(RESULT_COLUMNS)}: name another folder")


def append_result(
    path: Path,
    preset: str,
    data: Path,
    size: int,
    look: str | None,
    temperature: float | None,
    degraded: bool,
    report: Report,
) -> None:
    """Add one row to the CSV file of all runs, which is made as needed."""
    row = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "preset": preset,
        "data": data.resolve().name,
        "n": report.n,
        "size": size,
        "look": look or "",
        "temperature": "" if temperature is None else temperature,
        "degraded": "yes" if degraded else "no",
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


def write_images(path: Path, report: Report, names: Sequence[str]) -> None:
    """Write one row per picture."""
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


def write_classes(path: Path, report: Report, classes: Sequence[str]) -> None:
    """Write one row per class folder."""
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
    with atomic.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_sheet(path: Path, gray: Pixels, colorized: Pixels, truth: Pixels) -> None:
    """Write pictures (B, S, S, 3) as a JPEG contact sheet: gray, colorized, original."""
    across = 3 if len(truth) >= 6 else 1
    cells = [cell for triple in zip(gray, colorized, truth, strict=True) for cell in triple]
    rows = [cells[start : start + 3 * across] for start in range(0, len(cells), 3 * across)]
    sheet = contact_sheet(rows, titles=("gray", "colorized", "original") * across, cell=max(truth.shape[1], 96))
    with atomic.replacing(path) as partial:
        Image.fromarray(sheet).save(partial, format="JPEG", quality=92)
