"""The rules of the tree itself: who imports whom, what no file holds, and what the lock pins."""

import ast
import re
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import LONGEST
from tests.import_graph import cycle, graph, imports_of, reached_from
from tests.paths import ROOT

PACKAGES = ("colorzoo", "zoo", "media", "training", "serving")
FOLDERS = (*PACKAGES, ".ci", "benchmarks", "docs", "examples", "scripts", "tests")

# What the modules that a pattern matches must not import.
FORBIDDEN_IMPORTS = {
    "zoo/**/*.py": {"media", "training", "serving", "colorzoo", "tensorflow"},
    "media/**/*.py": {"training", "serving", "colorzoo", "tensorflow"},
    "training/**/*.py": {"serving", "colorzoo"},
    "serving/**/*.py": {"training", "colorzoo"},
    # It is installed without the rest, too; the base of its errors is the one exception.
    "serving/client/*.py": {"media", "serving", "training", "colorzoo", "tensorflow", "keras"},
    "serving/client/[!e]*.py": {"zoo"},
}
# From the ground up: what each room may import of the others, rooms or single modules. A row names only rooms above it
# in this table, so that arrows run one way. Modules that lie in training/ or serving/ itself are rooms of those names.
ARROWS = {
    "zoo": set(),
    "media": {"zoo.errors", "zoo.color"},
    "training.data": {"zoo", "media"},
    "training.systems": {"zoo"},
    "training.recipes": {"zoo", "training.systems"},
    "training.runs": {"zoo", "media", "training.data", "training.systems", "training.recipes"},
    "training.pretrained": {"zoo"},
    "training.loop": {
        "zoo", "media", "training.data", "training.systems", "training.recipes", "training.runs", "training.pretrained",
    },
    "training.evaluation": {
        "zoo", "media", "training.data", "training.systems", "training.recipes", "training.runs", "training.pretrained",
        "training.loop",
    },
    "training.publish": {
        "zoo", "media", "training.data", "training.systems", "training.recipes", "training.runs", "training.loop",
        "training.evaluation",
    },
    "training": set(),
    "serving.client": {"zoo.errors"},
    "serving": {"zoo.errors", "media", "serving.client"},
    "serving.export": {"zoo", "media", "serving", "serving.client"},
    "serving.local": {"zoo", "media", "serving.client"},
    "serving.server": {"zoo", "serving", "serving.client"},
    "serving.user_test": {"zoo", "media", "serving", "serving.local"},
    "serving.web": {"zoo", "media", "serving", "serving.client", "serving.local"},
    "colorzoo": {"zoo", "media", "training.*", "serving", "serving.*"},
}  # fmt: skip
# What every backend of Keras can run, with all that it imports.
NEUTRAL = {
    "zoo", "training.systems", "training.recipes", "training.pretrained", "training.data.augmentation",
    "training.data.degradation", "training.data.memory", "training.data.windows", "training.evaluation.metrics",
    "training.runs.run_folder",
}  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|root)/")
REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|--(extra-)?index-url", re.IGNORECASE)


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def text_files() -> list[tuple[Path, str]]:
    """All files of the project that are text; presets and pictures are not."""
    candidates = [path for path in ROOT.iterdir() if path.is_file()]
    candidates += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = []
    for path in candidates:
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def imported(source: str) -> set[str]:
    """The top-level names that a module imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_imported_sees_every_form_of_import():
    source = "import a.b, c as d\nfrom e.f import g\nfrom . import h\ndef f():\n    import i\n"
    assert imported(source) == {"a", "c", "e", "i"}


@pytest.mark.parametrize("pattern", FORBIDDEN_IMPORTS)
def test_imports_run_one_way(pattern):
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in ROOT.glob(pattern)
        if (names := imported(path.read_text()) & FORBIDDEN_IMPORTS[pattern])
    }
    assert not wrong


def room_of(module: str) -> str:
    """The row of ARROWS that a module of the project belongs to."""
    package, *rest = module.split(".")
    if package not in ("training", "serving"):
        return package
    room = f"{package}.{rest[0]}" if rest else package
    return room if room in ARROWS or (ROOT / room.replace(".", "/")).is_dir() else package


def test_import_graph_sees_every_form_of_import():
    source = (
        "import a.b, c\nfrom . import d\nfrom ..e import f\nif TYPE_CHECKING:\n    import g\ndef h():\n    import i\n"
    )
    assert set(imports_of(source, "x.y")) == {("a.b", ""), ("c", ""), ("x.y", "d"), ("x.e", "f"), ("i", "")}


def test_circles_are_found():
    edges = {"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": {"elsewhere"}}
    assert cycle(edges) == []
    assert cycle(edges | {"d": {"b"}}) == ["b", "d", "b"]


def test_no_circle_of_imports():
    """So every module can be the first one that a process imports."""
    assert cycle(graph()) == []


def allows(row: set[str], module: str) -> bool:
    """Whether a row of ARROWS lets its room import a module."""
    return any(fnmatchcase(room_of(module), entry) or module == entry for entry in row)


def test_table_of_arrows_points_one_way():
    rooms = list(ARROWS)
    assert not [(room, other) for i, room in enumerate(rooms) for other in rooms[i:] if allows(ARROWS[room], other)]


def test_arrows_between_rooms():
    assert {room_of(module) for module in graph()} <= ARROWS.keys()
    wrong = [
        f"{module} -> {other}"
        for module, others in graph().items()
        for other in sorted(others & graph().keys())
        if room_of(other) != room_of(module) and not allows(ARROWS[room_of(module)], other)
    ]
    assert not wrong


def test_backends_of_keras_other_than_tensorflow_can_run_networks_and_losses():
    chains = reached_from(NEUTRAL)
    assert "training.systems.zhang2016" in chains
    assert not [" -> ".join(chain) for module, chain in chains.items() if module.split(".")[0] == "tensorflow"]


def test_every_module_says_what_it_is():
    assert modules()
    assert not [str(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text()))]


def test_no_module_is_called_utils():
    assert not [str(path) for path in modules() if "utils" in path.relative_to(ROOT).with_suffix("").parts]


@pytest.mark.parametrize("pattern", [MACHINE_PATH, REGISTRY], ids=["machine path", "registry"])
def test_no_file_names_a_machine_or_a_registry(pattern):
    files = text_files()
    assert ROOT / "pyproject.toml" in [path for path, _ in files]
    assert not [f"{path}: {hit[0]}" for path, text in files if (hit := pattern.search(text))]


@pytest.mark.parametrize("folder", ["work", "root"])
def test_machine_path_is_recognized(folder):
    assert MACHINE_PATH.search(f'open("/{folder}/x")')
    assert not MACHINE_PATH.search(f"docs/{folder}/x")


def test_files_that_begin_first_exist():
    for name in LONGEST:
        assert len(list((ROOT / "tests").rglob(f"{name}.py"))) == 1, name


def test_lock_holds_names_and_versions_only():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    # No local version (+cpu) and no marker: the lock serves every machine and Python of the range.
    assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)]
    assert len({line.split("==")[0].lower() for line in lines}) == len(lines)


def test_lock_satisfies_every_declared_dependency():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    lock = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    declared = project()["project"]
    extras = [text for texts in declared["optional-dependencies"].values() for text in texts]
    requirements = [Requirement(text) for text in declared["dependencies"] + extras]
    others = [requirement for requirement in requirements if requirement.name != "colorzoo"]
    assert {canonicalize_name(requirement.name) for requirement in others} <= lock.keys()
    assert not [str(each) for each in others if not each.specifier.contains(lock[canonicalize_name(each.name)])]


def test_console_script_exists():
    module, function = project()["project"]["scripts"]["colorzoo"].split(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
