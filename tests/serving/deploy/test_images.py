"""The Dockerfile and compose.yaml: as far as can be said without Docker, which these tests never run."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from packaging.requirements import Requirement

import zoo
from colorzoo.app import app
from tests.model_server import FLAGS
from tests.paths import ROOT

SERVING = ROOT / "serving" / "deploy"


@dataclass(frozen=True)
class Stage:
    """One FROM of the Dockerfile: its base, and its instructions."""

    base: str
    steps: list[tuple[str, str]]

    def of(self, keyword: str) -> list[str]:
        return [text for word, text in self.steps if word == keyword]

    def last(self, keyword: str) -> Any:
        return json.loads(self.of(keyword)[-1])


def parse(text: str) -> tuple[dict[str, str], dict[str, Stage]]:
    """Arguments before the first FROM, and the stages."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    steps: list[tuple[str, str]] = []
    for line in filter(None, joined.splitlines()):
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\w+)", rest).groups()  # type: ignore[union-attr]
            steps = []
            stages[name] = Stage(base, steps)
        elif stages:
            steps.append((word, rest))
        else:
            assert word == "ARG", line
            arguments.update([rest.split("=", 1)])
    return arguments, stages


DOCKERFILE = (ROOT / "Dockerfile").read_text()
ARGUMENTS, STAGES = parse(DOCKERFILE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE = yaml.safe_load((SERVING / "compose.yaml").read_text())
KEYWORDS = {"ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def flags(arguments: list[str]) -> dict[str, str]:
    """--name=value, as tensorflow_model_server has them; each once."""
    pairs = [re.fullmatch(r"--(\w+)=(\S+)", argument).groups() for argument in arguments]  # type: ignore[union-attr]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def copied(stage: Stage) -> Iterator[tuple[str | None, str, str]]:
    for text in stage.of("COPY"):
        *words, destination = text.split()
        options = dict(word.removeprefix("--").split("=") for word in words if word.startswith("--"))
        assert options.keys() <= {"from", "chmod"}
        for source in words[len(options) :]:
            yield options.get("from"), source, destination


def commands(text: str) -> dict[str, str]:
    """The images that a text says how to build: target -> name and tag."""
    found: dict[str, str] = {}
    for line in re.findall(r"docker build -.*", text):
        words = re.match(r"docker build (.*?) \.(?=\s|$)", line)[1].split()  # type: ignore[index]
        options = dict(zip(words[::2], words[1::2], strict=True))
        target = options.get("--target", list(STAGES)[-1])
        assert found.setdefault(target, options["-t"]) == options["-t"]
    return found


def test_stages() -> None:
    assert {"serving", "app", "client", "train"} <= STAGES.keys()
    known = [*STAGES, *(f"${{{name}}}" for name in ARGUMENTS)]
    assert all(stage.base in known for stage in STAGES.values())
    assert {word for stage in STAGES.values() for word, _ in stage.steps} <= KEYWORDS
    assert all(re.fullmatch(r"[\w/]+:\d[\w.-]*", image) for image in ARGUMENTS.values()), "pinned, and never latest"


def test_default_target_is_the_last_as_the_header_says() -> None:
    assert list(STAGES)[-1] == "serving"
    assert re.search(r"^# +docker build -t colorzoo-serving:\S+ \. .*: the default target$", DOCKERFILE, re.MULTILINE)


def test_images_have_the_same_name_and_version_everywhere() -> None:
    version = PROJECT["project"]["version"]
    images = commands(DOCKERFILE)
    assert images == {name: f"colorzoo-{name}:{version}" for name in ("serving", "app", "client", "train")}
    texts = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/deploy/**/*.yaml")]
    for path in texts:
        text = path.read_text()
        assert commands(text).items() <= images.items(), path
        named = set(re.findall(r"colorzoo-(?:serving|app|client|train):\d+\.[\w.-]*", text))
        assert named <= set(images.values()), path


def test_every_package_is_copied() -> None:
    setuptools = PROJECT["tool"]["setuptools"]
    wanted = {pattern for pattern in setuptools["packages"]["find"]["include"] if "*" not in pattern}
    wanted |= {f"{module}.py" for module in setuptools.get("py-modules", [])}
    assert wanted <= {source for _, source, _ in copied(STAGES["source"])}


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    for stage in STAGES.values():
        for origin, source, _ in copied(stage):
            if origin is not None:
                assert origin in STAGES
                continue
            assert (ROOT / source).exists(), source
            kept = [rule.startswith("!") for rule in rules if fnmatch(source.split("/")[0], rule.lstrip("!"))]
            assert kept[-1], source
    assert rules[0] == "*", "what is not named stays out"


@pytest.mark.parametrize("name", ["serving", "app", "client", "train"])
def test_nothing_runs_as_root(name: str) -> None:
    user = STAGES[name].of("USER")[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number, by which Kubernetes sees that it is not root"
    after = [word for word, _ in STAGES[name].steps[[word for word, _ in STAGES[name].steps].index("USER") :]]
    assert not {"RUN", "COPY"} & set(after)


def test_user_can_read_what_is_copied() -> None:
    """Under any umask in which the repository was checked out, and the models were exported."""
    stage = STAGES["serving"]
    for text in stage.of("COPY"):
        words = text.split()
        if "--from=export" in words:
            (line,) = [line for line in STAGES["export"].of("RUN") if "colorzoo export" in line]
            assert line.endswith(f"&& chmod -R a+rX {words[-2]}")
            continue
        (mode,) = [word.removeprefix("--chmod=") for word in words if word.startswith("--chmod=")]
        wanted = 0o755 if any(word.endswith(".sh") for word in words) else 0o444
        assert int(mode, 8) & wanted == wanted, text


def test_server_is_started_with_flags_and_files_that_exist() -> None:
    stage = STAGES["serving"]
    assert stage.last("ENTRYPOINT") == ["tensorflow_model_server"]
    given = flags(stage.last("CMD"))
    assert given.keys() <= FLAGS
    placed = {f"{to}{Path(source).name}" for origin, source, to in copied(stage) if origin is None}
    assert given["monitoring_config_file"] in placed
    assert given["model_config_file"] == "/models/models.config"
    assert ("export", "/models", "/models") in copied(stage)
    assert int(given["model_config_file_poll_wait_seconds"]) > 0, "or labels cannot be moved"
    assert given["allow_version_labels_for_unavailable_models"] == "true", "or it does not start"
    assert given["enable_grpc_healthcheck_service"] == "true"
    assert "enable_batching" not in given
    assert stage.of("EXPOSE") == [f"{given['port']} {given['rest_api_port']}"]
    assert json.loads(stage.of("HEALTHCHECK")[0].split(" CMD ")[1]) == ["/config/healthcheck.sh"]
    assert "/config/healthcheck.sh" in placed


def test_all_presets_are_exported_by_default() -> None:
    (line,) = [text for text in STAGES["export"].of("RUN") if "colorzoo export" in text]
    assert 'PRESETS=""' in STAGES["export"].of("ARG")
    (code,) = re.findall(r'\$\{PRESETS:-\$\(python -c "(.*?)"\)\}', line)
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = printed.split()
    assert names == zoo.list_presets()
    assert all(re.fullmatch(r"\w+", name) for name in names)


def test_training_starts_with_a_command_that_exists() -> None:
    program, command = STAGES["train"].last("ENTRYPOINT")
    assert program == "colorzoo"
    assert command in typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_training_has_cuda_for_the_locked_tensorflow() -> None:
    (line,) = STAGES["train"].of("RUN")
    words = shlex.split(line)
    assert words[words.index("--constraint") + 1] == "requirements.lock"
    (requirement,) = map(Requirement, [word for word in words if word.startswith("tensorflow")])
    assert not requirement.specifier, "the lock names the version"
    assert "tensorflow" in {each.split("==")[0] for each in (ROOT / "requirements.lock").read_text().splitlines()}
    (extra,) = requirement.extras
    assert extra in metadata.metadata("tensorflow").get_all("Provides-Extra")


def test_extras_exist() -> None:
    lines = [line for stage in STAGES.values() for line in stage.of("RUN")]
    extras = {extra for line in lines for extra in re.findall(r'"\.\[(\w+)\]"', line)}
    assert extras == {"serve", "train", "web"}
    assert extras <= PROJECT["project"]["optional-dependencies"].keys()


def closure(names: list[str]) -> set[str]:
    """Distributions that pip installs for these."""
    found: set[str] = set()
    while names:
        name = names.pop().lower().replace("_", "-")
        if name not in found:
            found.add(name)
            required = map(Requirement, metadata.requires(name) or [])
            names += [each.name for each in required if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


# Imports what the app runs with all distributions out of sight that its image lacks.
BLIND = """
import sys
absent = set(sys.argv.pop(1).split(","))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
exec(sys.argv.pop(1))
"""


def without(installed: set[str], code: str) -> subprocess.CompletedProcess[str]:
    modules = metadata.packages_distributions()
    absent = {
        module
        for module, owners in modules.items()
        if not {owner.lower().replace("_", "-") for owner in owners} & {*installed, "colorzoo"}
    }
    assert {"tensorflow", "keras"} <= absent
    command = [sys.executable, "-c", BLIND, ",".join(absent), code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_app_is_the_page() -> None:
    stage = STAGES["app"]
    assert stage.of("RUN") == ['pip install --constraint requirements.lock ".[web]"']
    command, name = stage.last("ENTRYPOINT")
    assert command in PROJECT["project"]["scripts"]
    options = {option for each in web_command().params for option in each.opts}
    given = [*stage.last("CMD"), *COMPOSE["services"]["page"]["command"]]
    assert name == "web" and {option.split("=")[0] for option in given} <= options
    (port,) = stage.of("EXPOSE")
    assert port == str(next(each.default for each in web_command().params if each.name == "port"))
    (health,) = stage.of("HEALTHCHECK")
    (address,) = re.findall(r"urlopen\('(.*?)'", health)
    assert address == f"http://127.0.0.1:{port}/api/health"
    assert COMPOSE["services"]["page"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def web_command() -> Any:
    return typer.main.get_command(app).commands["web"]  # type: ignore[attr-defined]


def test_client_has_the_client_and_what_it_imports() -> None:
    assert list(copied(STAGES["client"])) == [(None, "serving/client", "client")]
    (line,) = STAGES["client"].of("RUN")
    assert line == "pip install --constraint requirements.lock ./client"
    client = tomllib.loads((ROOT / "serving" / "client" / "pyproject.toml").read_text())["project"]
    assert client["name"] == "colorzoo-client"
    assert client["version"] == PROJECT["project"]["version"], "the image's tag names both"
    needed = [Requirement(text) for text in client["dependencies"]]
    lock = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())
    assert all(each.specifier.contains(lock[each.name]) for each in needed)
    done = without(closure([each.name for each in needed]), "import serving.client")
    assert done.returncode == 0, done.stderr


def test_blindness_hides_tensorflow() -> None:
    done = without(closure(["numpy"]), "import tensorflow")
    assert done.returncode != 0
    assert "No module named 'tensorflow'" in done.stderr


# === compose.yaml ===

PORTS = {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}
STRINGS = {"type": "array", "items": {"type": "string"}}
# The part of the compose specification that the file uses; anything else is a mistake here.
COMPOSE_SCHEMA = {
    "type": "object",
    "required": ["name", "services", "volumes"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "volumes": {"type": "object", "additionalProperties": {"type": "object", "maxProperties": 0}},
        "services": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["image", "ports", "restart"],
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string", "pattern": r"^[\w/.-]+:v?\d[\w.-]*$"},
                    "build": {
                        "type": "object",
                        "required": ["context", "dockerfile", "target"],
                        "additionalProperties": False,
                        "properties": {key: {"type": "string"} for key in ("context", "dockerfile", "target")},
                    },
                    "command": {**STRINGS, "minItems": 1},
                    "init": {"type": "boolean"},
                    "ports": {"type": "array", "minItems": 1, "items": PORTS},
                    "healthcheck": {
                        "type": "object",
                        "required": ["test"],
                        "additionalProperties": False,
                        "properties": {
                            "test": {**STRINGS, "minItems": 2, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}]},
                            "interval": {"type": "string", "pattern": r"^\d+s$"},
                            "timeout": {"type": "string", "pattern": r"^\d+s$"},
                            "start_period": {"type": "string", "pattern": r"^\d+s$"},
                            "retries": {"type": "integer"},
                        },
                    },
                    "read_only": {"type": "boolean"},
                    "cap_drop": STRINGS,
                    "security_opt": STRINGS,
                    "tmpfs": STRINGS,
                    "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
                    "depends_on": {
                        "oneOf": [
                            STRINGS,
                            {
                                "type": "object",
                                "additionalProperties": {
                                    "type": "object",
                                    "required": ["condition"],
                                    "additionalProperties": False,
                                    "properties": {"condition": {"enum": ["service_started", "service_healthy"]}},
                                },
                            },
                        ]
                    },
                    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
                    "volumes": STRINGS,
                },
            },
        },
    },
}


