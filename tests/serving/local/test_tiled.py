"""The tiled colorizer against the graph of the whole picture, which it must equal at any size and in little memory."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from serving.local import tiled
from serving.local.tiled import TiledColorizer
from tests.paths import ROOT
from zoo import blocks, color, pipeline
from zoo.colorizer import Parts

MEMORY = """
import re, sys
from colorzoo.app import app
app(["colorize", sys.argv[1], "-o", sys.argv[2], "--preset", sys.argv[3]], standalone_mode=False)
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
"""


def fields(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth random colors with some grain, uint8."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grainy = np.asarray(coarse).astype(int) + rng.integers(-9, 10, (height, width, 1))
    return np.clip(grainy, 0, 255).astype(np.uint8)[..., :channels]


@pytest.fixture(scope="module")
def colorizer() -> keras.Model:
    """An untrained network whose colors are vivid enough to leave sRGB here and there."""
    network = zoo.create_model("color_unet", width=0.25)
    kernel = network.get_layer("scores").kernel
    kernel.assign(kernel * 40)
    return zoo.create_colorizer(network, 48, saturation=1.6, tta_scales=(0.6667, 1.0))


@pytest.fixture(scope="module")
def tiles(colorizer: keras.Model) -> TiledColorizer:
    return TiledColorizer(colorizer)


def colorized(tiles: TiledColorizer, pixels: np.ndarray) -> np.ndarray:
    prepared = tiles.prepare(pixels)
    return tiles.paint(prepared, tiles.predict(prepared.frame[None])[0])


def levels(pixels: np.ndarray) -> np.ndarray:
    """The 8-bit gray of each pixel's lightness, unrounded."""
    light = np.asarray(color.lightness(pixels.astype(np.float32) / 255))[..., 0]
    grays = np.arange(256, dtype=np.float32)[:, None].repeat(3, -1) / 255
    return np.interp(light, np.asarray(color.lightness(grays))[:, 0], np.arange(256))


@pytest.fixture(scope="module")
def graph(colorizer: keras.Model) -> Callable[[np.ndarray], Any]:
    """The colorizer, traced once for all sizes."""
    return tf.function(colorizer, input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)], autograph=False)


# The last two exceed the first of LOOP_PIXELS.
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (48, 48), (33, 47), (301, 230), (230, 301)])
def test_equals_the_graph(graph: Callable[[np.ndarray], Any], tiles: TiledColorizer, size: tuple[int, int]) -> None:
    pixels = fields(*size)
    expected = graph(pixels[None]).numpy()[0]
    difference = np.abs(colorized(tiles, pixels).astype(int) - expected)
    # Values half-way between two integers may be rounded either way.
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize(("height", "width"), [(300, 200), (40, 130), (16, 16), (1, 7)])
def test_bands_of_a_matrix_shrink_as_the_whole(height: int, width: int) -> None:
    plane = np.random.default_rng(0).uniform(0, 100, (height, width)).astype(np.float32)
    side = float(max(height, width))
    places = (np.arange(count, dtype=np.float32)[:, None] for count in (height, width))
    rows, columns = (np.asarray(pipeline.to_frame(each, 64, side)) for each in places)
    expected = np.asarray(blocks.resample(plane, rows, columns))
    np.testing.assert_allclose(tiled._shrink(plane, rows, columns), expected, atol=1e-4)


