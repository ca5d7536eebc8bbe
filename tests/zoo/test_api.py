"""The public names of the package, and what it costs to import them."""

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys

import pytest

import zoo
from tests.paths import ROOT


def imported_by(statement: str) -> set[str]:
    """Top-level modules that a fresh process has after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import zoo.errors", "import zoo; zoo.list_models(); zoo.preset(zoo.DEFAULT_PRESET); zoo.ColorzooError"],
)
def test_errors_and_names_need_no_framework(statement: str) -> None:
    found = imported_by(statement)
    assert "zoo" in found
    assert not found & {"keras", "tensorflow", "numpy", "jax", "torch"}


def test_all_names_are_there() -> None:
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None, name
        assert name in dir(zoo)
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'build'"):
        zoo.build  # type: ignore[attr-defined]  # noqa: B018


def test_no_name_is_both_a_module_and_something_else() -> None:
    modules = {module.name for module in pkgutil.iter_modules(zoo.__path__)}
    assert not modules & set(zoo.__all__)
    for name in modules:
        assert getattr(zoo, name, None) in (None, importlib.import_module(f"zoo.{name}")), name


def test_the_version_is_that_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zoo.__version__[0].isdigit()

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.delitem(vars(zoo), "__version__")
    monkeypatch.setattr("importlib.metadata.version", missing)
    assert zoo.__version__ == "0+unknown"
