"""A run on one page: recipe, photographs, starts, curves, panels and figures, in a file that needs no other.

Everything that is text is escaped where it becomes HTML, in `training.runs.page`: names of files may hold markup.
"""

import csv
import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training import recipes
from training.data.datasets import Photographs
from training.runs import curves, page, run_folder
from training.systems.recipe import Recipe
from zoo.registry import architecture, list_models

NAMED = 50  # most files that are named with the reason why they are left out


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
        f"<h1>{page.text(name)}</h1>",
        page.paragraph(_summary(recipe)),
        *(_figures(log, _times(folder / "times.csv", recipe.batch)) if log else []),
        *(_curves(log, name) if log else []),
        *page.section(
            "Panels",
            page.paragraph(f"Photographs of the {kind} set after the last epoch, as the network sees them."),
            page.image(page.jpeg(panels), "jpeg", "gray, colorized and original photographs"),
        ),
        *_recipe(recipe, name),
        *_photographs(photographs, held_out),
        *_starts(folder),
    ]
    page.write(folder / "report.html", f"{name}: {folder.resolve().name}", body)


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
    table = page.table(("", "first epoch", f"last epoch, {len(log['epoch'])}", chosen, "lowest"), rows)
    return page.section(
        "Figures", table, page.paragraph(f"best.keras is of the epoch with the lowest {monitor}. {time}")
    )


def _curves(log: curves.Log, name: str) -> list[str]:
    return page.section("Curves", page.image(curves.draw(log, curves.quantities(log), salt=name), "svg+xml", "curves"))


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
    return page.section(
        "Recipe",
        page.table(("field", "value", f"in {name}"), changed)
        if changed
        else page.paragraph(f"All fields are as in {name}."),
        page.fold(f"all {len(rows)} fields", page.table(("field", "value"), rows)),
    )


def _photographs(photographs: Photographs, held_out: Photographs | None) -> list[str]:
    sets = {"training": photographs} | ({"validation": held_out} if held_out else {})
    contents = run_folder.contents(photographs, held_out)
    rows = [(kind, contents[kind], run_folder.count_left_out(part)) for kind, part in sets.items()]
    left_out = [row for part in sets.values() for row in part.left_out]
    parts = [page.table(("set", "photographs", "left out"), rows)]
    if not held_out:
        parts.append(page.paragraph("There was no validation set: the training loss took its place."))
    if left_out:
        parts.append(page.fold(f"files left out: {len(left_out)}", page.table(("file", "reason"), left_out[:NAMED])))
    if len(left_out) > NAMED:
        parts.append(page.paragraph(f"The first {NAMED} are named here, all of them in left_out.txt."))
    return page.section("Photographs", *parts)


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
    return page.section("Starts", page.table(("time", "command", "versions", "commit", "devices"), rows))


def _commit(text: str) -> str:
    commit = text.removesuffix("-dirty")
    return (commit or "not known") + (" with changes that were not committed" if commit != text else "")


def _number(value: float) -> str:
    return f"{value:.5g}"
