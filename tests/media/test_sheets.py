"""Contact sheets."""

import numpy as np
import pytest

from media.sheets import contact_sheet


def test_pictures_stand_in_their_cells() -> None:
    red = np.full((64, 64, 3), (200, 0, 0), np.uint8)
    blue = np.full((64, 64, 3), (0, 0, 200), np.uint8)
    sheet = contact_sheet([[red, blue], [blue]], titles=[], cell=64)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (8 + 2 * 72, 8 + 2 * 72, 3)
    assert (sheet[8:72, 8:72] == (200, 0, 0)).all()
    assert (sheet[8:72, 80:144] == (0, 0, 200)).all()
    assert (sheet[80:144, 8:72] == (0, 0, 200)).all()
    assert (sheet[80:144, 80:144] == 255).all()
    assert (sheet[:8] == 255).all()


def test_a_wide_picture_keeps_its_aspect_and_is_centered() -> None:
    sheet = contact_sheet([[np.zeros((50, 200), np.uint8)]], titles=[], cell=100)
    dark_rows, dark_columns = np.nonzero((sheet < 128).all(axis=2))
    assert (dark_columns.min(), dark_columns.max()) == (8, 107)
    assert dark_rows.max() - dark_rows.min() + 1 == 25
    assert dark_rows.min() - 8 == pytest.approx(100 - 25 - (dark_rows.min() - 8), abs=1)


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((9, 9), 51, np.uint8),
        np.full((9, 9, 1), 51, np.uint8),
        np.full((9, 9, 3), 51 * 257, np.uint16),
        np.full((9, 9), 51 * 257, np.uint16),
    ],
)
def test_gray_color_and_16_bit_pictures(pixels: np.ndarray) -> None:
    sheet = contact_sheet([[pixels]], titles=[], cell=9)
    assert (sheet[8:17, 8:17] == 51).all()


def test_titles_are_drawn_above_their_columns() -> None:
    picture = np.full((40, 40), 255, np.uint8)
    sheet = contact_sheet([[picture, picture]], titles=["", "colorized"], cell=120)
    ink = np.nonzero((sheet < 128).all(axis=2))
    assert ink[0].max() < 36
    assert ink[1].min() >= 8 + 120
    assert sheet.shape == (8 + 28 + 128, 8 + 2 * 128, 3)