def test_compose_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(COMPOSE_SCHEMA)
    jsonschema.validate(COMPOSE, COMPOSE_SCHEMA, cls=jsonschema.Draft202012Validator)


def test_compose_names_what_exists() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", [])) <= services.keys()
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (SERVING / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
    for service in ("serving", "page"):
        build = services[service]["build"]
        assert (SERVING / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).samefile(ROOT / "Dockerfile")
        assert build["target"] in STAGES
        assert services[service]["image"].startswith(f"colorzoo-{build['target']}:")


def test_compose_ports_are_the_servers() -> None:
    services = COMPOSE["services"]
    given = flags(STAGES["serving"].last("CMD"))
    inside = [port.split(":")[2] for port in services["serving"]["ports"]]
    assert inside == [given["port"], given["rest_api_port"]]
    job, page = yaml.safe_load((SERVING / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert page["static_configs"][0]["targets"] == [f"page:{services['page']['ports'][0].split(':')[2]}"]
    assert f"--server=serving:{given['port']}" in services["page"]["command"]
    assert job["static_configs"][0]["targets"] == [f"serving:{given['rest_api_port']}"]
    assert services["serving"]["init"] is True
    assert services["serving"]["healthcheck"]["test"] == ["CMD", "/config/healthcheck.sh"]
