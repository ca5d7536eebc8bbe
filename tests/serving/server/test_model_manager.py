"""Versions of models: found, loaded, swapped while in use, damaged, reloaded."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.client import messages
from serving.server.config import folder_config, local_config
from serving.server.errors import RequestError
from serving.server.metrics import Metrics
from serving.server.model_manager import ModelManager, Version
from serving.server.servable import SavedModel
from tests import tiny_saved_model
from tests.servers import wait_until
from zoo.errors import ArgumentError

GRAY = np.full((1, 2, 2, 3), 100, np.uint8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Versions that differ in how much red they add: ten times their number."""
    folder = tmp_path_factory.mktemp("exported")
    return {number: tiny_saved_model.write(folder / "tiny" / str(number), 10 * number, "rgb") for number in (1, 2)}


@pytest.fixture
def place(exported: dict[int, Path], tmp_path: Path) -> Callable[..., Path]:
    """Puts a version into the folder of models as an exporter does: copied beside, then renamed."""

    def placed(number: int, *, red: int | None = None, name: str = "tiny") -> Path:
        target = tmp_path / "models" / name / str(number)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{number}.tmp")
        shutil.copytree(exported[number if red is None else red], beside)
        return beside.rename(target)

    return placed


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ModelManager]]:
    running = []

    def started(source: Callable[[], messages.Message] | None = None, poll_seconds: float = 3600.0) -> ModelManager:
        models = ModelManager(source or (lambda: folder_config(tmp_path / "models")), Metrics())
        running.append(models)
        models.start(poll_seconds)
        return models

    yield started
    for models in running:
        models.close()


def spec(name: str = "tiny", version: int | None = None, label: str = "") -> messages.Message:
    found = messages.ModelSpec(name=name)
    if version is not None:
        found.version.value = version
    elif label:
        found.version_label = label
    return found


def red(models: ModelManager, **wanted: object) -> int:
    """What the version that answers adds to red."""
    with models.using(spec(**wanted)) as (_, model):
        return int(model.signature("rgb").run({"image": GRAY})["colorized"][0, 0, 0, 0]) - 100


def states(models: ModelManager) -> dict[int, str]:
    return {version.number: version.state for version in models.all_versions()}


def refresh(models: ModelManager) -> None:
    """What the watching thread does every now and then."""
    with models._refreshing:
        models._refresh(models._source())


def listed(models: Path, policy: str = "", labels: str = "", name: str = "tiny") -> messages.Message:
    file = models.parent / "models.config"
    file.write_text(
        f'model_config_list {{ config {{ name: "{name}" base_path: "{models}/tiny" model_platform: "tensorflow" '
        f"{policy} {labels} }} }}"
    )
    return local_config(file)


def test_the_highest_version_is_served(place, start):
    place(1), place(2)
    models = start()
    assert states(models) == {2: "AVAILABLE"}
    assert red(models) == 20


def test_a_new_version_replaces_the_old_one_when_its_last_request_is_done(place, start):
    place(1)
    models = start()
    with models.using(spec()) as (version, model):
        place(2)
        refresh(models)
        assert states(models) == {1: "UNLOADING", 2: "AVAILABLE"}
        assert red(models) == 20
        assert version.number == 1
        assert model.signature("rgb").run({"image": GRAY})["colorized"][0, 0, 0, 0] == 110
        refresh(models)
        assert states(models)[1] == "UNLOADING"
    refresh(models)
    assert states(models) == {1: "END", 2: "AVAILABLE"}
    assert models.all_versions()[0].model is None


def test_the_new_version_is_available_before_the_old_one_is_unloaded(place, start, monkeypatch):
    place(1)
    models = start()
    seen = []
    original = SavedModel.__init__

    def loading(self: SavedModel, folder: Path) -> None:
        seen.append(states(models))
        original(self, folder)

    monkeypatch.setattr(SavedModel, "__init__", loading)
    place(2)
    refresh(models)
    assert seen == [{1: "AVAILABLE", 2: "LOADING"}]


