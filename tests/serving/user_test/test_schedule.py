"""serving.user_test.schedule: what participants see."""

import random
from collections import Counter

from serving.user_test.experiment import Experiment
from serving.user_test.schedule import draw, redraw

PRESETS = ("a", "b", "c")
EXPERIMENT = Experiment(PRESETS, ("0", "1", "2"), tuple(map(str, range(60))), size=16, trials=48)


def test_trials_are_split_evenly_and_no_photograph_is_seen_twice():
    usable = [*range(40), *range(45, 60)]
    for seed in range(20):
        trials = draw(EXPERIMENT, usable, random.Random(seed))
        assert [trial.number for trial in trials] == list(range(1, 54))
        assert [trial.preset for trial in trials[:5]] == [None] * 5
        assert Counter(trial.preset for trial in trials[5:]) == dict.fromkeys(PRESETS, 16)
        photographs = {trial.photograph for trial in trials}
        assert len(photographs) == 53 and photographs <= set(usable)


def test_orders_are_random():
    trials = [trial for seed in range(50) for trial in draw(EXPERIMENT, range(60), random.Random(seed))]
    assert 0.47 < sum(trial.artificial_first for trial in trials) / len(trials) < 0.53
    for number in (6, 53):
        presets = Counter(trial.preset for trial in trials if trial.number == number)
        assert min(presets[preset] for preset in PRESETS) > 8
    assert len({trial.photograph for trial in trials if trial.number == 1}) > 25
    assert draw(EXPERIMENT, range(60), random.Random(1)) == draw(EXPERIMENT, range(60), random.Random(1))


def test_lost_trial_gets_a_photograph_that_was_not_seen():
    trial = draw(EXPERIMENT, range(60), random.Random(0))[7]
    other = redraw(trial, range(60), set(range(60)) - {31}, random.Random(0))
    assert (other.number, other.preset, other.photograph) == (trial.number, trial.preset, 31)
    assert redraw(trial, range(60), set(range(60)), random.Random(0)) is None
