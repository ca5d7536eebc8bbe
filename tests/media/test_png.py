"""PNGs of every color type and depth, with whatever lies beside the picture."""

import io
import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from media.reader import read, read_rgb
from tests.media.pictures import swapped_profile
from tests.media.tiffs import packed
from zoo.errors import PhotographError

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 13, 11
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = {GRAY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))

Chunk = tuple[bytes, bytes]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    samples: np.ndarray, depth: int, color: int, *before: bytes, interlaced: bool = False, after: bytes = b""
) -> bytes:
    """(H, W, C) integers as a PNG with more chunks before and after those of the picture."""
    passes = [samples[top::down, left::right] for top, left, down, right in ADAM7] if interlaced else [samples]
    rows = b""
    for part in passes:
        for row in part if part.size else ():
            rows += b"\0" + packed(row.reshape(1, -1), depth, ">")
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, color, 0, 0, int(interlaced))
    picture = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(before) + picture + after + chunk(b"IEND", b"")


@pytest.mark.parametrize("color", CHANNELS)
def test_every_depth_and_transparency(color: int) -> None:
    for depth, interlaced, transparent in itertools.product(DEPTHS[color], (False, True), (False, True)):
        if transparent and color >= GRAY_ALPHA:
            continue
        samples = RNG.integers(0, 2**depth, (HEIGHT, WIDTH, CHANNELS[color]))
        chunks = []
        colors = RNG.integers(0, 256, (2**depth, 3)) if color == PALETTE else None
        if colors is not None:
            chunks.append(chunk(b"PLTE", colors.astype(np.uint8).tobytes()))
        alphas = RNG.integers(0, 256, 2**depth)
        if transparent:
            key = alphas.astype(np.uint8).tobytes() if color == PALETTE else samples[2, 3].astype(">u2").tobytes()
            chunks.append(chunk(b"tRNS", key))
        found = read(png(samples, depth, color, *chunks, interlaced=interlaced))
        white = 65535 if depth == 16 else 255
        alpha = None
        if colors is not None:
            pixels = colors[samples[..., 0]]
            alpha = alphas[samples[..., 0]] if transparent else None
        else:
            levels = samples * white // (2**depth - 1)
            pixels = levels[..., :1] if CHANNELS[color] < 3 else levels[..., :3]
            if color >= GRAY_ALPHA:
                alpha = levels[..., -1]
            elif transparent:
                alpha = np.where((samples == samples[2, 3]).all(axis=-1), 0, white)
        message = f"{depth} bits, interlaced: {interlaced}, tRNS: {transparent}"
        assert found.pixels.dtype == (np.uint16 if depth == 16 else np.uint8), message
        shown = found.pixels.reshape(HEIGHT, WIDTH, -1)
        # Where nothing is seen, the color may be lost.
        seen = np.ones((HEIGHT, WIDTH), bool) if alpha is None else alpha > 0
        np.testing.assert_array_equal(shown[seen], np.broadcast_to(pixels, shown.shape)[seen], message)
        if alpha is None:
            assert found.alpha is None, message
        else:
            assert found.alpha is not None, message
            np.testing.assert_array_equal(found.alpha, alpha, message)


PLAIN = RNG.integers(0, 256, (HEIGHT, WIDTH, 1))
HUGE = b"Comment\0\0" + zlib.compress(bytes(3 * 2**20))


