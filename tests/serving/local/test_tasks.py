"""What is written beside the results."""

import numpy as np

from media.photograph import gray_of
from serving.local import tasks


def test_comparisons_show_the_gray_of_the_same_lightness() -> None:
    color = np.full((40, 40, 3), (200, 30, 60), np.uint8)
    sheet = tasks._comparison(color, color)
    assert (sheet[8 + 28 + 256, 8 + 256] == gray_of(color)[0, 0]).all()
