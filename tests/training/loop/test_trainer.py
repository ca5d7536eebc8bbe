"""When the steps of training are compiled, and that this changes nothing beyond rounding."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.photographs import write_fields
from training import recipes
from training.data.batches import batches
from training.loop import trainer
from training.loop.inputs import prepare_photographs
from training.loop.strategies import make_strategy
from training.loop.trainer import emulates_bfloat16, make_trainer
from training.systems.recipe import Recipe
from zoo import bins


def tiny(**overrides: str) -> Recipe:
    """Without classes of its own, so that no photographs are needed to build it."""
    return recipes.load("autoencoder_cifar10_v1", {"width": "0.06", "batch": "4"} | overrides)


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(trainer, "CPU_FLAGS", tmp_path / "none")


@pytest.mark.parametrize(
    ("flags", "emulates"),
    [
        ("flags : fpu avx2 fma", True),
        ("flags : avx512f avx512_bf16 fma", False),
        ("flags : amx_bf16 amx_tile", False),
        ("Features : fp asimd bf16 i8mm", False),
        ("flags : not_bf16_at_all", True),
    ],
)
def test_cpus_that_know_bfloat16(flags: str, emulates: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    monkeypatch.setattr(trainer, "CPU_FLAGS", tmp_path / "cpuinfo")
    assert emulates_bfloat16() is emulates


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize(
    ("precision", "strategy", "compiled"),
    [("mixed_bfloat16", "one", True), ("mixed_bfloat16", "mirrored", False), ("float32", "one", False)],
)
def test_what_is_compiled(precision: str, strategy: str, compiled: bool) -> None:
    made = make_trainer(tiny(precision=precision, gradient_accumulation_steps="2"), {}, 10, make_strategy(strategy))
    assert made.compiled is compiled
    steps = [made.step, *(step for _, *pair in made.rounds for step in pair)]
    assert {step._jit_compile for step in steps} == {compiled or None}


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize(("precision", "compiled"), [("float32", True), ("mixed_float16", False)])
def test_systems_of_many_small_operations_are_compiled(precision: str, compiled: bool) -> None:
    recipe = recipes.load("zhang2016_scenes_v1", {"width": "0.03", "size": "16", "batch": "4", "precision": precision})
    statistics = {"centers": bins.ab_grid(), "prior": np.full(313, 1 / 313, np.float32)}
    assert make_trainer(recipe, statistics, 10, tf.distribute.get_strategy()).compiled is compiled


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 5e-3)])
def test_a_compiled_step_computes_the_same(
    precision: str, tolerance: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = recipes.load("zhang2016_scenes_v1", {"width": "0.03", "size": "16", "batch": "4", "precision": precision})
    photographs = prepare_photographs(recipe, [write_fields(tmp_path / "photographs", 4)], tmp_path / "cache")
    inputs = next(iter(batches(photographs, 4, seed=0)))
    losses = []
    for compiled in (True, False):
        monkeypatch.setattr(trainer, "emulates_bfloat16", lambda compiled=compiled: compiled)
        keras.utils.set_random_seed(0)
        made = make_trainer(recipe, recipe.statistics(photographs), 10, tf.distribute.get_strategy())
        assert made.compiled is compiled
        losses.append([float(made.step(inputs)["loss"]) for _ in range(4)])
    assert losses[0][3] < losses[0][0]
    assert losses[0] == pytest.approx(losses[1], rel=tolerance)
