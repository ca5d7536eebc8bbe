import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from skimage.color import rgb2lab

from zoo import color

RED, GREEN, BLUE, YELLOW, WHITE, BLACK = np.eye(3)[0], np.eye(3)[1], np.eye(3)[2], [1, 1, 0], [1] * 3, [0] * 3
GRAYS = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[:, None], 3, axis=-1)


def grid(steps):
    ramp = np.linspace(0, 1, steps, dtype=np.float32)
    return np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), axis=-1).reshape(-1, 3)


def apply(function, *values):
    return ops.convert_to_numpy(function(*(np.asarray(value, np.float32) for value in values)))


def linear_rgb(lab):
    """Linear light of Lab in float64, in this file's own words: outside [0, 1] where sRGB lacks the color."""
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.95047, 1.0, 1.08883]
    from_rgb = [[0.412453, 0.35758, 0.180423], [0.212671, 0.71516, 0.072169], [0.019334, 0.119193, 0.950227]]
    return xyz @ np.linalg.inv(from_rgb).T


def in_gamut(lab, tolerance):
    linear = linear_rgb(lab)
    return ((linear >= -tolerance) & (linear <= 1 + tolerance)).all(axis=-1)


@pytest.fixture(scope="module")
def wild():
    """Lab colors of which most lie outside sRGB."""
    draw = np.random.default_rng(0)
    lab = draw.uniform([0, -150, -150], [100, 150, 150], (3000, 3)).astype(np.float32)
    assert 0.5 < 1 - in_gamut(lab, 0).mean() < 0.999
    return lab


def test_lab_is_that_of_scikit_image():
    rgb = grid(64)
    np.testing.assert_allclose(apply(color.rgb_to_lab, rgb), rgb2lab(rgb.astype(np.float64)), atol=1e-3)


def test_every_8_bit_color_survives_lab():
    """All 16,777,216, and none of them counts as outside the gamut."""

    # Compiled, the whole cube takes a second.
    @tf.function(jit_compile=True)
    def failures(rgb):
        lab = color.rgb_to_lab(tf.cast(rgb, tf.float32) / 255)
        lost = tf.cast(tf.round(color.lab_to_rgb(lab) * 255), tf.int32) != rgb
        return tf.math.count_nonzero(lost), tf.math.count_nonzero(~color.in_gamut(lab))

    green_blue = np.stack(np.meshgrid(np.arange(256), np.arange(256)), axis=-1).reshape(-1, 2).astype(np.int32)
    slices = (np.insert(green_blue, 0, red, axis=1) for red in range(256))
    counts = np.array([failures(tf.constant(rgb)) for rgb in slices])
    assert counts.sum(axis=0).tolist() == [0, 0]


def test_grays_have_no_color():
    lab = apply(color.rgb_to_lab, GRAYS)
    assert np.abs(lab[:, 1:]).max() < 0.02
    assert (np.diff(lab[:, 0]) > 0).all()
    np.testing.assert_allclose(lab[[0, -1], 0], [0, 100], atol=1e-3)


def test_lightness_is_the_first_channel_of_lab():
    rgb = grid(17)
    np.testing.assert_array_equal(apply(color.lightness, rgb), apply(color.rgb_to_lab, rgb)[:, :1])


def test_srgb_curve():
    np.testing.assert_allclose(
        apply(color.srgb_to_linear, [0, 0.04045, 0.5, 1]), [0, 0.0031308, 0.2140411, 1], atol=1e-6
    )
    ramp = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(apply(color.linear_to_srgb, apply(color.srgb_to_linear, ramp)), ramp, atol=1e-6)


def test_colors_beyond_srgb_are_clipped_by_lab_to_rgb(wild):
    rgb = apply(color.lab_to_rgb, wild)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    expected = np.clip(linear_rgb(wild.astype(np.float64)), 0, 1)
    np.testing.assert_allclose(apply(color.srgb_to_linear, rgb), expected, atol=1e-4)


