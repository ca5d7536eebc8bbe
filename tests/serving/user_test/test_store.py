"""serving.user_test.store: participants and answers on the disk."""

import csv
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.user_test.schedule import Trial
from serving.user_test.store import Store, Timing, UnknownParticipantError, WrongMomentError

TRIALS = [Trial(1, 7, None, True), Trial(2, 3, "a", False), Trial(3, 5, "b", True)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results.sqlite")


def answer_all(store, participant, *, first=True):
    while (current := store.current(participant)) is not None:
        if not current.shown:
            store.show(participant, current.trial.number)
        store.answer(participant, current.trial.number, first, Timing(1000.0, 1016.5, 400.0))


def test_trials_follow_each_other_and_survive_a_restart(store, tmp_path):
    participant = store.add_participant(TRIALS, "20-29")
    assert store.current(participant).trial == TRIALS[0]
    store.show(participant, 1)
    store = Store(tmp_path / "results.sqlite")
    assert store.current(participant).shown
    assert store.answer(participant, 1, True, None) == TRIALS[0]
    assert (store.current(participant).trial, store.current(participant).shown) == (TRIALS[1], False)
    answer_all(store, participant)
    assert store.current(participant) is None
    assert store.score(participant) == (1, 2)


def test_only_what_is_due_is_accepted(store):
    participant = store.add_participant(TRIALS, None)
    for number in (1, 2):
        with pytest.raises(WrongMomentError, match=f"trial {number} is not shown now"):
            store.answer(participant, number, True, None)
    store.show(participant, 1)
    with pytest.raises(WrongMomentError, match="trial 1 is not to be shown now"):
        store.show(participant, 1)
    store.answer(participant, 1, True, None)
    with pytest.raises(WrongMomentError):
        store.answer(participant, 1, False, None)
    with pytest.raises(UnknownParticipantError, match="begin anew"):
        store.current("somebody")
    answer_all(store, participant)
    with pytest.raises(WrongMomentError):
        store.lose(participant, 3, lambda *_: None)


def test_pictures_are_given_out_until_they_are_shown(store):
    participant = store.add_participant(TRIALS, None)
    token = store.current(participant).token
    assert store.trial(token) == TRIALS[0]
    store.show(participant, 1)
    assert store.trial(token) is None
    store.answer(participant, 1, True, None)
    assert store.trial(store.current(participant).token) == TRIALS[1]
    assert store.trial(token) is None
    assert store.trial("token") is None


def test_lost_trial_is_replaced_in_its_place(store):
    participant = store.add_participant(TRIALS, None)
    store.show(participant, 1)
    asked = []

    def redraw(trial, seen):
        asked.append((trial, seen))
        return Trial(1, 9, None, False)

    store.lose(participant, 1, redraw)
    assert asked == [(TRIALS[0], {3, 5, 7})]
    assert store.current(participant).trial == Trial(1, 9, None, False)
    store.show(participant, 1)
    store.lose(participant, 1, lambda *_: None)
    assert store.current(participant).trial == TRIALS[1]


def test_only_completed_participants_and_no_practice_count(store):
    done, other = store.add_participant(TRIALS, None), store.add_participant(TRIALS, None)
    answer_all(store, done)
    store.show(other, 1)
    store.answer(other, 1, False, None)
    store.show(other, 2)
    store.answer(other, 2, True, None)
    outcomes = store.outcomes(["a", "b"])
    assert outcomes.fooled == {"a": [True], "b": [False]}
    assert (outcomes.completed, outcomes.begun, outcomes.lost) == (1, 2, 0)
    assert outcomes.shown == [1000.0, 1016.5] * 2
    store.show(other, 3)
    store.lose(other, 3, lambda trial, _: Trial(3, 9, "b", True))
    assert store.outcomes(["a", "b"]).completed == 1
    answer_all(store, other, first=False)
    outcomes = store.outcomes(["a", "b"])
    assert outcomes.fooled == {"a": [True, True], "b": [False, True]}
    assert (outcomes.completed, outcomes.begun, outcomes.lost) == (2, 2, 1)


def test_trials_are_written_without_the_secrets(store, tmp_path):
    participant = store.add_participant(TRIALS, "60 and over")
    tokens = {participant, store.current(participant).token}
    answer_all(store, participant)
    started = store.add_participant(TRIALS, None)
    store.show(started, 1)
    store.write_trials(tmp_path / "trials.csv", [f"photo{i}.jpg" for i in range(9)])
    text = (tmp_path / "trials.csv").read_text()
    assert not [token for token in tokens if token in text]
    rows = list(csv.DictReader(text.splitlines()))
    told = [(row["participant"], row["practice"], row["preset"], row["photograph"], row["fooled"]) for row in rows]
    assert told == [
        ("1", "1", "", "photo7.jpg", "0"),
        ("1", "0", "a", "photo3.jpg", "1"),
        ("1", "0", "b", "photo5.jpg", "0"),
        ("2", "1", "", "photo7.jpg", ""),
    ]
    assert [row["completed"] for row in rows] == ["1", "1", "1", "0"]
    assert (rows[1]["first_ms"], rows[1]["second_ms"], rows[1]["age_group"]) == ("1000.0", "1016.5", "60 and over")


def test_several_participants_at_the_same_time(store):
    def take_part(_):
        participant = store.add_participant(TRIALS, None)
        answer_all(store, participant)
        return store.score(participant)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take_part, range(16))) == [(1, 2)] * 16
    assert store.outcomes(["a", "b"]).completed == 16
