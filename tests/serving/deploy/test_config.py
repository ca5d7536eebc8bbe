"""The files that TF Serving, Prometheus and Grafana read, parsed by the messages and names of those that read them."""

import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import text_format

from serving.models_config import NAME, models_config, read_models_config, write_models_config
from tests.model_server import FLAGS
from tests.paths import ROOT
from tests.text_protos import parse
from zoo.errors import ArgumentError

SERVING = ROOT / "serving" / "deploy"
CONFIGS = SERVING / "tensorflow_serving"

# === models.config ===


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


# === The other files of TF Serving ===


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_files_name_flags_that_exist(path: Path) -> None:
    assert set(re.findall(r"(?<![-\w])--([a-z_]+)", path.read_text())) <= FLAGS


def batching_rules(parameters: Any) -> None:
    """What TF Serving refuses at start, and what it lets pass to our harm."""
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == parameters.max_batch_size.value
    assert parameters.num_batch_threads.value >= 1
    assert parameters.max_enqueued_batches.value == parameters.num_batch_threads.value, "overload is refused early"
    assert not parameters.pad_variable_length_inputs, "borders would change the colors"
    assert parameters.max_batch_size.value <= 64, "so many pictures are in memory at once"
    assert parameters.batch_timeout_micros.value <= 10_000


def test_batching() -> None:
    batching_rules(parse((CONFIGS / "batching.config").read_text(), "BatchingParameters"))


@pytest.mark.parametrize(
    "change",
    [
        ("allowed_batch_sizes: 16", "allowed_batch_sizes: 12"),
        ("allowed_batch_sizes: 2\n", "allowed_batch_sizes: 6\n"),
        ("max_enqueued_batches { value: 4 }", "max_enqueued_batches { value: 1000 }"),
        ("allowed_batch_sizes: 1\n", "pad_variable_length_inputs: true\n"),
    ],
)
def test_batching_rules_see_what_is_wrong(change: tuple[str, str]) -> None:
    text = (CONFIGS / "batching.config").read_text()
    assert change[0] in text
    with pytest.raises(AssertionError):
        batching_rules(parse(text.replace(*change), "BatchingParameters"))


@pytest.mark.parametrize("text", ["max_batch_size: 16", "max_batch_sizes { value: 16 }", 'path: "/"'])
def test_the_descriptors_refuse_other_fields(text: str) -> None:
    with pytest.raises(text_format.ParseError):
        parse(text, "BatchingParameters")


def test_monitoring_is_where_everyone_looks_for_it() -> None:
    config = parse((CONFIGS / "monitoring.config").read_text(), "MonitoringConfig").prometheus_config
    assert config.enable
    scrape = yaml.safe_load((SERVING / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert [each["metrics_path"] for each in scrape] == [config.path]


def test_ssl_example_is_none() -> None:
    config = parse((CONFIGS / "ssl.config.example").read_text(), "SSLConfig")
    assert config.client_verify
    for value in (config.server_key, config.server_cert, config.custom_ca):
        first, middle, last, end = value.split("\n")
        assert (first[:10], last[:8], end) == ("-----BEGIN", "-----END", "")
        assert middle.startswith("EXAMPLE")


def test_the_command_of_the_ssl_example_makes_values(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "server.key").write_bytes(key)
    (command,) = re.findall(r"^#   (awk .*)$", (CONFIGS / "ssl.config.example").read_text(), re.MULTILINE)
    value = subprocess.run(shlex.split(command), cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert parse(f'server_key: "{value}"', "SSLConfig").server_key.encode() == key


# === Grafana ===

# Of TF Serving, with the labels of each; times are in microseconds.
SERIES = {
    ":tensorflow:serving:request_count": {"model_name", "status"},
    ":tensorflow:serving:request_latency": {"model_name", "API", "entrypoint", "le"},
    ":tensorflow:serving:runtime_latency": {"model_name", "API", "runtime", "le"},
    ":tensorflow:serving:model_warmup_latency": {"model_path", "status", "le"},
    ":tensorflow:serving:batching_session:queuing_latency": {"thread_pool_name", "le"},
    ":tensorflow:cc:saved_model:load_attempt_count": {"model_path", "status"},
}
HISTOGRAMS = {name for name, labels in SERIES.items() if "le" in labels}

DASHBOARD = json.loads((SERVING / "grafana" / "dashboard.json").read_text())
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What Grafana needs of a file that it imports, as far as this dashboard goes.
DASHBOARD_SCHEMA = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "title": {"type": "string", "minLength": 1},
        "id": {"type": "null"},
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "type", "title", "gridPos", "datasource", "targets", "fieldConfig"],
                "properties": {
                    "type": {"enum": ["timeseries", "stat"]},
                    "datasource": {"const": SOURCE},
                    "gridPos": {
                        "required": ["x", "y", "w", "h"],
                        "properties": {"x": {"maximum": 23}, "w": {"minimum": 1, "maximum": 24}},
                    },
                    "targets": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "required": ["refId", "expr", "datasource"],
                            "properties": {"expr": {"type": "string", "minLength": 1}, "datasource": {"const": SOURCE}},
                        },
                    },
                },
            },
        },
    },
}
TARGETS = [(panel, target) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_dashboard_can_be_imported() -> None:
    jsonschema.validate(DASHBOARD, DASHBOARD_SCHEMA)
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells), "no panel lies on another"
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - {"__rate_interval", "__all"} == variables.keys()


