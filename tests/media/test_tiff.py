"""TIFFs in every layout give the picture that was stored, or one line of refusal; never another picture."""

import io
import itertools
import struct
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, TiffImagePlugin

from media import tiff_samples
from media.photograph import Photograph
from media.reader import read, read_rgb
from tests.media.tiffs import tiff
from zoo.errors import PhotographError

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 21, 19
MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK, LAB = 0, 1, 2, 3, 5, 8
CHANNELS = {MINISWHITE: 1, MINISBLACK: 1, RGB: 3, CMYK: 4}
EXTRAS = ((), (0,), (1,), (2,), (0, 2))


def random_samples(bits: int, photometric: int, extra: tuple[int, ...]) -> np.ndarray:
    """(H, W, C) as stored: colors that are multiplied by an associated alpha are not above it."""
    channels = CHANNELS[photometric]
    samples = RNG.integers(0, 2**bits, (HEIGHT, WIDTH, channels + len(extra)))
    samples[0, 0], samples[-1, -1] = 2**bits - 1, 0
    if extra == (1,) and photometric != MINISWHITE:
        samples[..., :channels] = samples[..., :channels] * samples[..., channels:] // (2**bits - 1)
    return samples


def check(found: Photograph, samples: np.ndarray, bits: int, photometric: int, extra: tuple[int, ...]) -> None:
    """Compare with what the TIFF specification makes of the samples."""
    black_to_white = samples / (2**bits - 1)
    channels = CHANNELS[photometric]
    colors = black_to_white[..., :channels]
    if photometric == MINISWHITE:
        colors = 1 - colors
    place = next((number for number, kind in enumerate(extra) if kind in (1, 2)), None)
    alpha = None if place is None else black_to_white[..., channels + place]
    if place is not None and extra[place] == 1 and alpha is not None:
        visible = alpha[..., None] > 0
        colors = np.where(visible, np.minimum(1, colors / np.where(visible, alpha[..., None], 1)), 0)
    white, dtype = (255, np.uint8) if bits <= 8 else (65535, np.uint16)
    if photometric == CMYK:
        inks = np.rint(np.floor(colors * white + 0.5) / white * 255).astype(np.uint8)
        expected = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
        white, dtype = 255, np.uint8
    else:
        expected = np.floor(colors * white + 0.5)
    assert found.pixels.dtype == dtype
    # Halves may be rounded to either side.
    difference = found.pixels.reshape(expected.shape).astype(int) - expected
    assert np.abs(difference).max() <= (1 if photometric == CMYK or 1 in extra or bits < 16 else 0)
    assert (difference != 0).mean() < 0.05
    if alpha is None:
        assert found.alpha is None
    else:
        assert found.alpha is not None and found.alpha.dtype == dtype
        assert np.abs(found.alpha - np.floor(alpha * white + 0.5)).max() <= (0 if bits in (8, 16) else 1)


def layouts() -> Iterator[dict[str, Any]]:
    """What tifffile can write, without optional packages."""
    number = itertools.count()
    for bits, photometric, extra, planes, storage, (compression, predictor) in itertools.product(
        (8, 16),
        CHANNELS,
        EXTRAS,
        (False, True),
        ({}, {"rowsperstrip": 4}, {"tile": (16, 16)}, {"tile": (16, 32)}),
        ((None, False), ("zlib", False), ("zlib", True)),
    ):
        if planes and CHANNELS[photometric] + len(extra) == 1:
            continue
        turn = next(number)  # so that the order of bytes and BigTIFF meet everything else without another factor
        yield {
            "bits": bits, "photometric": photometric, "extra": extra, "planes": planes, "storage": storage,
            "compression": compression, "predictor": predictor, "order": "<>"[turn % 2], "big": turn % 5 == 0,
        }  # fmt: skip


