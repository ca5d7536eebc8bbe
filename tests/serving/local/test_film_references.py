"""Colors of reference stills in the frames of their scenes."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from serving.local.film_pipeline import State
from serving.local.film_references import ReferenceSmoother, blend, to_frame_colors
from serving.local.look_ahead import Ahead, Carried, Reference
from tests.films import pan

SIZE, COUNT, STEP = 48, 12, 1


class Gray:
    """A smoother that gives no colors, and counts its frames."""

    def __init__(self) -> None:
        self.count = 0

    def colors(self, frames: np.ndarray) -> np.ndarray:
        self.count += len(frames)
        return np.zeros((*frames.shape[:3], 2), np.float32)

    def state(self) -> State:
        return {"count": np.array(self.count)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.count = int(state["count"])


def scene(seed: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Lightness (COUNT, SIZE, SIZE, 1) of a moving camera, and the ab of what it sees."""
    pixels = np.stack(pan(seed, COUNT, STEP, SIZE, SIZE)).astype(np.float32) / 255
    return low + (high - low) * pixels[..., 1:2], 80 * (pixels[..., ::2] - 0.5)


@pytest.fixture(scope="module")
def film() -> tuple[np.ndarray, np.ndarray]:
    """Two scenes with a cut between them, at which a part of the picture stays, so that it would match."""
    dark, light = scene(1, 0, 30), scene(2, 60, 100)
    light[0][:, :, : SIZE // 3] = dark[0][-1, :, : SIZE // 3]
    return np.concatenate([dark[0], light[0]]), np.concatenate([dark[1], light[1]])


def smoother(
    folder: Path,
    film: tuple[np.ndarray, np.ndarray],
    places: Mapping[int, np.ndarray | None],
    *,
    start: int = 0,
    reach: int = 3000,
) -> ReferenceSmoother:
    """With references, their true colors or others, at some frames."""
    frames, truth = film
    ahead = (Ahead(float(i), lambda frame=frame: frame[..., 0]) for i, frame in enumerate(frames))

    def reference(place: int, colors: np.ndarray | None) -> Reference:
        return Reference(place - 0.2, lambda size: truth[place] if colors is None else colors)

    stills = [reference(place, colors) for place, colors in sorted(places.items())]
    return ReferenceSmoother(Gray(), stills, ahead, float(start), folder, reach)


def errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(found - truth).mean((1, 2, 3)))


def colored(folder: Path, film: tuple[np.ndarray, np.ndarray], *places: int, reach: int = 3000) -> np.ndarray:
    added = smoother(folder, film, dict.fromkeys(places), reach=reach)
    frames = film[0]
    found = np.concatenate([added.colors(frames[i : i + 8]) for i in range(0, len(frames), 8)])
    added.close()
    assert not list(folder.iterdir())
    return found


def test_colors_are_carried_both_ways_and_not_over_a_cut(tmp_path: Path, film: tuple[np.ndarray, np.ndarray]) -> None:
    found = colored(tmp_path, film, 6)
    before, after = errors(found, film[1])[:COUNT], errors(0 * film[1], film[1])[:COUNT]
    assert before[6] == 0
    assert (before < 0.5 * after).all()
    assert not found[COUNT:].any()
    assert not colored(tmp_path, film, COUNT)[:COUNT].any()


def test_two_references_are_blended_by_distance(tmp_path: Path, film: tuple[np.ndarray, np.ndarray]) -> None:
    red, green = np.full((2, SIZE, SIZE, 2), (40.0, 0.0), np.float32)
    green[:] = (-40, 0)
    still = np.repeat(film[0][:1], COUNT, axis=0)
    added = smoother(tmp_path, (still, film[1]), {0: red, 10: green})
    found = added.colors(still)[..., 0].mean((1, 2))
    added.close()
    assert np.allclose(found, [*np.linspace(40, -40, 11), -40], atol=1)


def test_what_no_reference_shows_has_the_colors_of_the_network(
    tmp_path: Path, film: tuple[np.ndarray, np.ndarray]
) -> None:
    frames = np.repeat(film[0][:1], 2, axis=0)
    frames[1, 10:30, 10:30] = 95  # something light comes into sight, in a dark scene
    added = smoother(tmp_path, (frames, film[1]), {0: np.full((SIZE, SIZE, 2), 30, np.float32)})
    found = added.colors(frames)[1]
    added.close()
    assert np.abs(found[14:26, 14:26]).max() < 3
    assert np.abs(found[36:, 36:] - 30).max() < 3


def test_backwards_colors_reach_only_so_far(tmp_path: Path, film: tuple[np.ndarray, np.ndarray]) -> None:
    found = colored(tmp_path, film, 9, reach=4)
    colors = np.abs(found).sum((1, 2, 3)) > 0
    assert colors[:COUNT].tolist() == [i >= 6 for i in range(COUNT)]


@pytest.mark.parametrize("stop", [3, 6, 14])
def test_a_restored_state_gives_the_very_colors(tmp_path: Path, film: tuple[np.ndarray, np.ndarray], stop: int) -> None:
    places = dict.fromkeys((2, 8, COUNT + 4))
    whole, first, second = (smoother(tmp_path, film, places) for _ in range(3))
    expected = whole.colors(film[0])
    assert np.array_equal(first.colors(film[0][:stop]), expected[:stop])
    second.restore(first.state())
    assert np.array_equal(second.colors(film[0][stop:]), expected[stop:])
    for each in (whole, first, second):
        each.close()


def test_references_before_the_part_count(tmp_path: Path, film: tuple[np.ndarray, np.ndarray]) -> None:
    places = dict.fromkeys((2, COUNT + 9))
    whole, part = (smoother(tmp_path, film, places, start=start) for start in (0, 5))
    assert np.array_equal(part.colors(film[0][5:]), whole.colors(film[0])[5:])
    whole.close()
    part.close()


def test_corrections_reach_what_is_nearby_and_as_light() -> None:
    """Of a frame whose upper half is trusted: below it, the left is as light as above, and the right is not."""
    lightness = np.full((SIZE, SIZE), 40, np.float32)
    lightness[SIZE // 2 :, SIZE // 2 :] = 90
    trust = np.zeros((SIZE, SIZE), np.float32)
    trust[: SIZE // 2] = 1
    colors = np.full((SIZE, SIZE, 2), 30, np.float32)
    found = blend(0 * colors, lightness, Carried(colors, trust, 1), None)
    assert np.allclose(found[: SIZE // 2], 30, atol=1)
    assert found[SIZE // 2 + 1, 8:16].mean() > 25
    assert found[SIZE // 2 + 1, -16:-8].mean() < 3
    assert found[-1].mean() < 3


def test_stills_lie_in_the_frame_as_the_network_sees_it() -> None:
    pixels = np.zeros((90, 160, 3), np.uint8)
    pixels[:45, :80], pixels[:45, 80:], pixels[45:] = (200, 50, 50), (50, 50, 200), (50, 150, 50)
    for scale in (1, 8):
        large = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        ab = to_frame_colors(large, 32)
        assert ab.shape == (32, 32, 2)
        colors = [ab[4, 8], ab[4, 24], ab[14, 8], ab[30, 16]]
        signs = [[1, 1], [1, -1], [-1, 1], [-1, 1]]
        assert np.sign(colors).astype(int).tolist() == signs