@pytest.mark.parametrize("panel, target", TARGETS, ids=[f"{p['title']} {t['refId']}" for p, t in TARGETS])
def test_dashboard_asks_for_series_that_exist(panel: dict[str, Any], target: dict[str, Any]) -> None:
    query = target["expr"]
    assert query.count("(") == query.count(")")
    found = re.findall(r"(:[a-z_:]+)(?:\{([^}]*)\})?", query)
    assert found
    for name, selector in found:
        series = re.sub(r"_(bucket|sum|count)$", "", name)
        if series not in SERIES:  # request_count ends as histograms do, and is none
            series = name
        assert series in SERIES, name
        assert (series in HISTOGRAMS) == (name != series), name
        labels = set(re.findall(r"(\w+)\s*[=!]", selector))
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        assert labels | grouped <= SERIES[series]
    shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    assert shown == {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")} - {"le"}
    if "latency" in query:
        assert panel["fieldConfig"]["defaults"]["unit"] == "µs"


def test_dashboard_shows_what_is_to_be_watched() -> None:
    queries = " ".join(target["expr"] for _, target in TARGETS)
    assert all(name in queries for name in SERIES)
    for quantile in ("0.5", "0.95", "0.99"):
        assert f"histogram_quantile({quantile}, sum by (le) (rate(:tensorflow:serving:request_latency_bucket" in queries


def test_grafana_finds_dashboard_and_prometheus() -> None:
    provisioning = SERVING / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    assert source["isDefault"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "colorzoo.yaml").read_text())["providers"]
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]
    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in compose["prometheus"]["ports"]
    mounted = [volume.split(":")[1] for volume in compose["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/colorzoo.json" in mounted


# === docs/serving.md ===

GUIDE = (ROOT / "docs" / "serving.md").read_text()


def test_guide_names_flags_that_exist() -> None:
    named = set(re.findall(r"--([a-z]+(?:_[a-z]+)+)", GUIDE))  # ours and Docker's are written with hyphens
    assert len(named) > 10
    assert named <= FLAGS


def test_guide_names_files_that_exist() -> None:
    named = set(re.findall(r"(?<![\w/.])serving/[\w./]+\w", GUIDE))
    assert "serving/deploy/compose.yaml" in named
    assert not [path for path in named if not (ROOT / path).exists()]


def test_guide_names_the_series_of_the_dashboard() -> None:
    table = re.findall(r"^\| `(:tensorflow[\w:]+)` \| (.*?) \|", GUIDE, re.MULTILINE)
    described = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in table}
    assert described == {name: labels - {"le"} for name, labels in SERIES.items()}
