"""Photographs to write and to read again."""

import struct

import numpy as np
from PIL import Image, ImageCms

from media.photograph import Photograph

HEIGHT, WIDTH = 24, 40
GRAY = np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)
COLOR = np.dstack([GRAY, GRAY.T.reshape(HEIGHT, WIDTH), 255 - GRAY])


def exif_block(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[271] = "Graflex"
    exif[274] = orientation
    exif.get_ifd(0x8769).update({36867: "1936:03:06 12:00:00", 40961: 65535, 40962: 1, 40963: 1})
    return exif.tobytes()


def photograph(channels: int, dtype: type, alpha: bool, exif: bytes | None = None) -> Photograph:
    scale = 1 if dtype is np.uint8 else 257
    pixels = (GRAY if channels == 1 else COLOR).astype(dtype) * dtype(scale)
    if dtype is np.uint16:
        pixels = pixels - (pixels > 300) * np.uint16(3)  # values that 8 bits cannot hold
    opacity = (255 - GRAY).astype(dtype) * dtype(scale) if alpha else None
    return Photograph(pixels, opacity, exif or exif_block(), (300.0, 150.0), "PNG")


def swapped_profile() -> bytes:
    """sRGB with its red and green primaries exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = bytearray(bytes(data).replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ"))
    return bytes(data).replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be")).replace(b"sRGB b", b"Swap b")


def profile_of(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    """A version 2 profile."""
    white = b"XYZ " + bytes(4) + struct.pack(">iii", 63190, 65536, 54061)
    name = b"Test\0"
    text = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(79)
    tags = {**tags, b"wtpt": white, b"desc": text}
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"lcms", 0x02400000, b"mntr", space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body