def test_every_layout_of_8_and_16_bits() -> None:
    count = 0
    for layout in layouts():
        bits, photometric, extra = layout["bits"], layout["photometric"], layout["extra"]
        samples = random_samples(bits, photometric, extra)
        stored = samples.astype(np.uint8 if bits == 8 else np.uint16)
        stored = stored[..., 0] if stored.shape[2] == 1 else stored
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer, bigtiff=layout["big"], byteorder=layout["order"]) as writer:
            writer.write(
                np.ascontiguousarray(np.moveaxis(stored, -1, 0)) if layout["planes"] else stored,
                photometric=photometric,
                planarconfig=None if stored.ndim == 2 else "separate" if layout["planes"] else "contig",
                extrasamples=extra,
                compression=layout["compression"],
                predictor=layout["predictor"],
                metadata=None,
                **layout["storage"],
            )
        count += 1
        try:
            check(read(buffer.getvalue()), samples, bits, photometric, extra)
        except Exception as error:
            raise AssertionError(layout) from error
    assert count > 700


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_number_of_bits(bits: int) -> None:
    for photometric, extra, order, planes, reverse, deflate in itertools.product(
        (MINISWHITE, MINISBLACK, RGB), ((), (2,)), "<>", (False, True), (False, True), (False, True)
    ):
        samples = random_samples(bits, photometric, extra)
        tags: dict[int, int | tuple[int, ...]] = {262: photometric}
        if extra:
            tags[338] = extra
        data = tiff(samples, bits, tags, order=order, planes=planes, reverse=reverse, deflate=deflate)
        try:
            check(read(data), samples, bits, photometric, extra)
        except Exception as error:
            raise AssertionError((photometric, extra, order, planes, reverse, deflate)) from error


def test_12_bits_fill_the_range() -> None:
    samples = np.full((4, 5, 1), 4095)
    samples[0] = 0
    pixels = read(tiff(samples, 12, {262: 1})).pixels
    assert pixels.dtype == np.uint16 and (pixels[1:] == 65535).all() and (pixels[0] == 0).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
def test_palettes(bits: int, order: str, deflate: bool) -> None:
    index = RNG.integers(0, 2**bits, (HEIGHT, WIDTH, 1))
    colors = RNG.integers(0, 256, (3, 2**bits))
    tags = {262: PALETTE}
    data = tiff(index, bits, {**tags, 320: tuple(int(value) for value in colors.ravel() * 257)}, order=order)
    # The color map must be of shorts: it is the only entry of so many values.
    count = 3 * 2**bits
    entry = struct.pack(f"{order}HHI", 320, 4, count)
    place = data.index(entry)
    start = struct.unpack(f"{order}I", data[place + 8 : place + 12])[0]
    shorts = struct.pack(f"{order}{count}H", *(colors.ravel() * 257))
    data = data[:place] + struct.pack(f"{order}HHI", 320, 3, count) + data[place + 8 :]
    data = data[:start] + shorts + data[start + len(shorts) :]
    np.testing.assert_array_equal(read(data).pixels, colors.T[index[..., 0]])


@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_compressions_of_other_writers(compression: str, predictor: int) -> None:
    number = {"tiff_lzw": 5, "packbits": 32773, "tiff_adobe_deflate": 8}[compression]
    gray = RNG.integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
    for image in (Image.fromarray(gray), Image.fromarray((gray >> 8).astype(np.uint8))):
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", compression=compression, tiffinfo={317: predictor} if number != 32773 else {})
        np.testing.assert_array_equal(read(buffer.getvalue()).pixels, np.asarray(image))
    color = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    options = [cv2.IMWRITE_TIFF_COMPRESSION, number, cv2.IMWRITE_TIFF_PREDICTOR, predictor]
    data = cv2.imencode(".tif", color[..., ::-1], options)[1].tobytes()
    np.testing.assert_array_equal(read(data).pixels, color)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt", "packbits", "tiff_lzw", "raw"])
def test_bilevel(compression: str) -> None:
    image = Image.fromarray(RNG.integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8) * 255).convert("1")
    for photometric in (MINISWHITE, MINISBLACK):
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", compression=compression, tiffinfo={262: photometric})
        np.testing.assert_array_equal(read(buffer.getvalue()).pixels, np.asarray(image.convert("L")))


