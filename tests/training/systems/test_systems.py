"""The systems of the zoo in training: what their losses reach, and that devices and kills change nothing."""

import csv
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

import zoo
from tests import on_jax
from tests.two_layers import without_panels, without_tracing
from training import recipes
from training.data.augmentation import Augmentation
from training.data.batches import batches
from training.data.datasets import Photographs, prepare
from training.loop.callbacks import BestModel
from training.loop.checkpoints import State
from training.loop.strategies import make_strategy
from training.loop.train import train
from training.loop.trainer import Trainer, make_trainer, train_step, validation_step
from training.systems.autoencoder import channel_accuracy
from training.systems.classification import read_prior
from training.systems.recipe import Recipe
from training.systems.system import System, Tensors
from zoo import bins, color
from zoo.errors import ArgumentError

PHOTOS = {"train": 14, "val": 6}
COMMON = {
    "size": "32", "frame_size": "32", "batch": "4", "epochs": "2", "checkpoint_steps": "2", "crop": "0.8",
    "noise": "(0.0, 1.0)",
}  # fmt: skip
# recipe -> what makes its network tiny
TINY = {
    "autoencoder_cifar10_v1": {"width": "0.06", "regularization": "batch_norm"},
    "color_unet_scenes_v1": {"filters": "(4, 8)", "bins": "6"},
    "ibn_gan_scenes_v1": {"width": "0.06", "levels": "3", "scales": "2"},
    "iizuka2016_scenes_v1": {"width": "0.03", "global_size": "32"},
    "larsson2016_scenes_v1": {"width": "0.02", "locations": "20"},
    "lite_unet_photos_v1": {
        "width": "0.08",
        "init": "",
        "shortest": "(32, 40)",
        "l1": "0.05",
        "precision": "float32",
    },
    "pix2pix_scenes_v1": {"filters": "(4, 6, 8, 8)", "width": "1.0"},
    "zhang2016_scenes_v1": {"width": "0.03"},
}
every_system = pytest.mark.parametrize("name", TINY)


# Without tracing, which takes far longer than these few steps, and slowly with it; larsson2016 takes longest.
every_run = pytest.mark.parametrize(
    ("name", "eager"),
    [
        pytest.param(name, eager, marks=[] if eager and "larsson" not in name else pytest.mark.slow)
        for eager in (True, False)
        for name in TINY
    ],
)


def tiny(name: str, **overrides: str) -> Recipe:
    return recipes.load(name, COMMON | TINY[name] | overrides)


@pytest.fixture(scope="module")
def prepared(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    return prepare([photos / "train"], 32, tmp_path_factory.mktemp("cache"), "center_crop")


BATCHES: dict[tuple[str, int, int], tuple[tf.Tensor, Tensors]] = {}


def batch_for(system: System, photographs: Photographs, seed: int = 0) -> tuple[tf.Tensor, Tensors]:
    """One batch, which all systems that draw equally many numbers share: tracing the pipeline takes longest."""
    key = (photographs.digest, seed, system.draws)
    if key not in BATCHES:
        augmentation = Augmentation(True, 0.8, (0.0,))
        found = batches(
            photographs, 4, seed=seed, augmentation=augmentation, classes=photographs.classes, draws=system.draws
        )  # fmt: skip
        BATCHES[key] = next(iter(found))
    return BATCHES[key]


def rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "log.csv").read_text().splitlines()))


def weights(model: keras.Model) -> list[np.ndarray]:
    return [ops.convert_to_numpy(v) for v in model.variables]


def test_every_architecture_has_a_tiny_recipe() -> None:
    assert {recipes.recipe_class(name).architecture for name in zoo.list_models()} == set(zoo.list_models())
    assert {recipes.load(name).architecture for name in TINY} == set(zoo.list_models()), "TINY in this file"


@pytest.fixture(scope="module")
def built(prepared: Photographs) -> Callable[[str], System]:
    """Builds the tiny system of a recipe once, for tests that do not train it."""

    @functools.cache
    def of_recipe(name: str) -> System:
        recipe = tiny(name)
        return recipe.system(recipe.statistics(prepared))

    return of_recipe


