"""`colorzoo turing`: preparing, serving and reporting, without networks and without a socket."""

import json

import pytest

from colorzoo import quiet
from serving.user_test import server
from serving.user_test.experiment import RESULTS, read
from serving.user_test.schedule import Trial
from serving.user_test.store import Store, Timing
from tests.photographs import write_fields
from zoo.errors import UnknownNameError
from zoo.presets import metadata


@pytest.fixture
def served(monkeypatch, tmp_path, loaded):
    """What the server was started with; presets are empty files, except "nothing"."""
    calls = []

    def find_file(name):
        if name == "nothing":
            raise UnknownNameError("no preset or file is called 'nothing'")
        (tmp_path / "weights").touch()
        return tmp_path / "weights"

    def serve(folder, host, port, announce):
        calls.append((folder, host, port))
        announce("http://here/")

    monkeypatch.setattr(metadata, "find_file", find_file)
    monkeypatch.setattr(server, "serve", serve)
    return calls


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("turing") / "data", 9)


def test_experiment_is_prepared_once_and_served(run, served, loaded, data, tmp_path, monkeypatch):
    folder = tmp_path / "test"
    imports = []
    monkeypatch.setattr(quiet, "import_tensorflow", lambda: imports.append("tensorflow"))
    arguments = ("--presets", "one_v1", "two_v1", "--data", data, "-o", folder, "--size", 16, "--trials", 2)
    for _ in range(2):
        done = run("turing", *arguments, "--limit", 8, "--port", 0)
        assert (done.exit_code, done.stdout.count("http://here/")) == (0, 1), done.stderr
    assert served == [(folder, "127.0.0.1", 0)] * 2
    assert [name for name, *_ in loaded] == ["one_v1", "two_v1"]
    assert imports == ["tensorflow"]
    experiment = read(folder)
    assert (experiment.presets, experiment.size, experiment.trials) == (("one_v1", "two_v1"), 16, 2)
    assert [name.split("/")[0] for name in experiment.photographs] == ["coast"] * 4 + ["forest"] * 4
    other = run("turing", *arguments)
    assert other.exit_code == 2 and "holds an experiment with other photographs" in other.stderr


def test_unreadable_photographs_are_named(run, served, tmp_path):
    data = write_fields(tmp_path / "data", 7)
    (data / "broken.jpg").write_bytes(b"nothing")
    done = run("turing", "--presets", "one_v1", "--data", data, "-o", tmp_path / "test", "--size", 16, "--trials", 1)
    assert done.exit_code == 0
    assert f"left out: {data / 'broken.jpg'}: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data DATA", "--presets"),
        ("--presets one_v1", "--data"),
        ("--presets nothing --data DATA", "no preset or file is called 'nothing'"),
        ("--presets one_v1 one_v1 --data DATA", "one_v1: name each preset once"),
        ("--presets a b c d e --data DATA", "use --trials 45 or 50"),
        ("--presets one_v1 --data DATA/none", "is not a folder"),
        ("--presets one_v1 --data DATA --size 16", "9 usable photographs are too few: each participant sees 53"),
    ],
)
def test_wrong_commands(run, served, data, tmp_path, arguments, message):
    done = run("turing", *arguments.replace("DATA", str(data)).split(), "-o", tmp_path / "test")
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert not served


@pytest.fixture
def answered(tmp_path):
    """The folder of an experiment in which one of two participants has come to the end."""
    settings = {"presets": ["one_v1", "two_v1"], "checksums": ["0", "1"], "photographs": [f"{i}.jpg" for i in range(9)]}
    (tmp_path / "experiment.json").write_text(json.dumps(settings | {"size": 16, "trials": 2, "practice": 1}))
    store = Store(tmp_path / RESULTS)
    trials = [Trial(1, 7, None, True), Trial(2, 3, "one_v1", False), Trial(3, 5, "two_v1", True)]
    participant = store.add_participant(trials, None)
    store.add_participant(trials, None)
    for trial in trials:
        store.show(participant, trial.number)
        if trial.number == 2:
            store.lose(participant, 2, lambda trial, _: Trial(2, 4, trial.preset, False))
            store.show(participant, 2)
        store.answer(participant, trial.number, True, Timing(1000, 1016, 300))
    return tmp_path


def test_report(run, answered):
    done = run("turing", "report", answered)
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["one_v1", "1", "100.00", "%", "20.65", "%", "to", "100.00", "%", "1"] in lines
    assert ["two_v1", "1", "0.00", "%", "0.00", "%", "to", "79.35", "%", "1"] in lines
    assert [line[:2] for line in lines[4:7]] == [["Iizuka", "et"], ["Zhang", "et"], ["Larsson", "et"]]
    assert "1 of 2 participants completed the experiment; only they count" in done.stdout
    assert "1 of their trials were interrupted and do not count" in done.stdout
    assert "shown for 1016 ms (median; 1000 to 1016)" in done.stdout
    names = {path.name for path in (answered / "report").iterdir()}
    assert names == {"fooling_rates.csv", "fooling_rates.png", "fooling_rates.svg", "trials.csv"}


def test_report_without_answers(run, tmp_path):
    done = run("turing", "report", tmp_path)
    assert done.exit_code == 2 and "is not the folder of an experiment" in done.stderr
    settings = {"presets": ["a"], "checksums": ["0"], "photographs": ["x.jpg"], "size": 16, "trials": 2}
    (tmp_path / "experiment.json").write_text(json.dumps(settings))
    done = run("turing", "report", tmp_path)
    assert done.exit_code == 2 and "nobody has completed the experiment yet; 0 have begun" in done.stderr


def test_help_of_both(run):
    assert "--presets" in run("turing", "--help").stdout
    assert "Wilson" in run("turing", "report", "--help").stdout
