"""JPEGs whose end is missing or late, and those that no decoder of ours reads."""

import io

import numpy as np
import pytest
from PIL import Image

from media.reader import read, read_rgb
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


def test_a_progressive_one_without_its_end_is_refused() -> None:
    with pytest.raises(PhotographError, match="truncated"):
        read(jpeg("L", progressive=True)[:-2])


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
