"""How much color for how much error: lambda, temperature and saturation, tried on held-out photographs.

    colorzoo calibrate runs/color_unet_wide_scenes_v1 --val DIR

Rebalancing is tried without training again: a network that was trained with class weights w predicts, where it has
learned its task, the distribution p w / sum(p w) in place of p, which is log(w) added to the scores. A run that was
trained with weights of its own is corrected for them in the same way, so lambda always means the same.

Networks that have no classes with a prior, or no temperature, are tried without them.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import zoo
from training import recipes
from training.data.datasets import Photographs, prepare
from training.evaluation.metrics import colorfulness
from training.runs import run_folder
from zoo import bins, color
from zoo.colorizer import network_of
from zoo.errors import ArgumentError
from zoo.pipeline import recompose

LAMBDAS = (1.0, 0.9, 0.7, 0.5, 0.3)
TEMPERATURES = (1.0, 0.8, 0.6, 0.38)
SATURATIONS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8)
PICTURES = 300
SHOWN = 20  # of the settings that are good enough
BATCH = 50


@dataclass(frozen=True)
class Balance:
    """A setting, and over the photographs its mean RMSE over that of gray, and its colorfulness over the truth's."""

    rebalance_lambda: float
    temperature: float
    saturation: float
    rmse: float
    colorfulness: float


def try_settings(
    network: keras.Model, photographs: Photographs, prior: np.ndarray | None = None, trained_lambda: float = 1.0
) -> Iterable[Balance]:
    """Tries every setting of the grid on (at most PICTURES of) the photographs. The network is left changed.

    Args:
        network: lightness -> ab.
        photographs: held-out ones.
        prior: of the classes that the layer "scores" tells apart, (n,).
        trained_lambda: of the class weights that the network was trained with.
    """
    lab = _sample(photographs)
    layers = {layer.name: layer for layer in network.layers}
    trained = None if prior is None else ops.convert_to_numpy(layers["scores"].bias)
    lambdas = (trained_lambda,) if prior is None else LAMBDAS
    temperatures = TEMPERATURES if "temperature" in layers else (1.0,)
    for rebalance_lambda, temperature in itertools.product(lambdas, temperatures):
        if prior is not None:
            weights, trained_weights = (
                np.log(bins.rebalancing_weights(prior, x)) for x in (rebalance_lambda, trained_lambda)
            )
            layers["scores"].bias.assign(trained + weights - trained_weights)
        if "temperature" in layers:
            layers["temperature"].scale = 1 / temperature
        yield from _saturate(lab, _predict(network, lab), rebalance_lambda, temperature)


def _sample(photographs: Photographs) -> np.ndarray:
    """Lab (N, S, S, 3) of an even choice of the photographs."""
    chosen = np.unique(np.linspace(0, len(photographs) - 1, PICTURES).astype(int))
    frames, _ = photographs.read(chosen, None)
    return ops.convert_to_numpy(color.rgb_to_lab(frames.astype(np.float32) / 255))


def _predict(model: keras.Model, lab: np.ndarray) -> np.ndarray:
    """A model's ab of Lab (N, S, S, 3) at every second pixel each way, as neighbors hardly differ."""
    parts = [model(lab[start : start + BATCH, :, :, :1], training=False) for start in range(0, len(lab), BATCH)]
    return np.concatenate([ops.convert_to_numpy(part)[:, ::2, ::2] for part in parts])


def _saturate(lab: np.ndarray, ab: np.ndarray, rebalance_lambda: float, temperature: float) -> Iterable[Balance]:
    """Lab (N, S, S, 3) and the ab that was predicted at every second pixel, with every saturation."""
    truth = lab[:, ::2, ::2]
    gray_rmse = _rmse(truth[..., 1:]).mean()
    true_colorfulness = colorfulness(_rgb(truth[..., :1], truth[..., 1:], 1.0)).mean()
    for saturation in SATURATIONS:
        rgb = _rgb(truth[..., :1], ab, saturation)
        yield Balance(
            rebalance_lambda,
            temperature,
            saturation,
            float(_rmse(ab * saturation - truth[..., 1:]).mean() / gray_rmse),
            float(colorfulness(rgb).mean() / true_colorfulness),
        )


def _rmse(difference: np.ndarray) -> np.ndarray:
    return np.sqrt((difference**2).mean(axis=(1, 2, 3)))


@tf.function(jit_compile=True)
def _recompose(lightness: tf.Tensor, ab: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(recompose(lightness, ab) * 255), tf.uint8)


def _rgb(lightness: np.ndarray, ab: np.ndarray, saturation: float) -> np.ndarray:
    return np.asarray(_recompose(lightness, ab * np.float32(saturation)))


def calibrate(run: Path, val: Path, least: float = 0.8) -> list[Balance]:
    """The settings that reach a colorfulness with the lowest errors, the lowest error first.

    Args:
        run: the folder of a training run.
        val: photographs that were not trained on, in any form that `prepare` takes.
        least: the minimum colorfulness, as a share of that of the photographs.

    Raises:
        ArgumentError: a folder that is not a run, a run without a best network, or a colorfulness that no setting
            reaches.
        DataError: photographs that cannot be used.
    """
    recipe = recipes.of_run(run)
    statistics = run_folder.read_statistics(run)
    network = network_of(zoo.load(run_folder.best(run)))
    resize_mode = "center_crop" if recipe.resize_mode == "random_crop" else recipe.resize_mode
    photographs = prepare(
        [val],
        recipe.size,
        run / "cache" / "val",
        resize_mode,
        split="validation",
        enlarge=recipe.enlarge,
        drop_gray=recipe.drop_gray,
    )
    settings = try_settings(network, photographs, statistics.get("prior"), getattr(recipe, "rebalance_lambda", 1.0))
    return select(settings, least)


def select(settings: Iterable[Balance], least: float) -> list[Balance]:
    """The SHOWN settings with the lowest errors of those that reach a colorfulness, the lowest error first.

    Raises:
        ArgumentError: none of them reaches it.
    """
    good = sorted((each for each in settings if each.colorfulness >= least), key=lambda each: each.rmse)
    if not good:
        raise ArgumentError(
            f"no setting reaches a colorfulness of {least:g} times that of the photographs: ask for less"
        )
    return good[:SHOWN]
