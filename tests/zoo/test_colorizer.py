import math

import keras
import numpy as np
import pytest
from keras import ops

import zoo
from tests.accept_golden import formula_network
from tests.zoo import networks
from tests.zoo.photographs import photograph
from zoo import color
from zoo.blocks import positions, resize_to, sampling_matrix
from zoo.colorizer import calm_of, frame_size, network_of, parts_of, saturation_of, view_sides
from zoo.errors import ArgumentError

SIZES = [(1, 1), (33, 47), (64, 64), (150, 100)]
FRAME = 64
every_size = pytest.mark.parametrize("size", SIZES, ids=str)


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def lab_of(image):
    return numpy_of(color.rgb_to_lab(np.asarray(image, np.float32) / 255))


@pytest.fixture
def vivid():
    return networks.vivid()


def stub(ab_of_frame, size=FRAME, **settings):
    """A colorizer around a formula instead of a network."""
    lightness = keras.Input((None, None, 1), name="lightness")
    return zoo.create_colorizer(keras.Model(lightness, ab_of_frame(lightness), name="stub"), size, **settings)


def constant(a, b):
    return lambda lightness: ops.concatenate([lightness * 0 + a, lightness * 0 + b], axis=-1)


def place_as_color(scale):
    """Ab that tells the column (a) and the row (b) of the frame: scale * index - 20."""

    def ab(lightness):
        row = ops.expand_dims(positions(lightness[:, :, 0, :]), 2)
        column = ops.expand_dims(positions(lightness[:, 0, :, :]), 1)
        # Multiplied and not added: Keras 3.15 takes a row that is as long as the map is high for a bias.
        everywhere = lightness * 0 + 1
        return ops.concatenate([everywhere * column, everywhere * row], axis=-1) * scale - 20

    return ab


@every_size
def test_contract(vivid, size):
    image = photograph(size, batch=2)
    colorized = numpy_of(vivid(image))
    assert colorized.shape == image.shape
    assert colorized.dtype == np.uint8
    np.testing.assert_array_equal(numpy_of(vivid(image.astype(np.float32))), colorized)


def test_floats_beyond_the_range_are_clipped(vivid):
    image = np.linspace(-50, 300, 32 * 32 * 3, dtype=np.float32).reshape(1, 32, 32, 3)
    np.testing.assert_array_equal(numpy_of(vivid(image)), numpy_of(vivid(np.clip(image, 0, 255))))


def test_what_is_not_a_number_is_black_and_stays_where_it_is(vivid):
    image = photograph((33, 47)).astype(np.float32)
    image[0, 5, 7] = np.nan, np.inf, -np.inf
    expected = numpy_of(vivid(np.nan_to_num(image, nan=0, posinf=255, neginf=0)))
    np.testing.assert_array_equal(numpy_of(vivid(image)), expected)
    assert np.ptp(expected) > 100


def test_an_empty_batch_gives_an_empty_answer(vivid):
    found = vivid(np.zeros((0, 33, 47, 3), np.uint8))
    assert found.shape == (0, 33, 47, 3)
    assert numpy_of(found).dtype == np.uint8


@every_size
def test_lightness_is_kept(vivid, size):
    image = photograph(size)
    before, after = lab_of(image), lab_of(vivid(image))
    assert np.abs(after[..., 0] - before[..., 0]).max() < 0.35  # half an 8-bit level

    def gray(lab):
        return numpy_of(color.lab_to_rgb(lab * [1, 0, 0]))[..., 0] * 255

    assert np.abs(np.round(gray(after)) - np.round(gray(before))).max() <= 1
    assert np.abs(gray(after) - gray(before)).mean() < 0.25


def test_these_tests_see_colors_that_srgb_lacks(vivid):
    image = photograph((64, 64))
    inside = keras.Model(vivid.input, vivid.get_layer("saturation").output)
    lab = np.concatenate([lab_of(image)[..., :1], numpy_of(inside(image))], axis=-1)
    fitted = numpy_of(color.fit_gamut(lab))
    assert 0.2 < (fitted != lab).any(axis=-1).mean() < 1
    assert np.linalg.norm(lab_of(vivid(image))[..., 1:], axis=-1).mean() > 15


