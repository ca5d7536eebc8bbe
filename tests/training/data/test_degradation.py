"""Old photographs from new ones: every effect alone, all of them together, and in the batches of training."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image
from scipy.fft import dctn, idctn

from tests.photographs import color_field
from training.data import degradation
from training.data.augmentation import Augmentation
from training.data.batches import WorkerInfo, batches
from training.data.datasets import Photographs
from training.data.degradation import DRAWS, Degradation, degrade, degraded_lightness, draw_degradation
from zoo import color

SIZE = 40
Epoch = list[tuple[np.ndarray, dict[str, np.ndarray]]]
rng = np.random.default_rng(0)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def nothing(count: int, **changes: np.ndarray) -> Degradation:
    """No effect but the changed ones."""
    unchanged = Degradation(
        applies=np.ones(count, bool), response=response(degradation.PANCHROMATIC, count), blur=zeros(count),
        falloff=zeros(count), center=zeros(count, 2), exposure=zeros(count) + 1, gamma=zeros(count) + 1,
        curve=zeros(count), grain=zeros(count), grain_size=zeros(count), black=zeros(count), white=zeros(count) + 1,
        slope=zeros(count, 2), spots=zeros(count, degradation.SPOTS, 5) + [0, 0, 0, 1, 1],
        scratches=zeros(count, degradation.SCRATCHES, 6) + [0, 0, 0, 1, 0, 1], quality=zeros(count),
    )  # fmt: skip
    changed = dataclasses.replace(unchanged, **changes)
    values = {field.name: getattr(changed, field.name) for field in dataclasses.fields(changed)}
    return Degradation(**{name: v if v.dtype == bool else v.astype(np.float32) for name, v in values.items()})


def response(weights: np.ndarray, count: int = 1) -> np.ndarray:
    return np.tile(weights.astype(np.float32), (count, 1))


def picture(count: int = 1, size: int = SIZE) -> np.ndarray:
    return np.stack([np.asarray(color_field(i, size, size), np.float32) / 255 for i in range(count)])


def seen(rgb: np.ndarray, what: Degradation, field: np.ndarray | None = None) -> np.ndarray:
    return ops.convert_to_numpy(degrade(rgb, what, zeros(*rgb.shape[:3], 1) if field is None else field))


def random_numbers(count: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(1)
    return numbers.random((count, DRAWS), np.float32), numbers.standard_normal((count, size, size, 1), np.float32)


# === Each effect alone ===


def test_panchromatic_film_sees_the_lightness() -> None:
    rgb = picture(2)
    np.testing.assert_allclose(seen(rgb, nothing(2)), ops.convert_to_numpy(color.lightness(rgb)), atol=1e-3)


@pytest.mark.parametrize(
    ("film", "light", "dark"),
    [
        (degradation.ORTHOCHROMATIC, [(0, 1, 1), (1, 1, 1)], [(1, 0, 0)]),
        (degradation.BLUE_SENSITIVE, [(0, 0, 1), (1, 0, 1)], [(1, 1, 0), (1, 0, 0), (0, 1, 0)]),
    ],
)
def test_film_is_blind_to_some_colors(
    film: np.ndarray, light: list[tuple[int, ...]], dark: list[tuple[int, ...]]
) -> None:
    rgb = np.array(light + dark, np.float32)[:, None, None] * np.ones((1, 16, 16, 1), np.float32)
    values = seen(rgb, nothing(len(rgb), response=response(film, len(rgb))))
    np.testing.assert_allclose(values[: len(light)], 100, atol=1e-3)
    np.testing.assert_allclose(values[len(light) :], 0, atol=1e-3)


def test_film_adds_linear_light() -> None:
    rgb = np.broadcast_to(np.array([0.9, 0.5, 0.2], np.float32), (1, 16, 16, 3))
    luminance = (((0.5 + 0.055) / 1.055) ** 2.4 + ((0.2 + 0.055) / 1.055) ** 2.4) / 2
    expected = 116 * np.cbrt(luminance) - 16
    values = seen(rgb, nothing(1, response=response(degradation.ORTHOCHROMATIC)))
    np.testing.assert_allclose(values, expected, atol=1e-3)


def test_blur_is_gaussian_and_keeps_the_mean() -> None:
    point = zeros(2, SIZE, SIZE)
    point[:, 20, 20] = 1
    deviations = np.array([0.0, 4.0], np.float32)
    blurred = ops.convert_to_numpy(degradation.blur(point, deviations))
    np.testing.assert_allclose(blurred[0], point[0], atol=1e-6)
    width = 4.0 * SIZE / 128
    line = np.exp(-((np.arange(SIZE) - 20) ** 2) / (2 * width**2))
    np.testing.assert_allclose(blurred[1], np.outer(line, line) / line.sum() ** 2, atol=1e-6)
    np.testing.assert_allclose(blurred.sum((1, 2)), 1, rtol=1e-5)
    gray = np.full((2, SIZE, SIZE), 0.3, np.float32)  # also at the border
    np.testing.assert_allclose(ops.convert_to_numpy(degradation.blur(gray, deviations)), 0.3, rtol=1e-5)


def test_vignette_darkens_the_corners_and_not_its_center() -> None:
    light = np.ones((2, 41, 41), np.float32)
    center = np.array([[0, 0], [0.5, -0.5]], np.float32)
    fallen = ops.convert_to_numpy(degradation.vignette(light, np.array([0.4, 0.4], np.float32), center))
    np.testing.assert_allclose(fallen[0, [0, 0, -1, -1], [0, -1, 0, -1]], 0.6, rtol=1e-6)
    np.testing.assert_allclose([fallen[0, 20, 20], fallen[1, 30, 10]], 1, rtol=1e-6)
    np.testing.assert_allclose(fallen[0, 20, 0], 0.8, rtol=1e-6)


def test_exposure_is_a_factor_on_the_light() -> None:
    rgb = np.broadcast_to(np.array([0.4, 0.9], np.float32)[:, None, None, None], (2, 16, 16, 3))
    values = seen(rgb, nothing(2, exposure=np.array([2.0, 2.0])))
    expected = 116 * np.cbrt(2 * ((0.4 + 0.055) / 1.055) ** 2.4) - 16
    np.testing.assert_allclose(values[0], expected, atol=1e-2)
    np.testing.assert_allclose(values[1], 100, atol=1e-3)


def test_tones_keep_black_and_white_and_their_order() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, SIZE, dtype=np.float32), (4, SIZE, SIZE))
    gamma, curve = np.array([2.0, 0.5, 1.0, 1.0], np.float32), np.array([0, 0, 1.0, -0.7], np.float32)
    toned = ops.convert_to_numpy(degradation.tone(ramp, gamma, curve))
    np.testing.assert_allclose(toned[0], ramp[0] ** 2, atol=1e-5)
    np.testing.assert_allclose(toned[2], 3 * ramp[0] ** 2 - 2 * ramp[0] ** 3, atol=1e-5)
    assert (np.diff(toned, axis=2) >= 0).all()
    np.testing.assert_allclose(toned[..., 0], 0, atol=2e-3)
    np.testing.assert_allclose(toned[..., -1], 1, atol=1e-6)


@pytest.mark.parametrize("size", [0.0, 2.0, 6.0])
def test_grain_has_its_strength_whatever_its_size(size: float) -> None:
    field = np.random.default_rng(2).standard_normal((8, 64, 64)).astype(np.float32)
    gray = np.repeat(np.array([0.5, 0.0], np.float32), 4)[:, None, None] * np.ones((1, 64, 64), np.float32)
    grain = ops.convert_to_numpy(degradation.add_grain(gray, field, zeros(8) + 0.1, zeros(8) + size)) - gray
    np.testing.assert_allclose([grain[:4].std(), grain[4:].std()], [0.1, 0.05], rtol=0.1)
    along = (grain[:, :, 1:] * grain[:, :, :-1]).mean() / (grain**2).mean()
    assert (along < 0.05) if size == 0 else (along > 0.6)


def test_fading_moves_black_and_white() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 41, dtype=np.float32), (2, 41, 41))
    slope = np.array([[0, 0], [0.1, 0]], np.float32)
    faded = ops.convert_to_numpy(degradation.fade(ramp, zeros(2) + 0.2, zeros(2) + 0.9, slope))
    np.testing.assert_allclose(faded[0], 0.2 + 0.7 * ramp[0], rtol=1e-5)
    np.testing.assert_allclose(faded[1] - faded[0], np.linspace(-0.1, 0.1, 41)[:, None] * np.ones(41), atol=1e-6)


def test_spots_lie_where_they_were_drawn() -> None:
    spots = zeros(1, degradation.SPOTS, 5) + np.float32([0, 0, 0, 1, 1])
    spots[0, 0] = [0.8, 0.25, 0.75, 3.2, 6.4]
    spots[0, 1] = [-1, 1, 0, 3.2, 3.2]
    field = ops.convert_to_numpy(degradation.spot_field(spots, 41))[0]
    down, across = np.mgrid[:41, :41]
    height, width = 3.2 * 41 / 128, 6.4 * 41 / 128
    white = 0.8 * np.exp(-(((down - 10) / height) ** 2 + ((across - 30) / width) ** 2) / 2)
    black = np.exp(-(((down - 40) / height) ** 2 + (across / height) ** 2) / 2)
    np.testing.assert_allclose(field, white - black, atol=1e-5)
    gray = np.full((1, 41, 41), 0.5, np.float32)
    marked = ops.convert_to_numpy(degradation.mark(gray, field[None]))[0]
    np.testing.assert_allclose([marked[10, 30], marked[40, 0], marked[10, 0]], [0.9, 0, 0.5], atol=1e-4)


def test_scratches_are_lines_from_their_first_to_their_last_row() -> None:
    scratches = zeros(1, degradation.SCRATCHES, 6) + np.float32([0, 0, 0, 1, 0, 1])
    scratches[0, 0] = [0.6, 0.5, 0.2, 6.4, 0.25, 0.75]
    field = ops.convert_to_numpy(degradation.scratch_field(scratches, 41))[0]
    assert not field[:11].any() and not field[31:].any()
    assert field[20].argmax() == 20 and np.isclose(field[20].max(), 0.6)
    assert field[28].argmax() == 22 and field[12].argmax() == 18
    assert 3 <= (field[20] > 0).sum() <= 5


def jpeg(gray: np.ndarray, quality: int) -> np.ndarray:
    """Gray (H, W) in [0, 1], H and W multiples of 8, through blocks, in NumPy and SciPy."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    steps = np.clip(np.floor((degradation.LUMA_TABLE * scale + 50) / 100), 1, 255)
    out = np.empty_like(gray, np.float64)
    for y in range(0, gray.shape[0], 8):
        for x in range(0, gray.shape[1], 8):
            block = dctn(gray[y : y + 8, x : x + 8].astype(np.float64) * 255 - 128, norm="ortho")
            out[y : y + 8, x : x + 8] = idctn(np.round(block / steps) * steps, norm="ortho")
    return np.clip((out + 128) / 255, 0, 1)


