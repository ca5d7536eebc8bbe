"""Write the tables of docs/results.md and README.md from docs/results/*.csv.

    PYTHONPATH=. .venv/bin/python scripts/results.py
    PYTHONPATH=. .venv/bin/python scripts/results.py samples FOLDER

The second form writes the sample photographs of the demo into a folder, to repeat the study of them.

Each CSV file is the results.csv of a `colorzoo study`. A table stands between two comments, the first of which names
the file and the form of the table: `<!-- results: scenes_test all -->` and `<!-- end of results -->`.
"""

import csv
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from examples.demo import samples
from zoo import DEFAULT_PRESET, list_presets

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
TABLE = re.compile(r"(<!-- results: (\w+) (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)

Row = Mapping[str, str]


def read_results(name: str) -> list[Row]:
    """The rows of a study."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _system(row: Row) -> str:
    shown = f"`{row['system']}`" if row["system"] in list_presets() else row["system"]
    return f"{shown} (default)" if row["system"] == DEFAULT_PRESET else shown


def _number(name: str, digits: int) -> Callable[[Row], str]:
    return lambda row: "∞" if row[name] == "inf" else f"{float(row[name]):.{digits}f}" if row[name] else ""


def _percent(name: str, digits: int) -> Callable[[Row], str]:
    return lambda row: f"{100 * float(row[name]):.{digits}f} %" if row[name] else ""


def _with_interval(name: str, digits: int) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        ends = [row.get(f"{name}_{end}") for end in ("low", "high")]
        value = _number(name, digits)(row)
        return f"{value} ({' to '.join(f'{float(end):.{digits}f}' for end in ends)})" if all(ends) else value

    return show


# Of a table: heading -> the column that it needs, and how a cell of it is shown.
Columns = Mapping[str, tuple[str, Callable[[Row], str]]]
FORMS: Mapping[str, Columns] = {
    "presets": {
        "preset": ("system", _system),
        "parameters": ("parameters", lambda row: f"{int(row['parameters']):,}"),
        "RMSE on ab": ("rmse", _number("rmse", 2)),
        "below gray": ("gain", _percent("gain", 1)),
        "colorfulness": ("colorfulness_ratio", _percent("colorfulness_ratio", 0)),
    },
    "all": {
        "": ("system", _system),
        "RMSE on ab": ("rmse", _with_interval("rmse", 2)),
        "below gray": ("gain", _percent("gain", 1)),
        "PSNR on ab": ("psnr", _number("psnr", 2)),
        "SSIM on ab": ("ssim", _number("ssim", 3)),
        "L1 on ab": ("l1", _number("l1", 2)),
        "CIEDE2000": ("ciede2000", _number("ciede2000", 2)),
        "colorfulness, of the truth's": ("colorfulness_ratio", _percent("colorfulness_ratio", 0)),
    },
    "others": {
        "": ("system", _system),
        "PSNR of RGB": ("psnr_rgb", _number("psnr_rgb", 2)),
        "SSIM of RGB": ("ssim_rgb", _number("ssim_rgb", 3)),
        "AuC": ("auc", _number("auc", 3)),
        "AuC, rebalanced": ("auc_rebalanced", _number("auc_rebalanced", 3)),
        "perceptual, EfficientNet-Lite0": (
            "perceptual_efficientnet_lite0",
            _number("perceptual_efficientnet_lite0", 3),
        ),
        "Fréchet, EfficientNet-Lite0": ("frechet_efficientnet_lite0", _number("frechet_efficientnet_lite0", 1)),
        "a in common": ("intersection_a", _number("intersection_a", 2)),
        "b in common": ("intersection_b", _number("intersection_b", 2)),
        "channel accuracy": ("accuracy", _number("accuracy", 3)),
    },
}


def table(rows: Sequence[Row], form: str) -> str:
    """A table of Markdown: presets with the lowest RMSE first, then the references where the form has them."""
    columns = {title: show for title, (name, show) in FORMS[form].items() if name in rows[0]}
    presets = sorted((row for row in rows if row["parameters"]), key=lambda row: float(row["rmse"]))
    shown = presets if form == "presets" else [*presets, *(row for row in rows if not row["parameters"])]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(show(row) for show in columns.values())} |" for row in shown]
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """A page with its tables as the files have them now."""
    return TABLE.sub(lambda found: f"{found[1]}{table(read_results(found[2]), found[3])}{found[4]}", text)


def write_samples(folder: Path) -> None:
    """The sample photographs in color, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in samples().items():
        if pixels.ndim == 3:
            Image.fromarray(pixels).save(folder / f"{name}.png")


def main(arguments: list[str]) -> None:
    """Writes the pages whose tables have changed, or the sample photographs."""
    if arguments[:1] == ["samples"]:
        write_samples(Path(arguments[1]))
        return
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = updated(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.relative_to(ROOT)} has new tables")


if __name__ == "__main__":
    main(sys.argv[1:])
