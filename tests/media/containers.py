"""The parts that image files consist of, read without the readers that are tested."""

import struct


def jpeg_segments(data: bytes) -> list[tuple[int, bytes]]:
    """Marker and content of the segments before the first scan."""
    found, place = [], 2
    while data[place + 1] != 0xDA:
        assert data[place] == 0xFF
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        found.append((data[place + 1], data[place + 4 : place + 2 + length]))
        place += 2 + length
    return found


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def riff_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 12
    while place < len(data):
        (length,) = struct.unpack("<I", data[place + 4 : place + 8])
        found.append((data[place : place + 4], data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return found