@pytest.mark.parametrize("quality", [10, 35, 50, 80, 100])
def test_blocks_are_those_of_jpeg(quality: int) -> None:
    gray = ops.convert_to_numpy(color.lightness(picture(1, 48)))[..., 0] / 100
    gray = np.round(gray * 255) / 255
    coded = ops.convert_to_numpy(degradation.compress(gray, zeros(1) + quality))[0]
    # Coefficients halfway between two steps may be rounded either way.
    assert np.mean(np.abs(coded - jpeg(gray[0], quality)) < 1e-3) > 0.95
    file = io.BytesIO()
    Image.fromarray(np.round(gray[0] * 255).astype(np.uint8)).save(file, "jpeg", quality=quality)
    assert np.abs(coded - np.asarray(Image.open(file)) / 255).mean() < 1 / 255
    assert np.abs(coded - gray[0]).mean() < (0.5 if quality == 100 else 20) / 255


def test_blocks_of_a_side_that_is_not_a_multiple_of_eight() -> None:
    gray = rng.random((2, 20, 20), np.float32)
    coded = ops.convert_to_numpy(degradation.compress(gray, np.array([30, 0], np.float32)))
    np.testing.assert_allclose(coded[0, :16, :16], jpeg(gray[0, :16, :16], 30), atol=1e-4)
    np.testing.assert_array_equal(coded[1], gray[1])


