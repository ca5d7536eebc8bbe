"""Films from end to end, with a colorizer that needs no network."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from media.films import Film
from media.provenance import Mark
from serving.local.film_pipeline import State
from serving.local.films import FilmTask, Outcome, colorize_film, plan
from serving.local.pipeline import Prepared
from tests.films import write_film
from tests.paths import ROOT
from tests.talkies import RATE, Read, gray_frames, read, write_talkie
from zoo.errors import ArgumentError, FilmError

MARK = Mark("1.0", "a_preset")


class Tint:
    """Colors every frame with the same shift, (red, green, blue) of 255."""

    def __init__(self, *shift: int) -> None:
        self.shift = np.array(shift or (0, 0, 0))

    def prepare(self, pixels: np.ndarray, aspect: float = 1.0) -> Prepared:
        pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
        return Prepared(pixels, np.zeros((8, 8, 1), np.float32), pixels.dtype, aspect)

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        white = np.iinfo(photograph.dtype).max
        moved = photograph.lightness + (self.shift + ab.reshape(-1)[0]) * (white // 255)
        return np.clip(moved, 0, white).astype(photograph.dtype)


class Counter:
    """A smoother whose colors depend on how many frames came before."""

    def __init__(self) -> None:
        self.count = 0

    def colors(self, frames: np.ndarray) -> np.ndarray:
        numbers = self.count + np.arange(len(frames), dtype=np.float32)
        self.count += len(frames)
        return np.broadcast_to(numbers[:, None, None, None], (len(frames), 8, 8, 2))

    def state(self) -> State:
        return {"count": np.array(self.count)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.count = int(state["count"])


class Still(Counter):
    def colors(self, frames: np.ndarray) -> np.ndarray:
        return np.zeros((len(frames), 8, 8, 2), np.float32)


def colorized(source: Path, result: Path, tint: Tint | None = None, **fields: object) -> Outcome:
    task = replace(FilmTask(source, result, "model"), **fields)  # type: ignore[arg-type]
    return colorize_film(plan(task), tint or Tint(), Still(), mark=MARK)


def kept(source: Path, result: Path) -> Read:
    """The result, of which all that must be as it was is checked: number of frames, duration, sound, subtitles."""
    old, new = read(source), read(result)
    assert len(new.frames) == len(old.frames)
    lasts = max(old.duration, old.times[-1] - old.times[0] + 1 / RATE)  # a head may say too little
    assert abs(new.duration - lasts) < 1 / RATE
    assert new.packets == old.packets and new.packets["audio"]
    return new


KINDS = {
    "mp4": {"subtitles": True, "chapters": True},
    "mkv": {"sound": "ac3", "layout": "5.1", "subtitles": True, "chapters": True},
    "mov": {"sound": "pcm_s16le", "layout": "stereo", "subtitles": True},
    "webm": {"codec": "libvpx-vp9", "sound": "libopus", "layout": "stereo", "subtitles": True},
    "avi": {"codec": "mpeg4", "sound": "libmp3lame", "layout": "stereo"},
    "ts": {"codec": "mpeg2video", "sound": "ac3", "layout": "stereo"},
}


@pytest.mark.parametrize("suffix", KINDS)
def test_frames_and_times_are_kept_and_the_rest_is_copied(tmp_path: Path, suffix: str) -> None:
    source = write_talkie(tmp_path / f"old.{suffix}", **KINDS[suffix])  # type: ignore[arg-type]
    outcome = colorized(source, tmp_path / f"new.{suffix}")
    old, new = read(source), kept(source, tmp_path / f"new.{suffix}")
    assert outcome == Outcome(10, 0)
    shift = old.times[0] - new.times[0]  # broadcasts begin anywhere
    # AVI states no times of frames, and readers guess them.
    assert np.allclose(np.subtract(old.times, new.times), shift, atol=0.041 if suffix == "avi" else 2e-3)
    assert new.chapters == old.chapters and len(new.chapters) == 2 * KINDS[suffix].get("chapters", False)
    texts = [text.removeprefix(b"\0\3") for text in new.packets["subtitle"]]
    assert [text for text in texts if text in (b"one", b"two")] == [b"one", b"two"] * KINDS[suffix].get("subtitles", 0)
    if suffix != "ts":
        assert new.metadata["title"] == "A film" and new.metadata["comment"] == MARK.text
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"new.{suffix}", f"old.{suffix}"]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_times_of_frames(tmp_path: Path, suffix: str) -> None:
    times = [0, 0.04, 0.05, 0.2, 0.21, 0.3, 0.34, 0.38, 0.5, 0.9]
    source = write_talkie(tmp_path / f"old.{suffix}", times=times)
    colorized(source, tmp_path / f"new.{suffix}")
    assert np.allclose(kept(source, tmp_path / f"new.{suffix}").times, times, atol=1e-3)
    if suffix == "mkv":
        with pytest.raises(FilmError, match="which .avi cannot: choose .mkv"):
            colorized(source, tmp_path / "new.avi")


def test_rotated_films_become_upright(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", rotation=90, ratio=Fraction(3, 2))
    colorized(source, tmp_path / "new.mp4")
    with Film(source) as before, Film(tmp_path / "new.mp4") as after:
        old, new = (film.full(next(film.frames())) for film in (before, after))
    assert (old.shape, new.shape) == ((96, 48, 3), (64, 32, 3))
    assert np.abs(cv2.resize(old, (32, 64), interpolation=cv2.INTER_AREA).astype(int) - new).mean() < 4
    colored = kept(source, tmp_path / "new.mp4")
    assert colored.aspect == Fraction(2, 3) and colored.frames[0].rotation == 0


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mkv", ratio=Fraction(4, 3))
    colorized(source, tmp_path / "new.mkv")
    new = kept(source, tmp_path / "new.mkv")
    assert (new.aspect, new.frames[0].width) == (Fraction(4, 3), 64)
    # VP9 in WebM cannot say so.
    colorized(write_talkie(tmp_path / "old.webm", codec="libvpx-vp9", sound=None), tmp_path / "plain.webm")
    colorized(write_talkie(tmp_path / "silent.mkv", ratio=Fraction(4, 3), sound=None), tmp_path / "new.webm")
    new = read(tmp_path / "new.webm")
    assert (new.aspect, new.frames[0].width) == (1, 85)


def test_interlaced_films_become_progressive(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mkv", codec="mpeg2video", interlaced=True)
    colorized(source, tmp_path / "new.mkv")
    old, new = read(source), kept(source, tmp_path / "new.mkv")
    assert old.frames[0].interlaced_frame and not any(frame.interlaced_frame for frame in new.frames)
    assert np.allclose(old.times, new.times, atol=2e-3)


def test_ten_bits_are_kept(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mov", codec="prores_ks", pix_fmt="yuv422p10le")
    colorized(source, tmp_path / "new.mov", codec="prores")
    colorized(source, tmp_path / "new.mp4", quality=95)
    prores, hevc = (kept(source, tmp_path / name).frames[0] for name in ("new.mov", "new.mp4"))
    old = read(source).frames[0]
    assert (prores.format.name, hevc.format.name) == ("yuv422p10le", "yuv420p10le")
    luma = [frame.to_ndarray(format="gray10le").astype(int) for frame in (old, prores, hevc)]
    assert np.abs(luma[1] - luma[0]).mean() < 4 and np.abs(luma[2] - luma[0]).mean() < 6
    with pytest.raises(FilmError, match="has 10 bits and vp9 only 8"):
        colorized(source, tmp_path / "new.mkv", codec="vp9")


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "av1", "prores", "ffv1", "mpeg2"])
def test_colors_are_those_that_were_painted(tmp_path: Path, codec: str) -> None:
    source = write_talkie(tmp_path / "old.mkv", sound=None, count=3)
    colorized(source, tmp_path / "new.mkv", Tint(40, -10, -60), codec=codec)
    with Film(source) as before, Film(tmp_path / "new.mkv") as after:
        old, new = (film.full(next(film.frames()))[..., ::-1].astype(int) for film in (before, after))
    middle = ((old > 70) & (old < 200)).all(-1)
    assert middle.mean() > 0.3
    assert np.allclose((new - old)[middle].mean(0), (40, -10, -60), atol=4)


@pytest.mark.parametrize("odd", [(63, 48), (64, 47)])
def test_odd_sides(tmp_path: Path, odd: tuple[int, int]) -> None:
    frames = gray_frames(3, odd[1], odd[0])
    source = write_film(tmp_path / "old.mkv", frames)
    colorized(source, tmp_path / "new.mp4")
    new = read(tmp_path / "new.mp4").frames[0]
    assert (new.width, new.height) == odd


def test_a_part(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mkv", subtitles=True, chapters=True, sound="ac3", layout="stereo")
    outcome = colorized(source, tmp_path / "new.mkv", start=0.1, end=0.3)
    new = read(tmp_path / "new.mkv")
    assert outcome.frames == 5
    assert np.allclose(new.times, [0, 0.04, 0.08, 0.12, 0.16], atol=2e-3)
    assert 0 < len(new.packets["audio"]) < len(read(source).packets["audio"])
    assert new.packets["subtitle"] == [b"one", b"two"]
    assert new.chapters == [(0, 0.08, "one"), (0.08, 0.2, "two")]
    with pytest.raises(FilmError, match="no frame between 7 seconds and its end"):
        colorized(source, tmp_path / "none.mkv", start=7.0)


def test_a_run_that_was_killed_goes_on_and_ends_bit_equal(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=36)
    # x264 is not always bit-exact with pictures as small as these.
    tasks = [FilmTask(source, tmp_path / f"{name}.mp4", "model", codec="mpeg2") for name in ("whole", "halves")]
    whole, halves = map(plan, tasks)
    assert colorize_film(whole, Tint(), Counter(), mark=MARK, segment=8) == Outcome(36, 0)
    seen: list[tuple[int, int]] = []
    stops = [21, 30]

    def interrupt(done: int, total: int) -> None:
        seen.append((done, total))
        if done == stops[0]:
            raise KeyboardInterrupt

    while stops:
        with pytest.raises(KeyboardInterrupt):
            colorize_film(halves, Tint(), Counter(), mark=MARK, segment=8, progress=interrupt)
        stops.pop(0)
        assert (tmp_path / ".halves.mp4.colorzoo").is_dir() and not (tmp_path / "halves.mp4").exists()
    assert seen[-1] == (30, 36) and (17, 36) in seen[21:]
    assert colorize_film(halves, Tint(), Counter(), mark=MARK, segment=8) == Outcome(36, 24)
    assert (tmp_path / "halves.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["halves.mp4", "old.mp4", "whole.mp4"]


def test_other_settings_begin_anew(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=20)

    def interrupt(done: int, total: int) -> None:
        if done == 18:
            raise KeyboardInterrupt

    task = FilmTask(source, tmp_path / "new.mp4", "model")
    with pytest.raises(KeyboardInterrupt):
        colorize_film(plan(task), Tint(), Counter(), mark=MARK, segment=8, progress=interrupt)
    other = plan(replace(task, model="other"))
    assert colorize_film(other, Tint(), Counter(), mark=MARK, segment=8) == Outcome(20, 0)


def test_failures_of_a_thread_end_the_run_and_leave_nothing(tmp_path: Path) -> None:
    class Broken(Tint):
        def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
            raise FilmError("the paint is out")

    source = write_talkie(tmp_path / "old.mp4", count=36)
    with pytest.raises(FilmError, match="the paint is out"):
        colorized(source, tmp_path / "new.mp4", Broken())
    assert [path.name for path in tmp_path.iterdir()] == ["old.mp4"]


def test_of_a_truncated_film_the_part_that_is_said_to_be_there_can_be_colorized(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mkv", count=60, sound=None, times=[0.112 * i for i in range(60)])
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(FilmError, match="seconds; the part before that can be colorized with --end") as refusal:
        plan(FilmTask(source, tmp_path / "new.mkv", "model"))
    end = float(str(refusal.value).split()[-1])
    outcome = colorized(source, tmp_path / "new.mkv", end=end)
    assert outcome == Outcome(outcome.frames, 0) and outcome.frames == pytest.approx(end / 0.112, abs=1)


def test_containers_that_do_not_take_a_stream(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mkv", subtitles=True)
    with pytest.raises(FilmError, match=r"the subtitle stream 2 \(srt\) cannot be stored as mp4: choose .mkv"):
        colorized(source, tmp_path / "new.mp4")
    phone = write_talkie(tmp_path / "old.mp4", subtitles=True)
    with pytest.raises(FilmError, match=r"\(mov_text\) cannot be stored as matroska: choose .mp4"):
        colorized(phone, tmp_path / "new.mkv")
    phone.unlink()
    with pytest.raises(FilmError, match="h264 cannot be stored as webm"):
        colorized(source, tmp_path / "new.webm", codec="h264")
    with pytest.raises(ArgumentError, match="films are written as"):
        colorized(source, tmp_path / "new.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["old.mkv"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.local.films._free", lambda folder: 10)
    with pytest.raises(FilmError, match="needs about 0 MB for the result, and 0 MB are free"):
        colorized(write_talkie(tmp_path / "old.mp4"), tmp_path / "new.mp4")


KILLED = """
import os, signal, sys
from pathlib import Path
from media.provenance import Mark
from serving.local.film_colorizer import FilmColorizer
from serving.local.films import FilmTask, colorize_film, plan
from serving.local.flow_smoothing import FlowSmoother
from serving.local.smoothing import TemporalSmoother
from serving.local.tiled import TiledColorizer
from zoo.presets.loading import load_parts

source, result, smoothing, last = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
colorizer = TiledColorizer(load_parts("color_unet_scenes_v1", size=32))
smoother = {"flow": FlowSmoother, "temporal": TemporalSmoother}[smoothing](colorizer)

def kill(done, total):
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)

planned = plan(FilmTask(source, result, "m", smoothing))
colorize_film(planned, FilmColorizer(colorizer), smoother, mark=Mark("1", "m"), progress=kill, segment=8)
"""


@pytest.mark.slow
@pytest.mark.parametrize("smoothing", ["flow", "temporal"])
def test_a_film_whose_process_was_killed_twice_is_that_of_one_undisturbed_run(tmp_path: Path, smoothing: str) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=40)

    def run(name: str, last: int) -> int:
        command = [sys.executable, "-c", KILLED, str(source), str(tmp_path / name), smoothing, str(last)]
        return subprocess.run(command, cwd=ROOT, capture_output=True).returncode

    assert [run("killed.mp4", 19), run("killed.mp4", 35), run("killed.mp4", 0)] == [-9, -9, 0]
    assert run("whole.mp4", 0) == 0
    assert (tmp_path / "killed.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
