"""training.evaluation.experiments.designs: what is compared, in equally many steps."""

import re

import pytest

from tests.paths import ROOT
from training.evaluation.experiments.design import PERCEPTUAL
from training.evaluation.experiments.designs import EXPERIMENTS
from training.evaluation.study import measures
from training.loop.augmentation import augmentation_of
from zoo.errors import ArgumentError

each = pytest.mark.parametrize("name", EXPERIMENTS)
CIFAR = 9772  # pictures of the fifth of CIFAR-10 that have color


@each
def test_variants_differ_in_one_thing_and_have_equally_many_steps(name):
    experiment = EXPERIMENTS[name]
    steps = set()
    for variant in experiment.variants:
        recipe = experiment.recipe_of(variant, {})
        pictures = (experiment.photographs or CIFAR) * augmentation_of(recipe).variants
        steps.add(pictures // recipe.batch * recipe.epochs)
    assert len(steps) == 1
    changed = {field for variant in experiment.variants for field in variant.settings}
    assert not changed & experiment.shared.keys()


@each
def test_claims_and_figures_are_of_variants_and_measures_that_exist(name):
    experiment = EXPERIMENTS[name]
    names = [variant.name for variant in experiment.variants]
    assert len(set(names)) == len(names) > 1
    tested = {measure.name for measure in measures.of_pictures(None, False)} | {PERCEPTUAL}
    assert set(experiment.measures) <= tested | {measure.name for measure in measures.of_sets(None)}
    for claim in experiment.claims:
        assert claim.lower and claim.higher
        assert len({*claim.lower, *claim.higher}) == len(claim.lower) + len(claim.higher)
        assert {*claim.lower, *claim.higher} <= set(names)
        assert claim.measure in tested and claim.measure in experiment.measures
    for variant in experiment.variants:
        assert set(variant.reported) <= set(experiment.measures)


def test_settings_of_a_variant_stay():
    experiment = EXPERIMENTS["color_unet_augmentation"]
    recipes = [experiment.recipe_of(variant, {"epochs": "3", "batch": "8"}) for variant in experiment.variants]
    assert [(recipe.epochs, recipe.batch, recipe.temperature) for recipe in recipes] == [(5, 8, 0.38), (35, 8, 0.38)]
    with pytest.raises(ArgumentError, match="depth"):
        experiment.recipe_of(experiment.variants[0], {"depth": "3"})


def test_documentation_has_all_experiments():
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \|", (ROOT / "docs" / "experiments.md").read_text(), re.MULTILINE)
    assert rows == [(name, experiment.recipe) for name, experiment in EXPERIMENTS.items()]
