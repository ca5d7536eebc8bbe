"""The sieve of frames: what is kept, and what is dropped and why."""

import numpy as np
from PIL import Image

from media.films import SMALL
from media.scenes import SceneDetector
from tests.films import brightened, field, pan
from training.data.frame_filter import FrameFilter, Settings


def verdicts(pictures: list[np.ndarray], settings: Settings | None = None, rate: float = 25) -> list[str]:
    sieve = FrameFilter(settings or Settings())
    return [sieve.verdict(picture, i / rate, scene=1) for i, picture in enumerate(pictures)]


def test_near_identical_frames_are_dropped() -> None:
    one, other = field(0), field(1)
    assert verdicts([one, one, brightened(one, 3), other, other, one]) == [
        "", "near-identical", "near-identical", "", "near-identical", "",
    ]  # fmt: skip


def test_a_slow_change_is_measured_against_the_last_kept_frame() -> None:
    base = (field(0) * 0.5 + 30).astype(np.uint8)
    fade = [brightened(base, 2 * i) for i in range(30)]  # neighbors differ by two levels
    kept = [i for i, verdict in enumerate(verdicts(fade, Settings(threshold=15))) if not verdict]
    assert kept == [0, 8, 16, 24]


def test_the_threshold_is_a_mean_difference_in_gray_levels() -> None:
    base = (field(0) * 0.5 + 30).astype(np.uint8)
    for levels, verdict in ((9, "near-identical"), (11, "")):
        assert verdicts([base, brightened(base, levels)], Settings(threshold=10)) == ["", verdict]
    assert verdicts([base, base], Settings(threshold=0)) == ["", ""]


def test_grain_does_not_count() -> None:
    rng = np.random.default_rng(0)
    grainy = [(field(0) + rng.normal(0, 12, (*SMALL, 3))).clip(0, 255).astype(np.uint8) for _ in range(5)]
    assert verdicts(grainy, Settings(threshold=5)) == ["", *["near-identical"] * 4]


def test_frames_without_color_or_of_one_tone_are_dropped() -> None:
    gray = field(0).mean(axis=-1, keepdims=True)
    toned = (gray * [1.0, 0.85, 0.6]).astype(np.uint8)
    black = np.zeros((*SMALL, 3), np.uint8)
    faded = (field(3) * 0.05).astype(np.uint8)
    blue = np.full((*SMALL, 3), (10, 30, 200), np.uint8)
    pictures = [gray.repeat(3, axis=-1).astype(np.uint8), toned, black, faded, blue, field(1)]
    assert verdicts(pictures) == ["gray", "toned", "blank", "blank", "blank", ""]


def test_a_dropped_frame_is_not_what_the_next_is_compared_with() -> None:
    colored = field(0)
    gray = np.asarray(Image.fromarray(colored).convert("L").convert("RGB"))
    assert verdicts([gray, colored, gray]) == ["gray", "", "near-identical"]


def test_every_looks_at_one_frame_in_so_many_seconds() -> None:
    pictures = [field(i) for i in range(12)]
    looked = [i for i, verdict in enumerate(verdicts(pictures, Settings(every=0.5), rate=10)) if not verdict]
    assert looked == [0, 5, 10]
    sieve = FrameFilter(Settings(every=100))
    times = [0.0, 50.0, 100.0, 7.0, 8.0]  # a clock that starts anew
    assert [sieve.verdict(field(i), t, i) for i, t in enumerate(times)] == ["", "passed over", "", "", "passed over"]


def test_every_scene_has_a_frame_whatever_the_threshold() -> None:
    one, other = field(0), field(1)
    sieve = FrameFilter(Settings(threshold=255))
    found = [sieve.verdict(picture, 0.0, scene) for picture, scene in ((one, 1), (other, 1), (other, 2), (one, 2))]
    assert found == ["", "near-identical", "", "near-identical"]


def test_after_a_flash_the_scene_is_not_kept_again() -> None:
    calm = pan(0, 12, 1)
    pictures = [*calm[:5], *(brightened(picture, 150) for picture in calm[5:7]), *calm[7:]]
    sieve, counter = FrameFilter(Settings()), SceneDetector()
    kept = [i for i, p in enumerate(pictures) if not sieve.verdict(p, i / 25, counter.number(p))]
    assert kept == [0, 5]
