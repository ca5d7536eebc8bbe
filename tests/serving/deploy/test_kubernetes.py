"""The manifest for serving on Kubernetes: that Kubernetes takes it, and that its parts and flags fit together."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.model_server import FLAGS
from tests.paths import ROOT
from tests.serving.deploy.test_images import STAGES, flags

SERVING = ROOT / "serving" / "deploy"
OBJECTS: dict[str, dict[str, Any]] = {
    each["kind"]: each for each in yaml.safe_load_all((SERVING / "kubernetes" / "serving.yaml").read_text())
}
TEMPLATE = OBJECTS["Deployment"]["spec"]["template"]
POD = TEMPLATE["spec"]
(CONTAINER,) = POD["containers"]
GIVEN = flags(CONTAINER["args"])
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", OBJECTS)
def test_schema(kind: str, version: str) -> None:
    kubernetes_validate.validate(OBJECTS[kind], version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(OBJECTS[kind] | {"sepc": {}}, version, strict=True)


def test_kinds() -> None:
    wanted = "ConfigMap Service NetworkPolicy HorizontalPodAutoscaler PodDisruptionBudget Deployment"
    assert OBJECTS.keys() == set(wanted.split())
    assert {each["metadata"]["name"] for each in OBJECTS.values()} == {"colorzoo-serving"}


@pytest.mark.parametrize("name", ["batching.config", "monitoring.config"])
def test_config_map_equals_the_files(name: str) -> None:
    assert OBJECTS["ConfigMap"]["data"][name] == (SERVING / "tensorflow_serving" / name).read_text()


def test_flags_are_those_of_the_image_and_of_the_machine() -> None:
    assert GIVEN.keys() <= FLAGS
    image = flags(STAGES["serving"].last("CMD"))
    assert GIVEN.items() >= image.items(), "arguments of a pod replace those of its image"
    cores = CONTAINER["resources"]["limits"]["cpu"]
    assert GIVEN["tensorflow_intra_op_parallelism"] == GIVEN["tensorflow_inter_op_parallelism"] == cores
    assert "tensorflow_session_parallelism" not in GIVEN, "an error together with the others"
    assert GIVEN["grpc_channel_arguments"].startswith("grpc.max_connection_age_ms=")


def test_files_that_flags_name_are_mounted() -> None:
    (mounted,) = [volume["configMap"]["name"] for volume in POD["volumes"] if "configMap" in volume]
    assert mounted == OBJECTS["ConfigMap"]["metadata"]["name"]
    folders = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    assert "subPath" not in folders["/config"]
    names = {value for value in GIVEN.values() if value.startswith("/config/")}
    assert names
    assert {name.removeprefix("/config/") for name in names} <= OBJECTS["ConfigMap"]["data"].keys()
    assert {mount["name"] for mount in folders.values()} == {volume["name"] for volume in POD["volumes"]}


def test_probes_ask_a_service_that_is_on() -> None:
    assert GIVEN["enable_grpc_healthcheck_service"] == "true"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert CONTAINER[probe]["grpc"] == {"port": int(GIVEN["port"]), "service": "PredictionService"}
    start = CONTAINER["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 300, "loading and warming up takes its time"
    patience = {
        name: CONTAINER[name]["periodSeconds"] * CONTAINER[name]["failureThreshold"]
        for name in CONTAINER
        if name.endswith("Probe")
    }
    assert patience["livenessProbe"] > patience["readinessProbe"]


def test_ports() -> None:
    assert PORTS == {"grpc": int(GIVEN["port"]), "rest": int(GIVEN["rest_api_port"])}
    service = OBJECTS["Service"]["spec"]
    assert {port["name"]: port["port"] for port in service["ports"]} == PORTS
    assert service["clusterIP"] == "None", "or a client stays with one pod"
    assert "type" not in service, "nothing outside the cluster reaches it"
    rules = OBJECTS["NetworkPolicy"]["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == list(PORTS.values())
    assert all(rule["from"] for rule in rules), "a rule without it lets everyone in"


def test_prometheus_finds_the_figures() -> None:
    annotations = TEMPLATE["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == GIVEN["rest_api_port"]
    monitoring = (SERVING / "tensorflow_serving" / "monitoring.config").read_text()
    assert f'path: "{annotations["prometheus.io/path"]}"' in monitoring


def test_nothing_runs_as_root_or_writes() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    user, group = STAGES["serving"].of("USER")[-1].split(":")
    assert (POD["securityContext"]["runAsUser"], POD["securityContext"]["runAsGroup"]) == (int(user), int(group))
    own = CONTAINER["securityContext"]
    assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert POD["automountServiceAccountToken"] is False


def test_selectors_select() -> None:
    labels = TEMPLATE["metadata"]["labels"]
    selectors = [
        OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"],
        OBJECTS["Service"]["spec"]["selector"],
        OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        POD["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(labels.items() >= selector.items() for selector in selectors)


def test_scaling() -> None:
    scaler = OBJECTS["HorizontalPodAutoscaler"]["spec"]
    deployment = OBJECTS["Deployment"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"], "or every apply undoes the autoscaler"
    assert scaler["minReplicas"] > OBJECTS["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert CONTAINER["resources"]["requests"] == CONTAINER["resources"]["limits"]


def test_a_pod_leaves_before_it_ends() -> None:
    (program, seconds) = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert int(seconds) + 10 <= POD["terminationGracePeriodSeconds"] <= 60


def test_image_is_pinned_and_the_same_everywhere() -> None:
    image = CONTAINER["image"]
    assert re.fullmatch(r"[\w/.-]+:\d[\w.-]*", image)
    assert yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["serving"]["image"] == image
