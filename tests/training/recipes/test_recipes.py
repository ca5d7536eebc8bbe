"""Recipes take values of their fields' types and ranges, and name the mistake in anything else."""

import dataclasses
import json
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

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
    del settings["body"]  # which came later
    (tmp_path / "recipe.json").write_text(json.dumps(settings | {"framing": "fill", "test_noise": False}))
    assert recipes.of_run(tmp_path) == recipe
    run_folder.check_recipe(tmp_path, recipe)
    with pytest.raises(TrainingError, match="run: the run has frame_size=48, the command frame_size=64; name"):
        run_folder.check_recipe(tmp_path, dataclasses.replace(recipe, frame_size=64))


def test_run_of_another_recipe_is_refused_with_what_continues_it(tmp_path: Path) -> None:
    recipe = recipes.load("autoencoder_cifar10", {"drop_gray": "True", "noise": "(0.1, 0.2)"})
    (tmp_path / "recipe.json").write_text(json.dumps(dataclasses.asdict(recipe)))
    with pytest.raises(TrainingError, match="name another --out, or continue this run with ") as raised:
        run_folder.check_recipe(tmp_path, recipes.load("autoencoder_cifar10"))
    words = shlex.split(str(raised.value).split(" with ")[1])
    assert words[::2] == ["--set", "--set"]
    run_folder.check_recipe(tmp_path, recipes.load("autoencoder_cifar10", dict(w.split("=") for w in words[1::2])))
    with pytest.raises(TrainingError, match="name another --out$"):
        run_folder.check_recipe(tmp_path, recipes.load(NAME))


def test_field_of_an_earlier_version_on_the_command_line() -> None:
    with pytest.raises(ArgumentError, match="^recipes have no field 'framing': it is called resize_mode now$"):
        recipes.load(NAME, {"framing": "fill"})


def test_folders_of_runs_that_no_version_wrote(tmp_path: Path) -> None:
    settings = dataclasses.asdict(recipes.load(NAME))
    (tmp_path / "recipe.json").write_text(json.dumps(settings | {"color": 1}))
    with pytest.raises(ArgumentError, match="recipe.json has fields that this version does not know: color$"):
        recipes.of_run(tmp_path)
    (tmp_path / "recipe.json").write_text(json.dumps(settings | {"architecture": "losses"}))
    with pytest.raises(UnknownNameError, match="no system trains 'losses': there are .*color_unet.*zhang2016"):
        recipes.of_run(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_damaged_recipe_of_a_run(tmp_path: Path, content: str) -> None:
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(ArgumentError, match="^[^\\n]*recipe.json cannot be read: "):
        recipes.of_run(tmp_path)


def test_runs_of_earlier_versions_had_no_name_and_kept_no_gray(tmp_path: Path) -> None:
    recipe = recipes.load("autoencoder_cifar10_v1")
    settings = dataclasses.asdict(recipe)
    for field in ("name", "drop_gray", "enlarge", "plateau_monitor"):
        del settings[field]
    (tmp_path / "recipe.json").write_text(json.dumps(settings))
    run_folder.check_recipe(tmp_path, recipe)
    assert recipes.of_run(tmp_path) == dataclasses.replace(recipe, name="")
    with pytest.raises(TrainingError, match="the run has drop_gray=True, the command drop_gray=False"):
        run_folder.check_recipe(tmp_path, dataclasses.replace(recipe, drop_gray=False))


@pytest.mark.parametrize("field", ["architecture", "name"])
def test_what_a_recipe_is_cannot_be_set(field: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{field} belongs to the recipe"):
        recipes.load(NAME, {field: "zhang2016"})


def test_what_the_papers_do_with_their_photographs() -> None:
    papers = {name: recipes.load(name) for name in recipes.list_recipes() if not re.search(r"_v\d$", name)}
    whole_sets = {name for name, recipe in papers.items() if not recipe.drop_gray}
    assert whole_sets == {"autoencoder_cifar10", "ibn_gan_imagenet"}
    assert {name for name, recipe in papers.items() if recipe.resize_mode == "stretch"} == {"ibn_gan_imagenet"}
    assert {name for name, recipe in papers.items() if not recipe.enlarge} == {"color_unet_nature"}
    assert {name for name, recipe in papers.items() if recipe.plateau_monitor == "accuracy"} == {"autoencoder_cifar10"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"batch": 8.0}, "batch is 8.0: it must be of type int"),
        ({"flip": 1}, "flip is 1: it must be of type bool"),
        ({"epochs": True}, "epochs is True: it must be of type int"),
        ({"crop": float("nan")}, "crop is nan: it must be of type float, and finite"),
        ({"crop": 0}, "crop is 0: it must be above 0 and at most 1"),
        ({"filters": [8, 16]}, r"filters is \[8, 16\]: it must be a tuple"),
        ({"filters": (8, 0)}, r"filters is \(8, 0\): each value must be above 0"),
        ({"filters": (8,)}, r"filters is \(8,\): it must be 2 values or more"),
        ({"shortest": (300,)}, r"shortest is \(300,\): it must be 2 values"),
        ({"schedule": "linear"}, "schedule is 'linear': it must be one of constant, plateau, cosine, step"),
        (
            {"schedule": "step", "lr_milestones": (2.0, 1.0)},
            r"lr_milestones is \(2.0, 1.0\): it must be in rising order",
        ),
        ({"enlarge": False, "resize_mode": "center_crop"}, "enlarge is False: it is for the resize_mode 'pad'"),
        ({"plateau_monitor": "accuracy"}, "plateau_monitor is 'accuracy': color_unet has no accuracy"),
    ],
)
def test_messages(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{text}$"):
        dataclasses.replace(recipes.load(NAME), **changes)


@pytest.mark.parametrize(
    ("name", "field", "text", "message"),
    [
        ("ibn_gan_scenes_v1", "norm", "batch", "norm is 'batch': it must be one of bn, in, ibn"),
        ("larsson2016_scenes_v1", "window", "4", "window is 4: it must be at least 1 and odd"),
        ("autoencoder_cifar10_v1", "size", "36", "size is 36: it must be at least 16 and a multiple of 8"),
        ("pix2pix_scenes_v1", "size", "31", "size is 31: it must be at least 32"),
    ],
)
def test_messages_of_systems(name: str, field: str, text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{message}$"):
        recipes.load(name, {field: text})
