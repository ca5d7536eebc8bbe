"""From a training run to a preset: one `.keras` file and its row of metadata.

colorzoo pack runs/color_unet_wide_scenes_v1 -o color_unet_wide_scenes_v1.keras --data DIR --saturation 1.3 ...
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

import zoo
from media import atomic, files
from training import recipes
from training.data.folder import PictureFiles
from training.evaluation.protocol import evaluate, read_pictures
from training.publish.model_card import model_card
from training.runs import run_folder
from training.runs.compact import round_model, save_compressed
from training.systems.recipe import Recipe
from zoo.bins import rebalancing_weights
from zoo.colorizer import network_of
from zoo.errors import ArgumentError
from zoo.presets.metadata import LOOKS, Preset, sha256
from zoo.registry import parameters
from zoo.weights import copy_weights, leaves


def pack(
    run: Path,
    name: str,
    folder: Path,
    *,
    saturation: float,
    size: int,
    tta_scales: Sequence[float] = (),
    rebalance_lambda: float | None = None,
    temperature: float | None = None,
    calm: float = 0.0,
    looks: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Writes the best network of a run as the colorizer `folder/name.keras`.

    Weights are rounded to the precision of float16 and stay float32, so that the file loads anywhere and the archive
    compresses to about half. A lambda other than the recipe's is added to the scores' bias (see
    `colorzoo calibrate`); without one, and without a temperature, the recipe's stay.

    Looks beside it are only noted; the settings of the file itself become the look "natural".

    Returns:
        The file, and the part of its metadata that the run knows.

    Raises:
        ArgumentError: a preset of this name exists already, and presets never change; the run has no best network
            yet; or the network has no classes to set lambda or temperature for.
    """
    path = folder / f"{name}.keras"
    if path.exists():
        raise ArgumentError(f"{path} exists already, and presets never change: give the run another name")
    recipe = recipes.of_run(run)
    statistics = run_folder.read_statistics(run)
    if temperature is not None:
        recipe = _with(recipe, "temperature", temperature)
    arguments = recipe.arguments(statistics)
    network = zoo.create_model(recipe.architecture, **arguments)
    trained = network_of(zoo.load(run_folder.best(run)))
    copy_weights(trained, network)
    round_model(network)
    _unsynchronize(network)
    used = getattr(recipe, "rebalance_lambda", 1.0)
    if rebalance_lambda is not None and rebalance_lambda != used:
        _with(recipe, "rebalance_lambda", rebalance_lambda)
        bias = network.get_layer("scores").bias
        shift = [np.log(rebalancing_weights(statistics["prior"], value)) for value in (rebalance_lambda, used)]
        bias.assign(bias.numpy() + shift[0] - shift[1])
        used = rebalance_lambda

    colorizer = zoo.create_colorizer(network, size, saturation=saturation, tta_scales=tta_scales, calm=calm)
    save_compressed(colorizer, path)
    return path, {
        "name": name,
        "architecture": recipe.architecture,
        "arguments": arguments,
        "parameters": parameters(network),
        "size": size,
        "rebalance_lambda": used,
        "saturation": saturation,
        "tta_scales": list(tta_scales),
        "prior": statistics["prior"].tolist() if "prior" in statistics else [],
        "cell_classes": statistics["cell_classes"].tolist() if "cell_classes" in statistics else [],
        "looks": _all_looks(arguments.get("temperature"), saturation, calm, looks) if looks else {},
        "keras_version": keras.__version__,
        "sha256": sha256(path),
    }