@pytest.mark.parametrize(
    "beside",
    [
        chunk(b"zTXt", HUGE),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(3 * 2**20))),
        chunk(b"tEXt", b"Comment\0" + b"a" * (2**20 + 1)),
        chunk(b"zTXt", b"Comment\0\0not deflated"),
        chunk(b"zTXt", b"Comment\0\5"),
        chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(2**25))),
        chunk(b"iCCP", b"name\0\0not deflated"),
        chunk(b"iCCP", b"name"),
        chunk(b"iCCP", b"name\0\7"),
        chunk(b"gAMA", b"\0"),
        chunk(b"cHRM", bytes(7)),
        chunk(b"pHYs", bytes(3)),
        chunk(b"sRGB", b""),
        chunk(b"tRNS", b""),
        chunk(b"tEXt", b"Comment\0all is well")[:-1] + b"\0",
        chunk(b"gAMA", struct.pack(">I", 45455))[:-4] + bytes(4),
        chunk(b"eXIf", b"MM\0*" + bytes(20))[:-4] + bytes(4),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**20))) * 70,
    ],
)
def test_what_is_damaged_or_huge_beside_the_picture_is_dropped(beside: bytes) -> None:
    for data in (png(PLAIN, 8, GRAY, beside), png(PLAIN, 8, GRAY, after=beside)):
        np.testing.assert_array_equal(read(data).pixels, PLAIN[..., 0])
        assert np.asarray(read_rgb(data)).shape == (HEIGHT, WIDTH, 3)
    deep = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3))
    np.testing.assert_array_equal(read(png(deep, 16, RGB, beside)).pixels, deep)


def test_an_end_that_is_missing_behind_the_picture() -> None:
    data = png(PLAIN, 8, GRAY, after=chunk(b"tEXt", b"Comment\0all is well"))
    for missing in (1, 12, 20, 30):
        np.testing.assert_array_equal(read(data[:-missing]).pixels, PLAIN[..., 0])
    with pytest.raises(PhotographError, match="truncated"):
        read(data[:-70])


def test_good_chunks_are_kept_beside_dropped_ones() -> None:
    resolution = chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1))
    after = read(png(PLAIN, 8, GRAY, chunk(b"zTXt", HUGE), resolution, chunk(b"gAMA", b"\0")))
    assert after.dpi == pytest.approx((300, 300), abs=0.1)


def test_the_curve_of_gama() -> None:
    linear = chunk(b"gAMA", struct.pack(">I", 100_000))
    usual, standard = chunk(b"gAMA", struct.pack(">I", 45_455)), chunk(b"sRGB", b"\0")
    for depth, color in ((8, GRAY), (8, RGB), (16, GRAY), (16, RGB)):
        white = 2**depth - 1
        samples = np.full((HEIGHT, WIDTH, CHANNELS[color]), round(0.2140 * white))  # half of white, to sRGB
        samples[0] = 0
        samples[1] = white
        after = read(png(samples, depth, color, linear)).pixels.reshape(HEIGHT, WIDTH, -1) / white
        assert after[0].max() == 0 and after[1].min() == 1
        assert np.abs(after[2:] - 0.5).max() < 0.004
        picture = np.asarray(read_rgb(png(samples, depth, color, linear)))
        assert np.abs(picture[2:] / 255 - 0.5).max() < 0.004
        for chunks in ((usual,), (standard, linear)):
            np.testing.assert_array_equal(
                read(png(samples, depth, color, *chunks)).pixels.reshape(samples.shape), samples
            )