def test_a_thread_finds_new_versions(place, start):
    place(1)
    models = start(poll_seconds=0.02)
    place(2)
    end = time.monotonic() + 30
    while states(models) != {1: "END", 2: "AVAILABLE"} and time.monotonic() < end:
        time.sleep(0.02)
    assert states(models) == {1: "END", 2: "AVAILABLE"}


def test_a_version_that_is_taken_away_leaves_the_next_lower(place, start):
    place(1), place(2)
    models = start()
    shutil.rmtree(models.all_versions()[0].folder)
    refresh(models)
    assert states(models) == {1: "AVAILABLE", 2: "END"}
    place(2)
    refresh(models)
    assert states(models) == {1: "END", 2: "AVAILABLE"}
    assert red(models) == 20


def test_a_model_that_is_taken_away_is_unloaded(place, start, tmp_path):
    place(1), place(1, name="other")
    models = start()
    shutil.rmtree(tmp_path / "models" / "other")
    refresh(models)
    assert [(each.name, each.state) for each in models.all_versions()] == [("other", "END"), ("tiny", "AVAILABLE")]
    with pytest.raises(RequestError, match=r"Servable not found for request: Latest\(other\)"):
        red(models, name="other")


def test_a_folder_of_models_that_is_gone_for_a_while_changes_nothing(place, start, tmp_path):
    place(1)
    models = start(poll_seconds=0.02)
    (tmp_path / "models").rename(tmp_path / "gone")
    time.sleep(0.2)
    assert red(models) == 10


