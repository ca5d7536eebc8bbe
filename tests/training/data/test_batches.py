"""From frames to batches: how they are changed, and that they are the same every time."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from tests.photographs import color_field
from tests.training.data.epochs import ALL, PLAIN, SIZE, assert_equal_batches, epoch, photographs
from training.data.augmentation import Augmentation, crop_and_flip
from training.data.datasets import Photographs
from training.data.draws import draw_params
from zoo import color


def test_without_augmentation(tmp_path: Path) -> None:
    source = photographs(*(color_field(i, 20 + i, 30) for i in range(5)))
    found = epoch(source)
    assert [len(light) for light, _ in found] == [2, 2, 1]
    light, truth = (np.concatenate(part) for part in ([b[0] for b in found], [b[1]["ab"] for b in found]))
    rgb = source.frames.astype(np.float32) / 255
    lab = ops.convert_to_numpy(color.rgb_to_lab(rgb))
    np.testing.assert_allclose(light, lab[..., :1], atol=1e-4)
    np.testing.assert_allclose(truth, lab[..., 1:], atol=1e-4)
    np.testing.assert_allclose(np.concatenate([b[1]["rgb"] for b in found]), rgb, atol=1e-6)
    mask = np.concatenate([b[1]["mask"] for b in found])
    for picture, (h, w) in zip(mask, source.sizes, strict=True):
        assert picture[:h, :w].all()
        assert picture.sum() == h * w


def test_order_is_a_function_of_seed_and_epoch() -> None:
    source = photographs(*(color_field(i, 24, 24) for i in range(8)))
    all_first = np.concatenate([light[:, 0, 0, 0] for light, _ in epoch(source)])

    def order(**arguments: int) -> list[int]:
        found = epoch(source, augmentation=PLAIN, **arguments)
        first = np.concatenate([light[:, 0, 0, 0] for light, _ in found])
        return [int(np.abs(all_first - value).argmin()) for value in first]

    orders = [order(), order(epoch=1), order(seed=1)]
    assert all(sorted(o) == list(range(8)) for o in orders)
    assert len({tuple(o) for o in orders}) == 3
    assert order(seed=1) == orders[-1]


def test_the_tail_of_an_epoch() -> None:
    source = photographs(*(color_field(i, 24, 20 + i) for i in range(7)))
    whole = epoch(source, seed=5, epoch=2, augmentation=ALL)
    assert [len(light) for light, _ in whole] == [2, 2, 2]
    for start in (1, 2, 3):
        assert_equal_batches(epoch(source, seed=5, epoch=2, start=start, augmentation=ALL), whole[start:])


def test_augmentation_differs_between_steps_epochs_and_seeds() -> None:
    source = photographs(*[color_field(1, 32, 32)] * 4)
    lights = [
        light for seed in (0, 1) for e in (0, 1) for light, _ in epoch(source, seed=seed, epoch=e, augmentation=ALL)
    ]
    pictures = np.concatenate(lights)
    assert len(np.unique(pictures.round(3).reshape(len(pictures), -1), axis=0)) == 16


def test_plain_augmentation_is_the_frame_itself() -> None:
    source = photographs(color_field(1, 20, 32), color_field(2, 32, 17))
    found = epoch(source, augmentation=PLAIN)
    assert_equal_batches(found, epoch(source))


@pytest.mark.parametrize(("height", "width"), [(20, 32), (32, 17), (32, 32)])
def test_flip_mirrors_the_picture_and_not_its_padding(height: int, width: int) -> None:
    picture = color_field(1, height, width)
    source = photographs(*[picture] * 16)
    light, truth = epoch(source, 16, augmentation=dataclasses.replace(PLAIN, flip=True))[0]
    plain, plain_truth = epoch(source, 16)[0]
    flipped = [not np.array_equal(light[i], plain[i]) for i in range(16)]
    assert 3 <= sum(flipped) <= 13
    for i in np.flatnonzero(flipped):
        np.testing.assert_array_equal(light[i, :height, :width], np.fliplr(plain[i, :height, :width]))
        np.testing.assert_array_equal(
            truth["rgb"][i, :height, :width], np.fliplr(plain_truth["rgb"][i, :height, :width])
        )
        # The padding repeats the border of what came out.
        padding = light[i, :, width:]
        assert np.array_equal(padding, np.repeat(light[i, :, width - 1 : width], SIZE - width, 1))
    np.testing.assert_array_equal(truth["mask"], plain_truth["mask"])


@pytest.mark.parametrize(("height", "width"), [(20, 32), (32, 17)])
def test_crops_see_the_picture_only(height: int, width: int) -> None:
    frame = np.full((SIZE, SIZE, 3), 255, np.uint8)  # padding of another color, to be seen if it leaks in
    frame[:height, :width] = (200, 40, 90)
    source = Photographs(frame[None].repeat(8, 0), np.array([[height, width]] * 8, np.int32), ["a"] * 8, ["a"] * 8, [])
    light, truth = epoch(source, 8, augmentation=dataclasses.replace(ALL, noise=(0.0,)))[0]
    expected = ops.convert_to_numpy(color.rgb_to_lab(np.array([200, 40, 90], np.float32) / 255))
    np.testing.assert_allclose(light, np.broadcast_to(expected[0], light.shape), atol=1e-3)
    np.testing.assert_allclose(truth["ab"], np.broadcast_to(expected[1:], truth["ab"].shape), atol=1e-3)
    assert truth["mask"].sum() == 8 * height * width


def test_a_crop_shows_a_part_of_the_picture() -> None:
    ramp = np.zeros((24, SIZE, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 248, SIZE).astype(np.uint8)
    ramp[..., 1] = np.linspace(0, 230, 24).astype(np.uint8)[:, None]
    source = photographs(Image.fromarray(ramp))
    rgb = tf.constant(source.frames.repeat(64, 0), tf.float32)
    sizes = tf.constant(source.sizes.repeat(64, 0))
    changes = draw_params(Augmentation(False, 0.5, (0.0,)), tf.zeros(64, tf.int32), tf.constant([1, 2]))
    crop = crop_and_flip(rgb, sizes, changes).numpy()
    across, down = crop[:, 0, :, 0], crop[:, :24, 0, 1]
    for values, whole in ((across, 248), (down, 230)):
        seen = (values[:, -1] - values[:, 0]) / whole
        assert seen.min() > 0.48
        assert seen.max() <= 1.001
        assert seen.std() > 0.1
        assert (np.diff(values) >= -1e-3).all()
        steps = np.diff(values)
        np.testing.assert_allclose(steps, steps.mean(1, keepdims=True).repeat(steps.shape[1], 1), atol=1.1)
        assert values[:, 0].min() < 0.1 * whole and values[:, -1].max() > 0.9 * whole
    # One fraction for both sides, so that proportions are kept.
    np.testing.assert_allclose((across[:, -1] - across[:, 0]) / 248, (down[:, -1] - down[:, 0]) / 230, atol=0.02)


def test_noise_has_the_strengths_of_the_recipe_and_stays_off_the_targets() -> None:
    source = photographs(*[color_field(1, 32, 32)] * 64)
    light, truth = epoch(source, 64, augmentation=dataclasses.replace(PLAIN, noise=(0.0, 1.0, 4.0)))[0]
    plain, plain_truth = epoch(source, 64)[0]
    strengths = (light - plain).std((1, 2, 3))
    nearest = np.abs(strengths[:, None] - [0, 1, 4]).argmin(1)
    np.testing.assert_allclose(strengths, np.array([0, 1, 4])[nearest], rtol=0.12, atol=1e-6)
    assert set(nearest) == {0, 1, 2}
    assert np.abs((light - plain).mean()) < 0.05
    assert_equal_batches([truth], [plain_truth])