# === All together ===


def test_every_lightness_is_in_range() -> None:
    draws, field = random_numbers(128)
    draws[:32] = draws[:32].round()  # the ends of all ranges
    rgb = picture(128)
    rgb[:4], rgb[4:8] = 0, 1
    light = ops.convert_to_numpy(degraded_lightness(rgb, draws, field, 1.0))
    assert light.shape == (128, SIZE, SIZE, 1) and light.dtype == np.float32
    assert light.min() >= 0 and light.max() <= 100  # false for NaN, too
    change = np.abs(light - ops.convert_to_numpy(color.lightness(rgb))).mean((1, 2, 3))
    assert np.median(change[32:]) < 15 and change[32:].min() < 3 < 25 < change[32:].max()


def test_every_draw_has_an_effect() -> None:
    draws, _ = random_numbers(200)
    changed = np.repeat(draws[None], DRAWS + 1, axis=0)
    for column in range(DRAWS):
        changed[column, :, column] = 1 - changed[column, :, column]
    drawn = dataclasses.astuple(draw_degradation(changed.reshape(-1, DRAWS), 0.5))
    values = np.concatenate([ops.convert_to_numpy(value).reshape(DRAWS + 1, 200, -1) for value in drawn], 2)
    assert (values[:-1] != values[-1]).any((1, 2)).all()