@pytest.mark.parametrize("compression", ["jpeg", "tiff_zstd", "lzma"])
def test_compressions_that_pillow_or_libtiff_alone_knows(compression: str) -> None:
    level = np.linspace(40, 200, 64 * 48).reshape(48, 64).astype(np.uint8)
    for mode in ("L", "RGB"):
        image = Image.fromarray(level).convert(mode)
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", compression=compression)
        found = read(buffer.getvalue()).pixels.reshape(48, 64, -1)
        assert np.abs(found.astype(int) - level[..., None]).max() <= (0 if compression in ("tiff_zstd", "lzma") else 6)


def tagged(photometric: int | None, bits: int, channels: int, **tags: int | tuple[int, ...]) -> bytes:
    entries = {int(name[1:]): value for name, value in tags.items()}
    if photometric is not None:
        entries[262] = photometric
    return tiff(RNG.integers(0, min(2**bits, 2**16), (6, 7, channels)), bits, entries)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (tagged(1, 16, 1, t339=2), "signed samples"),
        (tagged(1, 8, 1, t339=2), "signed samples"),
        (tagged(2, 16, 3, t339=(2, 2, 2)), "signed samples"),
        (tagged(1, 32, 1, t339=3), "floating-point samples"),
        (tagged(2, 32, 3, t339=(3, 3, 3)), "floating-point samples"),
        (tagged(1, 16, 1, t339=3), "floating-point samples"),
        (tagged(1, 32, 1, t339=6), "complex samples"),
        (tagged(2, 8, 3, t339=(1, 1, 2)), "different kinds of samples"),
        (tagged(1, 32, 1), "samples of 32 bits"),
        (tagged(0, 32, 1), "samples of 32 bits"),
        (tagged(2, 32, 3), "samples of 32 bits"),
        (tagged(2, 8, 3, t258=(5, 6, 5)), "samples of 5 and 6 bits"),
        (tagged(3, 16, 1, t320=(0,) * 9), "a palette with 16 bits"),
        (tagged(8, 16, 3), "Lab with 16 bits"),
        (tagged(9, 8, 3), "ICC Lab with 8 bits"),
        (tagged(5, 8, 4, t332=2), "inks other than CMYK"),
        (tagged(6, 16, 3), "YCbCr"),
        (tagged(6, 8, 3), "YCbCr"),
        (tagged(32803, 16, 1), "a camera's raw samples"),
        (tagged(34892, 16, 3), "linear raw samples"),
        (tagged(777, 8, 1), "color space 777"),
        (tagged(1, 8, 20, t338=(0,) * 19), "more than 16 samples"),
        (tagged(2, 8, 2), "RGB with 2 samples"),
        (tagged(1, 16, 1, t259=7), "compression 7"),
        (tagged(1, 16, 1, t259=4711), "compression 4711"),
        (tagged(1, 12, 1, t259=8, t317=2), "predictor 2"),
        (tagged(1, 16, 1, t259=8, t317=3), "predictor 3"),
    ],
)
def test_what_has_no_decoder_is_refused(data: bytes, words: str) -> None:
    for reading in (read, read_rgb):
        with pytest.raises(PhotographError) as caught:
            reading(data)
        assert words in str(caught.value) and "\n" not in str(caught.value)


def test_integers_of_32_bits_that_16_hold() -> None:
    samples = RNG.integers(0, 65536, (HEIGHT, WIDTH, 1))
    np.testing.assert_array_equal(read(tiff(samples, 32, {262: 1, 339: 2})).pixels, samples[..., 0])


def test_photometric_is_guessed_where_it_is_missing() -> None:
    for bits, channels in itertools.product((8, 16), (1, 3)):
        samples = RNG.integers(0, 2**bits, (HEIGHT, WIDTH, channels))
        np.testing.assert_array_equal(read(tiff(samples, bits, {})).pixels, samples.squeeze())


def test_an_extra_sample_that_is_not_declared_is_alpha() -> None:
    for bits, photometric in itertools.product((8, 16), (MINISBLACK, RGB)):
        samples = random_samples(bits, photometric, (2,))
        check(read(tiff(samples, bits, {262: photometric})), samples, bits, photometric, (2,))


