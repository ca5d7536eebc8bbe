"""serving.user_test.application: the course of the test over HTTP, and what it must not give away."""

import io
import random
import re

import numpy as np
import pytest
from PIL import Image

from serving.user_test.application import AGE_GROUPS, PAGE
from serving.user_test.experiment import RESULTS, picture
from serving.user_test.store import Store
from tests.serving.user_test.conftest import PRESETS
from training.evaluation.user_test import fooling_rates


def begin(client, **body):
    told = client.post("/api/participants", json={"consent": True} | body)
    assert told.status_code == 201
    return f"/api/participants/{told.json()['participant']}", told.json()["state"]


def complete(client, choose, states=None):
    """Takes part; `choose` says from a state whether the first picture is artificial."""
    participant, state = begin(client)
    while state["phase"] != "end":
        if states is not None:
            states.append(state)
        first = choose(state)
        assert client.post(f"{participant}/shown", json={"trial": state["trial"]}).status_code == 204
        timing = {"first": 1000, "second": 1000, "response": 500}
        answered = client.post(
            f"{participant}/answer", json={"trial": state["trial"], "first": first, "timing": timing}
        )
        assert answered.status_code == 200
        assert ("right" in answered.json()) == state["practice"]
        state = answered.json()["state"]
    return state


def outcomes(tmp_path):
    return Store(tmp_path / RESULTS).outcomes(PRESETS)


def test_who_guesses_gets_intervals_around_one_half(client, tmp_path):
    rng = random.Random(3)
    states = []
    end = complete(client, lambda state: rng.random() < 0.5, states)
    assert [(state["practice"], state["number"], state["of"]) for state in states] == [
        *((True, number, 5) for number in range(1, 6)),
        *((False, number, 48) for number in range(1, 49)),
    ]
    fooled = outcomes(tmp_path).fooled
    assert [len(each) for each in fooled.values()] == [16, 16, 16]
    assert end == {"phase": "end", "found": 48 - sum(map(sum, fooled.values())), "trials": 48}
    for rate in fooling_rates(fooled):
        assert rate.interval[0] < 0.5 < rate.interval[1]
        assert rate.p > 0.05


def test_who_sees_through_is_never_fooled(client, prepared, tmp_path):
    originals = {Image.open(picture(prepared[0], number, "original")).convert("RGB").tobytes() for number in range(60)}

    def see(state):
        first = client.get(state["pictures"]["first"]).content
        return Image.open(io.BytesIO(first)).tobytes() not in originals

    assert complete(client, see) == {"phase": "end", "found": 48, "trials": 48}
    rates = fooling_rates(outcomes(tmp_path).fooled)
    assert [rate.rate for rate in rates] == [0, 0, 0, 0]
    assert rates[-1].p < 1e-13


def test_pictures_are_those_of_the_trial(client, prepared, tmp_path):
    participant, state = begin(client)
    trial = Store(tmp_path / RESULTS).current(participant.rpartition("/")[2]).trial
    names = ("practice", "original") if trial.artificial_first else ("original", "practice")
    for key, name in zip(("gray", "first", "second"), ("gray", *names), strict=True):
        served = Image.open(io.BytesIO(client.get(state["pictures"][key]).content))
        there = Image.open(picture(prepared[0], trial.photograph, name))
        assert np.array_equal(np.asarray(served), np.asarray(there))


def test_nothing_that_is_sent_tells_the_artificial_picture(client):
    participant, state = begin(client)
    assert state.keys() == {"phase", "practice", "trial", "number", "of", "pictures"}
    *folder, name = state["pictures"]["first"].split("/")
    assert state["pictures"]["second"].split("/") == [*folder, "second"] and name == "first"
    first, second = (client.get(state["pictures"][name]) for name in ("first", "second"))
    assert first.content != second.content
    assert len(first.content) == len(second.content)
    ignored = {"date"}
    assert {key: value for key, value in first.headers.items() if key not in ignored} == {
        key: value for key, value in second.headers.items() if key not in ignored
    }


def test_pictures_are_not_given_out_again(client):
    participant, state = begin(client)
    pictures = state["pictures"]
    assert client.get(pictures["gray"]).status_code == 200
    client.post(f"{participant}/shown", json={"trial": 1})
    assert {client.get(address).status_code for address in pictures.values()} == {404}
    assert client.get("pictures/nothing/gray").status_code == 404
    assert client.get(pictures["gray"].replace("gray", "original")).status_code == 422


