"""What the tests of the server share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_saved_model
from tests.servers import InThread, serve, stub


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the model "tiny", which tests leave as it is."""
    return tiny_saved_model.write(tmp_path_factory.mktemp("exported") / "tiny" / "1")


@pytest.fixture(scope="session")
def models(tiny: Path) -> Path:
    """A folder of models with "tiny" alone."""
    return tiny.parent.parent


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[InThread]:
    """For tests that leave it as it was."""
    with serve(models) as running:
        yield running


@pytest.fixture
def predict(server: InThread) -> Iterator[Any]:
    with stub(server.address) as method:
        yield method
