"""serving.user_test.prepare: the pictures of an experiment."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from serving.user_test.experiment import begin, is_prepared, picture
from serving.user_test.prepare import prepare
from tests.photographs import write_fields
from tests.serving.user_test.conftest import Negative, make_experiment
from zoo.errors import DataError


def pixels(folder, number, name):
    with Image.open(picture(folder, number, name)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def make(folder, data, presets=("one_v1",), load=lambda _: Negative(), **settings):
    experiment = make_experiment(data, presets, **{"trials": 1, "practice": 1} | settings)
    begin(folder, experiment)
    return experiment, prepare(folder, experiment, data, load, lambda *_: None)


def test_photographs_become_squares_without_being_squeezed(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    colors = np.full((20, 60, 3), 200, np.uint8)
    colors[:, 20:40] = (10, 120, 30)
    for name in ("a.png", "b.png"):
        Image.fromarray(colors).save(data / name)
    make(tmp_path, data)
    assert pixels(tmp_path, 0, "original").shape == (16, 16, 3)
    inside = np.s_[:, 3:-3]  # the filter reaches beyond the square
    assert (pixels(tmp_path, 0, "original")[inside] == (10, 120, 30)).all()
    assert (pixels(tmp_path, 0, "0")[inside] == (245, 135, 225)).all()


def test_gray_and_practice_pictures_have_the_lightness_of_the_original(prepared):
    folder, experiment = prepared
    for number in range(4):
        original, gray, practice = (rgb2lab(pixels(folder, number, name)) for name in ("original", "gray", "practice"))
        for other in (gray, practice):
            assert np.abs(other[..., 0] - original[..., 0]).max() < 0.6
        assert np.abs(gray[..., 1:]).max() < 0.1
        assert np.abs(practice[..., 1:] - original[..., 1:]).mean() > 5
        assert np.abs(practice[..., 1:]).mean() > 5


def test_unreadable_photographs_are_left_out_and_too_few_are_refused(tmp_path):
    data = write_fields(tmp_path / "data", 3)
    (data / "coast" / "broken.jpg").write_bytes(b"nothing")
    _, errors = make(tmp_path / "a", data)
    assert [str(error).split(":")[0] for error in errors] == [str(data / "coast" / "broken.jpg")]
    with pytest.raises(DataError, match="3 usable photographs are too few"):
        make(tmp_path / "b", data, trials=3)  # four files, three photographs


def test_preparation_goes_on_where_it_was(tmp_path):
    data = write_fields(tmp_path / "data", 3)

    class Killed(Negative):
        def predict(self, frames):
            raise KeyboardInterrupt

    def load(name):
        loaded.append(name)
        return Killed() if name == "two_v1" and len(loaded) == 2 else Negative()

    loaded = []
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, data, ("one_v1", "two_v1"), load, trials=2)
    kept = picture(tmp_path, 1, "0").stat().st_mtime_ns
    experiment, _ = make(tmp_path, data, ("one_v1", "two_v1"), load, trials=2)
    assert loaded == ["one_v1", "two_v1", "two_v1"]
    assert picture(tmp_path, 1, "0").stat().st_mtime_ns == kept
    assert is_prepared(tmp_path, experiment)
    before = picture(tmp_path, 2, "practice").read_bytes()
    picture(tmp_path, 2, "practice").unlink()
    assert not is_prepared(tmp_path, experiment)
    make(tmp_path, data, ("one_v1", "two_v1"), load, trials=2)
    assert picture(tmp_path, 2, "practice").read_bytes() == before
    assert len(loaded) == 3