def test_reload_and_restart_go_on_where_they_were(client, serve):
    participant, state = begin(client)
    assert client.get(participant).json() == state
    client.post(f"{participant}/shown", json={"trial": 1})
    question = {"phase": "question", "practice": True, "trial": 1, "number": 1, "of": 5}
    for each in (client, serve()):
        assert each.get(participant).json() == question
    client.post(f"{participant}/answer", json={"trial": 1, "first": False})
    assert serve().get(participant).json()["trial"] == 2


def test_interrupted_showing_gets_another_photograph(client, tmp_path):
    participant, state = begin(client)
    token = participant.rpartition("/")[2]
    before = Store(tmp_path / RESULTS).current(token).trial
    client.post(f"{participant}/shown", json={"trial": 1})
    told = client.post(f"{participant}/lost", json={"trial": 1}).json()["state"]
    assert (told["phase"], told["trial"]) == ("gray", 1)
    assert told["pictures"] != state["pictures"]
    assert Store(tmp_path / RESULTS).current(token).trial.photograph != before.photograph


@pytest.mark.parametrize(
    "body", [{}, {"consent": False}, {"consent": True, "age_group": "old"}, {"consent": True, "age_group": 3}]
)
def test_nobody_takes_part_without_consent(client, body, tmp_path):
    assert client.post("/api/participants", json=body).status_code == 422
    assert outcomes(tmp_path).begun == 0


def test_age_group_is_stored(client, tmp_path):
    assert client.get("/api/experiment").json()["age_groups"] == list(AGE_GROUPS)
    participant, _ = begin(client, age_group=AGE_GROUPS[2])
    client.post(f"{participant}/shown", json={"trial": 1})
    Store(tmp_path / RESULTS).write_trials(tmp_path / "trials.csv", ["x"] * 60)
    assert AGE_GROUPS[2] in (tmp_path / "trials.csv").read_text()


def test_untimely_requests_are_refused(client):
    participant, _ = begin(client)
    assert client.post(f"{participant}/answer", json={"trial": 1, "first": True}).status_code == 409
    assert client.post(f"{participant}/shown", json={"trial": 2}).status_code == 409
    assert client.get("/api/participants/nobody").status_code == 404
    client.post(f"{participant}/shown", json={"trial": 1})
    nonsense = {"trial": 1, "first": True, "timing": {"first": -1, "second": 1, "response": 1}}
    assert client.post(f"{participant}/answer", json=nonsense).status_code == 422


@pytest.mark.parametrize("path", ["/", "/page.js", "/api/experiment", "/api/participants/nobody", "/nothing"])
def test_every_answer_forbids_other_hosts_and_caches(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert headers["cache-control"] == "no-store"


def test_page_loads_nothing_from_elsewhere(client):
    files = [path for path in PAGE.iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".css", ".js", ".svg"}
    for path in files:
        assert client.get(f"/{path.name}").content == path.read_bytes()
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"//\w|url\(|@import|\bstyle=|\bon\w+=", text), path


def test_texts_are_all_there_and_all_used():
    texts, page, html = ((PAGE / name).read_text() for name in ("texts.js", "page.js", "index.html"))
    there = re.findall(r"^  (\w+):", texts, re.MULTILINE)
    labels = re.search(r"LABELS = \{(.*?)\}", page)[1]
    used = set(re.findall(r'data-text="(\w+)"', html) + re.findall(r"texts\.(\w+)", page.replace("texts.js", "")))
    assert set(there) == used | set(re.findall(r'"(\w+)"', labels))
    assert len(there) == len(set(there))


def test_page_finds_all_its_elements():
    html, page = ((PAGE / name).read_text() for name in ("index.html", "page.js"))
    named = re.findall(r'find\("([\w-]+)"\)', page)
    controls = re.findall(r'"([\w-]+)"', re.search(r"CONTROLS = \{(.*?)\};", page, re.DOTALL)[1])
    clicked = re.findall(
        r'^    "?([\w-]+)"?(?::|,$)', re.search(r"onClick = \{(.*?)\};", page, re.DOTALL)[1], re.MULTILINE
    )
    assert len(named) > 15 and len(controls) > 5 and len(clicked) == 10
    assert {*named, *controls, *clicked} <= set(re.findall(r'\bid="([\w-]+)"', html))
