"""The pieces of the benchmarks of training and of films: what they time and compare. PyTorch is not needed."""

import itertools
import math
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from benchmarks import films, long_film, video
from benchmarks import training as benchmark
from benchmarks.training import WARM_UP, Row, check_same, header, line, make_samples, measure, medians
from tests.photographs import color_field
from tests.talkies import read
from training import recipes
from training.loop.inputs import prepare_photographs


class Clock:
    """A clock that only works move on."""

    def __init__(self) -> None:
        self.now = 0.0

    def work(self, seconds: Iterator[float], calls: list[str], name: str) -> benchmark.Work:
        def run() -> float:
            calls.append(name)
            self.now += next(seconds)
            return 0.0

        return run


def test_works_are_timed_in_turns_and_after_warming_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = Clock(), []
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: clock.now)
    warm = [1000.0] * WARM_UP
    works = {
        "left": clock.work(iter([*warm, 1, 9, 2]), calls, "left"),
        "right": clock.work(iter([*warm, 5, 3, 4]), calls, "right"),
    }
    assert medians(works, 3) == {"left": 2.0, "right": 4.0}
    assert calls == ["left"] * WARM_UP + ["right"] * WARM_UP + ["left", "right"] * 3


def cells_of(row: Row) -> list[str]:
    return [cell.strip() for cell in line(row).strip("|").split("|")]


def test_a_line_of_the_table() -> None:
    row = Row("r", "float32", 16, kept=0.5, real=0.625, two=0.4, torch=1.0)
    assert cells_of(row) == ["r", "float32", "32.0", "20%", "1.25", "16.0", "2.00"]
    assert len(header().splitlines()[0].split("|")) == len(line(row).split("|"))


def test_what_was_not_timed_is_left_empty_and_noise_is_no_gain() -> None:
    assert cells_of(Row("r", "float32", 16, kept=0.5, real=0.4)) == ["r", "float32", "32.0", "0%", "", "", ""]


def test_steps_that_differ_are_not_compared() -> None:
    near, far = itertools.repeat(1.001), iter([1.0, 1.0, 1.02])
    check_same(lambda: 1.0, lambda: next(near), 2e-3)
    with pytest.raises(AssertionError, match=r"differ.*1\.02"):
        check_same(lambda: 1.0, lambda: next(far), 2e-3)


def test_samples_are_the_same_every_time_and_in_two_classes(tmp_path: Path) -> None:
    first, again = (make_samples(tmp_path / name, 4) for name in ("first", "again"))
    paths = sorted(path.relative_to(first) for path in first.rglob("*.jpg"))
    assert [str(path.parent) for path in paths] == ["a", "a", "b", "b"]
    assert all((first / path).read_bytes() == (again / path).read_bytes() for path in paths)
    with Image.open(first / paths[0]) as picture:
        assert picture.size == (256, 256)


@pytest.mark.parametrize("replicas", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_tiny_network_is_timed(
    replicas: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if not replicas:
        request.getfixturevalue("eagerly")
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    recipe = recipes.load("color_unet_scenes_v1", {"filters": "(4, 8)", "bins": "6", "size": "16", "batch": "4"})
    photographs = prepare_photographs(recipe, [make_samples(tmp_path / "photographs", 24)], tmp_path / "cache")
    row = measure("tiny", recipe, photographs, rounds=1, replicas=replicas)
    assert (row.recipe, row.precision, row.batch) == ("tiny", "float32", 4)
    assert row.kept > 0 and row.real > 0 and math.isnan(row.torch)
    assert row.two > 0 if replicas else math.isnan(row.two)


def test_the_small_recipes_are_of_all_systems() -> None:
    assert {recipes.load(name).architecture for name in benchmark.SMALL} == set(zoo.list_models())


def test_batches_of_the_benchmark_go_on_behind_an_epoch(tmp_path: Path) -> None:
    recipe = recipes.load("color_unet_scenes_v1", {"size": "16", "batch": "4"})
    photographs = prepare_photographs(recipe, [make_samples(tmp_path / "photographs", 5)], tmp_path / "cache")
    batches = benchmark.endless(recipe, photographs, tf.distribute.get_strategy(), 0)
    lightness = [np.asarray(next(batches)[0]) for _ in range(3)]
    assert {part.shape for part in lightness} == {(4, 16, 16, 1)}
    assert not np.array_equal(lightness[0], lightness[1])


# === Films ===


def test_a_synthetic_film_is_gray_and_as_long_as_its_tone(tmp_path: Path) -> None:
    film = read(films.write(tmp_path / "a.mp4", 1.2, 48, 64, 10))
    assert len(film.frames) == 12 and film.duration == pytest.approx(1.2, abs=0.05) and film.packets["audio"]
    assert (film.frames[0].to_ndarray(format="yuv420p")[48:] == 128).all()
    photographs = [np.asarray(color_field(seed, 60, 80)) for seed in range(2)]
    shown = ((photographs[0], 0.0), (photographs[0], 0.1), (photographs[1], 0.0))
    first, second, other = (films.view(photograph, 48, 64, part) for photograph, part in shown)
    moved, cut = (np.abs(first - frame.astype(int)).mean() for frame in (second, other))
    assert first.shape == (48, 64, 3) and 0 < moved < cut


def test_a_run_is_killed_behind_a_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_film, "INTO_A_SEGMENT", 0.0)
    monkeypatch.setattr(long_film, "LOOK", 0.02)
    command = [sys.executable, "-c", "import sys, time; open(sys.argv[1], 'w'); time.sleep(60)", str(tmp_path / "a")]
    code, peak, seconds = long_film.run(command, tmp_path / "a")
    assert code == -signal.SIGKILL and 1 < peak < 200 and seconds < 60


def test_the_best_turn_of_each_work_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, calls = Clock(), []
    monkeypatch.setattr(video, "clock", lambda: np.array([clock.now, 2 * clock.now]))
    works = {name: clock.work(iter(times), calls, name) for name, times in (("a", [9, 3, 2]), ("b", [9, 1, 4]))}
    found = video.best(works, 2)
    assert calls == ["a", "b"] * 3
    assert {name: list(times) for name, times in found.items()} == {"a": [2, 4], "b": [1, 2]}
