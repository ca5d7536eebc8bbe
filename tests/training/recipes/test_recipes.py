"""Recipes take values of their fields' types and ranges, and name the mistake in anything else."""

import dataclasses
import json
from importlib import import_module
from pathlib import Path

import pytest

from training import recipes
from training.recipes import renamed
from training.runs import run_folder
from training.systems.color_unet import ColorUNetRecipe
from training.systems.recipe import Recipe
from zoo.errors import ArgumentError, TrainingError, UnknownNameError

NAME = "color_unet_scenes_v1"


@pytest.mark.parametrize("name", recipes.list_recipes())
def test_every_recipe_is_valid_and_documented(name: str) -> None:
    recipe = recipes.load(name)
    assert isinstance(recipe, Recipe)
    assert recipe.name == name
    assert name.startswith(recipe.architecture)
    assert f"    colorzoo train {name} --" in (import_module(f"training.recipes.{name}").__doc__ or "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.batch = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("batch", "8", 8),
        ("learning_rate", "2e-4", 2e-4),
        ("learning_rate", "1", 1.0),
        ("filters", "(8, 16)", (8, 16)),
        ("filters", "[8, 16, 32]", (8, 16, 32)),
        ("noise", "(0, 1.5)", (0.0, 1.5)),
        ("flip", "False", False),
        ("schedule", "plateau", "plateau"),
        ("precision", "mixed_bfloat16", "mixed_bfloat16"),
    ],
)
def test_override(field: str, text: str, expected: object) -> None:
    recipe = recipes.load(NAME, {field: text})
    value = getattr(recipe, field)
    assert value == expected
    assert type(value) is type(expected)
    if isinstance(value, tuple):
        assert {type(item) for item in value} == {type(item) for item in expected}  # type: ignore[attr-defined]
    unchanged = dataclasses.asdict(recipes.load(NAME)) | {field: value}
    assert dataclasses.asdict(recipe) == unchanged


def test_unknown_recipe_lists_the_others() -> None:
    with pytest.raises(UnknownNameError, match="'nonsense'.*color_unet_scenes_v1.*color_unet_wide_scenes_v1"):
        recipes.load("nonsense")


def test_unknown_field_lists_the_others() -> None:
    with pytest.raises(ArgumentError, match="'batches'.*batch.*checkpoint_steps"):
        recipes.load(NAME, {"batches": "8"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("batch", "8.5"), ("batch", "eight"), ("batch", "True"), ("batch", ""), ("batch", "{[]: 1}"),
        ("learning_rate", "fast"), ("flip", "false"), ("flip", "1"),
        ("filters", "16"), ("filters", "(16, 'a')"), ("filters", "(16, 32.5)"),
        ("noise", "0.5"), ("noise", "(None,)"),
    ],
)  # fmt: skip
def test_value_of_another_type(field: str, text: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{field} is .*(int|float|bool|tuple) such as .* is needed$"):
        recipes.load(NAME, {field: text})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("bins", "0"), ("batch", "0"), ("epochs", "-1"), ("checkpoint_steps", "0"), ("seed", "-1"),
        ("learning_rate", "0"), ("min_learning_rate", "1"), ("min_learning_rate", "0"),
        ("plateau_factor", "1"), ("plateau_factor", "0"), ("plateau_patience", "0"),
        ("temperature", "0"), ("saturation", "-1"), ("rebalance_lambda", "1.1"), ("rebalance_lambda", "-0.1"),
        ("crop", "0"), ("crop", "1.1"), ("noise", "()"), ("noise", "(-1,)"),
        ("size", "15"), ("filters", "(16,)"), ("filters", "()"), ("filters", "(16, 0)"),
        ("precision", "float16"), ("schedule", "linear"), ("schedule", "step"), ("lr_milestones", "(1, 2)"),
        ("optimizer", "lion"), ("resize_mode", "squeeze"), ("augmentation", "none"), ("shortest", "(1,)"),
        ("shortest", "(70, 80)"), ("beta_1", "1"), ("weight_decay", "-1"), ("lr_gamma", "1"),
    ],
)  # fmt: skip
def test_value_out_of_range(field: str, text: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{field} is "):
        recipes.load(NAME, {field: text})


def test_recipes_of_earlier_versions_are_read(tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        ColorUNetRecipe(), resize_mode="center_crop", frame_size=48, batch=8, gradient_accumulation_steps=2,
        ema_momentum=0.5, global_clipnorm=1.0, schedule="step", lr_milestones=(1.0, 2.5), lr_gamma=0.5,
        min_learning_rate=1e-6, rebalance_lambda=0.25,
    )  # fmt: skip
    names = {now: then for then, now in renamed.FIELDS.items()}
    settings = {names.get(field, field): value for field, value in dataclasses.asdict(recipe).items()}
    assert {"framing", "working_size", "lam"} < set(settings)
    (tmp_path / "recipe.json").write_text(json.dumps(settings | {"framing": "fill", "test_noise": False}))
    assert recipes.of_run(tmp_path) == recipe
    run_folder.check_recipe(tmp_path, recipe)
    with pytest.raises(TrainingError, match="run: the run has frame_size=48, the command frame_size=64; name"):
        run_folder.check_recipe(tmp_path, dataclasses.replace(recipe, frame_size=64))
