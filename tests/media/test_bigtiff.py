"""BigTIFF with big-endian numbers, which Pillow does not read."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from media.reader import read
from tests.media.pictures import COLOR, GRAY
from tests.mutations import mutated
from zoo.errors import PhotographError


def scan(*, rows: int = 1, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, COLOR, bigtiff=True, byteorder=">", photometric="rgb", rowsperstrip=rows, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def with_directories(data: bytes) -> bytes:
    """The same with a directory of EXIF, in which a date is stored, and one of GPS."""
    (place,) = struct.unpack_from(">Q", data, 8)
    (count,) = struct.unpack_from(">Q", data, place)
    end = place + 8 + 20 * count
    entries = [data[at : at + 20] for at in range(place + 8, end, 20)]
    date, reference = b"1936:03:06 12:00:00\0", b"N\0".ljust(8, b"\0")
    inner = len(data)
    exif = struct.pack(">QHHQQQ", 1, 36867, 2, len(date), inner + 36, 0) + date
    gps = struct.pack(">QHHQ8sQ", 1, 1, 2, 2, reference, 0)
    entries.append(struct.pack(">HHQQ", 34665, 18, 1, inner))
    entries.append(struct.pack(">HHQI4x", 34853, 4, 1, inner + len(exif)))
    outer = struct.pack(">Q", len(entries)) + b"".join(sorted(entries)) + bytes(8)
    return data[:8] + struct.pack(">Q", inner + len(exif) + len(gps)) + data[16:] + exif + gps + outer


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_it_is_read_with_its_metadata(tmp_path: Path, compression: str | None) -> None:
    data = with_directories(scan(compression=compression, resolution=(300, 300), resolutionunit=2, description="Hafen"))
    (tmp_path / "a.tif").write_bytes(data)
    for source in (data, tmp_path / "a.tif"):
        found = read(source)
        np.testing.assert_array_equal(found.pixels, COLOR)
        assert found.dpi == (300, 300) and found.warnings == ()
        exif = Image.Exif()
        exif.load(found.exif or b"")
        assert exif[270] == "Hafen"
        assert exif.get_ifd(34665)[36867] == "1936:03:06 12:00:00" and exif.get_ifd(34853)[1] == "N"


def test_what_does_not_fit_into_32_bits_is_refused() -> None:
    data = scan(rows=len(COLOR), metadata=None)
    place = data.index(struct.pack(">HHQ", 273, 16, 1)) + 12
    with pytest.raises(PhotographError, match="numbers above 4 GB"):
        read(data[:place] + struct.pack(">Q", 2**33) + data[place + 8 :])


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it cannot parse
def test_damaged_ones_are_read_or_refused() -> None:
    for data in mutated([with_directories(scan()), scan(rows=9, compression="zlib")], 200):
        try:
            assert read(data, max_pixels=10**6).pixels.ndim in (2, 3)
        except PhotographError as error:
            assert "\n" not in str(error)


def test_directories_that_follow_themselves(tmp_path: Path) -> None:
    data = scan(metadata=None, rows=len(COLOR))
    (place,) = struct.unpack_from(">Q", data, 8)
    (count,) = struct.unpack_from(">Q", data, place)
    link = place + 8 + 20 * count
    np.testing.assert_array_equal(read(data[:link] + struct.pack(">Q", place) + data[link + 8 :]).pixels, COLOR)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, GRAY, bigtiff=True, byteorder=">", photometric="minisblack")
    np.testing.assert_array_equal(read(buffer.getvalue()).pixels, GRAY)
