"""Colored stills of a film: what their names mean, and what is refused."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from media.reference_stills import find_stills, name_of, place_of, read_still
from tests.photographs import color_field
from tests.talkies import write_talkie
from zoo.errors import ArgumentError, FilmError

NAMES = {
    "00-01-10.5": 70.5,
    "1-02-03": 3723.0,
    "01-10.500": 70.5,
    "70.5s": 70.5,
    "0s": 0.0,
    "frame-000123": 123,
    "123": 123,
    "portrait": None,
    "00-01-10.5 final": None,
}
SHAPE = Fraction(64, 48)


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    place = place_of(name)
    assert place == NAMES[name] and type(place) is type(NAMES[name])


@pytest.mark.parametrize("time", [0, 0.04, 59.9996, 70.5, 3661.001, 360_000])
def test_a_time_is_found_again_in_its_name(time: float) -> None:
    found = place_of(name_of(time))
    assert found is not None and abs(found - time) < 1e-3


def still(path: Path, size: tuple[int, int] = (96, 128)) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.asarray(color_field(1, *size)))
    return path


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_talkie(tmp_path_factory.mktemp("film") / "old.mp4", sound=None)


def test_stills_belong_to_the_nearest_frame(tmp_path: Path, film: Path) -> None:
    for name in ("00-00-00.25.png", "0.09s.jpg", "frame-0009.png"):
        still(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.png").touch()
    found = find_stills(tmp_path, film, SHAPE)
    assert [(each.path.name, round(each.time, 3)) for each in found] == [
        ("0.09s.jpg", 0.08),
        ("00-00-00.25.png", 0.24),
        ("frame-0009.png", 0.36),
    ]
    assert found[1].digest == found[2].digest != found[0].digest
    assert read_still(found[0].path).shape == (96, 128, 3)


WRONG = {
    "late": ("00-00-01.png", FilmError, "is outside the film, whose last frame is at 0.360 seconds"),
    "high": ("frame-10.png", FilmError, "is outside the film, whose last frame is 9"),
    "twice": ("0.12s.png", FilmError, "0.12s.png and .*03.png are both references of the frame at 0.120 seconds"),
    "name": ("third.png", ArgumentError, "is no name of a reference, which is called by a time, as 00-01-10.5.png"),
    "broken": ("0s.png", FilmError, "the reference .*0s.png: "),
    "gray": ("0s.png", FilmError, "the reference .*0s.png is gray: color it, or take it out"),
    "wide": ("0s.png", FilmError, "is 128 x 72 pixels, and has not the proportions of the film, 1.333 to 1"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_refused(tmp_path: Path, film: Path, kind: str) -> None:
    name, error, text = WRONG[kind]
    still(tmp_path / "03.png")
    path = still(tmp_path / name, (72, 128) if kind == "wide" else (96, 128))
    if kind == "broken":
        path.write_bytes(b"no picture")
    if kind == "gray":
        cv2.imwrite(str(path), np.asarray(color_field(1, 96, 128))[..., 0])
    with pytest.raises(error, match=text):
        find_stills(tmp_path, film, SHAPE)


def test_a_folder_without_stills(tmp_path: Path, film: Path) -> None:
    with pytest.raises(ArgumentError, match="none: there is no such folder of references"):
        find_stills(tmp_path / "none", film, SHAPE)
    with pytest.raises(ArgumentError, match="holds no pictures; a reference is called by a time"):
        find_stills(tmp_path, film, SHAPE)
