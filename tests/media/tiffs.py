"""A writer of TIFFs that stores samples as it is told, tag by tag, and knows nothing of the reader."""

import struct
import zlib
from collections.abc import Mapping

import numpy as np

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def packed(samples: np.ndarray, bits: int, order: str = "<") -> bytes:
    """Rows of (H, n) integers with so many bits each, every row filled up to whole bytes."""
    if bits in (8, 16, 32):
        return samples.astype(f"{order}u{bits // 8}").tobytes()
    rows = []
    for row in samples:
        digits = "".join(f"{int(value):0{bits}b}" for value in row)
        digits += "0" * (-len(digits) % 8)
        rows.append(int(digits, 2).to_bytes(len(digits) // 8, "big"))
    return b"".join(rows)


def tiff(
    samples: np.ndarray,
    bits: int,
    tags: Mapping[int, int | tuple[int, ...]],
    *,
    order: str = "<",
    planes: bool = False,
    reverse: bool = False,
    deflate: bool = False,
    rows: int = 5,
) -> bytes:
    """(H, W, C) integers as a TIFF of strips of so many rows.

    Args:
        tags: Beside those of the size, the strips and what the other arguments say; they win over these.
        order: "<" or ">", of the bytes.
        planes: PlanarConfiguration 2.
        reverse: FillOrder 2.
        deflate: Compression 8 instead of none.
    """
    height, width, channels = samples.shape
    parts = [samples[..., [channel]] for channel in range(channels)] if planes else [samples]
    strips = []
    for part in parts:
        for top in range(0, height, rows):
            strip = packed(part[top : top + rows].reshape(-1, width * part.shape[2]), bits, order)
            strip = zlib.compress(strip) if deflate else strip
            strips.append(strip.translate(_REVERSED) if reverse else strip)
    lengths = [len(strip) for strip in strips]
    offsets = [8 + sum(lengths[:number]) for number in range(len(strips))]
    entries: dict[int, int | tuple[int, ...]] = {
        **{256: width, 257: height, 258: (bits,) * channels, 259: 8 if deflate else 1, 266: 2 if reverse else 1},
        **{273: tuple(offsets), 277: channels, 278: rows, 279: tuple(lengths), 284: 2 if planes else 1},
        **tags,
    }
    start = 8 + sum(lengths)
    behind = start + 2 + 12 * len(entries) + 4
    table, values = struct.pack(f"{order}H", len(entries)), b""
    for tag, value in sorted(entries.items()):
        numbers = value if isinstance(value, tuple) else (value,)
        data = struct.pack(f"{order}{len(numbers)}I", *numbers)
        table += struct.pack(f"{order}HHI", tag, 4, len(numbers))
        if len(data) > 4:
            table += struct.pack(f"{order}I", behind + len(values))
            values += data
        else:
            table += data
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    return head + b"".join(strips) + table + bytes(4) + values
