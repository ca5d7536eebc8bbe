"""Where the scenes of a film begin."""

import numpy as np

from media.films import SMALL
from media.scenes import SceneDetector, is_cut
from tests.films import brightened, field, pan


def scenes(pictures: list[np.ndarray]) -> list[int]:
    counter = SceneDetector()
    return [counter.number(picture) for picture in pictures]


def test_cuts_begin_scenes_and_motion_does_not() -> None:
    pictures = [*pan(0, 10, 5), *pan(1, 10, 12), *pan(2, 10, 2)]
    assert scenes(pictures) == [1] * 10 + [2] * 10 + [3] * 10


def test_a_cut_needs_both_criteria() -> None:
    one = field(0)
    assert is_cut(one, field(1))
    assert not is_cut(one, one[:, ::-1]), "other places, the same colors"
    flat = np.full((*SMALL, 3), 127, np.uint8)
    flat[:20] = 10
    assert not is_cut(flat, brightened(flat, 2)), "other bins, nearly the same gray"
    swapped = one[..., [2, 1, 0]]
    assert not is_cut(one, one) and not is_cut(swapped, swapped)


def test_a_flash_does_not_end_a_scene() -> None:
    calm = pan(0, 12, 1)
    flash = [brightened(picture, 150) for picture in calm]
    white = np.full((*SMALL, 3), 255, np.uint8)
    assert scenes([*calm[:5], flash[5], flash[6], *calm[7:]]) == [1] * 5 + [2] * 2 + [1] * 5
    assert scenes([*calm[:5], white, *calm[6:], field(1)]) == [1] * 5 + [2] + [1] * 6 + [3]
    # What lasts longer is a scene of its own.
    assert scenes([*calm[:3], *flash[:8], *calm[3:5]]) == [1] * 3 + [2] * 8 + [3] * 2


def test_a_fade_through_black_is_a_cut() -> None:
    dark = [(field(0) * f).astype(np.uint8) for f in np.linspace(1, 0, 20)]
    light = [(field(1) * f).astype(np.uint8) for f in np.linspace(0, 1, 20)]
    numbers = scenes([*dark, *light])
    assert numbers[0] == 1 and numbers[-1] == 3 and numbers == sorted(numbers)
