"""models.config: what an export writes into it, and in which order TF Serving takes it up."""

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from serving.models_config import NAME, models_config, read_models_config, write_models_config
from tests.model_server import FLAGS
from zoo.errors import ArgumentError


def export(folder: Path, name: str, version: int) -> None:
    """What of an exported model TF Serving looks for before it loads one."""
    (folder / name / str(version)).mkdir(parents=True)
    (folder / name / str(version) / "saved_model.pb").touch()


def entries(text: str) -> dict[str, Any]:
    """The models, as TF Serving's own message has them."""
    from tensorflow_serving.config import model_server_config_pb2

    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return {entry.name: entry for entry in config.model_config_list.config}


def served(entry: Any) -> tuple[list[int], dict[str, int]]:
    return list(entry.model_version_policy.specific.versions), dict(entry.version_labels)


@dataclass
class Server:
    """The order in which TF Serving's ServerCore::ReloadConfig works, with the flag for unavailable models on."""

    loaded: dict[str, list[int]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def reload(self, text: str) -> bool:
        wanted = {name: served(entry) for name, entry in entries(text).items()}
        for name, (_, labels) in wanted.items():
            for label, version in labels.items():
                moved = self.labels.get(name, {}).get(label, version) != version
                if moved and version not in self.loaded.get(name, []):
                    return False
        self.labels = {name: labels for name, (_, labels) in wanted.items()}
        self.loaded = {name: versions for name, (versions, _) in wanted.items()}
        return True


def move(path: Path, label: str, version: int) -> None:
    text, count = re.subn(rf'(key: "{label}"\n\s+value: )\d+', rf"\g<1>{version}", path.read_text())
    assert count == 1
    path.write_text(text)


def test_first_version_has_both_labels(tmp_path: Path) -> None:
    export(tmp_path, "unet", 1)
    text = write_models_config(tmp_path).read_text()
    (entry,) = entries(text).values()
    assert (entry.name, entry.base_path, entry.model_platform) == ("unet", "/models/unet", "tensorflow")
    assert served(entry) == ([1], {"stable": 1, "canary": 1})
    assert {path.name for path in tmp_path.iterdir()} == {"unet", NAME}


def test_several_versions_without_a_file_are_an_old_and_a_new_one(tmp_path: Path) -> None:
    for version in (9, 10, 2):
        export(tmp_path, "unet", version)
    assert served(entries(models_config(tmp_path))["unet"]) == ([9, 10], {"stable": 9, "canary": 10})


def test_a_running_server_takes_up_every_step_of_a_release(tmp_path: Path) -> None:
    server = Server()
    path = tmp_path / NAME

    def place() -> None:
        write_models_config(tmp_path)
        assert server.reload(path.read_text())

    export(tmp_path, "unet", 1)
    place()
    export(tmp_path, "unet", 2)
    place()
    assert server.loaded == {"unet": [1, 2]}
    assert server.labels == {"unet": {"stable": 1, "canary": 1}}, "an export moves no label"
    for label, version in (("canary", 2), ("stable", 2), ("stable", 1), ("stable", 2)):
        move(path, label, version)
        assert server.reload(path.read_text())
    export(tmp_path, "unet", 3)
    export(tmp_path, "gan", 1)
    place()
    assert server.loaded == {"unet": [2, 3], "gan": [1]}
    assert server.labels["unet"] == {"stable": 2, "canary": 2}


def test_the_model_of_the_server_refuses_what_tf_serving_refuses(tmp_path: Path) -> None:
    export(tmp_path, "unet", 1)
    server = Server()
    assert server.reload(write_models_config(tmp_path).read_text())
    export(tmp_path, "unet", 2)
    path = write_models_config(tmp_path)
    move(path, "canary", 2)
    assert not server.reload(path.read_text())
    assert server.loaded == {"unet": [1]}


def test_a_labelled_version_is_served_however_old(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        export(tmp_path, "unet", version)
        path = write_models_config(tmp_path)
    assert served(entries(path.read_text())["unet"]) == ([1, 2, 3], {"stable": 1, "canary": 1})


def test_what_people_wrote_is_kept(tmp_path: Path) -> None:
    export(tmp_path, "unet", 1)
    export(tmp_path, "gan", 1)
    path = write_models_config(tmp_path)
    text = path.read_text().replace('base_path: "/models/unet"', 'base_path: "s3://bucket/unet"')
    text = text.replace("specific {\n        versions: 1\n      }", "all { }", 1)  # the first one is gan
    text = text.replace('key: "canary"', 'key: "pilot"')
    other = 'config { name: "other" base_path: "/elsewhere/other" model_platform: "tensorflow" }'
    text = text.replace("model_config_list {", f"model_config_list {{ {other}", 1)
    path.write_text(text)
    export(tmp_path, "unet", 2)
    found = entries(write_models_config(tmp_path).read_text())
    assert list(found) == ["gan", "unet", "other"]
    assert found["unet"].base_path == "s3://bucket/unet"
    assert served(found["unet"]) == ([1, 2], {"stable": 1, "pilot": 1, "canary": 2})
    assert found["gan"].model_version_policy.WhichOneof("policy_choice") == "all"
    assert found["other"].base_path == "/elsewhere/other"


def test_labels_and_models_whose_folder_is_gone_are_given_up(tmp_path: Path) -> None:
    for name, version in (("unet", 1), ("unet", 2), ("gan", 1)):
        export(tmp_path, name, version)
    path = write_models_config(tmp_path)
    assert served(entries(path.read_text())["unet"])[1] == {"stable": 1, "canary": 2}
    for gone in ("unet/2", "gan/1"):
        (tmp_path / gone / "saved_model.pb").unlink()
        (tmp_path / gone).rmdir()
    found = entries(write_models_config(tmp_path).read_text())
    assert list(found) == ["unet"]
    assert served(found["unet"]) == ([1], {"stable": 1, "canary": 1})


def test_stable_is_given_anew_below_canary(tmp_path: Path) -> None:
    for version in (1, 2, 3, 4):
        export(tmp_path, "unet", version)
    path = write_models_config(tmp_path)
    text = path.read_text()
    path.write_text(re.sub(r"    version_labels \{\n\s+key: \"stable\"\n.*\n    \}\n", "", text))
    move(path, "canary", 3)
    assert served(entries(write_models_config(tmp_path).read_text())["unet"])[1] == {"stable": 2, "canary": 3}


def test_only_finished_versions_count(tmp_path: Path) -> None:
    export(tmp_path, "unet", 3)
    for name in ("v4", "4.5", ".5.part", "-6", "٧"):
        (tmp_path / "unet" / name).mkdir()
        (tmp_path / "unet" / name / "saved_model.pb").touch()
    (tmp_path / "unet" / "8").mkdir()  # still being copied
    (tmp_path / ".git" / "1").mkdir(parents=True)
    (tmp_path / ".git" / "1" / "saved_model.pb").touch()
    (tmp_path / "notes").mkdir()
    found = entries(models_config(tmp_path))
    assert {name: served(entry)[0] for name, entry in found.items()} == {"unet": [3]}


@pytest.mark.parametrize("base_path", ["/srv/models", "/srv/models/", "s3://bucket/models"])
def test_base_path_is_the_servers(tmp_path: Path, base_path: str) -> None:
    export(tmp_path, "unet", 1)
    assert entries(models_config(tmp_path, base_path))["unet"].base_path == f"{base_path.rstrip('/')}/unet"


def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no exported model"):
        models_config(tmp_path)
    export(tmp_path, "unet", 1)
    with pytest.raises(ArgumentError, match="'models' is relative"):
        models_config(tmp_path, "models")
    for wrong in (b"model_config_list { confg { } }", b"\xff"):
        (tmp_path / NAME).write_bytes(wrong)
        with pytest.raises(ArgumentError, match=r"models\.config: not a list of models") as caught:
            write_models_config(tmp_path)
        assert "\n" not in str(caught.value)
        assert (tmp_path / NAME).read_bytes() == wrong
    with pytest.raises(ArgumentError, match=r"none\.config"):
        read_models_config(tmp_path / "none.config")


def test_a_reader_never_sees_half_a_file_and_others_may_read_it(tmp_path: Path) -> None:
    for number in range(40):
        export(tmp_path, f"model{number}", 1)
    path = write_models_config(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask(), "a server of another user reads it"
    done = threading.Event()
    sizes = set()

    def read() -> None:
        while not done.is_set():
            sizes.add(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        write_models_config(tmp_path)
    done.set()
    reader.join()
    assert sizes == {len(path.read_bytes())}
    assert not list(tmp_path.glob(".*"))


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_flags_in_the_header_exist(tmp_path: Path) -> None:
    export(tmp_path, "unet", 1)
    flags = re.findall(r"--(\w+)", models_config(tmp_path).split("\n\n")[0])
    assert flags
    assert set(flags) <= FLAGS
