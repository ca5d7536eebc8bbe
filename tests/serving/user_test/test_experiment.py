"""serving.user_test.experiment: settings, and the folder that holds them."""

from dataclasses import replace

import pytest

from serving.user_test.experiment import Experiment, begin, check_settings, picture, read, usable
from zoo.errors import ArgumentError, DataError

EXPERIMENT = Experiment(("a", "b"), ("0", "1"), ("x.jpg", "y/z.jpg", "w.png"), size=16, trials=2, practice=1)


@pytest.mark.parametrize(
    ("presets", "trials", "message"),
    [
        (["a", "b", "a"], 48, "^a: name each preset once$"),
        (["a", "b", "c", "d", "e"], 48, "^48 trials cannot .* among 5 presets: use --trials 45 or 50$"),
        (["a", "b", "c"], 2, "use --trials 3$"),
    ],
)
def test_uneven_experiments_are_refused(presets, trials, message):
    check_settings(["a", "b", "c"], 48)
    with pytest.raises(ArgumentError, match=message):
        check_settings(presets, trials)


def test_folder_keeps_its_experiment(tmp_path):
    folder = tmp_path / "new" / "test"
    begin(folder, EXPERIMENT)
    begin(folder, EXPERIMENT)
    assert read(folder) == EXPERIMENT
    other = replace(EXPERIMENT, size=32, checksums=("0", "2"))
    with pytest.raises(ArgumentError, match="holds an experiment with other checksums, size: choose another folder"):
        begin(folder, other)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"presets": []}'])
def test_other_folders_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "experiment.json").write_text(content)
    with pytest.raises(DataError, match="is not the folder of an experiment"):
        read(tmp_path)


def test_too_few_photographs_are_refused_before_any_work(tmp_path):
    with pytest.raises(DataError, match="^2 usable photographs are too few: each participant sees 3"):
        begin(tmp_path / "new", replace(EXPERIMENT, photographs=("x.jpg", "y.jpg")))
    assert not list(tmp_path.iterdir())


def test_each_participant_needs_as_many_photographs_as_trials(tmp_path):
    for number in (0, 2):
        path = picture(tmp_path, number, "original")
        path.parent.mkdir(parents=True)
        path.touch()
    assert usable(tmp_path, replace(EXPERIMENT, trials=1, practice=1)) == [0, 2]
    with pytest.raises(DataError, match=r"^2 usable photographs are too few: each participant sees 3 \(1 to practice"):
        usable(tmp_path, EXPERIMENT)
