"""Parts of finished films that are colored again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from media import film_splice
from media.film_check import frame_times
from media.films import Film
from media.provenance import Mark
from serving.local.film_repair import plan_repair, repair_film
from serving.local.films import FilmTask, colorize_film, plan
from tests.serving.local.test_film_references import Gray
from tests.serving.local.test_films_with_references import Painter, write_still
from tests.talkies import read, write_talkie
from zoo.errors import FilmError

MARK = Mark("1.0", "a_preset")
KINDS: dict[str, dict[str, Any]] = {
    "mp4": {"subtitles": False},
    "mkv": {"sound": "ac3", "layout": "stereo", "subtitles": True, "chapters": True},
    "webm": {"codec": "libvpx-vp9", "sound": "libopus", "layout": "stereo"},
    "avi": {"codec": "mpeg4", "sound": "libmp3lame", "layout": "stereo"},
    "ts": {"codec": "mpeg2video", "sound": "ac3", "layout": "stereo"},
    "mov": {"sound": "pcm_s16le", "layout": "stereo"},
}


class Tinted(Gray):
    """Gives all frames one color."""

    def __init__(self, red: float) -> None:
        super().__init__()
        self.red = red

    def colors(self, frames: np.ndarray) -> np.ndarray:
        return super().colors(frames) + np.float32(self.red)


def made(source: Path, result: Path, segment: int = 16, **fields: Any) -> FilmTask:
    """A result whose frames are all greenish."""
    task = replace(FilmTask(source, result, "model"), **fields)
    colorize_film(plan(task), Painter(), Tinted(-30), mark=MARK, segment=segment)
    return task


def repaired(task: FilmTask, begin: float, end: float, **arguments: Any) -> int:
    planned = plan(task)
    smoother = Tinted(30)
    repair = plan_repair(planned, begin, end)
    return repair_film(planned, repair, Painter(), smoother, mark=MARK, segment=8, **arguments).frames


def redness(path: Path) -> list[int]:
    with Film(path) as film:
        return [round(float((film.full(frame).astype(int) @ [0, -1, 1]).mean())) for frame in film.frames()]


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("suffix", KINDS)
def test_only_the_part_changes(tmp_path: Path, suffix: str) -> None:
    source = write_talkie(tmp_path / f"old.{suffix}", count=48, **KINDS[suffix])
    task = made(source, tmp_path / f"new.{suffix}")
    old, packets, keys = read(task.result), pictures(task.result), film_splice.look(task.result).keys
    assert keys[0] and keys[16] and keys[32]
    begin, end = np.searchsorted(frame_times(source)[0], (0.41, 0.94))
    assert (begin, end) == ((10, 23) if suffix == "avi" else (11, 24))  # the second frame of this AVI comes late
    assert repaired(task, 0.41, 0.94) == 13
    new, red = read(task.result), redness(task.result)
    assert all(value < -40 for value in (*red[:begin], *red[end:])) and all(value > 40 for value in red[begin:end])
    key = next(i for i in range(end, 49) if i == 48 or keys[i])
    now = pictures(task.result)
    assert now[:begin] == packets[:begin] and now[key:] == packets[key:] and len(now) == 48
    assert new.packets == old.packets and (new.chapters, new.metadata) == (old.chapters, old.metadata)
    assert new.times == old.times and abs(new.duration - old.duration) < 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"new.{suffix}", f"old.{suffix}"]


@pytest.mark.parametrize("codec", ["hevc", "av1", "prores", "ffv1", "mpeg2"])
def test_other_codecs(tmp_path: Path, codec: str) -> None:
    source = write_talkie(tmp_path / "old.mkv", count=20, sound=None)
    task = made(source, tmp_path / "new.mkv", segment=8, codec=codec)
    assert repaired(task, 0.2, 0.4) == 5
    red = redness(task.result)
    assert all(value < -40 for value in (*red[:5], *red[10:])) and all(value > 40 for value in red[5:10])


def test_to_the_end_and_of_a_part_of_a_film(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=40)
    task = made(source, tmp_path / "new.mp4", start=0.4)
    assert repaired(task, 1.2, 100) == 10
    assert [value > 0 for value in redness(task.result)] == [False] * 20 + [True] * 10


def test_a_repair_that_was_killed_goes_on(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=48)
    write_still(tmp_path / "stills" / "frame-2.png", source, 2, 70)
    # x264 is not bit-exact with pictures as small as these.
    tasks = [
        made(source, tmp_path / f"{name}.mp4", references=tmp_path / "stills", codec="mpeg2")
        for name in ("whole", "halves")
    ]
    assert repaired(tasks[0], 0.4, 1.4) == 25

    def interrupt(done: int, total: int) -> None:
        assert total == 25
        if done == 20:
            raise KeyboardInterrupt

    before = tasks[1].result.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        repaired(tasks[1], 0.4, 1.4, progress=interrupt)
    assert tasks[1].result.read_bytes() == before
    planned = plan(tasks[1])
    repair = plan_repair(planned, 0.4, 1.4)
    assert repair_film(planned, repair, Painter(), Tinted(30), mark=MARK, segment=8).resumed == 16
    assert tasks[0].result.read_bytes() == tasks[1].result.read_bytes()


def test_colors_of_before_lead_in(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=48, sound=None)
    planned = plan(made(source, tmp_path / "new.mp4"))
    smoother = Tinted(30)
    repair = plan_repair(planned, 1.0, 1.4)
    assert (repair.first, repair.behind, repair.lead) == (25, 35, 24)
    repair_film(planned, repair, Painter(), smoother, mark=MARK, segment=8)
    assert smoother.count == 24 + 10


def test_what_is_refused(tmp_path: Path) -> None:
    source = write_talkie(tmp_path / "old.mp4", count=10, sound=None)
    task = FilmTask(source, tmp_path / "new.mp4", "model")
    with pytest.raises(FilmError, match="new.mp4 does not exist: colorize the whole film first"):
        repaired(task, 0.1, 0.2)
    made(source, task.result)
    with pytest.raises(FilmError, match="new.mp4 has no frame between 3 and 4 seconds"):
        repaired(task, 3, 4)
    with pytest.raises(FilmError, match="new.mp4 is coded otherwise: give the --codec and --quality"):
        repaired(replace(task, quality=50), 0.1, 0.2)
    with pytest.raises(FilmError, match="new.mp4 is coded otherwise"):
        repaired(replace(task, codec="hevc"), 0.1, 0.2)
    with pytest.raises(FilmError, match="new.mp4 has 10 frames and not 5: it was made with another --start"):
        repaired(replace(task, start=0.2), 0.3, 0.4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.mp4", "old.mp4"]
