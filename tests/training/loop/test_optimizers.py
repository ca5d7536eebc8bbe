"""Gradient accumulation, clipping, moving averages, AdamW and loss scaling, against the same by hand."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.photographs import write_fields
from tests.two_layers import TwoLayers
from training import recipes
from training.data.augmentation import Augmentation
from training.data.batches import batches
from training.data.datasets import Photographs, prepare
from training.loop.callbacks import BestModel
from training.loop.checkpoints import State
from training.loop.optimizers import current_rate, unwrap, use_averages
from training.loop.strategies import distribute, make_strategy
from training.loop.trainer import Trainer, make_trainer, train_step
from training.systems.recipe import Recipe

# Plain descent shows gradients as they are.
PLAIN = {"optimizer": "sgd", "learning_rate": 0.5}
HALF = PLAIN | {"precision": "mixed_float16"}
PIX2PIX = {
    "filters": "(4, 6, 8, 8)", "width": "1.0", "size": "32", "frame_size": "32", "batch": "4", "optimizer": "sgd",
    "learning_rate": "0.1", "dropout": "0.0", "l1_weight": "1.0",
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("eagerly")

Batch = Callable[..., Any]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    folder = tmp_path_factory.mktemp("photos")
    return prepare([write_fields(folder / "train", 8)], 32, folder / "cache", "center_crop")


def built(settings: dict[str, Any], strategy: str = "one") -> Trainer:
    return made(TwoLayers(**settings), strategy)


def made(recipe: Recipe, strategy: str) -> Trainer:
    keras.utils.set_random_seed(0)
    return make_trainer(recipe, {}, 100, make_strategy(strategy))


@pytest.fixture(scope="module")
def batch(prepared: Photographs) -> Batch:
    """Makes the batch of a seed, once: tracing its pipeline takes longer than a step."""

    @functools.cache
    def of_seed(seed: int = 0) -> Any:
        return next(iter(batches(prepared, 4, seed=seed, augmentation=Augmentation(True, 0.8, (0.0,)))))

    return of_seed


def dealt(inputs: Any, strategy: str, parts: int = 1) -> list[Any]:
    """A batch as the loop gets it: in parts, each of which is spread over the replicas."""
    kind = make_strategy(strategy)
    if kind.num_replicas_in_sync == parts == 1:
        return [inputs]
    dataset = tf.data.Dataset.from_tensor_slices(inputs).batch(4)
    return list(distribute(kind, 4 // parts // kind.num_replicas_in_sync, lambda _: dataset))


def trained(trainer: Trainer) -> dict[str, np.ndarray]:
    models = [model for part in trainer.system.trained.values() for model in part]
    return {v.path: ops.convert_to_numpy(v) for model in models for v in model.trainable_variables}


def moved(trainer: Trainer, parts: Sequence[Any]) -> dict[str, np.ndarray]:
    """What a step changes."""
    before = trained(trainer)
    trainer.train(parts)
    return {path: value - before[path] for path, value in trained(trainer).items()}


def assert_close(left: dict[str, np.ndarray], right: dict[str, np.ndarray], atol: float) -> None:
    assert list(left) == list(right)
    for path, value in left.items():
        np.testing.assert_allclose(value, right[path], atol=atol, rtol=0, err_msg=path)


# === Gradient accumulation ===


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_parts_of_a_batch_train_as_the_batch(strategy: str, batch: Batch) -> None:
    whole = built(PLAIN)
    in_parts = built(PLAIN | {"gradient_accumulation_steps": 2}, strategy)
    for seed in (0, 1):  # the second step finds nothing of the first
        inputs = batch(seed)
        expected = whole.train([inputs])
        assert in_parts.train(dealt(inputs, strategy, 2)) == pytest.approx(expected, rel=1e-5)
    assert norm(moved(built(PLAIN), [batch()])) > 1e-3
    assert_close(trained(in_parts), trained(whole), 1e-6)


def without_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Normalization as in inference, which no other picture of the batch takes part in."""
    call = keras.layers.BatchNormalization.call
    monkeypatch.setattr(keras.layers.BatchNormalization, "call", lambda self, x, **_: call(self, x, training=False))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_generator_meets_the_new_discriminator_with_every_part(
    strategy: str, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_statistics(monkeypatch)
    whole = made(recipes.load("pix2pix_scenes_v1", PIX2PIX), "one")
    in_parts = made(recipes.load("pix2pix_scenes_v1", PIX2PIX | {"gradient_accumulation_steps": "2"}), strategy)
    before = trained(whole)
    for seed in (0, 1):
        inputs = batch(seed)
        expected = whole.train([inputs])
        assert in_parts.train(dealt(inputs, strategy, 2)) == pytest.approx(expected, rel=1e-4)
    assert max(np.abs(value - before[path]).max() for path, value in trained(whole).items()) > 1e-2
    assert_close(trained(in_parts), trained(whole), 1e-5)


# === Clipping ===


def norm(values: dict[str, np.ndarray]) -> float:
    return float(np.sqrt(sum((value.astype(np.float64) ** 2).sum() for value in values.values())))


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_clipping_by_the_norm_of_all_gradients(strategy: str, batch: Batch) -> None:
    inputs = batch()
    free = moved(built(PLAIN), [inputs])
    gradient = norm(free) / 0.5
    for limit, shrink in ((gradient / 4, 0.25), (gradient * 2, 1.0)):
        found = moved(built(PLAIN | {"global_clipnorm": limit}, strategy), dealt(inputs, strategy))
        assert norm(found) == pytest.approx(norm(free) * shrink, rel=1e-3)
        assert_close(found, {path: value * shrink for path, value in free.items()}, 1e-6)


def test_clipping_counts_the_parts_together(batch: Batch) -> None:
    inputs = batch()
    clipped = PLAIN | {"global_clipnorm": norm(moved(built(PLAIN), [inputs])) / 0.5 / 3}
    in_parts = built(clipped | {"gradient_accumulation_steps": 2})
    assert_close(moved(in_parts, dealt(inputs, "one", 2)), moved(built(clipped), [inputs]), 1e-6)


# === Rules ===


def test_adamw_is_that_of_keras(batch: Batch) -> None:
    settings = PLAIN | {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1, "beta_2": 0.99}
    trainer, inputs = built(settings), batch()
    variables = trainer.system.network.trainable_variables
    start = [ops.convert_to_numpy(v) for v in variables]
    seen: list[np.ndarray] = []

    def look(name: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        seen.extend(np.asarray(g) for g in tape.gradient(losses, variables, output_gradients=tf.fill((4,), 0.25)))

    train_step(trainer.system, *inputs, look)
    copies = [keras.Variable(value) for value in start]
    keras.optimizers.AdamW(0.01, weight_decay=0.1, beta_2=0.99).apply([tf.constant(g) for g in seen], copies)
    trainer.train([inputs])
    for variable, value, copy in zip(variables, start, copies, strict=True):
        np.testing.assert_allclose(variable, copy, atol=1e-6, err_msg=variable.path)
        if len(variable.shape) > 1:  # by hand: Adam's first step is the rate, and the decay comes off beside it
            assert np.abs(ops.convert_to_numpy(variable) - value * (1 - 0.01 * 0.1)).max() == pytest.approx(
                0.01, rel=1e-2
            )


# === Moving averages ===


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_moving_average(strategy: str, batch: Batch, tmp_path: Path) -> None:
    settings = PLAIN | {"ema_momentum": 0.75}
    trainer = built(settings, strategy)
    optimizer = trainer.main_optimizer
    before = trained(trainer)
    with use_averages(optimizer):
        assert_close(trained(trainer), before, 0)  # nothing is averaged yet

    def step(trainer: Trainer, seed: int) -> dict[str, np.ndarray]:
        trainer.train(dealt(batch(seed), strategy))
        return trained(trainer)

    first, second = step(trainer, 0), step(trainer, 1)
    expected = {path: 0.75 * first[path] + 0.25 * second[path] for path in first}
    with use_averages(optimizer):
        assert_close(trained(trainer), expected, 1e-6)
    assert_close(trained(trainer), second, 0)

    state = State(trainer.system.trained, trainer.optimizers, tmp_path)
    state.save(keras.callbacks.ReduceLROnPlateau(), BestModel(trainer.system.network, tmp_path, "loss", 32, 1.0))
    resumed = built(settings, strategy)
    State(resumed.system.trained, resumed.optimizers, tmp_path)
    assert_close(step(resumed, 2), step(trainer, 2), 0)
    with use_averages(optimizer):
        third = trained(trainer)
    with use_averages(resumed.main_optimizer):
        assert_close(trained(resumed), third, 0)


# === Loss scaling ===


def scale_of(trainer: Trainer) -> float:
    return float(ops.convert_to_numpy(trainer.main_optimizer.dynamic_scale))


@pytest.mark.parametrize("strategy", ["one", "mirrored"])
@pytest.mark.parametrize("extra", [{}, {"global_clipnorm": 0.001}, {"weight_decay": 0.5}])
def test_float16_trains_as_float32(strategy: str, extra: dict[str, float], batch: Batch) -> None:
    inputs = batch()
    full = moved(built(HALF | {"precision": "float32"} | extra), [inputs])
    trainer = built(HALF | extra, strategy)
    assert type(trainer.main_optimizer).__name__ == "LossScaleOptimizer"
    assert current_rate(trainer.main_optimizer) == pytest.approx(0.5)
    half = moved(trainer, dealt(inputs, strategy))
    assert scale_of(trainer) == 2**15
    difference = norm({path: half[path] - value for path, value in full.items()})
    assert norm(full) > 1e-5
    assert difference < 0.02 * norm(full)


def test_small_gradients_survive_float16(batch: Batch) -> None:
    """Below 6e-8 half precision knows nothing but 0."""
    inputs = batch()
    tiny = HALF | {"batch": 4_000_000, "learning_rate": 1e5}  # pretends that these four are a part of so many
    full = moved(built(tiny | {"precision": "float32"}), [inputs])
    half = moved(built(tiny), [inputs])
    difference = norm({path: half[path] - value for path, value in full.items()})
    assert difference < 0.02 * norm(full)


def overflowing(monkeypatch: pytest.MonkeyPatch, trainer: Trainer, on_replica: int | None = None) -> None:
    """Gradients of infinity, which losses show nothing of; on all replicas or on one."""
    original = tf.GradientTape.gradient

    def gradient(self: tf.GradientTape, *arguments: Any, **named: Any) -> list[tf.Tensor]:
        context = tf.distribute.get_replica_context()
        here = on_replica is None or context.replica_id_in_sync_group == on_replica
        return [g * np.inf if here else g for g in original(self, *arguments, **named)]

    monkeypatch.setattr(tf.GradientTape, "gradient", gradient)


@pytest.mark.parametrize(("strategy", "replica"), [("one", None), ("mirrored", None), ("mirrored", 0), ("mirrored", 1)])
@pytest.mark.parametrize("global_clipnorm", [0.0, 1.0])
def test_overflow_halves_the_scale_and_leaves_weights_alone(
    strategy: str, replica: int | None, global_clipnorm: float, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = built(HALF | {"ema_momentum": 0.5, "global_clipnorm": global_clipnorm}, strategy)
    before = trained(trainer)
    inputs = dealt(batch(), strategy)
    with monkeypatch.context() as patches:
        overflowing(patches, trainer, replica)
        losses = trainer.train(inputs)
    assert np.isfinite(losses["loss"])
    assert scale_of(trainer) == 2**14
    assert int(ops.convert_to_numpy(unwrap(trainer.main_optimizer).iterations)) == 0
    with use_averages(trainer.main_optimizer):
        assert_close(trained(trainer), before, 0)
    assert_close(trained(trainer), before, 0)
    assert norm(moved(trainer, inputs)) > 1e-5
    assert scale_of(trainer) == 2**14


@pytest.mark.slow
@pytest.mark.parametrize("eager", [False])
@pytest.mark.parametrize("strategy", ["one", "mirrored"])
def test_loss_scaling_when_traced(strategy: str, eager: bool, batch: Batch) -> None:
    """Here the choice between a step and half the scale is made in the graph."""
    trainer = built(HALF | {"gradient_accumulation_steps": 2}, strategy)
    inputs = dealt(batch(), strategy, 2)
    for part in (False, True):
        before = trained(trainer)
        if part:
            trainer.main_optimizer.dynamic_scale.assign(3e38)
        trainer.train(inputs)
        assert (norm({path: value - before[path] for path, value in trained(trainer).items()}) == 0) == part
    assert scale_of(trainer) == pytest.approx(1.5e38)


def test_scale_is_in_the_checkpoint(batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, inputs = built(HALF), [batch()]
    with monkeypatch.context() as patches:
        overflowing(patches, trainer)
        trainer.train(inputs)
    trainer.train(inputs)
    state = State(trainer.system.trained, trainer.optimizers, tmp_path)
    state.save(keras.callbacks.ReduceLROnPlateau(), BestModel(trainer.system.network, tmp_path, "loss", 32, 1.0))
    resumed = built(HALF)
    State(resumed.system.trained, resumed.optimizers, tmp_path)
    found, expected = resumed.main_optimizer, trainer.main_optimizer
    assert scale_of(resumed) == 2**14
    assert int(ops.convert_to_numpy(found.step_counter)) == int(ops.convert_to_numpy(expected.step_counter)) == 1
    assert_close(moved(resumed, inputs), moved(trainer, inputs), 0)
