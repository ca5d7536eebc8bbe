"""The manifest for training on Kubernetes: that Kubernetes takes it, and that what it starts exists."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from colorzoo.app import app
from tests.paths import ROOT
from tests.serving.deploy.test_images import DOCKERFILE, STAGES, commands
from training import recipes
from training.data.batches import WorkerInfo
from training.loop.strategies import check_cluster

MANIFEST = ROOT / "training" / "deploy" / "kubernetes" / "train.yaml"
OBJECTS: dict[str, dict[str, Any]] = {each["kind"]: each for each in yaml.safe_load_all(MANIFEST.read_text())}
JOB = OBJECTS["Job"]["spec"]
POD = JOB["template"]["spec"]
(CONTAINER,) = POD["containers"]
(SCRIPT,) = CONTAINER["args"]
PRINTS = "import json, os, sys; print(json.dumps([os.environ['TF_CONFIG'], sys.argv[1:]]))"
VARIABLES = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}


# 1.31 is the first version in which all fields are stable or on by default.
@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("kind", OBJECTS)
def test_schema(kind: str, version: str) -> None:
    kubernetes_validate.validate(OBJECTS[kind], version, strict=True)


def test_image_and_user_are_those_of_the_dockerfile() -> None:
    assert CONTAINER["image"] == commands(DOCKERFILE)["train"]
    user, group = map(int, STAGES["train"].of("USER")[-1].split(":"))
    context = POD["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (user, group)
    assert context["runAsNonRoot"] is True
    assert context["fsGroup"] == group, "or the shared volume belongs to root"
    assert CONTAINER["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def run(folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs the container's command with a `colorzoo` that prints what it got."""
    programs = {
        "python": f'exec {shlex.quote(sys.executable)} "$@"',
        "colorzoo": f'exec python -c {shlex.quote(PRINTS)} "$@"',
    }
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"} | variables
    return subprocess.run([*CONTAINER["command"], SCRIPT], env=environment, capture_output=True, text=True)


def test_every_worker_finds_its_place(tmp_path: Path) -> None:
    done = run(tmp_path, VARIABLES | {"JOB_COMPLETION_INDEX": "1"})
    assert done.returncode == 0, done.stderr
    text, words = json.loads(done.stdout)
    assert check_cluster(text) == WorkerInfo(1, JOB["completions"])

    service = OBJECTS["Service"]
    port = service["spec"]["ports"][0]["port"]
    name = OBJECTS["Job"]["metadata"]["name"]  # an indexed job calls its pods NAME-INDEX
    wanted = [f"{name}-{i}.{service['metadata']['name']}:{port}" for i in range(JOB["completions"])]
    assert json.loads(text)["cluster"]["worker"] == wanted
    assert CONTAINER["ports"][0]["containerPort"] == port

    command, *arguments = words
    with typer.main.get_command(app).commands[command].make_context(command, arguments) as context:  # type: ignore[attr-defined]
        values = context.params
    assert command == "train"
    assert values["strategy"] == "multiworker"
    assert values["recipe"] in recipes.list_recipes()
    shared = Path(CONTAINER["volumeMounts"][0]["mountPath"])
    assert all(path.is_relative_to(shared) for path in (*values["data"], values["val"], values["out"]))


@pytest.mark.parametrize("name", ["WORKERS", "JOB_COMPLETION_INDEX"])
def test_no_training_without_a_place(name: str, tmp_path: Path) -> None:
    variables = VARIABLES | {"JOB_COMPLETION_INDEX": "1"}
    del variables[name]
    done = run(tmp_path, variables)
    assert done.returncode != 0
    assert not done.stdout
    assert name in done.stderr


def test_the_shell_hands_its_signals_over() -> None:
    """SIGTERM comes to the container's first process, which has to be the training."""
    assert SCRIPT.splitlines()[-2].startswith("exec colorzoo train ")


def test_numbers_and_names_that_belong_together() -> None:
    assert JOB["completions"] == JOB["parallelism"] == int(VARIABLES["WORKERS"])
    labels = JOB["template"]["metadata"]["labels"]
    service = OBJECTS["Service"]
    assert labels.items() >= service["spec"]["selector"].items()
    policy = OBJECTS["NetworkPolicy"]["spec"]
    assert policy["podSelector"] == policy["ingress"][0]["from"][0]["podSelector"] == {"matchLabels": labels}
    assert POD["subdomain"] == service["metadata"]["name"]
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == volumes.keys()
    claim = OBJECTS["PersistentVolumeClaim"]
    assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_a_lost_worker_brings_all_back() -> None:
    assert JOB["completionMode"] == "Indexed"
    service = OBJECTS["Service"]["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True, "the workers wait for each other"
    assert POD["restartPolicy"] == "Never"
    assert JOB["backoffLimit"] >= 5 * JOB["completions"], "every loss costs as many failures as there are workers"
    assert JOB["podReplacementPolicy"] == "Failed", "never two of the same worker"
    exits = [rule["onExitCodes"] for rule in JOB["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert [(each["containerName"], each["values"]) for each in exits] == [(CONTAINER["name"], [143])]
    assert "--stopped-status 143 " in SCRIPT, "with 0 the job would take a stopped worker for done"
