"""Films: which are found, the colors and the shape that their frames have, and what of a broken one is read."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from media.films import SMALL, Film
from tests.films import COLORS, RATE, centers, coded, pan, patches, write_film
from tests.photographs import color_field
from zoo.errors import FilmError


def read(path: Path) -> tuple[list[np.ndarray], list[float], list[str]]:
    """RGB pictures, times and faults of a film."""
    with Film(path) as film:
        pictures, times = [], []
        for frame in film.frames():
            pictures.append(film.full(frame)[..., ::-1].astype(int))
            times.append(frame.time)
        return pictures, times, film.faults


def only(path: Path) -> np.ndarray:
    pictures, _, faults = read(path)
    assert (len(pictures), faults) == (1, [])
    return pictures[0]


# === Colors ===


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", ["bt709", "bt601", "bt2020"])
def test_colors_follow_the_matrix_and_the_range(matrix: str, full: bool, pix_fmt: str, tmp_path: Path) -> None:
    frame = coded(patches(), matrix, full=full, pix_fmt=pix_fmt)
    path = write_film(tmp_path / "a.mkv", [frame], pix_fmt=pix_fmt)
    np.testing.assert_allclose(centers(only(path)), COLORS, atol=3)
    with Film(path) as film:
        small = film.small(next(film.frames()))
    assert small.shape == (*SMALL, 3)
    np.testing.assert_allclose(small[12::24, 16::32].reshape(12, 3), COLORS, atol=3)


@pytest.mark.parametrize(
    ("height", "width", "matrix"),
    [(576, 720, "bt601"), (576, 1024, "bt601"), (96, 1280, "bt709"), (720, 960, "bt709")],
)
def test_untagged_films_are_taken_as_players_take_them(height: int, width: int, matrix: str, tmp_path: Path) -> None:
    frame = coded(patches(height, width), matrix, tagged=False, pix_fmt="yuv420p")
    path = write_film(tmp_path / "a.mkv", [frame], pix_fmt="yuv420p")
    np.testing.assert_allclose(centers(only(path)), COLORS, atol=3)


def test_films_coded_in_rgb_and_in_gray(tmp_path: Path) -> None:
    picture = np.asarray(color_field(0, 48, 64))
    np.testing.assert_array_equal(only(write_film(tmp_path / "rgb.mkv", [picture])), picture)
    levels = np.tile(np.arange(16, 236, 2, np.uint8)[:110], (48, 1))
    gray = only(write_film(tmp_path / "gray.mkv", [VideoFrame.from_ndarray(levels, "gray")], pix_fmt="gray"))
    assert (np.ptp(gray, axis=-1) == 0).all() and gray.std() > 10


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_gray_frames_have_levels(full: bool, pix_fmt: str, tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 128)[None, :, None].repeat(48, axis=0).repeat(3, axis=-1)
    frame = coded(ramp, "bt709", full=full, pix_fmt=pix_fmt)
    path = write_film(tmp_path / "a.mkv", [frame, frame], pix_fmt=pix_fmt, rotation=90)
    with Film(path) as film:
        frame = next(film.frames())
        gray, pixels = film.gray(frame), film.pixels(frame)
    unit = 257 if "10" in pix_fmt else 1
    assert gray is not None and gray.shape == (128, 48) and gray.dtype == pixels.dtype
    assert np.abs(gray[..., None].astype(float) - pixels).max() <= unit
    assert np.ptp(gray) == 255 * unit
    with Film(write_film(tmp_path / "b.mkv", [coded(patches(), "bt709", pix_fmt=pix_fmt)], pix_fmt=pix_fmt)) as film:
        assert film.gray(next(film.frames())) is None


def perceptual_quantizer(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: luminance -> signal in [0, 1]."""
    powered = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * powered) / (1 + 2392 / 128 * powered)) ** (2523 / 32)


