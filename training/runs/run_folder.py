"""The folder that a run lives in.

| file | what |
|---|---|
| recipe.json | every field of the recipe |
| photographs.json | how many photographs it was trained and validated on, and a digest of them |
| photographs.tsv | set, SHA-256 and path of each |
| left_out.txt | path and reason of each file that is not used |
| statistics.npz | what the system learned of the photographs before training |
| starts.jsonl | a row for each start: time, command, versions, commit, devices |
| log.csv | a row for each epoch |
| times.csv | how long each epoch took |
| best.keras, last.keras | colorizers of the epoch with the lowest validation loss, and of the last |
| report.html | curves, panels and figures of a run that is done |
| checkpoints/, tensorboard/, cache/ | |
"""

import csv
import dataclasses
import json
import platform
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from media import atomic
from training.data import apart
from training.recipes.renamed import with_current_names
from training.systems.recipe import Recipe
from training.systems.system import Statistics
from zoo.errors import ArgumentError, TrainingError

VERSIONS_OF = ("colorzoo", "keras", "tensorflow", "jax", "numpy", "pillow")


class Photographs(apart.Photographs, Protocol):
    """What a run notes of a set of photographs, such as `training.data.datasets.Photographs`."""

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Path and reason of each file that is not used."""

    @property
    def digest(self) -> str:
        """Hash of which photographs these are, and in which order."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns the errors of a full, read-only or lost disk into a TrainingError."""
    try:
        yield
    except _write_errors() as error:
        reason = str(getattr(error, "message", error))
        raise TrainingError(
            f"{folder} cannot be written to: {reason.splitlines()[0]}; what was written before is complete, and the "
            "same command continues from the last checkpoint once there is room"
        ) from error


def _write_errors() -> tuple[type[Exception], ...]:
    """What a failed write raises. TensorFlow, where a run uses it, writes checkpoints and events itself."""
    tensorflow = sys.modules.get("tensorflow")
    return (OSError, tensorflow.errors.OpError) if tensorflow else (OSError,)


def check_recipe(folder: Path, recipe: Recipe) -> None:
    """Raises TrainingError if the folder is that of a run with another recipe."""
    settings = _settings(recipe)
    del settings["name"]  # it decides nothing, and runs of earlier versions have none
    _check_same(folder / "recipe.json", settings, with_current_names, _settings_to_continue)


def check_loop(folder: Path, files: str, command: str) -> None:
    """Raises TrainingError if a folder has such checkpoints, which only the loop behind another command continues."""
    if any((folder / "checkpoints").glob(files)):
        raise TrainingError(f"{folder} is the folder of a run of `{command}`, which continues it: name another --out")


def check_photographs(folder: Path, photographs: Photographs, held_out: Photographs | None) -> None:
    """Raises TrainingError if the folder is that of a run on other photographs."""
    _check_same(folder / "photographs.json", contents(photographs, held_out))


def claim(
    folder: Path, recipe: Recipe, photographs: Photographs, held_out: Photographs | None, statistics: Statistics
) -> None:
    """Writes the recipe, the photographs and the statistics of a run, and notes this start."""
    folder.mkdir(parents=True, exist_ok=True)
    atomic.remove_leftovers(folder)
    atomic.write_text(folder / "recipe.json", json.dumps(_settings(recipe), indent=1))
    atomic.write_text(folder / "photographs.json", json.dumps(contents(photographs, held_out), indent=1))
    sets = {"training": photographs} | ({"validation": held_out} if held_out else {})
    rows = (
        f"{kind}\t{digest}\t{name}\n"
        for kind, part in sets.items()
        for digest, name in zip(part.hashes, part.names, strict=True)
    )
    with atomic.replacing(folder / "photographs.tsv") as partial, partial.open("wb") as table:
        # Row by row, since there may be millions; names of files that are not UTF-8 come as they are.
        table.writelines(row.encode(errors="surrogateescape") for row in rows)
    atomic.write_text(
        folder / "left_out.txt", "".join(f"{name}\t{why}\n" for part in sets.values() for name, why in part.left_out)
    )
    arrays: dict[str, Any] = dict(statistics)
    with atomic.replacing(folder / "statistics.npz") as partial:
        np.savez(partial, **arrays)
    with (folder / "starts.jsonl").open("a") as file:
        file.write(json.dumps(_start()) + "\n")
    for kind, part in sets.items():
        print(f"{len(part)} {kind} photographs; left out: {count_left_out(part)}", flush=True)


