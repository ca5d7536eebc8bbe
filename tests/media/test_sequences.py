"""Files of several pictures are read and written one picture at a time."""

import io
import itertools
import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from media.photograph import Photograph
from media.provenance import Mark
from media.reader import PhotographFile, read
from media.writer import SequenceWriter
from tests.media.containers import png_chunks
from tests.media.pictures import COLOR, GRAY, photograph
from zoo.errors import PhotographError

DURATIONS = (40, 250, 70_000, 1_000)
RAMP = np.add.outer(np.arange(24), np.arange(40))
SMOOTH = np.dstack([3 * RAMP, 255 - 3 * RAMP, 60 + RAMP]).astype(np.uint8)
# Each frame changes a corner only, so that writers store the rest once.
FRAMES = [np.where(RAMP[..., None] < 8 * place, SMOOTH // 2, SMOOTH) for place in range(4)]


def animation(format: str, frames: Any = FRAMES, **options: Any) -> bytes:
    pictures = [Image.fromarray(frame) for frame in frames]
    if format == "GIF":
        pictures = [picture.quantize(64) for picture in pictures]
    buffer = io.BytesIO()
    durations = list(DURATIONS[: len(frames)])
    if format == "WEBP":
        options["lossless"] = True
    pictures[0].save(buffer, format, save_all=True, append_images=pictures[1:], duration=durations, **options)
    return buffer.getvalue()


def frames_of(data: bytes) -> tuple[list[np.ndarray], list[float], int]:
    """Pictures, durations and repetitions, as Pillow finds them."""
    with Image.open(io.BytesIO(data)) as image:
        pictures, durations = [], []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            pictures.append(np.asarray(image.convert("RGB")))
            durations.append(float(image.info["duration"]))
        return pictures, durations, image.info.get("loop", 0)


def copy(source: bytes, path: Path, **options: Any) -> None:
    with PhotographFile(source) as file:
        writer = SequenceWriter(path, file.pages, animated=file.animated, plays=file.plays, **options)
        for page in range(file.pages):
            file.turn_to(page)
            writer.add(file.read())
        writer.finish()


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize(
    ("format", "loop", "plays"), [("GIF", 0, 0), ("GIF", 3, 4), ("GIF", None, 1), ("PNG", 2, 2), ("WEBP", 5, 5)]
)
def test_animations_keep_their_frames_and_times(
    tmp_path: Path, format: str, loop: int | None, plays: int, suffix: str
) -> None:
    source = animation(format, **({} if loop is None else {"loop": loop}))
    copy(source, tmp_path / f"a{suffix}", quality=100, mark=Mark("1", "m"))
    before, after = frames_of(source), frames_of((tmp_path / f"a{suffix}").read_bytes())
    assert after[1:] == ([float(value) for value in DURATIONS], plays)
    for old, new in zip(before[0], after[0], strict=True):
        assert np.abs(old.astype(int) - new).mean() <= (0 if suffix == ".png" else 12)
    assert b"compositeWithTrained" in (tmp_path / f"a{suffix}").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


def test_an_avif_becomes_an_animation(tmp_path: Path) -> None:
    copy(animation("AVIF", quality=90), tmp_path / "a.png")
    pictures, durations, plays = frames_of((tmp_path / "a.png").read_bytes())
    assert (durations, plays) == ([float(value) for value in DURATIONS], 0)
    assert all(np.abs(old.astype(int) - new).mean() < 12 for old, new in zip(FRAMES, pictures, strict=True))


def test_frames_of_a_gif_that_become_transparent(tmp_path: Path) -> None:
    first, second = Image.fromarray(COLOR).quantize(16), Image.new("P", (40, 24), 0)
    second.putpalette([255, 0, 0, 0, 255, 0])
    second.paste(1, (0, 0, 20, 24))
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=[second], transparency=0, disposal=2, duration=50)
    with PhotographFile(buffer.getvalue()) as file:
        for page in range(file.pages):
            file.turn_to(page)
            assert file.read().alpha is not None
    copy(buffer.getvalue(), tmp_path / "a.png")
    with PhotographFile(tmp_path / "a.png") as file:
        file.turn_to(1)
        alpha = file.read().alpha
    assert alpha is not None and (alpha[:, :20] == 255).all() and (alpha[:, 20:] == 0).all()


def test_times_of_frames_are_kept_exactly(tmp_path: Path) -> None:
    for number, duration in enumerate((1000 / 30, 100_000_000.0, 0.0)):
        writer = SequenceWriter(tmp_path / f"{number}.png", 1, animated=True)
        writer.add(replace(photograph(3, np.uint8, False), duration=duration))
        writer.finish()
        (control,) = [
            content for name, content in png_chunks((tmp_path / f"{number}.png").read_bytes()) if name == b"fcTL"
        ]
        numerator, denominator = struct.unpack(">HH", control[20:24])
        expected = (Fraction(1, 30), Fraction(65_535), Fraction(0))[number]
        assert Fraction(numerator, denominator) == expected


def test_the_picture_for_those_who_see_no_animation_is_no_frame() -> None:
    source = animation("PNG", default_image=True)
    with PhotographFile(source) as file:
        assert (file.pages, file.animated) == (3, True)
        file.turn_to(0)
        np.testing.assert_array_equal(file.read().pixels, FRAMES[1])


def test_an_animation_of_16_bits_is_read_with_8(tmp_path: Path) -> None:
    writer = SequenceWriter(tmp_path / "a.png", 2, animated=True)
    for values in (COLOR, 255 - COLOR):
        writer.add(Photograph(values.astype(np.uint16) * 257, None, None, None, "PNG"))
    writer.finish()
    with PhotographFile(tmp_path / "a.png") as file:
        file.turn_to(1)
        found = file.read()
    np.testing.assert_array_equal(found.pixels, 255 - COLOR)
    assert found.warnings == ("its 16 bits become 8, since it is animated",)


def scans(order: str = "<", big: bool = False) -> bytes:
    """Three pages of different sizes and kinds; between them a reduced copy and a mask, which are none."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=big, byteorder=order) as file:  # type: ignore[arg-type]
        file.write(GRAY, photometric="minisblack", resolution=(300, 300), resolutionunit=2, description="first")
        file.write(GRAY[::4, ::4], photometric="minisblack", subfiletype=1)
        file.write(COLOR.astype(np.uint16) * 257, photometric="rgb", compression="zlib", predictor=2, metadata=None)
        file.write(GRAY > 99, photometric=4, subfiletype=4)
        file.write(GRAY[:8, :9].astype(np.uint16) * 16, photometric="miniswhite", description="third")
    return buffer.getvalue()


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_pages_of_a_tiff(tmp_path: Path, order: str, big: bool) -> None:
    copy(scans(order, big), tmp_path / "a.tif", mark=Mark("1", "m"))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        pages = [page.asarray() for page in file.pages]
        np.testing.assert_array_equal(pages[0], GRAY)
        np.testing.assert_array_equal(pages[1], COLOR.astype(np.uint16) * 257)
        np.testing.assert_array_equal(pages[2], 65535 - GRAY[:8, :9].astype(np.uint16) * 16)
        fields: list[Any] = [page.tags for page in file.pages]  # type: ignore[union-attr]
        assert [int(tags[254].value) for tags in fields] == [2, 2, 2]
        assert [tags[270].value if 270 in tags else "" for tags in fields] == ["first", "", "third"]
        assert [tags[282].value[0] // tags[282].value[1] if 282 in tags else 0 for tags in fields][0] == 300
        assert all(page.offset % 2 == 0 for page in file.pages)  # as the format asks for
        assert all(b"compositeWithTrained" in tags[700].value for tags in fields)
    with PhotographFile(tmp_path / "a.tif") as file:
        assert (file.pages, file.animated) == (3, False)
        file.turn_to(2)
        assert (file.width, file.height) == (9, 8)


def test_a_page_has_its_own_profile_and_resolution() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(COLOR, photometric="rgb", iccprofile=b"nothing", resolution=(300, 300), resolutionunit=2)
        file.write(COLOR, photometric="rgb", metadata=None)
    with PhotographFile(buffer.getvalue()) as source:
        source.turn_to(0)
        assert source.read().warnings
        source.turn_to(1)
        assert (source.read().warnings, source.read().dpi) == ((), None)


def test_a_page_that_cannot_be_read_is_named() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(GRAY, photometric="minisblack")
        file.write(GRAY.astype(np.float32), photometric="minisblack")
    with PhotographFile(buffer.getvalue(), max_pixels=GRAY.size) as source:
        source.turn_to(0)
        np.testing.assert_array_equal(source.read().pixels, GRAY)
        source.turn_to(1)
        with pytest.raises(PhotographError, match="^page 2: holds floating-point samples"):
            source.read()
    with pytest.raises(PhotographError, match="^has 2 pages; split it"):
        read(buffer.getvalue())


def test_pages_above_the_limit_of_pixels_are_named() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(GRAY, photometric="minisblack")
        file.write(np.tile(GRAY, (2, 2)), photometric="minisblack")
    with PhotographFile(buffer.getvalue(), max_pixels=GRAY.size) as source:
        with pytest.raises(PhotographError, match="^page 2: is 80 x 48 pixels; the limit is 960 pixels"):
            source.turn_to(1)


@pytest.mark.parametrize(
    ("suffix", "animated", "words"),
    [
        (".jpg", False, "JPEG does not hold 3 pages; choose --format tiff, or one of them with --page"),
        (".png", False, "PNG does not hold 3 pages; choose --format tiff, or one of them with --page"),
        (".jpg", True, "JPEG does not hold 3 frames; choose --format png or webp, or one of them with --page"),
        (".tif", True, "TIFF does not hold 3 frames; choose --format png or webp, or one of them with --page"),
    ],
)
def test_formats_that_hold_no_pages_or_no_frames(tmp_path: Path, suffix: str, animated: bool, words: str) -> None:
    with pytest.raises(PhotographError, match=words):
        SequenceWriter(tmp_path / f"a{suffix}", 3, animated=animated)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_finished_is_not_there(tmp_path: Path) -> None:
    for suffix, animated in ((".tif", False), (".png", True), (".webp", True)):
        writer = SequenceWriter(tmp_path / f"a{suffix}", 3, animated=animated)
        writer.add(photograph(3, np.uint8, False))
        assert [path.name.startswith(".colorzoo-") for path in tmp_path.iterdir()] == [True]
        if animated:
            with pytest.raises(PhotographError, match="its frames differ in size"):
                writer.add(Photograph(COLOR[1:], None, None, None, "PNG"))
        writer.close()
        assert list(tmp_path.iterdir()) == []


def test_frames_with_and_without_alpha(tmp_path: Path) -> None:
    for suffix, alphas in itertools.product((".png", ".webp"), ((True, False), (True, True))):
        path = tmp_path / f"a{suffix}"
        writer = SequenceWriter(path, 2, animated=True)
        for alpha in alphas:
            writer.add(photograph(3, np.uint8, alpha))
        writer.finish()
        with PhotographFile(path) as file:
            for page, alpha in enumerate(alphas):
                file.turn_to(page)
                found = file.read().alpha
                assert found is not None and (found.min() == 255) != alpha
