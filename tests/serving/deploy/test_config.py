"""Files that TF Serving, Prometheus and Grafana read, parsed by the messages and names of those that do."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import text_format

from tests.model_server import FLAGS
from tests.paths import ROOT
from tests.text_protos import parse

SERVING = ROOT / "serving" / "deploy"
CONFIGS = SERVING / "tensorflow_serving"

# === TF Serving ===


@pytest.mark.parametrize("path", sorted(CONFIGS.iterdir()), ids=lambda path: path.name)
def test_files_name_flags_that_exist(path: Path) -> None:
    assert set(re.findall(r"(?<![-\w])--([a-z_]+)", path.read_text())) <= FLAGS


def assert_batching_rules(parameters: Any) -> None:
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
    assert_batching_rules(parse((CONFIGS / "batching.config").read_text(), "BatchingParameters"))


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
        assert_batching_rules(parse(text.replace(*change), "BatchingParameters"))


@pytest.mark.parametrize("text", ["max_batch_size: 16", "max_batch_sizes { value: 16 }", 'path: "/"'])
def test_the_descriptors_refuse_other_fields(text: str) -> None:
    with pytest.raises(text_format.ParseError):
        parse(text, "BatchingParameters")


def test_monitoring_is_where_everyone_looks_for_it() -> None:
    config = parse((CONFIGS / "monitoring.config").read_text(), "MonitoringConfig").prometheus_config
    assert config.enable
    scrape = yaml.safe_load((SERVING / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert [each["metrics_path"] for each in scrape if each["job_name"] == "colorzoo-serving"] == [config.path]


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