@every_size
def test_the_color_that_comes_in_is_ignored(vivid, size):
    image = photograph(size)
    assert lab_of(image)[..., 1:].std() > 1 or size == (1, 1)
    gray = numpy_of(color.lab_to_rgb(lab_of(image) * [1, 0, 0])) * 255
    difference = numpy_of(vivid(image)).astype(int) - numpy_of(vivid(gray))
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


def test_pictures_of_a_batch_do_not_mix(vivid):
    images = photograph((33, 47), batch=2)
    singles = np.concatenate([numpy_of(vivid(images[i : i + 1])) for i in range(2)])
    assert (singles[0] != singles[1]).any()
    difference = numpy_of(vivid(images)).astype(int) - singles
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


# --- The frame ---


def frame_of(model, image):
    return numpy_of(keras.Model(model.input, model.get_layer("frame").output)(image))


def test_a_picture_of_the_frame_s_size_is_seen_as_it_is(vivid):
    image = photograph((FRAME, FRAME))
    np.testing.assert_allclose(frame_of(vivid, image), lab_of(image)[..., :1], atol=1e-4)


@pytest.mark.parametrize("size", [(FRAME, FRAME // 2), (FRAME // 2, FRAME)], ids=str)
def test_the_border_is_repeated_over_the_rest_of_the_frame(vivid, size):
    image = photograph(size)
    margin = [(0, 0), (0, FRAME - size[0]), (0, FRAME - size[1]), (0, 0)]
    expected = np.pad(lab_of(image)[..., :1], margin, mode="edge")
    np.testing.assert_allclose(frame_of(vivid, image), expected, atol=1e-4)


def test_shrinking_averages():
    """Four times as large, without aliasing: a fine checkerboard becomes an even gray."""
    y, x = np.mgrid[: 4 * FRAME, : 4 * FRAME]
    board = np.repeat((255.0 * ((x + y) % 2))[None, ..., None], 3, axis=-1).astype(np.float32)
    frame = frame_of(stub(constant(0, 0)), board)
    np.testing.assert_allclose(frame[:, 1:-1, 1:-1], 50, atol=0.1)


@every_size
def test_constant_color_stays_constant(size):
    """At lightness where sRGB has the color: neither the rim nor the padding of the frame may show."""
    light = np.clip(photograph(size), 90, 200)
    ab = lab_of(stub(constant(12.0, -9.0))(light))[..., 1:]
    np.testing.assert_allclose(ab, np.broadcast_to([12.0, -9.0], ab.shape), atol=1.0)


@pytest.mark.parametrize("size", [(64, 64), (300, 200), (120, 180), (45, 51), (20, 9)], ids=str)
def test_colors_come_back_to_their_place(size):
    """Column and row of the frame, as colors, must be those of the photograph: no shift, flip or swap."""
    gray = np.full((1, *size, 3), 128, np.uint8)
    found = lab_of(stub(place_as_color(40 / FRAME))(gray))[0, ..., 1:]
    step = max(size) / FRAME
    index = np.stack(np.meshgrid(np.arange(size[1]), np.arange(size[0])), axis=-1)
    expected = np.clip((index + 0.5) / step - 0.5, 0, FRAME - 1) * 40 / FRAME - 20
    # Enlarged to fill the frame, a small picture averages its colors, and fewer of them at the rim.
    rim = int(np.ceil(1 / step)) if step < 1 else 0
    inner = (slice(rim, size[0] - rim), slice(rim, size[1] - rim))
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.8)
    assert np.ptp(found[..., 0]) > 10
    assert np.ptp(found[..., 1]) > 10


@pytest.mark.parametrize("size", [(60, 120), (120, 60), (120, 120)], ids=str)
def test_the_corners_keep_their_colors(size):
    def red_to_blue(lightness):
        ab = place_as_color(40 / FRAME)(lightness)
        along = (ab[..., :1] + ab[..., 1:] + 40) * (1 / 80)
        return ops.concatenate([60 - along * 50, 45 - along * 110], axis=-1)

    colorized = numpy_of(stub(red_to_blue)(np.full((1, *size, 3), 120, np.uint8)))[0]
    assert colorized[0, 0].argmax() == 0
    assert colorized[-1, -1].argmax() == 2


@pytest.mark.parametrize(("new", "old"), [(64, 64), (64, 200), (200, 64), (16, 1), (1, 16), (7, 5)])
def test_sampling_rows_sum_to_1(new, old):
    wanted, available = np.arange(new, dtype=np.float32)[:, None], np.arange(old, dtype=np.float32)[None]
    matrix = numpy_of(sampling_matrix(wanted, available, np.float32(old / new)))
    assert matrix.shape == (new, old)
    assert matrix.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
    if new == old:
        np.testing.assert_array_equal(matrix, np.eye(new))


# --- Settings ---


def test_saturation_multiplies_the_color():
    gray = np.full((1, 20, 30, 3), 128, np.uint8)
    for saturation in (0.5, 1.0, 2.5):
        ab = lab_of(stub(constant(8.0, -10.0), saturation=saturation)(gray))[..., 1:]
        expected = np.broadcast_to(np.array([8.0, -10.0]) * saturation, ab.shape)
        np.testing.assert_allclose(ab, expected, atol=1.0)


def test_what_a_colorizer_is_made_of(vivid):
    assert network_of(vivid).name == "color_unet"
    assert frame_size(vivid) == FRAME
    assert saturation_of(vivid) == 1.5


@pytest.mark.parametrize(
    ("size", "saturation", "message"),
    [
        (15, 1.0, "size is 15: .* 16"),
        (32.5, 1.0, "size is 32.5: .* whole number"),
        (math.nan, 1.0, "size is nan"),
        (math.inf, 1.0, "size is inf"),
        (None, 1.0, "size is None"),
        ("32", 1.0, "size is '32'"),
        (32, 0, "saturation is 0"),
        (32, "a", "saturation is 'a'"),
        (32, -1.0, "saturation is -1.0"),
        (32, math.nan, "saturation is nan"),
        (32, math.inf, "saturation is inf"),
    ],
)
def test_argument_errors(vivid, size, saturation, message):
    with pytest.raises(ArgumentError, match=message):
        zoo.create_colorizer(network_of(vivid), size, saturation=saturation)


def test_a_network_is_not_a_colorizer(vivid):
    with pytest.raises(ArgumentError, match="'color_unet' is not a colorizer"):
        network_of(network_of(vivid))


# === Views ===


def test_views_are_averaged(vivid):
    """At 48 and 32 pixels, each also mirrored, put together by hand."""
    network = network_of(vivid)
    frames = np.random.default_rng(3).uniform(0, 100, (2, 48, 48, 1)).astype(np.float32)
    several = zoo.create_colorizer(network, 48, saturation=1.5, tta_scales=(1.0, 0.6667))
    assert view_sides(several) == [48, 32]
    small = keras.Input((48, 48, 1))
    shrink = keras.Model(small, resize_to(small, 32))
    back = keras.Input((32, 32, 2))
    enlarge = keras.Model(back, resize_to(back, 48))
    found = [network(frames), network(frames[:, :, ::-1])[:, :, ::-1]]
    found += [enlarge(network(shrink(frames))), enlarge(network(shrink(frames)[:, :, ::-1])[:, :, ::-1])]
    expected = 1.5 * np.mean([numpy_of(ab) for ab in found], axis=0)
    np.testing.assert_allclose(numpy_of(parts_of(several).colors(frames)), expected, atol=1e-3)
    assert np.abs(expected - 1.5 * numpy_of(found[0])).max() > 1


def test_one_view_is_the_frame_alone(vivid):
    frames = np.random.default_rng(3).uniform(0, 100, (1, FRAME, FRAME, 1)).astype(np.float32)
    assert view_sides(vivid) == []
    expected = 1.5 * numpy_of(network_of(vivid)(frames))
    np.testing.assert_allclose(numpy_of(parts_of(vivid).colors(frames)), expected, atol=1e-4)


def test_views_are_symmetric(vivid):
    several = zoo.create_colorizer(network_of(vivid), 32, tta_scales=(1.0,))
    image = np.random.default_rng(4).integers(0, 256, (1, 32, 32, 3), np.uint8)
    mirrored = numpy_of(several(image[:, :, ::-1]))[:, :, ::-1]
    assert np.abs(mirrored.astype(int) - numpy_of(several(image)).astype(int)).max() <= 1


@pytest.mark.parametrize(
    "tta_scales", [(0.0,), (1.1,), (1.0, -0.5), (math.nan,), (math.inf,), ("a",), (True,), None, 0.5]
)
def test_views_out_of_range(vivid, tta_scales):
    with pytest.raises(ArgumentError, match="tta_scales is"):
        zoo.create_colorizer(network_of(vivid), 32, tta_scales=tta_scales)


# === Calm ===


def frames_of(size, count=1):
    return np.random.default_rng(3).uniform(0, 100, (count, size, size, 1)).astype(np.float32)


def test_views_that_agree_keep_their_colors():
    frames = frames_of(FRAME)
    plain, calm = (
        parts_of(stub(constant(30, -20), tta_scales=(1.0, 0.5), calm=power)).colors(frames) for power in (0.0, 2.0)
    )
    np.testing.assert_allclose(numpy_of(calm), numpy_of(plain), rtol=1e-3)


def test_views_that_disagree_become_pale():
    """A frame and its mirror image whose colors are opposite to the left and to the right, and cancel in part."""

    def left_and_right(lightness):
        column = ops.expand_dims(positions(lightness[:, 0, :, :]), 1)
        return ops.concatenate([(lightness * 0 + 1) * (column - 16), lightness * 0 + 40], axis=-1)

    frames = frames_of(FRAME)
    plain, calm = (
        numpy_of(parts_of(stub(left_and_right, tta_scales=(1.0,), saturation=1.5, calm=power)).colors(frames))
        for power in (0.0, 2.0)
    )
    column = np.arange(FRAME) - 16
    mean = np.stack([(column + column[::-1]) / 2, np.full(FRAME, 40)], axis=-1)
    chroma = (np.hypot(column, 40) + np.hypot(column[::-1], 40)) / 2
    agreement = np.linalg.norm(mean, axis=-1) / chroma
    assert agreement.min() < 0.9
    np.testing.assert_allclose(plain[0, 0], 1.5 * mean, atol=1e-3)
    np.testing.assert_allclose(calm[0, 0], 1.5 * mean * agreement[:, None] ** 2, atol=1e-2)


def test_bins_that_disagree_become_pale():
    network = formula_network("lite_unet")
    frames = frames_of(FRAME)
    means = numpy_of(keras.Model(network.input, network.get_layer("means").output)(frames))
    agreement = np.linalg.norm(means[..., :2], axis=-1, keepdims=True) / means[..., 2:]
    assert agreement.mean() < 0.9
    calm = parts_of(zoo.create_colorizer(network, FRAME, calm=0.5))
    np.testing.assert_allclose(numpy_of(calm.colors(frames)), means[..., :2] * agreement**0.5, atol=1e-2)


@pytest.mark.parametrize("name", ["lite_unet", "color_unet"])
def test_a_calm_colorizer_is_read_back(name, tmp_path):
    network = formula_network(name)
    made = zoo.create_colorizer(network, FRAME, saturation=1.2, tta_scales=(1.0,), calm=0.7)
    made.save(tmp_path / "calm.keras")
    read = keras.models.load_model(tmp_path / "calm.keras")
    image = photograph((40, 56), batch=2)
    np.testing.assert_array_equal(numpy_of(read(image)), numpy_of(made(image)))
    assert calm_of(read) == parts_of(read).calm == 0.7
    frames = frames_of(FRAME)
    found = network_of(read)
    assert found.name == name
    np.testing.assert_allclose(numpy_of(found(frames)), numpy_of(network(frames)), atol=1e-4)
    np.testing.assert_allclose(
        numpy_of(parts_of(read).colors(frames)), numpy_of(parts_of(made).colors(frames)), atol=1e-4
    )


@pytest.mark.parametrize("calm", [-0.1, math.nan, math.inf, None, "a", True])
def test_calm_out_of_range(vivid, calm):
    with pytest.raises(ArgumentError, match="calm is"):
        zoo.create_colorizer(network_of(vivid), FRAME, calm=calm)