def read_statistics(folder: Path) -> Statistics:
    """What the system learned of the photographs before training.

    Raises:
        ArgumentError: the folder holds no run, or the file is damaged.
    """
    path = folder / "statistics.npz"
    if not path.is_file():
        raise ArgumentError(f"{folder} is not the folder of a training run: it holds no {path.name}")
    try:
        # Opened here, since NumPy leaves a damaged file open.
        with path.open("rb") as file, np.load(file) as arrays:
            return dict(arrays)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ArgumentError(f"{path} cannot be read: {error}") from error


def best(folder: Path) -> Path:
    """The colorizer of the best epoch.

    Raises:
        ArgumentError: no epoch of the run is done.
    """
    path = folder / "best.keras"
    if not path.is_file():
        raise ArgumentError(f"{folder} has no best.keras: no epoch of the run is done")
    return path


def starts(folder: Path) -> list[dict[str, Any]]:
    """Time, command, versions, commit and devices of each start of a run; none where it has no starts.jsonl."""
    path = folder / "starts.jsonl"
    found = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # a power cut may have torn it
    return found


def last_start(folder: Path) -> dict[str, Any]:
    """The last of the starts; empty where there is none."""
    found = starts(folder)
    return found[-1] if found else {"time": "", "command": [], "versions": {}, "commit": ""}


def training_data(folder: Path) -> str:
    """How many photographs a run was trained on, and their digest."""
    path = folder / "photographs.json"
    return str(json.loads(path.read_text())["training"]) if path.is_file() else "unknown photographs"


def drop_rows(folder: Path, epoch: int) -> None:
    """Drops the rows of the log, and of the times, about epochs that a resumed run goes through again."""
    for path in (folder / "log.csv", folder / "times.csv"):
        if not path.is_file():
            continue
        rows = list(csv.reader(path.read_text().splitlines()))
        # A full disk or a power cut may have torn the last row, which is then of a later epoch.
        kept = rows[:1] + [row for row in rows[1:] if len(row) == len(rows[0]) and int(row[0]) < epoch]
        atomic.write_text(path, "".join(",".join(row) + "\r\n" for row in kept) if len(kept) > 1 else "")


def _settings(recipe: Recipe) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return settings


def contents(photographs: Photographs, held_out: Photographs | None) -> dict[str, str]:
    """How many photographs each set holds, and a digest of them."""
    return {"training": _content(photographs), "validation": _content(held_out)}


def _content(photographs: Photographs | None) -> str:
    if not photographs:
        return "none"
    return f"{len(photographs)} photographs, sha256 {photographs.digest}"


def _check_same(
    path: Path,
    wanted: Mapping[str, object],
    current: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    instead: Callable[[Mapping[str, Any], Sequence[str]], str] = lambda found, differing: "",
) -> None:
    if not path.is_file():
        return
    try:
        found = current(dict(json.loads(path.read_text())))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{path} cannot be read: {error}; restore it, or name another --out") from error
    differing = [k for k, v in wanted.items() if found.get(k) != v]
    if differing:
        differences = "; ".join(f"the run has {k}={found.get(k)!r}, the command {k}={wanted[k]!r}" for k in differing)
        raise TrainingError(
            f"{path.parent} is the folder of another run: {differences}; name another --out{instead(found, differing)}"
        )


def _settings_to_continue(found: Mapping[str, Any], differing: Sequence[str]) -> str:
    """What to add to a command so that it has the recipe of a run, if that can be done."""
    if "architecture" in differing or not all(field in found for field in differing):
        return ""
    values = {field: tuple(v) if isinstance(v := found[field], list) else v for field in differing}
    options = (shlex.quote(f"{field}={str(value).replace(' ', '')}") for field, value in values.items())
    return f", or continue this run with {' '.join(f'--set {option}' for option in options)}"


def count_left_out(part: Photographs) -> str:
    """How many files of a set are left out, for each reason."""
    counts: dict[str, int] = {}
    for _, reason in part.left_out:
        counts[reason.split(":")[0]] = counts.get(reason.split(":")[0], 0) + 1
    return ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items())) or "none"


def _start() -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in VERSIONS_OF},
        "commit": _commit(),
        "devices": keras.distribution.list_devices(),
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """The commit that the code was checked out at, marked if it was changed since; "" outside a repository."""
    home = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
