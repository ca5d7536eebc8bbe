"""Weights to start from: of a preset, a .keras file, another run, one of a run's checkpoints, or of ImageNet."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import zoo
from training import recipes
from training.pretrained.efficientnet_lite0 import IMAGENET, check_network, fill_encoder, find_file
from training.runs import run_folder
from training.systems.recipe import Recipe
from training.systems.system import Statistics, System
from zoo.bins import rebalancing_weights
from zoo.colorizer import network_of
from zoo.errors import ArgumentError, UnknownNameError
from zoo.presets.metadata import Preset, find_metadata
from zoo.weights import copy_weights, leaves

# Arguments of builders that no weight depends on: how scores become colors, and what the statistics say anyway.
FREE = ("temperature", "bins")


@dataclass(frozen=True)
class Initial:
    """What a run starts from: trained models, and what is known of their training.

    source: the name or path that was given.
    models: in the order of `System.trained`; a .keras file holds the network, which is the first, alone. None for
        "imagenet", which is the encoder of a network and no whole one.
    arguments: of `zoo.create_model`; none where they are not recorded.
    statistics: its classes and their prior, or nothing.
    rebalance_lambda: of the class rebalancing that its scores carry.
    """

    source: str
    models: list[keras.Model]
    arguments: dict[str, Any]
    statistics: Statistics
    rebalance_lambda: float


def read(source: str) -> Initial:
    """A preset of this name, a .keras file, the best network of a run's folder, RUN/checkpoints/ckpt-N, or "imagenet".

    Raises:
        UnknownNameError: none of these.
        PresetError: a file that cannot be read.
        ArgumentError: a run that has no best network yet.
    """
    return _reader_of(source)()


def check_source(recipe: Recipe) -> None:
    """Raises what `read` and `begin_with` would raise, as far as it is known without reading anything."""
    if recipe.init == IMAGENET:
        check_network(recipe.architecture, getattr(recipe, "width", 1.0))
        find_file()
    _reader_of(recipe.init)


def _reader_of(source: str) -> Callable[[], Initial]:
    if source == IMAGENET:
        return partial(Initial, source, [], {}, {}, 1.0)
    path = Path(source)
    if Path(f"{source}.index").is_file():
        return partial(_of_checkpoint, path)
    if path.is_dir():
        return partial(_of_run, path)
    if (path.suffix == ".keras" and path.is_file()) or source in zoo.list_presets():
        return partial(_of_file, source)
    names = ", ".join(zoo.list_presets())
    raise UnknownNameError(
        f"init is {source!r}: it must be a preset ({names}), a .keras file, the folder of a run, the path of one "
        f"of its checkpoints without its ending, such as runs/NAME/checkpoints/ckpt-3, or {IMAGENET}"
    )


def _of_file(source: str) -> Initial:
    network = network_of(zoo.load(source))
    row = find_metadata(source)
    if row is None:
        return Initial(source, [network], {}, {}, 1.0)
    return Initial(source, [network], dict(row.arguments), _statistics_of(row), row.rebalance_lambda)


def _statistics_of(row: Preset) -> Statistics:
    found: dict[str, Any] = {"prior": row.prior, "cell_classes": row.cell_classes, "centers": row.arguments.get("bins")}
    kinds = {"prior": np.float32, "cell_classes": np.int32, "centers": np.float32}
    return {name: np.array(values, kinds[name]) for name, values in found.items() if values}


def _of_run(folder: Path) -> Initial:
    recipe, statistics = recipes.of_run(folder), run_folder.read_statistics(folder)
    best = folder / "best.keras"
    if not best.is_file():
        found = sorted((folder / "checkpoints").glob("ckpt-*.index"), key=lambda path: path.stat().st_mtime)
        instead = f"its newest checkpoint is {found[-1].with_suffix('')}" if found else "and no checkpoint either"
        raise ArgumentError(f"{folder} has no best.keras, since no epoch of it is done: {instead}")
    network = network_of(zoo.load(best))
    return Initial(str(folder), [network], recipe.arguments(statistics), statistics, _lambda_of(recipe))


def _of_checkpoint(path: Path) -> Initial:
    # These are files of TensorFlow, which runs on other backends of Keras do without.
    from training.loop.checkpoints import restore_models

    folder = path.parent.parent
    recipe, statistics = recipes.of_run(folder), run_folder.read_statistics(folder)
    system = recipe.system(statistics)
    restore_models(system.trained, path)
    models = [model for part in system.trained.values() for model in part]
    return Initial(str(path), models, recipe.arguments(statistics), statistics, _lambda_of(recipe))


def begin_with(initial: Initial, recipe: Recipe, system: System, statistics: Statistics) -> None:
    """Gives a new system trained weights, except for the layers that the recipe wants fresh.

    What stands beside the network (discriminators, a classifier) gets them if they exist and fit, and keeps
    its random weights otherwise. Scores that carry a different rebalancing are converted to the recipe's.

    Raises:
        ArgumentError: another architecture, other arguments, or weights of other shapes; with the differences.
        PresetError: the weights of ImageNet cannot be read.
    """
    network, *others = [model for part in system.trained.values() for model in part]
    fresh = {id(layer) for layer in match_layers(network, "fresh", recipe.fresh)}
    if initial.source == IMAGENET:
        check_source(recipe)
        fill_encoder(network, find_file(), fresh)
    else:
        _fill(network, initial, recipe, statistics, fresh)
    found_others = initial.models[1:]
    for i, model in enumerate(others):
        if i < len(found_others) and not _differences(found_others[i], model, set()):
            copy_weights(found_others[i], model)
        else:
            print(f"{model.name} starts from random weights: {initial.source} has none that fits", flush=True)


def _fill(network: keras.Model, initial: Initial, recipe: Recipe, statistics: Statistics, fresh: set[int]) -> None:
    """Copies the weights of a whole network."""
    found = initial.models[0]
    if found.name != network.name:
        raise ArgumentError(f"init is {initial.source}, a {found.name}: the recipe trains a {network.name}")
    wanted = recipe.arguments(statistics)
    differences = [
        f"it has {name}={initial.arguments[name]!r}, the recipe {name}={value!r}"
        for name, value in wanted.items()
        if name in initial.arguments and name not in FREE and _plain(initial.arguments[name]) != _plain(value)
    ]
    differences = differences or _differences(found, network, fresh)
    if differences:
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise ArgumentError(f"init is {initial.source}, another {network.name}: {'; '.join(differences[:5])}{more}")
    copy_weights(found, network, fresh)
    _rebalance(initial, recipe, network, statistics, fresh)


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    return json.loads(json.dumps(value))


def _rebalance(initial: Initial, recipe: Recipe, network: keras.Model, statistics: Statistics, fresh: set[int]) -> None:
    if "prior" not in initial.statistics or "prior" not in statistics or id(network.get_layer("scores")) in fresh:
        return
    new = rebalancing_weights(statistics["prior"], _lambda_of(recipe))
    old = rebalancing_weights(initial.statistics["prior"], initial.rebalance_lambda)
    bias = network.get_layer("scores").bias
    bias.assign(ops.convert_to_numpy(bias) + np.log(new) - np.log(old))


def match_layers(network: keras.Model, field: str, patterns: Sequence[str]) -> list[keras.Layer]:
    """The layers whose names match one of the patterns, in which * stands for anything.

    Raises:
        ArgumentError: a pattern that matches none; `field` is what the recipe calls the patterns.
    """
    named = dict(leaves(network))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in named):
            weighted = ", ".join(name for name, layer in named.items() if layer.weights)
            raise ArgumentError(f"{field} is {pattern!r}, which no layer is called: there are {weighted}")
    return [layer for name, layer in named.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _differences(source: keras.Model, target: keras.Model, fresh: set[int]) -> list[str]:
    """What keeps the weights of one model from fitting into the other, a text for each layer."""
    there = {name: layer for name, layer in leaves(source) if layer.weights}
    here = {name: layer for name, layer in leaves(target) if layer.weights and id(layer) not in fresh}
    texts = []
    for name, layer in here.items():
        if name not in there:
            texts.append(f"it has no layer {name}")
            continue
        shapes = [[tuple(w.shape) for w in each.get_weights()] for each in (there[name], layer)]
        if shapes[0] != shapes[1]:
            texts.append(f"its layer {name} has weights of {shapes[0]}, the recipe's of {shapes[1]}")
    known = {name for name, _ in leaves(target)}
    return texts + [f"the recipe has no layer {name}" for name in there if name not in known]


def _lambda_of(recipe: Recipe) -> float:
    return float(getattr(recipe, "rebalance_lambda", 1.0))
