"""Frames of films, painted by a table, against the exact painting of photographs."""

import cv2
import numpy as np
import pytest

import zoo
from media.photograph import gray_of
from serving.local.film_colorizer import FilmColorizer
from serving.local.tiled import TiledColorizer
from tests.photographs import color_field
from tests.zoo.networks import tiny

SIZE = 48
HEIGHT, WIDTH = 61, 90


@pytest.fixture(scope="module")
def tiles() -> TiledColorizer:
    return TiledColorizer(zoo.create_colorizer(tiny("autoencoder"), SIZE))


@pytest.fixture(scope="module")
def film(tiles: TiledColorizer) -> FilmColorizer:
    """Shared, since reading the table takes a third of a second for each new size of frames."""
    return FilmColorizer(tiles)


def colors(spread: float) -> np.ndarray:
    """Smooth ab (SIZE, SIZE, 2)."""
    coarse = np.random.default_rng(0).normal(0, spread, (6, 6, 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC))


def test_gray_stays_what_it_was(film: FilmColorizer) -> None:
    gray = np.resize(np.arange(256, dtype=np.uint8), (HEIGHT, WIDTH))
    painted = film.paint(film.prepare(gray), np.zeros((SIZE, SIZE, 2), np.float32))
    np.testing.assert_array_equal(painted, np.dstack([gray] * 3))


def test_of_a_film_in_color_the_lightness_is_kept(film: FilmColorizer) -> None:
    pixels = np.asarray(color_field(2, HEIGHT, WIDTH))
    painted = film.paint(film.prepare(pixels), np.zeros((SIZE, SIZE, 2), np.float32))
    assert np.abs(painted.astype(int) - gray_of(pixels)).max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "aspect", "dtype"),
    [(HEIGHT, WIDTH, 1.0, np.uint8), (HEIGHT, WIDTH, 1.45, np.uint8), (80, 60, 0.75, np.uint16)],
)
def test_colors_are_those_of_photographs(
    tiles: TiledColorizer, film: FilmColorizer, height: int, width: int, aspect: float, dtype: type
) -> None:
    unit = 1 if dtype is np.uint8 else 257
    gray = gray_of(np.asarray(color_field(1, height, width)))[..., 0].astype(dtype) * dtype(unit)
    ab = colors(25)
    exact, frame = tiles.prepare(gray, aspect), film.prepare(gray, aspect)
    np.testing.assert_array_equal(frame.frame, exact.frame)
    painted = film.paint(frame, ab)
    assert painted.dtype == dtype and painted.shape == (height, width, 3)
    off = np.abs(painted.astype(float) - tiles.paint(exact, ab)) / unit
    assert off.mean() < 0.4 and (off > 3).mean() < 0.02
    assert np.abs(painted.astype(float) - gray[..., None]).mean() / unit > 10