@pytest.mark.slow
def test_high_dynamic_range_becomes_srgb(tmp_path: Path) -> None:
    shown = np.concatenate([COLORS[6:], COLORS[6:]])  # the saturated ones are changed by the mapping of gamuts
    signal = shown / 255
    linear = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    wide = linear @ np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]).T
    pq = 255 * perceptual_quantizer(203 * wide)
    picture = pq.reshape(3, 4, 3).repeat(32, axis=0).repeat(32, axis=1)
    frame = coded(picture, "bt2020", pix_fmt="yuv420p10le")
    frame.color_primaries, frame.color_trc = 9, 16
    path = write_film(tmp_path / "a.mkv", [frame], pix_fmt="yuv420p10le")
    np.testing.assert_allclose(centers(only(path)), shown, atol=8)
    with Film(path) as film:
        small = film.small(next(film.frames()))
    np.testing.assert_allclose(small[12::24, 16::32].reshape(12, 3), shown, atol=8)


def test_colors_that_cannot_be_converted(tmp_path: Path) -> None:
    frame = coded(patches(), "bt709")
    frame.colorspace = 8  # YCgCo
    path = write_film(tmp_path / "a.mkv", [frame], pix_fmt="yuv444p")
    with pytest.raises(FilmError, match=r"has colors that cannot be converted \(matrix 8\)"):
        read(path)


# === Shape ===


@pytest.mark.parametrize("rotation", [0, 90, -90, 180])
def test_rotated_films_come_upright(rotation: int, tmp_path: Path) -> None:
    upright = np.asarray(color_field(1, 48, 64))
    lying = np.rot90(upright, -rotation // 90)  # counterclockwise by `rotation` when it is shown
    np.testing.assert_array_equal(only(write_film(tmp_path / "a.mkv", [lying], rotation=rotation)), upright)


def test_anamorphic_films_get_square_pixels(tmp_path: Path) -> None:
    picture = np.asarray(color_field(1, 60, 80))
    for ratio, width in ((Fraction(4, 3), 107), (Fraction(8, 9), 71), (Fraction(20), 80)):
        film = write_film(tmp_path / "a.mp4", [picture], ratio=ratio, codec="mpeg4", pix_fmt="yuv420p")
        assert only(film).shape == (60, width, 3)


def combed(picture: np.ndarray) -> float:
    return float(np.abs(picture[1:-1] - (picture[:-2] + picture[2:]) / 2).mean())


def test_interlaced_films_are_woven(tmp_path: Path) -> None:
    fields = pan(2, 20, 6, 96, 128)
    frames = []
    for upper, lower in zip(fields[::2], fields[1::2], strict=True):
        frame = upper.copy()
        frame[1::2] = lower[1::2]
        frames.append(coded(frame, "bt709", pix_fmt="yuv420p"))
    path = write_film(tmp_path / "a.mkv", frames, codec="mpeg2video", pix_fmt="yuv420p", interlaced=True)
    pictures, times, _ = read(path)
    np.testing.assert_allclose(times, np.arange(10) / RATE, atol=2e-3)
    coded_combs = [combed(frame.to_ndarray(format="rgb24").astype(int)) for frame in frames]
    assert max(combed(picture) for picture in pictures) < min(coded_combs) / 4


def test_the_colors_of_interlaced_films(tmp_path: Path) -> None:
    frames = [coded(patches(), "bt709", pix_fmt="yuv420p") for _ in range(3)]
    path = write_film(tmp_path / "a.mkv", frames, codec="mpeg2video", pix_fmt="yuv420p", interlaced=True)
    pictures, _, _ = read(path)
    assert len(pictures) == 3
    for picture in pictures:
        np.testing.assert_allclose(centers(picture), COLORS, atol=6)


def test_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.52, 3.0]
    path = write_film(tmp_path / "a.mkv", pan(0, 5, 3), times=times)
    np.testing.assert_allclose(read(path)[1], times, atol=1e-3)


# === Broken films ===


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.mkv", "ffv1", "bgr0", {}),
        ("a.mp4", "mpeg4", "yuv420p", {"movflags": "faststart"}),
        ("a.mpg", "mpeg2video", "yuv420p", {}),
    ],
)
def test_of_a_truncated_film_the_beginning_is_read(
    name: str, codec: str, pix_fmt: str, options: dict[str, str], tmp_path: Path
) -> None:
    path = write_film(tmp_path / name, pan(0, 50, 2), codec=codec, pix_fmt=pix_fmt, options=options)
    whole, _, faults = read(path)
    assert (len(whole), faults) == (50, [])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    part, _, faults = read(path)
    assert 20 <= len(part) < 50
    np.testing.assert_array_equal(part[:20], whole[:20])
    assert any("of 2.0 seconds" in fault or "data are missing" in fault for fault in faults)