def pages(*kinds: dict[int, int]) -> bytes:
    """A page for each, of equal gray levels: 0, 10, 20 and so on, with these tags."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for number, tags in enumerate(kinds):
            extratags = [(tag, 4, 1, value, True) for tag, value in tags.items() if tag != 254]
            mask = bool(tags.get(254, 0) & 4)
            writer.write(
                np.full((30 - number, 20), 10 * number, bool if mask else np.uint8),
                photometric="minisblack",
                subfiletype=tags.get(254, 0),
                extratags=extratags,
                metadata=None,
            )
    return buffer.getvalue()


def test_reduced_copies_and_masks_are_no_pages() -> None:
    for data, level in (
        (pages({}, {254: 1}), 0),
        (pages({254: 1}, {}), 10),
        (pages({254: 1}, {254: 2}, {254: 4}, {254: 5}), 10),
        (pages({255: 1}, {255: 2}), 0),
        (pages({254: 1}), 0),
        (pages({254: 1}, {254: 1}), 0),
    ):
        pixels = read(data).pixels
        assert pixels.shape == (30 - level // 10, 20) and (pixels == level).all()
    with pytest.raises(PhotographError, match="has 2 pages"):
        read(pages({}, {}, {254: 1}))


@pytest.mark.parametrize("deflate", [False, True])
def test_a_missing_end_is_never_filled_up(deflate: bool) -> None:
    samples = RNG.integers(0, 65536, (HEIGHT, WIDTH, 3))
    for planes in (False, True):
        # The directory is before the strips, so that it survives.
        data = bytearray(tiff(samples, 16, {262: 2}, deflate=deflate, planes=planes))
        start = struct.unpack("<I", data[4:8])[0]
        strips, directory = data[8:start], data[start:]
        entries = struct.unpack("<H", directory[:2])[0]
        for number in range(entries):
            place = 2 + 12 * number
            tag, _, count, value = struct.unpack("<HHII", directory[place : place + 12])
            if count > 1:
                directory[place + 8 : place + 12] = struct.pack("<I", value - start + 8)
            if tag == 273:
                place = value - start
                offsets = np.frombuffer(directory, "<u4", count, place) + len(directory)
                directory[place : place + 4 * count] = offsets.tobytes()
        turned = bytes(data[:4]) + struct.pack("<I", 8) + bytes(directory) + bytes(strips)
        np.testing.assert_array_equal(read(turned).pixels, samples)
        for missing in (8, 40, len(strips) // 2):  # without its checksum a deflated strip is still whole
            with pytest.raises(PhotographError, match="truncated"):
                read(turned[:-missing])


def test_sizes_that_lie_cost_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = RNG.integers(0, 65536, (9, 9, 1))
    tiles = {324: 8, 325: 9}
    files = [
        tiff(samples, 16, {262: 0, 322: 2**31, 323: 2**31, **tiles}),
        tiff(samples, 16, {262: 0, 322: 0, 323: 16, **tiles}),
        tiff(samples, 16, {262: 0, 259: 8, 279: (2**31, 2**31)}),
    ]
    monkeypatch.setattr(tiff_samples, "_decompressed", lambda *_: pytest.fail("allocated"))
    for data in files:
        with pytest.raises(PhotographError, match="damaged or truncated"):
            read(data)


def test_layers_of_photoshop_are_not_carried() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[33432] = "Hafen", "(c) Archive"
    tags[37724] = b"Adobe Photoshop Document Data Block\0" + bytes(70_000)
    tags.tagtype[37724] = 7
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(buffer, "TIFF", tiffinfo=tags)
    exif = Image.Exif()
    exif.load(read(buffer.getvalue()).exif or b"")
    assert dict(exif) == {270: "Hafen", 33432: "(c) Archive"}


def test_nothing_is_printed_about_damaged_files(capfd: pytest.CaptureFixture[str]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (50, 60), np.uint8)).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    data = bytearray(buffer.getvalue())
    data[200:1000] = bytes(800)
    with pytest.raises(PhotographError, match="damaged"):
        read(bytes(data))
    assert capfd.readouterr() == ("", "")