def test_the_primaries_of_chrm() -> None:
    def chromaticity(*points: float) -> bytes:
        return chunk(b"cHRM", struct.pack(">8I", *(round(100_000 * point) for point in points)))

    d65, red, green, blue = (0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)
    for depth in (8, 16):
        samples = RNG.integers(0, 2**depth, (HEIGHT, WIDTH, 3))
        exchanged = read(png(samples, depth, RGB, chromaticity(*d65, *green, *red, *blue))).pixels
        assert np.abs(exchanged.astype(int) - samples[..., [1, 0, 2]]).max() <= (1 if depth == 8 else 16)
        same = read(png(samples, depth, RGB, chromaticity(*d65, *red, *green, *blue))).pixels
        np.testing.assert_array_equal(same, samples)
        for damaged in ((*d65, *red, *red, *red), (0, 0, *red, *green, *blue)):
            assert read(png(samples, depth, RGB, chromaticity(*damaged))).pixels.shape == samples.shape
    white = np.full((HEIGHT, WIDTH, 3), 255)
    warm = read(png(white, 8, RGB, chromaticity(0.3457, 0.3585, *red, *green, *blue))).pixels
    assert (warm == 255).all()
    # Adobe RGB (1998): by lcms2 from that profile.
    muted = np.broadcast_to(np.array([150, 100, 120]), (HEIGHT, WIDTH, 3))
    adobe = chromaticity(*d65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
    after = read(png(muted, 8, RGB, chunk(b"gAMA", struct.pack(">I", 45_471)), adobe)).pixels[0, 0]
    assert np.abs(after.astype(int) - (166, 99, 121)).max() <= 2


def test_code_points_go_before_all_else() -> None:
    """Display P3 by lcms2; what says something else beside it is not heeded."""
    muted = np.broadcast_to(np.array([150, 100, 120]), (HEIGHT, WIDTH, 3))
    linear = chunk(b"gAMA", struct.pack(">I", 100_000))
    p3 = read(png(muted, 8, RGB, chunk(b"cICP", bytes((12, 13, 0, 1))), linear)).pixels[0, 0]
    assert np.abs(p3.astype(int) - (157, 98, 120)).max() <= 2
    deep = read(png(muted * 257, 16, RGB, chunk(b"cICP", bytes((12, 13, 0, 1))))).pixels[0, 0]
    assert np.abs(deep / 257 - (157, 98, 120)).max() <= 2
    swapped, standard = chunk(b"iCCP", b"p\0\0" + zlib.compress(swapped_profile())), chunk(b"sRGB", b"\0")
    for other in (swapped, standard):
        same = read(png(muted, 8, RGB, chunk(b"cICP", bytes((12, 13, 0, 1))), other)).pixels[0, 0]
        np.testing.assert_array_equal(same, p3)
    for points in ((1, 13, 0, 1), (1, 1, 0, 1)):
        np.testing.assert_array_equal(read(png(muted, 8, RGB, chunk(b"cICP", bytes(points)), linear)).pixels, muted)
    unspecified = read(png(muted, 8, RGB, chunk(b"cICP", bytes((2, 13, 0, 1))), linear)).pixels
    np.testing.assert_array_equal(unspecified, read(png(muted, 8, RGB, linear)).pixels)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ((9, 16, 0, 1), r"high dynamic range \(PQ\)"),
        ((9, 18, 0, 1), r"high dynamic range \(HLG\)"),
        ((4, 13, 0, 1), "H.273: 4, 13"),
        ((1, 13, 0, 0), "levels of television"),
    ],
)
def test_colors_that_are_not_supported_are_refused(points: tuple[int, ...], words: str) -> None:
    with pytest.raises(PhotographError, match=words):
        read(png(PLAIN, 8, GRAY, chunk(b"cICP", bytes(points))))


@pytest.mark.parametrize("size", [2**20 - 1, 2**20 + 1, 2**24 - 1, 2**24 + 1])
def test_large_profiles(size: int) -> None:
    """A profile up to 16 MB is followed, and carried; what is larger is left out with a warning."""
    packed = zlib.compress(swapped_profile().ljust(size, b"\0"), 1)
    found = read(png(np.full((HEIGHT, WIDTH, 3), (255, 0, 0)), 8, RGB, chunk(b"iCCP", b"p\0\0" + packed)))
    if size <= 2**24:
        assert np.abs(found.pixels.astype(int) - (0, 255, 0)).max() <= 3
        assert (found.profiled, found.warnings) == (True, ())
    else:
        assert (found.pixels == (255, 0, 0)).all()
        assert (found.profiled, found.warnings) == (False, ("damaged or too large, and left out: iCCP",))


def test_animations_are_refused_and_stills_with_frames_of_one_are_not() -> None:
    frames = [Image.new("L", (8, 8), level) for level in (0, 90)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(PhotographError, match="animated, with 2 frames"):
        read(buffer.getvalue())
    one = chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(
        b"fcTL", struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 1, 0, 0)
    )
    np.testing.assert_array_equal(read(png(PLAIN, 8, GRAY, one)).pixels, PLAIN[..., 0])
