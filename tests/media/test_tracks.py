"""Pixels that are followed through many frames."""

import cv2
import numpy as np

from media.tracks import Track

SIZE = 64


def panned(count: int, step: int) -> np.ndarray:
    """Lightness (count, SIZE, SIZE) of a camera that moves over a texture."""
    cells = np.random.default_rng(3).uniform(0, 100, (SIZE // 6, (SIZE + count * step) // 6)).astype(np.float32)
    field = cv2.resize(cells, (SIZE + count * step, SIZE), interpolation=cv2.INTER_CUBIC).clip(0, 100)
    return np.stack([field[:, i * step : i * step + SIZE] for i in range(count)])


def test_pixels_are_followed_without_drift() -> None:
    frames = panned(16, 2)
    track = Track(frames[0])
    for frame in frames[1:]:
        track.follow(frame)
    rows, columns = np.indices((SIZE, SIZE))
    stayed = np.s_[4:-4, 4 : SIZE - 36]  # what was in the first frame, too
    assert np.abs(track.places[..., 0] - columns - 30)[stayed].mean() < 0.3
    assert np.abs(track.places[..., 1] - rows)[stayed].mean() < 0.3
    assert track.trust[stayed].mean() > 0.8
    assert track.trust[:, -20:].mean() < 0.6 * track.trust[stayed].mean()
    assert np.abs(track.carry(frames[0]) - frames[-1])[stayed].mean() < 3


def test_errors_do_not_add_up() -> None:
    """A camera that turns and moves in and back, 40 times by less than a pixel or two, is where it was."""
    still = panned(1, 0)[0]
    track = Track(still)
    for i in range(1, 41):
        scale = 1 + 0.1 * np.sin(np.pi * i / 40)
        turned = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), 4 * np.sin(np.pi * i / 20), scale)
        track.follow(cv2.warpAffine(still, turned, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT))
    inner = np.s_[12:-12, 12:-12]
    rows, columns = np.indices((SIZE, SIZE))
    assert np.hypot(track.places[..., 0] - columns, track.places[..., 1] - rows)[inner].mean() < 0.14


def test_what_was_hidden_is_found_again() -> None:
    still = panned(1, 0)[0]
    hidden = still.copy()
    hidden[20:44, 20:44] = 100 - still[20:44, 20:44]
    track = Track(still)
    track.follow(hidden)
    different = np.abs(hidden - still) > 30
    assert different.sum() > 100 and track.trust[different].mean() < 0.2
    track.follow(still)
    assert track.trust[different].mean() > 0.4
    assert np.abs(track.carry(still) - still)[different].mean() < 3


def test_a_restored_track_goes_on_as_the_very_same() -> None:
    frames = panned(6, 3)
    whole = Track(frames[0])
    for frame in frames[1:4]:
        whole.follow(frame)
    other = Track.restore({name: value.copy() for name, value in whole.state().items()})
    for frame in frames[4:]:
        whole.follow(frame)
        other.follow(frame)
    assert np.array_equal(whole.places, other.places) and np.array_equal(whole.trust, other.trust)


def test_other_pictures_are_not_trusted() -> None:
    frame = cv2.GaussianBlur(panned(1, 0)[0], None, 1)
    track = Track(frame)
    track.follow(100 - frame)
    assert track.trust.mean() < 0.4
