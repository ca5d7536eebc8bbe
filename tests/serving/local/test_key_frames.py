"""The frames of a film that are worth coloring."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from media.films import Film
from media.provenance import Mark
from media.reader import PhotographFile
from media.reference_stills import find_stills
from serving.local.key_frames import check_empty, choose, write_key_frames
from tests.films import pan, write_film
from tests.serving.local.test_films_with_references import Painter
from zoo.errors import ArgumentError, FilmError


class Red(Painter):
    def predict(self, frames: np.ndarray) -> np.ndarray:
        return np.full((*frames.shape[:3], 2), 40, np.float32)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still scene, black, and one whose camera soon shows nothing of what it began with."""
    dark, light = pan(0, 3, 0), pan(1, 12, 18)
    frames = [frame // 3 for frame in dark] + [0 * dark[0]] + [120 + frame // 2 for frame in light]
    gray = [np.ascontiguousarray(frame[..., 1:2].repeat(3, axis=-1)) for frame in frames]
    return write_film(tmp_path_factory.mktemp("film") / "old.mkv", gray)


def test_one_for_each_scene_and_one_where_the_last_one_stops_matching(film: Path) -> None:
    with Film(film) as opened:
        chosen = [frame.number for frame, is_chosen in choose(opened) if is_chosen]
    assert chosen[:2] == [0, 4]
    assert 1 <= len(chosen[2:]) <= 4 and 6 < chosen[2] < 12


def test_stills_are_references_once_they_are_colored(tmp_path: Path, film: Path) -> None:
    seen: list[int] = []
    count = write_key_frames(film, tmp_path / "gray", None, progress=lambda done, total: seen.append(done))
    names = sorted(path.name for path in (tmp_path / "gray").iterdir())
    assert count == len(names) and names[:2] == ["00-00-00.000.png", "00-00-00.160.png"]
    assert seen == list(range(1, 17))
    pixels = cv2.imread(str(tmp_path / "gray" / names[0]), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == (72, 128)
    with pytest.raises(FilmError, match="is gray: color it"):
        find_stills(tmp_path / "gray", film, 128 / 72)  # type: ignore[arg-type]
    (tmp_path / "colored").mkdir()
    mark = Mark("1.0", "a_preset")
    assert write_key_frames(film, tmp_path / "colored", Red(), mark=mark) == count
    stills = find_stills(tmp_path / "colored", film, 128 / 72)  # type: ignore[arg-type]
    assert [still.path.name for still in stills] == names
    with PhotographFile(stills[0].path) as file:
        assert mark.text in str(file.read().texts)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["colored", "gray"]


def test_what_is_refused(tmp_path: Path) -> None:
    black = write_film(tmp_path / "black.mkv", [np.zeros((48, 64, 3), np.uint8)] * 2)
    with pytest.raises(FilmError, match="all frames are blank"):
        write_key_frames(black, tmp_path / "stills", None)
    assert [path.name for path in tmp_path.iterdir()] == ["black.mkv"]
    with pytest.raises(ArgumentError, match="is not empty, and may hold colored references: choose another folder"):
        check_empty(tmp_path)
    with pytest.raises(ArgumentError, match="black.mkv is a file"):
        check_empty(black)