def test_behind_a_damaged_place_it_goes_on(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", pan(0, 50, 2), codec="mpeg4", pix_fmt="yuv420p")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 20] = os.urandom(len(data) // 20)
    path.write_bytes(data)
    pictures, times, faults = read(path)
    assert len(pictures) < 50 and times[-1] == pytest.approx(49 / RATE, abs=0.03)
    assert faults and "is damaged" in faults[0]
    with Film(path) as film:
        assert any(frame.damaged for frame in film.frames())


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_garbage_is_a_film_error_at_most(name: str, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, pan(0, 6, 2), codec="mpeg4", pix_fmt="yuv420p")
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = set()
    for i in range(60):
        bad = bytearray(good[: rng.integers(1, len(good))] if i % 3 == 0 else good)
        for place in rng.integers(0, min(len(bad), 600 if i % 2 else 10**9), 8):
            bad[place] = rng.integers(0, 256)
        path.write_bytes(bad)
        try:
            outcomes.add(len(read(path)[0]))
        except FilmError as error:
            assert str(error)
            outcomes.add(-1)
    assert -1 in outcomes and 6 in outcomes


def test_what_is_not_a_film(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no film\n" * 100)
    color_field(0, 20, 30).save(tmp_path / "picture.png")
    with av.open(str(tmp_path / "sound.mka"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    write_cover(tmp_path / "sound.mka", tmp_path / "song.mka")
    for name, reason in (
        ("empty.mp4", "is empty"),
        ("text.mp4", "is not a film, or its header is damaged"),
        ("picture.png", "is a picture, not a film"),
        ("sound.mka", "holds no video"),
        ("song.mka", "holds no video"),
        ("gone.mp4", "cannot be opened: No such file or directory"),
    ):
        with pytest.raises(FilmError, match=reason):
            Film(tmp_path / name)


def write_cover(source: Path, target: Path) -> None:
    """Copies the streams of a film, with a picture attached as players show it in their lists."""
    cover = io.BytesIO()
    color_field(9, 200, 300).save(cover, "jpeg")
    with av.open(str(source)) as read_from, av.open(str(target), "w") as container:
        (stream,) = read_from.streams
        copy = container.add_stream_from_template(stream)
        container.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        for packet in read_from.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                container.mux(packet)


def test_a_cover_is_not_the_film(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", pan(0, 3, 2))
    write_cover(film, tmp_path / "b.mkv")
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert len(container.streams.video) == 2
    np.testing.assert_array_equal(read(tmp_path / "b.mkv")[0], read(film)[0])


def test_a_film_of_which_no_frame_can_be_decoded(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", pan(0, 5, 2), codec="mpeg4", pix_fmt="yuv420p")
    data = path.read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    with pytest.raises(FilmError, match="no frame can be decoded"):
        read(path)


def test_sound_that_lasts_longer_is_no_fault(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        video = container.add_stream("ffv1", rate=RATE)
        video.width, video.height, video.pix_fmt = 128, 72, "bgr0"
        audio = container.add_stream("pcm_s16le", rate=8000)
        for picture in pan(0, 10, 2):
            container.mux(video.encode(VideoFrame.from_ndarray(np.ascontiguousarray(picture))))
        container.mux(video.encode())
        sound = AudioFrame.from_ndarray(np.zeros((1, 8000 * 4), np.int16), layout="mono")
        sound.sample_rate = 8000
        container.mux(audio.encode(sound))
        container.mux(audio.encode())
    pictures, _, faults = read(tmp_path / "a.mkv")
    assert (len(pictures), faults) == (10, [])


def test_a_colon_in_the_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_film(tmp_path / "dawn:1.mkv", pan(0, 1, 2))
    monkeypatch.chdir(tmp_path)
    assert len(read(Path("dawn:1.mkv"))[0]) == 1
