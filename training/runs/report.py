"""A run on one page: recipe, photographs, starts, curves, panels and figures, in a file that needs no other.

Everything that is text is escaped where it becomes HTML, in `_text`: names of files may hold markup.
"""

import base64
import csv
import dataclasses
import html
import io
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from media import atomic
from training import recipes
from training.data.datasets import Photographs
from training.runs import curves, run_folder
from training.systems.recipe import Recipe
from zoo.registry import architecture, list_models

NAMED = 50  # most files that are named with the reason why they are left out
# Nothing is fetched, whatever the page holds.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.6rem }}
h2 {{ font-size: 1.2rem; margin-top: 2rem }}
table {{ border-collapse: collapse; margin: 0.5rem 0 }}
th, td {{ border-bottom: 1px solid #ddd; padding: 0.2rem 1.2rem 0.2rem 0; text-align: left; vertical-align: top }}
td {{ overflow-wrap: break-word; max-width: 34rem; font-variant-numeric: tabular-nums }}
img {{ max-width: 100%; height: auto }}
summary {{ cursor: pointer }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def write(
    folder: Path, recipe: Recipe, photographs: Photographs, held_out: Photographs | None, panels: np.ndarray
) -> None:
    """Writes `report.html` of the run that the folder holds, in place of an earlier one.

    Args:
        folder: of the run, which has gone through all its epochs.
        recipe: what was trained.
        photographs: what it was trained on.
        held_out: what it was validated on.
        panels: contact sheet (H, W, 3) uint8 of the last epoch.
    """
    log = curves.read_log(folder / "log.csv")
    name = recipe.name or recipe.architecture
    kind = "validation" if held_out else "training"
    body = [
        f"<h1>{_text(name)}</h1>",
        _paragraph(_summary(recipe)),
        *(_figures(log, _times(folder / "times.csv", recipe.batch)) if log else []),
        *(_curves(log, name) if log else []),
        *_section(
            "Panels",
            _paragraph(f"Photographs of the {kind} set after the last epoch, as the network sees them."),
            _image(_jpeg(panels), "jpeg", "gray, colorized and original photographs"),
        ),
        *_recipe(recipe, name),
        *_photographs(photographs, held_out),
        *_starts(folder),
    ]
    page = PAGE.format(title=_text(f"{name}: {folder.resolve().name}"), body="\n".join(body))
    # A browser needs UTF-8, and a name may be something else.
    atomic.write_text(folder / "report.html", page.encode(errors="backslashreplace").decode())


def _summary(recipe: Recipe) -> str:
    known = ""  # a user's own network may not be in the zoo
    if recipe.architecture in list_models():
        row = architecture(recipe.architecture)
        known = f" ({row.title}, {row.year or 'undated'}), loss: {row.loss}"
    epochs = f"{recipe.epochs} {'epoch' if recipe.epochs == 1 else 'epochs'}"
    return f"{recipe.architecture}{known}; {epochs}, batches of {recipe.batch}, pictures of {recipe.size} pixels."


def _figures(log: curves.Log, time: str) -> list[str]:
    """The values of the epochs that matter. What counts as best is the lowest value, as for best.keras."""
    monitor = "val_loss" if "val_loss" in log else "loss"
    best = _lowest(log[monitor])
    rows = []
    for name in curves.quantities(log):
        for kind, column in (("training", name), ("validation", f"val_{name}")):
            if column not in log:
                continue
            values = log[column]
            lowest = _lowest(values) if name != "learning_rate" else None
            row = [f"{curves.LABELS.get(name, name)}{'' if name == 'learning_rate' else f', {kind}'}"]
            row += [_number(values[0]), _number(values[-1])]
            row += [_number(values[best]) if best is not None else "-"]
            row += [f"{_number(values[lowest])} (epoch {lowest + 1})" if lowest is not None else "-"]
            rows.append(row)
    chosen = f"best.keras: epoch {best + 1}" if best is not None else "best.keras: none"
    table = _table(("", "first epoch", f"last epoch, {len(log['epoch'])}", chosen, "lowest"), rows)
    return _section("Figures", table, _paragraph(f"best.keras is of the epoch with the lowest {monitor}. {time}"))


def _curves(log: curves.Log, name: str) -> list[str]:
    return _section("Curves", _image(curves.draw(log, curves.quantities(log), salt=name), "svg+xml", "curves"))


def _lowest(values: Sequence[float]) -> int | None:
    """The first place of the lowest value; None if none is a number."""
    numbers = [(value, i) for i, value in enumerate(values) if not math.isnan(value)]
    return min(numbers)[1] if numbers else None


def _times(path: Path, batch: int) -> str:
    """How long the epochs took, as far as that was noted."""
    if not path.is_file():
        return ""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    trained, whole = (sum(float(row[name]) for row in rows) for name in ("training_seconds", "seconds"))
    if not trained:
        return ""
    images = sum(int(row["steps"]) for row in rows) * batch
    return (
        f"{_duration(whole)} in all, {_duration(trained)} of them training at {images / trained:.1f} images/s; "
        "parts of epochs that were interrupted and gone through again count once."
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _recipe(recipe: Recipe, name: str) -> list[str]:
    values = dataclasses.asdict(recipe)
    if recipe.name in recipes.list_recipes():
        published = dataclasses.asdict(recipes.load(recipe.name))
    else:  # one of a user's own
        published = {field.name: field.default for field in dataclasses.fields(recipe)}
    rows = [(field, str(value)) for field, value in values.items()]
    changed = [(*row, str(published[row[0]])) for row in rows if values[row[0]] != published[row[0]]]
    return _section(
        "Recipe",
        _table(("field", "value", f"in {name}"), changed) if changed else _paragraph(f"All fields are as in {name}."),
        _fold(f"all {len(rows)} fields", _table(("field", "value"), rows)),
    )


def _photographs(photographs: Photographs, held_out: Photographs | None) -> list[str]:
    sets = {"training": photographs} | ({"validation": held_out} if held_out else {})
    contents = run_folder.contents(photographs, held_out)
    rows = [(kind, contents[kind], run_folder.count_left_out(part)) for kind, part in sets.items()]
    left_out = [row for part in sets.values() for row in part.left_out]
    parts = [_table(("set", "photographs", "left out"), rows)]
    if not held_out:
        parts.append(_paragraph("There was no validation set: the training loss took its place."))
    if left_out:
        parts.append(_fold(f"files left out: {len(left_out)}", _table(("file", "reason"), left_out[:NAMED])))
    if len(left_out) > NAMED:
        parts.append(_paragraph(f"The first {NAMED} are named here, all of them in left_out.txt."))
    return _section("Photographs", *parts)


def _starts(folder: Path) -> list[str]:
    rows = [
        (
            start["time"],
            shlex.join(start["command"]),
            ", ".join(f"{name} {version}" for name, version in start["versions"].items()),
            _commit(start["commit"]),
            ", ".join(start["devices"]),
        )
        for start in run_folder.starts(folder)
    ]
    return _section("Starts", _table(("time", "command", "versions", "commit", "devices"), rows))


def _commit(text: str) -> str:
    commit = text.removesuffix("-dirty")
    return (commit or "not known") + (" with changes that were not committed" if commit != text else "")


def _number(value: float) -> str:
    return f"{value:.5g}"


def _jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=90, subsampling=0)  # color is what it is about
    return file.getvalue()


# === HTML ===


def _text(text: Any) -> str:
    return html.escape(str(text))


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    lines = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    return "\n".join(["<table>", *(f"<tr>{line}</tr>" for line in (head, *lines)), "</table>"])


def _image(data: bytes, kind: str, what: str) -> str:
    return f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{_text(what)}">'


def _fold(summary: str, content: str) -> str:
    return f"<details><summary>{_text(summary)}</summary>\n{content}\n</details>"


def _section(title: str, *parts: str) -> list[str]:
    return [f"<h2>{_text(title)}</h2>", *parts]