@every_system
def test_every_trainable_variable_gets_a_gradient(
    name: str, prepared: Photographs, built: Callable[[str], System]
) -> None:
    system = built(name)
    updated = []

    def update(part: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        assert losses.shape == (4,)
        variables = {id(v): v for model in system.trained[part] for v in model.trainable_variables}
        gradients = tape.gradient(losses, list(variables.values()))
        without = [v.path for v, g in zip(variables.values(), gradients, strict=True) if g is None or not np.any(g)]
        # A bias in front of a normalization cancels; what rounding leaves of its gradient may be 0.
        assert [path for path in without if not path.endswith("bias")] == []
        assert all(g is not None for g in gradients)
        updated.append(part)

    lightness, truth = batch_for(system, prepared)
    losses = train_step(system, lightness, truth, update)
    assert sorted(updated) == sorted(system.trained)
    assert {tuple(value.shape) for value in losses.values()} == {(4,)}
    assert "loss" in losses


def step(trainer: Trainer, inputs: Any, strategy: tf.distribute.Strategy) -> dict[str, float]:
    """The losses of one step, for which the batch is spread over the replicas as `distribute` does it."""
    each = 4 // strategy.num_replicas_in_sync

    def part(context: tf.distribute.experimental.ValueContext) -> Any:
        begin = context.replica_id_in_sync_group * each
        return tf.nest.map_structure(lambda x: x[begin : begin + each], inputs)

    parts = strategy.experimental_distribute_values_from_function(part) if each < 4 else inputs
    return {name: float(value) for name, value in trainer.step(parts).items()}


def without_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two devices draw it each for itself."""
    build = zoo.create_model

    def quiet(architecture: str, **arguments: Any) -> keras.Model:
        network = build(architecture, **arguments)
        for layer in network._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0
        return network

    monkeypatch.setattr("zoo.create_model", quiet)


def all_weights(trainer: Trainer) -> list[tuple[str, np.ndarray]]:
    """Path and value of everything that is trained or moves, the seeds of dropout apart."""
    models = [model for part in trainer.system.trained.values() for model in part]
    return [(v.path, ops.convert_to_numpy(v)) for model in models for v in model.weights]


@pytest.fixture
def eagerly(eager: bool) -> Iterator[None]:
    with without_tracing(eager):
        yield


@every_run
@pytest.mark.usefixtures("eagerly")
def test_two_devices_train_as_one(
    name: str, prepared: Photographs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_dropout(monkeypatch)
    if name.startswith("lite_unet"):
        # In smooth pictures, its many normalizations divide by next to nothing, and make rounding errors large.
        noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
        for i, pixels in enumerate(noise):
            Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        prepared = prepare([tmp_path], 64, tmp_path / "cache", "center_crop")
    # Plain gradient descent: Adam makes a step of the rounding that is left of a gradient of 0, as of a bias in
    # front of a normalization.
    recipe = tiny(name, optimizer="sgd", learning_rate="0.01")
    statistics = recipe.statistics(prepared)
    trainers, losses = {}, {}
    for kind in ("one", "mirrored"):
        keras.utils.set_random_seed(0)
        strategy = make_strategy(kind)
        trainers[kind] = make_trainer(recipe, statistics, 100, strategy)
        before = all_weights(trainers[kind])
        losses[kind] = step(trainers[kind], batch_for(trainers[kind].system, prepared), strategy)
    one, two = all_weights(trainers["one"]), all_weights(trainers["mirrored"])
    assert max(np.abs(value - start).max() for (_, value), (_, start) in zip(one, before, strict=True)) > 1e-3
    for (path, left), (_, right) in zip(one, two, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5, rtol=0, err_msg=path)
    assert losses["one"] == pytest.approx(losses["mirrored"], abs=1e-4, rel=1e-4)
    # The next step of each replica begins with its own copies.
    for variable in (
        v for part in trainers["mirrored"].system.trained.values() for model in part for v in model.weights
    ):
        copies = [copy.numpy() for copy in variable.value.values]
        assert len(copies) == 2
        np.testing.assert_array_equal(*copies, err_msg=variable.path)


@every_run
@pytest.mark.usefixtures("eagerly")
def test_a_checkpoint_goes_on_exactly(name: str, prepared: Photographs, tmp_path: Path) -> None:
    """Optimizers, moving statistics, spectral vectors and the state of dropout included."""
    recipe = tiny(name)
    statistics, strategy = recipe.statistics(prepared), make_strategy("one")

    def start(folder: Path) -> tuple[Trainer, State]:
        trainer = make_trainer(recipe, statistics, 100, strategy)
        return trainer, State(trainer.system.trained, trainer.optimizers, folder)

    keras.utils.set_random_seed(0)
    straight, state = start(tmp_path)
    first, second = (batch_for(straight.system, prepared, seed) for seed in (0, 1))
    step(straight, first, strategy)
    plateau, best = keras.callbacks.ReduceLROnPlateau(), BestModel(straight.system.network, tmp_path, "loss", 32, 1.0)
    state.add({"loss": 0.5})
    state.save(plateau, best)
    keras.utils.set_random_seed(1)
    resumed, found = start(tmp_path)
    assert (found.step, found.loss_sums) == (1, {"loss": 0.5})
    assert step(resumed, second, strategy) == step(straight, second, strategy)
    for (path, left), (_, right) in zip(all_weights(straight), all_weights(resumed), strict=True):
        np.testing.assert_array_equal(left, right, err_msg=path)


class Killed(BaseException):
    """Stands for a SIGKILL."""


@pytest.mark.slow
@every_system
def test_a_run_that_is_killed_from_start_to_colorizer(
    name: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_at(step: int) -> Callable[..., None]:
        left = [step]
        original = keras.callbacks.CallbackList.on_train_batch_end

        def on_train_batch_end(self: keras.callbacks.CallbackList, batch: int, logs: dict[str, float]) -> None:
            original(self, batch, logs)
            left[0] -= 1
            if not left[0]:
                raise Killed

        return on_train_batch_end

    def run(out: Path) -> keras.Model:
        return train(tiny(name), [photos / "train"], photos / "val", out, make_strategy("one"))

    expected = run(tmp_path / "undisturbed")
    log = rows(tmp_path / "undisturbed")
    assert len(log) == 2
    assert {"loss", "val_loss", "val_rmse"} <= set(log[0])
    assert all(math.isfinite(float(value)) for row in log for value in row.values())
    model = keras.models.load_model(tmp_path / "undisturbed" / "best.keras")
    assert ops.convert_to_numpy(model(np.full((1, 21, 30, 3), 120, np.uint8))).shape == (1, 21, 30, 3)
    assert dataclasses.asdict(recipes.of_run(tmp_path / "undisturbed")) == dataclasses.asdict(tiny(name))

    for step in (3, 2):
        with monkeypatch.context() as patches, pytest.raises(Killed):
            patches.setattr(keras.callbacks.CallbackList, "on_train_batch_end", killed_at(step))
            run(tmp_path / "killed")
    found = run(tmp_path / "killed")
    for variable, left, right in zip(expected.variables, weights(found), weights(expected), strict=True):
        np.testing.assert_array_equal(left, right, err_msg=variable.path)
    assert rows(tmp_path / "killed") == log


# === Backends ===


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed, which this project does not require")
def test_losses_are_the_same_on_jax(prepared: Photographs, tmp_path: Path) -> None:
    """And nothing that they need imports TensorFlow."""
    jobs, expected = {}, {}
    for name in TINY:
        fields = COMMON | TINY[name]
        recipe = recipes.load(name, fields)
        statistics = recipe.statistics(prepared)
        system = recipe.system(statistics)
        lightness, truth = batch_for(system, prepared)
        models = [model for part in system.trained.values() for model in part]
        on_jax.without_dropout(models)
        arrays = {f"truth/{key}": np.asarray(value) for key, value in truth.items()}
        arrays |= {f"statistics/{key}": value for key, value in statistics.items()}
        jobs[name] = (fields, arrays | on_jax.weights_of(models) | {"lightness": np.asarray(lightness)})
        losses = {f"val_{key}": value for key, value in validation_step(system, lightness, truth).items()}
        losses |= train_step(system, lightness, truth, lambda *_: None)
        expected[name] = {key: np.asarray(value) for key, value in losses.items()}
    found = on_jax.losses_on_jax(jobs, tmp_path)
    for name, losses in expected.items():
        assert found[name].keys() == losses.keys()
        for key, value in losses.items():
            np.testing.assert_allclose(found[name][key], value, rtol=2e-3, atol=1e-4, err_msg=f"{name} {key}")


# === Adversarial training ===


@pytest.mark.parametrize("name", ["pix2pix_scenes_v1", "ibn_gan_scenes_v1"])
def test_each_player_moves_for_itself(name: str, prepared: Photographs, built: Callable[[str], System]) -> None:
    system = built(name)
    order = []

    def update(part: str, tape: tf.GradientTape, losses: tf.Tensor) -> None:
        order.append(part)
        if part == "discriminator":
            # It does not teach the generator to be caught.
            generator = system.trained["generator"][0].trainable_variables
            assert {g is None for g in tape.gradient(losses, generator)} == {True}

    train_step(system, *batch_for(system, prepared), update)
    assert order == ["discriminator", "generator"]


@pytest.mark.parametrize("kind", ["log", "least_squares"])
def test_the_game(kind: str, prepared: Photographs) -> None:
    """The losses from the networks' own outputs, by the papers' formulas."""
    recipe = tiny("pix2pix_scenes_v1", adversarial_loss=kind, dropout="0.0", l1_weight="7.0")
    system = recipe.system(recipe.statistics(prepared))
    lightness, truth = batch_for(system, prepared)
    losses = train_step(system, lightness, truth, lambda *_: None)
    network, judge = system.network, system.trained["discriminator"][0]
    both = keras.Model(network.input, [network.get_layer("condition").output, network.get_layer("rgb").output])
    gray, fake = both(lightness, training=True)
    np.testing.assert_allclose(gray, 2 * color.gray_of_lightness(lightness) - 1, atol=1e-5)
    true = 2 * truth["rgb"] - 1
    on_true, on_fake = (np.asarray(judge([gray, x], training=True), np.float64) for x in (true, fake))
    if kind == "log":
        cost = {True: lambda x: np.log1p(np.exp(-x)), False: lambda x: np.log1p(np.exp(x))}
    else:
        cost = {True: lambda x: (x - 1) ** 2, False: lambda x: x**2}
    mean = (1, 2, 3)
    caught = (cost[True](on_true).mean(mean) + cost[False](on_fake).mean(mean)) / 2
    np.testing.assert_allclose(losses["discriminator"], caught, rtol=1e-3)
    np.testing.assert_allclose(losses["adversarial"], cost[True](on_fake).mean(mean), rtol=1e-3)
    np.testing.assert_allclose(losses["loss"], np.abs(fake - true).mean(mean), rtol=1e-3)


def test_padding_is_not_for_discriminators() -> None:
    for name in ("pix2pix_scenes_v1", "ibn_gan_scenes_v1"):
        with pytest.raises(ArgumentError, match="^resize_mode is 'pad': .* cannot tell padding from picture"):
            tiny(name, resize_mode="pad")


# === Single systems ===


def test_iizuka_labels_are_the_class_folders(
    photos: Path, prepared: Photographs, built: Callable[[str], System], tmp_path: Path
) -> None:
    assert prepared.classes == ["coast", "forest"]
    system = built("iizuka2016_scenes_v1")
    lightness, truth = batch_for(system, prepared)
    assert set(truth["labels"].numpy()) <= {0, 1}
    losses = train_step(system, lightness, truth, lambda *_: None)
    np.testing.assert_allclose(losses["loss"], losses["color"] + losses["scene"] / 300, rtol=1e-5)
    unlabeled = truth | {"labels": tf.fill((4,), -1)}
    assert not np.any(train_step(system, lightness, unlabeled, lambda *_: None)["scene"])

    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (photos / "train").rglob("*.jpg"):
        (flat / path.name).write_bytes(path.read_bytes())
    alone = prepare([flat], 32, tmp_path / "cache", "center_crop")
    assert alone.classes == []
    recipe = tiny("iizuka2016_scenes_v1")
    system = recipe.system(recipe.statistics(alone))
    assert system.trained["network"] == [system.network]
    assert "scene" not in train_step(system, lightness, truth, lambda *_: None)


def test_iizuka_target_is_the_mean_of_four_pixels(prepared: Photographs) -> None:
    recipe = tiny("iizuka2016_scenes_v1", alpha="0.0")
    system = recipe.system(recipe.statistics(prepared))
    lightness, truth = batch_for(system, prepared)
    painter = keras.Model(system.network.input, system.network.get_layer("map").output)
    painted = painter(lightness, training=True).numpy()
    wanted = (truth["ab"].numpy().reshape(4, 16, 2, 16, 2, 2).mean((2, 4)) + 100) / 200
    found = train_step(system, lightness, truth, lambda *_: None)["loss"]
    np.testing.assert_allclose(found, ((painted - wanted) ** 2).mean((1, 2, 3)), rtol=1e-4)


def test_zhang_prior_and_gray_pictures(prepared: Photographs, built: Callable[[str], System], tmp_path: Path) -> None:
    centers = bins.ab_grid()
    prior = prepared.ab_prior(centers, neighbors=5, sigma=5.0)
    ab = color.rgb_to_lab(prepared.frames[:, ::4, ::4].astype(np.float32) / 255)[..., 1:]
    expected = ops.convert_to_numpy(bins.soft_encode(ab, centers)).reshape(-1, 313).mean(0)
    np.testing.assert_allclose(prior, expected, atol=1e-6)
    np.save(tmp_path / "prior.npy", prior)
    np.testing.assert_array_equal(read_prior(str(tmp_path / "prior.npy"), 313), prior)
    np.save(tmp_path / "short.npy", prior[:300])
    with pytest.raises(ArgumentError, match="prior is .*short.npy.*: 313 shares with the sum 1 are needed"):
        read_prior(str(tmp_path / "short.npy"), 313)
    with pytest.raises(ArgumentError, match="prior is .*none.npy.*cannot be read"):
        read_prior(str(tmp_path / "none.npy"), 313)

    system = built("zhang2016_scenes_v1")
    lightness, truth = batch_for(system, prepared)
    gray = truth | {"ab": tf.concat([truth["ab"][:2] * 0.001, truth["ab"][2:]], 0)}
    losses = train_step(system, lightness, gray, lambda *_: None)["loss"].numpy()
    assert (losses[:2] == 0).all()
    assert (losses[2:] > 0).all()


def test_lite_unet_learns_the_mean_color_of_each_cell(prepared: Photographs) -> None:
    recipe = tiny("lite_unet_photos_v1")
    system = recipe.system(recipe.statistics(prepared))
    _, truth = batch_for(system, prepared)
    mask = np.ones(truth["mask"].shape, np.float32)
    mask[:, 30:] = 0  # the last row of cells is half picture
    found = system.targets(truth | {"mask": tf.constant(mask)})
    cells = truth["ab"].numpy().reshape(-1, 8, 4, 8, 4, 2)
    np.testing.assert_allclose(found["cells"][:, :7], cells.mean((2, 4))[:, :7], atol=1e-3)
    np.testing.assert_allclose(found["cells"][:, 7], cells[:, 7, :2].mean((1, 3)), atol=1e-3)
    np.testing.assert_allclose(found["share"], np.repeat([[1.0] * 7 + [0.5]], len(mask), 0)[:, :, None].repeat(8, 2))
    np.testing.assert_allclose(tf.reduce_sum(found["encoded"], -1), 1.0, atol=1e-5)


def test_larsson_reads_picture_and_truth_at_the_same_places(prepared: Photographs) -> None:
    recipe = tiny("larsson2016_scenes_v1", window="1")
    system = recipe.system(recipe.statistics(prepared))
    kernel = system.network.get_layer("scores").kernel
    kernel.assign(kernel * 1e4)
    lightness, truth = batch_for(system, prepared)
    places = tf.reshape(truth["draws"], (4, -1, 2))
    found = validation_step(system, lightness, truth)["loss"]
    mixed = tf.gather(places, np.random.default_rng(0).permutation(places.shape[1]), axis=1)
    # Their order does not matter; which score meets which color does.
    same = validation_step(system, lightness, truth | {"draws": tf.reshape(mixed, (4, -1))})["loss"]
    np.testing.assert_allclose(found, same, rtol=1e-5)


@pytest.mark.parametrize(
    "heads", ["hue_chroma", *(pytest.param(h, marks=pytest.mark.slow) for h in ("lab", "lab_joint"))]
)
def test_larsson_learns_with_every_head(heads: str, prepared: Photographs) -> None:
    recipe = tiny("larsson2016_scenes_v1", heads=heads, window="3", learning_rate="0.01")
    trainer = make_trainer(recipe, recipe.statistics(prepared), 100, make_strategy("one"))
    inputs = batch_for(trainer.system, prepared)
    losses = [float(trainer.step(inputs)["loss"]) for _ in range(45)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])


def test_accuracy_is_that_of_keras() -> None:
    rng = np.random.default_rng(0)
    rgb, true = rng.uniform(0, 1, (2, 2, 4, 4, 3)).astype(np.float32)
    found = ops.convert_to_numpy(channel_accuracy(rgb, true, np.ones((2, 4, 4), np.float32)))
    metric = keras.metrics.CategoricalAccuracy()  # what "accuracy" is for targets of three channels
    for got, one, other in zip(found, true, rgb, strict=True):
        metric.reset_state()
        metric.update_state(one, other)
        assert got == pytest.approx(float(metric.result()))
    mask = np.zeros((2, 4, 4), np.float32)
    mask[0, 0, 0] = 1
    masked = ops.convert_to_numpy(channel_accuracy(rgb, true, mask))
    assert masked.tolist() == [float(rgb[0, 0, 0].argmax() == true[0, 0, 0].argmax()), 0.0]


def test_the_plateau_of_the_accuracy(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Noted(keras.callbacks.ReduceLROnPlateau):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            super().on_epoch_end(epoch, logs)
            made.append((self.monitor, self.mode, self.best == (logs or {})[self.monitor]))

    monkeypatch.setattr(keras.callbacks, "ReduceLROnPlateau", Noted)
    recipe = tiny("autoencoder_cifar10_v1", epochs="1", batch="14", plateau_monitor="accuracy")
    with without_tracing(), without_panels():
        train(recipe, [photos / "train"], photos / "val", tmp_path / "run", make_strategy("one"))
    assert made == [("val_accuracy", "max", True)]


# === Optimizers ===


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "rmsprop", "adadelta", "momentum", "sgd"])
def test_optimizers(optimizer: str, prepared: Photographs) -> None:
    rate = {"adadelta": "1.0", "sgd": "0.5", "momentum": "0.2"}.get(optimizer, "0.01")
    recipe = tiny("autoencoder_cifar10_v1", optimizer=optimizer, learning_rate=rate, regularization="none")
    trainer = make_trainer(recipe, {}, 100, make_strategy("one"))
    assert type(trainer.main_optimizer).__name__.lower() == {"momentum": "sgd"}.get(optimizer, optimizer)
    inputs = batch_for(trainer.system, prepared)
    with without_tracing():
        losses = [float(trainer.step(inputs)["loss"]) for _ in range(10)]
    assert losses[-1] < losses[0]


def test_weight_decay_shrinks_kernels_and_not_biases(prepared: Photographs) -> None:
    found = {}
    for decay in ("0.0", "0.5"):
        keras.utils.set_random_seed(0)
        plain_descent = {"optimizer": "sgd", "learning_rate": "0.01", "regularization": "none"}
        recipe = tiny("autoencoder_cifar10_v1", **plain_descent, weight_decay=decay)
        trainer = make_trainer(recipe, {}, 100, make_strategy("one"))
        before = weights(trainer.system.network)
        with without_tracing():
            trainer.step(batch_for(trainer.system, prepared))
        found[decay] = weights(trainer.system.network)
    for start, plain, decayed in zip(before, found["0.0"], found["0.5"], strict=True):
        expected = plain - 0.01 * 0.5 * start if start.ndim > 1 else plain
        np.testing.assert_allclose(decayed, expected, atol=1e-6)


def test_step_schedule(prepared: Photographs) -> None:
    recipe = tiny(
        "autoencoder_cifar10_v1", schedule="step", lr_milestones="(0.5, 1.5)", learning_rate="0.1", lr_gamma="0.2"
    )
    trainer = make_trainer(recipe, {}, 2, make_strategy("one"))
    inputs, rates = batch_for(trainer.system, prepared), []
    for _ in range(5):
        rates.append(float(tf.convert_to_tensor(trainer.main_optimizer.learning_rate)))
        trainer.step(inputs)
    assert rates == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004])