def test_fit_gamut_keeps_lightness_and_hue_and_lowers_chroma(wild):
    fitted = apply(color.fit_gamut, wild)
    np.testing.assert_array_equal(fitted[:, 0], wild[:, 0])
    scale = np.linalg.norm(fitted[:, 1:], axis=1) / np.linalg.norm(wild[:, 1:], axis=1)
    np.testing.assert_allclose(fitted[:, 1:], wild[:, 1:] * scale[:, None], atol=1e-3)
    outside = ~in_gamut(wild, 1e-4)
    assert (scale[outside] < 1).all()
    # Near white the gray itself is off, by the six digits of the matrix.
    assert (in_gamut(fitted.astype(np.float64), 2e-5) | (wild[:, 0] > 99.9)).all()


def test_fit_gamut_takes_the_largest_chroma_that_fits(wild):
    """Against a search over all 1/512 steps of the way to gray, in float64."""
    steps = np.arange(513) / 512
    tried = np.repeat(wild[:, None].astype(np.float64), 513, axis=1)
    tried[..., 1:] *= steps[:, None]
    fits = in_gamut(tried, 1e-5)
    largest = np.where(fits, steps, 0).max(axis=1)
    scale = np.linalg.norm(apply(color.fit_gamut, wild)[:, 1:], axis=1) / np.linalg.norm(wild[:, 1:], axis=1)
    # Right at the border float32 may take the neighboring step.
    np.testing.assert_allclose(scale, largest, atol=1.01 / 512)

    outside = ~in_gamut(wild, 1e-4) & (scale > 0.25)
    larger = apply(color.fit_gamut, wild)[outside].astype(np.float64)
    larger[:, 1:] *= 1.01
    assert not in_gamut(larger, 0).any()


def test_fit_gamut_leaves_what_fits():
    """Above all the faces of the cube of 8-bit colors, which are the border of the gamut."""
    levels = np.arange(256)
    side = np.stack(np.meshgrid(levels, levels), axis=-1).reshape(-1, 2)
    faces = [np.insert(side, axis, value, axis=1) for axis in range(3) for value in (0, 255)]
    inside = np.random.default_rng(0).integers(0, 256, (200_000, 3))
    lab = apply(color.rgb_to_lab, np.concatenate([*faces, inside]) / 255)
    np.testing.assert_array_equal(apply(color.fit_gamut, lab), lab)


def test_black_and_white_have_no_chroma_to_keep():
    rgb = apply(color.lab_to_rgb, apply(color.fit_gamut, [[0, 60, -60], [100, 60, -60]]))
    np.testing.assert_array_equal(np.round(rgb * 255), [[0, 0, 0], [255, 255, 255]])


def test_yuv_has_the_limits_of_bt_601():
    yuv = apply(color.rgb_to_yuv, grid(17))
    np.testing.assert_allclose(yuv.min(axis=0), [0, -0.436, -0.615], atol=1e-6)
    np.testing.assert_allclose(yuv.max(axis=0), [1, 0.436, 0.615], atol=1e-6)
    np.testing.assert_allclose(
        apply(color.rgb_to_yuv, [RED, GREEN, BLUE, WHITE]),
        [[0.299, -0.14714, 0.615], [0.587, -0.28886, -0.51499], [0.114, 0.436, -0.10001], [1, 0, 0]],
        atol=2e-5,
    )


@pytest.mark.parametrize(
    ("there", "back"), [(color.rgb_to_yuv, color.yuv_to_rgb), (color.rgb_to_hcl, color.hcl_to_rgb)]
)
def test_inverses(there, back):
    rgb = np.concatenate([grid(33), GRAYS])
    np.testing.assert_allclose(apply(back, apply(there, rgb)), rgb, atol=2e-6)


def test_hue_chroma_lightness_of_known_colors():
    colors = [RED, GREEN, BLUE, YELLOW, WHITE, BLACK, [1, 0, 0.5], [0.2, 0.6, 0.4]]
    expected = [
        (0, 1, 1 / 3),
        (1 / 3, 1, 1 / 3),
        (2 / 3, 1, 1 / 3),
        (1 / 6, 1, 2 / 3),
        (0, 0, 1),
        (0, 0, 0),
        (11 / 12, 1, 0.5),
        (5 / 12, 0.4, 0.4),
    ]
    np.testing.assert_allclose(apply(color.rgb_to_hcl, colors), expected, atol=1e-6)


def test_hue_lies_below_1():
    hue = apply(color.rgb_to_hcl, np.concatenate([grid(33), [[1, 0, 1e-9]]]))[:, 0]
    assert hue.min() >= 0
    assert hue.max() < 1
