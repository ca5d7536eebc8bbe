"""The rules of the tree itself: who imports whom, what no file holds, and what the lock pins."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
