"""Recipes take values of their fields' types and ranges, and name the mistake in anything else."""

import dataclasses

import pytest

from training import recipes
from training.recipes.recipe import Recipe
from zoo.errors import ArgumentError, UnknownNameError

NAME = "color_unet_scenes_v1"


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_is_valid_and_documented(name: str) -> None:
    recipe = recipes.load(name)
    assert isinstance(recipe, Recipe)
    assert type(recipe).__doc__
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
        ("learning_rate", "0"), ("lowest_learning_rate", "1"), ("lowest_learning_rate", "0"),
        ("plateau_factor", "1"), ("plateau_factor", "0"), ("plateau_patience", "0"),
        ("temperature", "0"), ("saturation", "-1"), ("lam", "1.1"), ("lam", "-0.1"),
        ("crop", "0"), ("crop", "1.1"), ("noise", "()"), ("noise", "(-1,)"),
        ("size", "15"), ("filters", "(16,)"), ("filters", "()"), ("filters", "(16, 0)"),
        ("precision", "float16"), ("schedule", "linear"), ("schedule", "step"), ("drop_epochs", "(1, 2)"),
        ("optimizer", "lion"), ("framing", "stretch"), ("augmentation", "none"), ("shortest", "(1,)"),
        ("shortest", "(70, 80)"), ("beta_1", "1"), ("weight_decay", "-1"), ("drop_factor", "1"),
    ],
)  # fmt: skip
def test_value_out_of_range(field: str, text: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{field} is "):
        recipes.load(NAME, {field: text})