def _unsynchronize(network: keras.Model) -> None:
    """Let a network be loaded on every backend of Keras: only TensorFlow's has replicas that training could need."""
    for _, layer in leaves(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = False


def _all_looks(
    temperature: float | None, saturation: float, calm: float, others: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """The looks of a preset, in the order of LOOKS; the settings of the file are "natural"."""
    if temperature is None:
        raise ArgumentError("looks need a network that has a temperature")
    natural = {"temperature": temperature, "saturation": saturation, "calm": calm}
    found: dict[str, Mapping[str, float]] = {**others, "natural": natural}
    return {name: dict(found[name]) for name in LOOKS if name in found}


def _with(recipe: Recipe, field: str, value: float) -> Recipe:
    """The recipe with another value; ArgumentError if it has no such field, or the value is outside its range."""
    if not hasattr(recipe, field):
        raise ArgumentError(f"{recipe.architecture} has no {field} to set")
    changes: dict[str, Any] = {field: value}
    return dataclasses.replace(recipe, **changes)


def measure(model: keras.Model, data: Path, size: int) -> dict[str, float]:
    """The metrics of a row: `training.evaluation.protocol` on the photographs of a folder or an archive."""
    pictures = PictureFiles(data)
    model.jit_compile = False
    report = evaluate(model.predict_on_batch, read_pictures(pictures, range(len(pictures)), size))
    return {
        "pictures": report.n,
        "evaluated_size": size,
        "rmse": round(float(report.colorized.rmse.mean()), 4),
        "rmse_gray": round(float(report.gray.rmse.mean()), 4),
        "gain": round(report.gain, 4),
        "ssim": round(float(report.colorized.ssim.mean()), 4),
        "colorfulness_ratio": round(report.colorfulness_ratio, 4),
    }


def main(
    run: Path,
    out: Path,
    data: Path | None,
    *,
    training_data: str | None = None,
    license: str | None = None,
    rebalance_lambda: float | None = None,
    temperature: float | None = None,
    saturation: float | None = None,
    size: int | None = None,
    tta_scales: Sequence[float] = (),
    calm: float = 0.0,
    looks: Mapping[str, Mapping[str, float]] | None = None,
    evaluated_size: int = 128,
) -> Preset:
    """Writes NAME.keras, its row NAME.json and its model card NAME.md; the body of `colorzoo pack`.

    Args:
        run: the folder of a run.
        out: the .keras file.
        data: photographs for the metrics, never seen in training; none: no metrics.
        training_data, license: what it was trained on, in words, and how that is licensed; by default what the run
            knows.
        rebalance_lambda, temperature, saturation, size, tta_scales: see `pack`; by default the recipe's.
        calm, looks: see `zoo.create_colorizer`, and `zoo.presets.metadata.Preset`.
        evaluated_size: side in pixels of the photographs that are measured.

    Raises:
        ArgumentError: no run, no .keras file, a file that exists already, or settings that the network lacks.
        DataError: photographs that cannot be measured.
    """
    _check_output(out)
    recipe = recipes.of_run(run)
    if data:
        PictureFiles(data)  # raises where there is nothing to measure, before the work and not after it
    with TemporaryDirectory() as scratch:
        # Measured first and written last: a preset that is there but was not measured could never be replaced.
        path, row = pack(
            run,
            out.stem,
            Path(scratch),
            saturation=saturation or recipe.saturation,
            size=size or recipe.frame_size,
            tta_scales=tta_scales,
            rebalance_lambda=rebalance_lambda,
            temperature=temperature,
            calm=calm,
            looks=looks,
        )
        start = run_folder.last_start(run)
        row |= {
            "training_data": training_data or run_folder.training_data(run),
            "license": license or "that of its photographs, which is not stated",
            "recipe": recipe.name or run.name,
            "commit": start["commit"],
            "metrics": measure(keras.models.load_model(path, compile=False), data, evaluated_size) if data else {},
        }
        preset = Preset(**row)
        _write_all(
            {
                out.with_suffix(".md"): model_card(preset, recipe, start).encode(),
                out.with_suffix(".json"): (json.dumps(row, indent=1) + "\n").encode(),
                out: path.read_bytes(),
            }
        )
    return preset


def _check_output(out: Path) -> None:
    """Raises ArgumentError if the three files cannot be written, or one of them is there."""
    if out.suffix != ".keras":
        raise ArgumentError(f"-o is {out}: the name of a .keras file is needed")
    for path in (out, out.with_suffix(".json"), out.with_suffix(".md")):
        files.check_file(path)
        if os.path.lexists(path):
            raise ArgumentError(f"{path} exists already, and presets never change: choose another name")


def _write_all(contents: Mapping[Path, bytes]) -> None:
    """Writes all of the files, or none of them."""
    written: list[Path] = []
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(path, content)
            written.append(path)
    except BaseException as error:
        for done in written:
            done.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ArgumentError(f"{path} cannot be written: {error.strerror or error}") from error
        raise
