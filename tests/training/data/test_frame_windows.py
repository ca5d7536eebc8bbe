"""Training cuts windows out of frames of films."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.films import write_film
from training import recipes
from training.data.augmentation import Augmentation
from training.data.batches import batches
from training.data.datasets import Photographs
from training.data.frames import main
from training.data.resize import Window
from training.loop.inputs import prepare_photographs

PLAIN = Augmentation(flip=False, crop=1.0, noise=(0.0,))


def places(height: int, width: int) -> np.ndarray:
    """A picture whose pixels say where they lie; `place` reads it."""
    picture = np.zeros((height, width, 3), np.uint8)
    y, x = np.arange(height)[:, None], np.arange(width)
    picture[..., 0], picture[..., 1], picture[..., 2] = y // 16, x // 16, y % 16 * 16 + x % 16
    return picture


def place(window: np.ndarray) -> tuple[int, int]:
    """Top and left of a window of `places`."""
    y, x, rest = map(int, window[0, 0])
    return 16 * y + rest // 16, 16 * x + rest % 16


def test_training_cuts_windows_out_of_the_frames(tmp_path: Path) -> None:
    picture = places(600, 800)
    main([str(write_film(tmp_path / "a.mkv", [picture]))], tmp_path / "frames", format="png")
    recipe = recipes.load("pix2pix_films")
    assert (recipe.resize_mode, recipe.size, recipe.shortest) == ("random_crop", 512, (0, 0))
    photographs = prepare_photographs(recipe, [tmp_path / "frames"], tmp_path / "cache")
    assert [Path(name).parent.name for name in photographs.names] == ["a"], "with the sheet"
    assert photographs.left_out == []
    found = set()
    for epoch in range(2):
        ((_, truth),) = batches(photographs, 1, epoch=epoch, augmentation=PLAIN).as_numpy_iterator()
        window = (truth["rgb"][0] * 255).round().astype(np.uint8)
        top, left = place(window)
        np.testing.assert_array_equal(window, picture[top : top + 512, left : left + 512])
        found.add((top, left))
    assert len(found) == 2


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
def test_windows_of_full_hd_and_4k_hardly_repeat(
    width: int, height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.fromarray(places(height, width))
    names = [str(tmp_path / name) for name in "ab"]
    for name in names:
        Path(name).touch()
    monkeypatch.setattr("training.data.datasets.read_rgb", lambda _: picture)
    photographs = Photographs(
        np.zeros((2, 64, 64, 3), np.uint8),
        np.full((2, 2), 64, np.int32),
        names,
        [hashlib.sha256(b"").hexdigest()] * 2,
        [],
        window=Window(512),
    )
    both = np.arange(2)
    found = [place(window) for epoch in range(200) for window in photographs.read(both, [0, epoch])[0]]
    assert len(set(found)) == 400, "of two frames in 200 epochs"
    for corners, spare in zip(zip(*found, strict=True), (height - 512, width - 512), strict=True):
        assert 0 <= min(corners) < spare / 20 and spare * 0.95 < max(corners) <= spare