def test_traces_are_not_translated_by_autograph(colorizer: keras.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoGraph translates each function of `zoo` that it meets: a second of the command's time."""
    callers: list[str] = []

    def note(x: tf.Tensor, *_: object) -> tf.Tensor:
        callers.extend(Path(frame.filename).name for frame in inspect.stack(0))
        return x

    monkeypatch.setattr(tiled.color, "lightness_of_linear", note)
    monkeypatch.setattr(tiled.pipeline, "to_levels", note)
    monkeypatch.setattr(Parts, "colors", lambda self, frames: note(frames))
    lab, white = np.zeros((5, 3), np.float32), np.float32(255)  # a length that nothing was traced for
    tiled._lightness_of_linear(lab)
    tiled._recompose_inside(lab, white)
    tiled._recompose(lab, white)
    TiledColorizer(colorizer).predict(np.zeros((1, 48, 48, 1), np.float32))
    assert "tiled.py" in callers
    assert [name for name in callers if "autograph_generated" in name] == []


def test_colors_are_vivid_and_partly_outside_srgb(colorizer: keras.Model, tiles: TiledColorizer) -> None:
    pixels = fields(301, 230)
    frame = tiles.prepare(pixels).frame
    ab = tiles.predict(frame[None])[0]
    assert np.ptp(colorized(tiles, pixels), axis=-1).mean() > 10
    lab = np.concatenate([frame, ab], axis=-1)
    outside = ~np.asarray(color.in_gamut(lab))
    assert 0 < outside.mean() < 1


def test_gray_photograph_equals_its_three_channels(tiles: TiledColorizer) -> None:
    gray = fields(90, 70)[..., 0]
    np.testing.assert_array_equal(colorized(tiles, gray), colorized(tiles, gray[..., None].repeat(3, -1)))


def test_sixteen_bits(tiles: TiledColorizer) -> None:
    pixels = fields(90, 70)
    deep = colorized(tiles, pixels.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    assert np.abs(deep / 257 - colorized(tiles, pixels)).max() <= 0.51
    assert len(np.unique(deep)) > 300  # not 8 bits in disguise


def test_strip_borders_do_not_show(tiles: TiledColorizer, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = fields(200, 64)
    whole = colorized(tiles, pixels)
    monkeypatch.setattr(tiled, "STRIP_PIXELS", 64 * 7)
    np.testing.assert_allclose(colorized(tiles, pixels).astype(int), whole, atol=1)


@pytest.mark.slow
def test_full_resolution_lightness_and_memory(colorizer: keras.Model, tmp_path: Path) -> None:
    """24 megapixels through the command: same size, same lightness, less than 2 GiB."""
    pixels = fields(4000, 6000)
    Image.fromarray(pixels).save(tmp_path / "large.png", compress_level=1)
    colorizer.save(tmp_path / "colorizer.keras")
    arguments = [str(tmp_path / name) for name in ("large.png", "out", "colorizer.keras")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert 300 < int(run.stdout.split()[-1]) < 2048  # MiB at the peak, TensorFlow included
    result = np.asarray(Image.open(tmp_path / "out" / "large.png"))
    assert result.shape == pixels.shape
    assert np.ptp(result, axis=-1).mean() > 10
    for start in range(0, 4000, 500):
        difference = levels(result[start : start + 500]) - levels(pixels[start : start + 500])
        assert np.abs(difference).max() <= 1


def test_changes_of_colors_are_stretched_over_the_photograph(tiles: TiledColorizer) -> None:
    prepared = tiles.prepare(np.full((90, 70), 128, np.uint8))  # of which sRGB has all these colors
    ab = np.zeros((tiles.size, tiles.size, 2), np.float32)
    ramp = np.linspace(-20, 20, 7, dtype=np.float32)[None, :, None] * np.ones((9, 1, 2), np.float32)
    painted = tiles.paint(prepared, ab, ramp)
    shown = np.asarray(color.rgb_to_lab(painted.astype(np.float32) / 255))[..., 1:]
    # Linear between the centers of the seven columns, and even beyond the outermost ones.
    expected = np.interp((np.arange(70) + 0.5) / 10 - 0.5, np.arange(7), ramp[0, :, 0])
    assert np.abs(shown[..., 0].mean(axis=0) - expected).max() < 1
    np.testing.assert_array_equal(tiles.paint(prepared, ab, 0 * ramp), tiles.paint(prepared, ab))


def test_only_what_is_stale_is_painted_again(tiles: TiledColorizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "STRIP_PIXELS", 600)
    monkeypatch.setattr(tiled, "GAP", 2)
    prepared = tiles.prepare(fields(90, 70))
    ab = tiles.predict(prepared.frame[None])[0]
    change = np.zeros((18, 14, 2), np.float32)
    painted = tiles.paint(prepared, ab, change)
    stale = np.zeros((18, 14), bool)
    stale[4:6, 2], stale[5, 9:11], stale[17, 13] = True, True, True
    change[stale] = 30
    expected = tiles.paint(prepared, ab, change)
    marked = np.zeros_like(painted)
    tiles.repaint(marked, prepared, ab, change, stale)
    untouched = (marked == 0).all(axis=-1)
    assert untouched.mean() > 0.5
    np.testing.assert_array_equal(np.where(untouched[..., None], painted, marked), expected)
    tiles.repaint(marked, prepared, ab, change, np.zeros_like(stale))
