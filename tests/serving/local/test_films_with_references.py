"""Films from end to end whose colors come from reference stills."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from media.films import Film
from media.provenance import Mark
from serving.local.films import FilmTask, colorize_film, plan
from serving.local.pipeline import Prepared
from tests.serving.local.test_film_references import Gray
from tests.talkies import write_talkie
from zoo.errors import FilmError

SIZE = 32
MARK = Mark("1.0", "a_preset")


class Painter:
    """A colorizer without a network: ab moves green against red, and the lightness is about that of the film."""

    def prepare(self, pixels: np.ndarray, aspect: float = 1.0) -> Prepared:
        pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
        light = cv2.resize(pixels[..., 0], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        return Prepared(pixels, light[..., None].astype(np.float32) / 2.55, pixels.dtype, aspect)

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        height, width = photograph.lightness.shape[:2]
        a = cv2.resize(ab[..., 0], (width, height))
        moved = photograph.lightness.astype(np.float32) + np.stack([a, -a, 0 * a], axis=-1)
        return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


def write_still(path: Path, film: Path, number: int, red: int) -> None:
    """The frame of a film, colored as a whole."""
    with Film(film) as opened:
        pixels = next(opened.full(frame) for frame in opened.frames() if frame.number == number).astype(int)
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.clip(pixels + [0, 0, red], 0, 255).astype(np.uint8))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    film = write_talkie(tmp_path / "old.mp4", count=36)
    write_still(tmp_path / "stills" / "frame-5.png", film, 5, 70)
    write_still(tmp_path / "stills" / "1.2s.png", film, 30, 70)
    return film


def test_a_run_that_was_killed_goes_on_and_ends_bit_equal(tmp_path: Path, source: Path) -> None:
    # x264 is not bit-exact with pictures as small as these.
    task = FilmTask(source, tmp_path / "whole.mp4", "model", codec="mpeg2", references=tmp_path / "stills")
    whole, halves = plan(task), plan(replace(task, result=tmp_path / "halves.mp4"))
    assert [still.path.name for still in whole.stills] == ["frame-5.png", "1.2s.png"]
    colorize_film(whole, Painter(), Gray(), mark=MARK, segment=8)

    def interrupt(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colorize_film(halves, Painter(), Gray(), mark=MARK, segment=8, progress=interrupt)
    assert colorize_film(halves, Painter(), Gray(), mark=MARK, segment=8).resumed == 16
    assert (tmp_path / "halves.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    with Film(tmp_path / "whole.mp4") as film:
        reddish = [film.full(frame).astype(int) @ [0, -1, 1] for frame in film.frames()]
    assert all(frame.mean() > 30 for frame in reddish)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["halves.mp4", "old.mp4", "stills", "whole.mp4"]


def test_other_references_begin_anew(tmp_path: Path, source: Path) -> None:
    planned = plan(FilmTask(source, tmp_path / "new.mp4", "model", references=tmp_path / "stills"))

    def interrupt(done: int, total: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        colorize_film(planned, Painter(), Gray(), mark=MARK, segment=8, progress=interrupt)
    write_still(tmp_path / "stills" / "frame-5.png", source, 5, 90)
    again = plan(planned.task)
    assert again.stills != planned.stills
    assert colorize_film(again, Painter(), Gray(), mark=MARK, segment=8).resumed == 0


def test_wrong_references_are_refused_before_the_work(tmp_path: Path, source: Path) -> None:
    write_still(tmp_path / "stills" / "36.png", source, 5, 70)
    with pytest.raises(FilmError, match="36.png is outside the film, whose last frame is 35"):
        plan(FilmTask(source, tmp_path / "new.mp4", "model", references=tmp_path / "stills"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.mp4", "stills"]
