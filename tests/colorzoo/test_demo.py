"""make demo: sample photographs, and those of the user, end up on one sheet."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo import quiet
from examples import demo


def test_the_sheet_shows_samples_and_photographs_of_the_user(
    old: Path, loaded: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quiet, "import_tensorflow", lambda **_: None)
    small = {"field": np.full((24, 32, 3), (200, 120, 40), np.uint8), "gray": np.full((24, 32), 90, np.uint8)}
    monkeypatch.setattr(demo, "samples", lambda: small)
    monkeypatch.chdir(tmp_path)
    assert demo.main([str(old / "a.jpg"), str(old / "missing.jpg")]) == 1
    assert "missing.jpg" in capsys.readouterr().err
    with Image.open(demo.OUT / "sheet.jpg") as sheet:
        pixels = np.asarray(sheet)
    rows = np.flatnonzero((pixels < 240).any(axis=(1, 2)))
    # A gap above each of the small photographs in their cells: two samples, and one of the user's.
    assert (np.diff(rows) > 100).sum() == 3