DAMAGES = {
    "variables are missing": (lambda folder: shutil.rmtree(folder / "variables"), grpc.StatusCode.NOT_FOUND),
    "saved_model.pb is missing": (lambda folder: (folder / "saved_model.pb").unlink(), grpc.StatusCode.NOT_FOUND),
    "saved_model.pb is garbage": (
        lambda folder: (folder / "saved_model.pb").write_bytes(b"garbage"),
        grpc.StatusCode.DATA_LOSS,
    ),
    "saved_model.pb is empty": (lambda folder: (folder / "saved_model.pb").write_bytes(b""), grpc.StatusCode.DATA_LOSS),
    "variables are cut off": (
        lambda folder: next((folder / "variables").glob("*.data-*")).write_bytes(b"x"),
        grpc.StatusCode.DATA_LOSS,
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_leaves_the_old_one(damage, place, start, exported, monkeypatch):
    place(1)
    models = start()
    tries = []
    original = SavedModel.__init__

    def counted(self: SavedModel, folder: Path) -> None:
        tries.append(folder)
        original(self, folder)

    monkeypatch.setattr(SavedModel, "__init__", counted)
    folder = place(2)
    spoil, code = DAMAGES[damage]
    spoil(folder)
    refresh(models)
    refresh(models)
    assert states(models) == {1: "AVAILABLE", 2: "END"}
    assert red(models) == 10
    error = models.all_versions()[1].error
    assert error is not None
    assert error.code is code
    assert "\n" not in str(error)
    assert len(tries) == 1  # not again before its files change

    shutil.rmtree(folder)
    place(2)
    refresh(models)
    assert states(models) == {1: "END", 2: "AVAILABLE"}


def test_a_version_that_is_copied_slowly_is_taken_when_it_is_whole(place, start, exported, tmp_path):
    place(1)
    models = start()
    slow = tmp_path / "models" / "tiny" / "2"
    slow.mkdir()
    for path in [Path("saved_model.pb"), Path("fingerprint.pb"), Path("assets.extra"), Path("variables")]:
        assert red(models) == 10
        source = exported[2] / path
        shutil.copytree(source, slow / path) if source.is_dir() else shutil.copy(source, slow / path)
        refresh(models)
    assert red(models) == 20


def test_a_version_whose_warm_up_fails_is_not_served(place, start):
    place(1)
    models = start()
    folder = place(2)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        record = messages.PredictionLog()
        record.predict_log.request.model_spec.signature_name = "rgb"
        record.predict_log.request.inputs["image"].CopyFrom(messages.tensor(np.zeros((1, 2), np.uint8)))
        writer.write(record.SerializeToString())
    refresh(models)
    assert states(models) == {1: "AVAILABLE", 2: "END"}
    assert "shape [1, 2]" in str(models.all_versions()[1].error)


def test_the_warm_up_runs_before_the_version_is_available(place, exported, monkeypatch):
    place(1)
    ran = []
    metrics = Metrics()
    monkeypatch.setattr(metrics, "record_warm_up", lambda path, seconds: ran.append((path.name, seconds > 0)))
    models = ModelManager(lambda: folder_config(exported[1].parent.parent), metrics)
    models.start(3600)
    models.close()
    assert ran == [("2", True)]


def test_folders_whose_names_are_no_numbers_are_ignored_and_told_of_once(place, start, tmp_path, caplog):
    place(1)
    for name in ("v2", "0.3", "²", ".hidden"):
        (tmp_path / "models" / "tiny" / name).mkdir()
    (tmp_path / "models" / "notes").mkdir()
    with caplog.at_level(logging.INFO, "colorzoo.serving"):
        models = start()
        refresh(models)
    assert states(models) == {1: "AVAILABLE"}
    told = [text for text in caplog.messages if "not a version" in text]
    assert sorted(text.split(":")[0].rsplit("/", 1)[1] for text in told) == ["0.3", "v2", "²"]


@pytest.mark.parametrize(
    ("policy", "numbers"),
    [
        ("", [3]),
        ("model_version_policy { latest { num_versions: 2 } }", [2, 3]),
        ("model_version_policy { all {} }", [1, 2, 3]),
        ("model_version_policy { specific { versions: 1 versions: 3 versions: 9 } }", [1, 3]),
    ],
)
def test_policies_of_models_config(policy, numbers, place, start, tmp_path):
    place(1), place(2), place(3, red=1)
    config = listed(tmp_path / "models", policy)
    models = start(lambda: config)
    assert states(models) == dict.fromkeys(numbers, "AVAILABLE")
    for number in numbers:
        assert red(models, version=number) == (10 if number != 2 else 20)
    with pytest.raises(RequestError, match=r"Servable not found for request: Specific\(tiny, 9\)"):
        red(models, version=9)


ALL = "model_version_policy { all {} }"
LABELS = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'


def test_labels_name_versions(place, start, tmp_path):
    place(1), place(2)
    config = listed(tmp_path / "models", ALL, LABELS)
    models = start(lambda: config)
    assert (red(models, label="stable"), red(models, label="canary"), red(models)) == (10, 20, 20)
    with pytest.raises(RequestError, match="Unrecognized servable version label: best") as caught:
        red(models, label="best")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_label_and_its_version_are_looked_up_together(place, start, tmp_path, monkeypatch):
    place(1), place(2)
    configs = [listed(tmp_path / "models", ALL, LABELS)]
    models = start(lambda: configs[-1])
    only_2 = "model_version_policy { specific { versions: 2 } }"
    configs.append(listed(tmp_path / "models", only_2, LABELS.replace("value: 1", "value: 2")))
    refreshing = threading.Thread(target=refresh, args=(models,))
    original = models._wanted_number

    def number_before_it_changes(wanted: messages.Message) -> int | None:
        number = original(wanted)
        refreshing.start()
        refreshing.join(0.1)
        return number

    monkeypatch.setattr(models, "_wanted_number", number_before_it_changes)
    with models.using(spec(label="stable")) as (version, _):
        assert version.number == 1
    refreshing.join()


def test_a_reload_is_total(place, start, tmp_path):
    place(1), place(2), place(1, name="other")
    models = start()
    assert red(models, name="other") == 10
    models.reload(listed(tmp_path / "models", ALL))
    assert [(each.name, each.number, each.state) for each in models.all_versions()] == [
        ("other", 1, "END"),
        ("tiny", 1, "AVAILABLE"),
        ("tiny", 2, "AVAILABLE"),
    ]
    refresh(models)  # the folder is no longer looked at
    assert red(models, version=1) == 10
    with pytest.raises(RequestError, match="Servable not found"):
        red(models, name="other")


def test_a_label_of_a_version_that_is_not_served_is_refused(place, start, tmp_path):
    place(1), place(2)
    models = start()
    with pytest.raises(RequestError, match="version 1 of model tiny, which is not currently available") as caught:
        models.reload(listed(tmp_path / "models", ALL, LABELS))
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    assert states(models) == {2: "AVAILABLE"}  # nothing changed
    models.reload(listed(tmp_path / "models", ALL))
    models.reload(listed(tmp_path / "models", ALL, LABELS))
    assert red(models, label="stable") == 10


def test_a_reload_of_what_is_no_list_is_refused(place, start):
    place(1)
    models = start()
    with pytest.raises(RequestError, match="Only ModelConfigList") as caught:
        models.reload(messages.ModelServerConfig())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert red(models) == 10


def test_a_reload_whose_model_cannot_be_served_says_so(place, start, tmp_path):
    place(1)
    models = start()
    config = listed(tmp_path / "models")
    config.model_config_list.config.add(name="absent", base_path=str(tmp_path / "absent"))
    with pytest.raises(RequestError, match="absent"):
        models.reload(config)
    assert red(models) == 10


def test_status_finds_versions_whatever_their_state(place, start):
    place(1)
    models = start()
    place(2)
    refresh(models)

    def found(wanted: messages.Message) -> list[Version]:
        return [version.number for version in models.find(wanted)]

    assert found(spec()) == [1, 2]
    assert found(spec(version=1)) == [1]
    with pytest.raises(RequestError, match="Could not find version 7 of model tiny"):
        found(spec(version=7))
    with pytest.raises(RequestError, match="Could not find any versions of model nothing"):
        found(spec("nothing"))
    with pytest.raises(RequestError, match="ModelSpec has no name specified"):
        found(messages.ModelSpec())


def test_a_folder_without_models_cannot_be_served(start, tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read"):
        start()
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    with pytest.raises(ArgumentError, match="no model found: .*NAME/VERSION/saved_model.pb"):
        start()
    (tmp_path / "models" / "tiny" / "1").mkdir()
    with pytest.raises(ArgumentError, match=r"tiny/1: cannot be served: SavedModel file does not exist"):
        start()
    config = listed(tmp_path / "models")
    (tmp_path / "models" / "tiny" / "1").rmdir()
    with pytest.raises(ArgumentError, match="no version found"):
        start(lambda: config)


def test_a_folder_has_the_versions_and_labels_of_its_models_config(place, start, tmp_path):
    place(1), place(2), place(4, red=1), place(5, red=2, name="other")
    (tmp_path / "models" / "models.config").write_text(
        'model_config_list { config { name: "tiny" base_path: "/models/tiny" '
        'model_version_policy { specific { versions: 1 versions: 2 } } version_labels { key: "stable" value: 1 } } }'
    )
    models = start()
    assert states(models) == dict.fromkeys([1, 2, 5], "AVAILABLE")
    assert (red(models, label="stable"), red(models)) == (10, 20)
    assert red(models, name="other") == 20  # a model that nobody listed


def test_a_label_moves_when_its_version_is_loaded(place, start, tmp_path):
    def write(versions, stable):
        listed(
            tmp_path / "models",
            f"model_version_policy {{ specific {{ {' '.join(f'versions: {number}' for number in versions)} }} }}",
            f'version_labels {{ key: "stable" value: {stable} }}',
        )

    place(1)
    write([1], 1)
    models = start(lambda: local_config(tmp_path / "models.config"), poll_seconds=0.02)
    assert red(models, label="stable") == 10
    write([1, 2], 2)  # which is not there yet
    time.sleep(0.2)
    assert red(models, label="stable") == 10
    place(2)
    wait_until(lambda: red(models, label="stable") == 20)
    write([1, 2], 1)
    wait_until(lambda: red(models, label="stable") == 10)
