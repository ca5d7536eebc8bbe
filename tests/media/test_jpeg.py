"""JPEGs whose end is missing or late, and those that no decoder of ours reads."""

import base64
import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from media.reader import read, read_rgb
from tests.media.pictures import profile_of
from zoo.errors import PhotographError

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (45, 61, 4), np.uint8)


def jpeg(mode: str, **options: object) -> bytes:
    picture = Image.fromarray(NOISE[..., 0]) if mode == "L" else Image.fromarray(NOISE[..., : len(mode)], mode)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("restart", [0, 2])
def test_a_missing_end_behind_the_last_row(mode: str, restart: int) -> None:
    data = jpeg(mode, restart_marker_blocks=restart)
    whole = read(data).pixels
    for cut in (1, 2):
        np.testing.assert_array_equal(read(data[:-cut]).pixels, whole)
    np.testing.assert_array_equal(np.asarray(read_rgb(data[:-2])), np.asarray(read_rgb(data)))
    for cut in (8, 40, len(data) // 2):
        with pytest.raises(PhotographError, match="truncated"):
            read(data[:-cut])


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_progressive_one_is_read_if_all_its_scans_are_there(mode: str) -> None:
    data = jpeg(mode, progressive=True)
    whole = read(data).pixels
    for cut in (1, 2):
        found = read(data[:-cut])
        np.testing.assert_array_equal(found.pixels, whole)
        assert found.warnings == ("ends too early; all of its rows are there",)
    scans = [place.start() for place in re.finditer(rb"\xff\xda", data)]
    assert len(scans) > 3
    for end in (*scans[1:], *(place + 40 for place in scans), len(data) - 30):
        with pytest.raises(PhotographError, match="truncated"):
            read(data[:end])


def test_bytes_behind_the_end_are_ignored() -> None:
    data = jpeg("RGB")
    whole = read(data).pixels
    for behind in (b"\0", bytes(1000), b"\xff\xd8\xff", RNG.bytes(500)):
        np.testing.assert_array_equal(read(data + behind).pixels, whole)


def test_12_bits_are_refused() -> None:
    data = jpeg("L")
    place = data.index(b"\xff\xc0") + 4
    with pytest.raises(PhotographError, match="is a JPEG with 12 bits per sample"):
        read(data[:place] + b"\x0c" + data[place + 1 :])


# By cjpeg of libjpeg-turbo 2.1.5 with -arithmetic -quality 85, and with -progressive as well.
SEQUENTIAL = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00jdC1Ox*G1Ox;H1qB8N3<w7Y2L}%e3keJn4-yg)4-pX)791B76dDx~5f~vD8XX-UA0HDJA|xUnBpe<e"
    "9{<|_LjeT^1qTKP4hRSi9uyH29v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v=V601*fP7yu9h0U`hb5di}c"
    "0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zfH;0pf$Jm>=Ef_1g9xdE^<<iw;2^Oq_3zMxl=UY7~)#lL3NVd)|N*#"
)
PROGRESSIVE = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00jdC1Ox*G1Ox;H1qB8N3<w7Y2L}%e3keJn4-yg)4-pX)791B76dDx~5f~vD8XX-UA0HDJA|xUnBpe<e"
    "9{<|_LjeT^1qTKP4hRSi9uyH29v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v&VZ9v=V701*fP7yu9h0U`hb5di}c"
    "0sqVZ1^^HN5dYc$3<CiG0uTcb0005d(j+k&?*gu*)`0)a00a;P|Jncu0RaF31p-Q&WjoCO%m4%t1^?Or2mu2D0Y3p2DZL%^KH&e%00a>Q|Jncu"
    "0RjO5KLHhSw?T&g%m4%s1^?Or2mt{A20sG8|I7dc5C#9*00;pA00BQCdjHx03<CiG0ssR5000nCfd9+@1Q7-Q+5iXv0|5a)5U3Tl|I7dc5e5I+"
    "00;pB0RcY{Q3L<X00a;P|Jncu0RaF3KM+r}aUlQM"
)


@pytest.mark.parametrize("encoded", [SEQUENTIAL, PROGRESSIVE])
def test_arithmetic_coding(encoded: str) -> None:
    gray = np.add.outer(np.arange(24) * 4, np.arange(16) * 6)
    found = read(base64.b85decode(encoded))
    assert np.abs(found.pixels.astype(int) - np.dstack([gray, 255 - gray, gray // 2])).mean() < 2
    assert found.warnings == ()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
def test_cmyk_is_inverted_with_and_without_the_marker_of_adobe() -> None:
    """As all browsers do, since nobody writes it in any other way."""
    inks = np.full((16, 16, 4), (200, 40, 20, 30), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(inks, "CMYK").save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    place = data.index(b"\xff\xee")
    assert data[place + 4 : place + 9] == b"Adobe"
    without = data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") :]
    expected = [(255 - ink) * (255 - 30) / 255 for ink in (200, 40, 20)]
    for jpeg_file in (data, without):
        assert np.abs(read(jpeg_file).pixels - expected).max() <= 3


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
def test_cmyk_with_a_profile() -> None:
    """Through tables that make paper of cyan, and black of no ink."""
    ramps = bytes(range(256))
    corners = b"".join(bytes((255 * (place >= 8), 128, 128)) for place in range(16))  # Lab; cyan varies slowest
    table = b"mft1" + bytes(4) + b"\4\3\2\0" + struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel())
    profile = profile_of(b"CMYK", {b"A2B0": table + 4 * ramps + corners + 3 * ramps}, b"Lab ")
    for cyan, level in ((255, 255), (0, 0)):
        buffer = io.BytesIO()
        inks = np.full((16, 16, 4), (cyan, 0, 0, 0), np.uint8)
        Image.fromarray(inks, "CMYK").save(buffer, "JPEG", quality=95, icc_profile=profile)
        found = read(buffer.getvalue())
        assert np.abs(found.pixels.astype(int) - level).max() <= 3
        assert (found.profiled, found.warnings) == (True, ())
