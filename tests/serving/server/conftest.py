"""What the tests of the server share."""

from pathlib import Path

import pytest

from tests import tiny_saved_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the model "tiny", which tests leave as it is."""
    return tiny_saved_model.write(tmp_path_factory.mktemp("exported") / "tiny" / "1")


@pytest.fixture(scope="session")
def models(tiny: Path) -> Path:
    """A folder of models with "tiny" alone."""
    return tiny.parent.parent
