"""Which photographs a study takes, and what is known of them before anything is colorized."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from media.photograph import gray_of
from tests.training.evaluation.study.fakes import fields
from training.data.folder import PictureFiles
from training.evaluation.study import truth
from training.evaluation.study.truth import PER_CLASS, choose, read_truth, settings_of
from zoo.errors import DataError


def test_default_is_250_of_each_class() -> None:
    names = [f"a/{i}.jpg" for i in range(300)] + [f"b/{i}.jpg" for i in range(7)]
    files = SimpleNamespace(paths=[Path(name) for name in names])
    chosen = choose(files, None)  # type: ignore[arg-type]
    assert PER_CLASS == 250
    assert sum(i < 300 for i in chosen) == 250
    assert chosen[-7:] == list(range(300, 307))
    assert chosen == sorted(set(chosen))
    assert len(choose(files, 10)) == 10  # type: ignore[arg-type]


def test_gray_photographs_alone_are_refused(tmp_path: Path) -> None:
    for i, picture in enumerate(gray_of(fields(2))):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    files = PictureFiles(tmp_path)
    (tmp_path / "parts").mkdir()
    settings = settings_of(files, [0, 1], tmp_path, 16, None, False)
    with pytest.raises(DataError, match="gray"):
        read_truth(files, [0, 1], tmp_path / "parts", settings, 1, lambda *_: None)
    assert not (tmp_path / "parts" / truth.RECORD).exists()


def test_pixels_are_read_once(tmp_path: Path) -> None:
    pictures = fields(3)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    files = PictureFiles(tmp_path)
    (tmp_path / "parts").mkdir()
    settings = settings_of(files, [0, 2], tmp_path, 16, None, False)
    first = read_truth(files, [0, 2], tmp_path / "parts", settings, 1, lambda *_: None)
    np.testing.assert_array_equal(first.pictures, pictures[[0, 2]])
    (tmp_path / "0.png").unlink()
    again = read_truth(files, [0, 2], tmp_path / "parts", settings, 1, lambda *_: None)
    np.testing.assert_array_equal(again.pictures, first.pictures)
    assert again.names == ["0.png", "2.png"]
    np.testing.assert_array_equal(again.bin_counts, first.bin_counts)