def test_share_of_the_pictures_is_degraded_and_the_others_are_exact() -> None:
    draws, field = random_numbers(100, 16)
    rgb = picture(100, 16)
    clean = ops.convert_to_numpy(color.lightness(rgb))
    light = ops.convert_to_numpy(degraded_lightness(rgb, draws, field, 0.3))
    same = (light == clean).all((1, 2, 3))
    np.testing.assert_array_equal(same, draws[:, 0] >= 0.3)
    np.testing.assert_array_equal(ops.convert_to_numpy(degraded_lightness(rgb, draws, field, 0.0)), clean)


def test_graph_computes_what_the_functions_compute() -> None:
    draws, field = random_numbers(8)
    draws[:, 0] = 0
    eager = ops.convert_to_numpy(degraded_lightness(picture(8), draws, field, 1.0))
    graph = tf.function(degraded_lightness)(*map(tf.constant, (picture(8), draws, field)), 1.0).numpy()
    # A coefficient of JPEG on the border between two steps may fall to either side.
    assert np.mean(np.abs(graph - eager) < 1e-2) > 0.99


# === In the batches ===

SOURCE = Photographs(
    (picture(16) * 255).astype(np.uint8), np.full((16, 2), SIZE, np.int32), ["a"] * 16, [str(i) for i in range(16)], []
)
CLEAN = Augmentation(flip=True, crop=0.7, noise=(0.0, 1.0))


def epoch(degraded: float, **arguments: object) -> Epoch:
    changes = dataclasses.replace(CLEAN, degraded=degraded)
    return list(batches(SOURCE, 8, augmentation=changes, **arguments).as_numpy_iterator())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clean() -> Epoch:
    return epoch(0.0)


@pytest.fixture(scope="module")
def old() -> Epoch:
    return epoch(0.5)


def test_batches_show_old_photographs_and_keep_the_truth(clean: Epoch, old: Epoch) -> None:
    assert len(clean) == len(old) == 2
    for (light, truth), (old_light, old_truth) in zip(clean, old, strict=True):
        for name in truth:
            np.testing.assert_array_equal(truth[name], old_truth[name])
        changed = np.abs(light - old_light).max((1, 2, 3)) > 1e-3
        assert 1 <= changed.sum() <= 7


def test_resumed_epoch_shows_the_same_old_photographs(old: Epoch) -> None:
    np.testing.assert_array_equal(epoch(0.5, start=1)[0][0], old[1][0])


def test_worker_sees_its_part_of_what_one_process_sees(old: Epoch) -> None:
    part = epoch(0.5, worker=WorkerInfo(1, 2))[0][0]
    # A coefficient of JPEG on the border between two steps may fall to either side.
    assert np.mean(np.abs(part - old[0][0][4:]) < 1e-2) > 0.99


def test_batches_without_degradation_are_those_of_earlier_versions(
    clean: Epoch,
) -> None:
    before = [56.425812, 55.855576, 46.896530, 60.271061, 55.289883, 52.221310, 55.855240, 53.196407]
    np.testing.assert_allclose(clean[0][0].mean((1, 2, 3)), before, rtol=1e-5)
