"""ICC profiles of three curves and a matrix, as cameras, screens and working spaces have, at full depth.

Pillow's interface to lcms knows no color of 16 bits. These profiles need no more than this. Those with tables for
colors, as printers and some scanners have, are left to lcms.

ICC. Specification ICC.1:2022. https://www.color.org/specification/ICC.1-2022-05.pdf
"""

import struct
from dataclasses import dataclass

import numpy as np

_TABLES = (b"A2B0", b"A2B1", b"A2B2", b"D2B0", b"D2B1", b"D2B2", b"D2B3")  # these go before curves and matrix
_LEVELS = 65536
_LIGHTEST_BLACK = 0.1842  # of lightness 50


@dataclass(frozen=True)
class MatrixProfile:
    """From the values of a file to XYZ of white D50.

    Attributes:
        curves: (3, 65536) float32, linear light of each level of red, green and blue.
        matrix: (3, 3), from linear light to XYZ.
    """

    curves: np.ndarray
    matrix: np.ndarray

    @property
    def black(self) -> float:
        """Luminance of the darkest color, relative to white, which is to become black, as lcms has it."""
        return float(np.clip(self.matrix[1] @ self.curves[:, 0], 0, _LIGHTEST_BLACK))


def parse(data: bytes) -> MatrixProfile | None:
    """A profile of RGB, or None if it has tables, is of other colors or is damaged."""
    try:
        if data[16:24] != b"RGB XYZ ":
            return None
        (count,) = struct.unpack_from(">I", data, 128)
        found = {}
        for place in range(132, 132 + 12 * min(count, 200), 12):
            name, offset, size = struct.unpack_from(">4sII", data, place)
            found[name] = data[offset : offset + size]
        if any(name in found for name in _TABLES):
            return None
        columns = [struct.unpack_from(">3i", found[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
        curves = [_curve(found[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (KeyError, struct.error, ValueError):
        return None
    return MatrixProfile(np.stack(curves).astype(np.float32), np.array(columns).T / 65536)


def _curve(data: bytes) -> np.ndarray:
    """Linear light of 65536 levels.

    Raises:
        ValueError, struct.error: it is damaged.
    """
    x = np.arange(_LEVELS) / (_LEVELS - 1)
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        if count == 0:
            return x
        if count == 1:
            return np.asarray(x ** (struct.unpack_from(">H", data, 12)[0] / 256))
        points = np.frombuffer(data, ">u2", count, 12) / 65535
        return np.interp(x, np.linspace(0, 1, count), points)
    if data[:4] != b"para":
        raise ValueError("neither a table nor a formula")
    (kind,) = struct.unpack_from(">H", data, 8)
    if kind > 4:
        raise ValueError("an unknown formula")
    values = np.array(struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", data, 12)) / 65536
    # All are y = (ax + b)^g + e from d on, and y = cx + f below.
    g, a, b, c, d, e, f = (1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if kind == 0:
        (g,) = values
    elif kind in (1, 2):
        g, a, b = values[:3]
        if a == 0:
            raise ValueError("a formula without x")
        d = -b / a
        e = f = values[3] if kind == 2 else 0.0
    else:
        g, a, b, c, d = values[:5]
        e, f = values[5:] if kind == 4 else (0.0, 0.0)
    upper = np.maximum(a * x + b, 0) ** g + e
    return np.asarray(np.clip(np.where(x >= d, upper, c * x + f), 0, 1))
