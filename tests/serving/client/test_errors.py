"""The clients' errors are the project's here, and stand alone where the client is installed alone."""

import importlib.util
import inspect
from types import ModuleType

import pytest

from serving.client import errors
from zoo.errors import ColorzooError


def alone() -> ModuleType:
    """The module as it is in the distribution colorzoo-client."""
    spec = importlib.util.spec_from_file_location("colorzoo_client.errors", errors.__file__)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(module: ModuleType) -> list[str]:
    return [name for name, found in inspect.getmembers(module, inspect.isclass) if found.__module__ == module.__name__]


@pytest.mark.parametrize("name", names(errors))
def test_errors_are_those_of_the_project(name: str) -> None:
    assert issubclass(getattr(errors, name), ColorzooError)
    assert issubclass(getattr(errors, name), errors.ServingClientError)
    assert name in (errors.__doc__ or "")


def test_errors_of_the_client_alone_are_no_one_elses() -> None:
    module = alone()
    assert names(module) == names(errors)
    assert module.ServingClientError.__bases__ == (Exception,)
    for name in names(module):
        assert issubclass(getattr(module, name), module.ServingClientError)
        assert not issubclass(getattr(module, name), ColorzooError)
