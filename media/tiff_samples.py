"""From the strips or tiles of a TIFF to its samples, whatever their bits, order, planes and compression."""

import ctypes
import io
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import accumulate
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import TiffImagePlugin, _imaging
from PIL.Image import core  # type: ignore[attr-defined]

from media import tags

if TYPE_CHECKING:
    from media.tiff import Layout

NO_COMPRESSION = 1
_UNPACKED_AT_ONCE = 2**22  # samples, each of which takes 16 bytes for a moment
_REVERSED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1], axis=1)[:, 0]


@cache
def silence_libtiff() -> None:
    """Keep libtiff, which Pillow brings, from printing what is wrong with a file: it returns that as an error, too."""
    with suppress(OSError, AttributeError):  # where it is linked in another way
        library = ctypes.CDLL(_imaging.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


class UnlimitedTiff(TiffImagePlugin.TiffImageFile):
    """A TIFF without Pillow's size limit, which warns at half of ours."""

    def load_prepare(self) -> None:
        """Make room for the picture, unless it is there."""
        if self._im is None:
            self.im = core.new(self.mode, self._tile_size)
        super().load_prepare()


def picture(file: IO[bytes], layout: "Layout") -> tuple[np.ndarray, np.ndarray | None]:
    """The colors (H, W[, 3 or 4]) and the alpha (H, W); see `media.tiff.TiffFile.decode`."""
    channels, bits = layout.channels, layout.bits[0]
    stored = _samples(file, layout)
    colors = _scaled(stored[..., :channels], bits)
    if layout.photometric == 0:
        colors = ~colors
    alpha = None
    place = next((place for place, kind in enumerate(layout.extra) if kind in (1, 2)), None)
    if place is not None:
        alpha = _scaled(stored[..., channels + place], bits)
        if layout.extra[place] == 1:
            colors = _divided(colors, alpha)
    return (colors[..., 0] if channels == 1 else colors), alpha


def _samples(file: IO[bytes], layout: "Layout") -> np.ndarray:
    """All samples as stored, (H, W, samples) uint8 or uint16."""
    samples, bits = len(layout.bits), layout.bits[0]
    planes, together = (samples, 1) if layout.planes else (1, samples)
    width, height = layout.segment
    if width < 1 or height < 1:
        raise ValueError(f"its tiles are {width} x {height} pixels")
    across, down = -(-layout.width // width), -(-layout.height // height)
    # Tiles reach over the edges, but not much.
    if across * width * down * height > 4 * layout.width * layout.height + 2**22:
        raise ValueError(f"its tiles are {width} x {height} pixels")
    count = across * down
    rows = height * count if layout.tiled else layout.height
    row = -(-width * together * bits // 8)
    result = np.empty((layout.height, layout.width, samples), np.uint8 if bits <= 8 else np.uint16)
    for plane in range(planes):
        segments = _segments(file, layout, plane * count, count, row)
        decoded = _unpacked(_decompressed(segments, layout, row, rows), width * together, bits, layout.order)
        decoded = decoded.reshape(rows, width, together)
        if layout.predictor == 2:
            np.add.accumulate(decoded, axis=1, out=decoded, dtype=decoded.dtype)
        if layout.tiled:
            decoded = decoded.reshape(down, across, height, width, together).swapaxes(1, 2)
            decoded = decoded.reshape(down * height, across * width, together)
        part = slice(plane, plane + 1) if layout.planes else slice(None)
        result[..., part] = decoded[: layout.height, : layout.width]
    return result


def _segments(file: IO[bytes], layout: "Layout", first: int, count: int, row: int) -> list[bytes]:
    """The content of `count` strips or tiles."""
    offsets, lengths = (places[first : first + count] for places in (layout.offsets, layout.lengths))
    if layout.compression == NO_COMPRESSION:  # of which some files say no lengths, or wrong ones
        height = layout.segment[1]
        lengths = (row * height,) * count
        if not layout.tiled:
            lengths = (*lengths[:-1], row * (layout.height - height * (count - 1)))
    if len(offsets) < count or len(lengths) < count:
        raise ValueError(f"it has {len(layout.offsets)} strips or tiles, and needs {first + count}")
    size = file.seek(0, io.SEEK_END)
    if sum(lengths) > size:
        raise EOFError("it ends before the last row")
    segments = []
    for offset, length in zip(offsets, lengths, strict=True):
        if offset + length > size and layout.compression == NO_COMPRESSION:
            raise EOFError("it ends before the last row")
        file.seek(min(offset, size))
        segments.append(file.read(length))
    return segments


def _decompressed(segments: Sequence[bytes], layout: "Layout", row: int, rows: int) -> np.ndarray:
    """(rows, row) uint8: the bytes of all segments, one below the other."""
    if layout.compression == NO_COMPRESSION:
        content = np.frombuffer(b"".join(segments), np.uint8).reshape(rows, row)
        return _REVERSED[content] if layout.fill_order == 2 else content
    # libtiff decompresses them as those of a gray picture with 8 bits, which it leaves as it finds them.
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory[tags.IMAGE_WIDTH], directory[tags.IMAGE_LENGTH] = row, rows
    directory[tags.BITS_PER_SAMPLE], directory[tags.PHOTOMETRIC] = 8, 1
    directory[tags.COMPRESSION], directory[tags.FILL_ORDER] = layout.compression, layout.fill_order
    directory[tags.ROWS_PER_STRIP] = layout.segment[1]
    # Pillow moves the offsets behind the directory.
    lengths = [len(segment) for segment in segments]
    directory[tags.STRIP_OFFSETS] = tuple(accumulate(lengths[:-1], initial=0))
    directory[tags.STRIP_BYTE_COUNTS] = tuple(lengths)
    directory.tagtype[tags.STRIP_OFFSETS] = directory.tagtype[tags.STRIP_BYTE_COUNTS] = 4
    target = io.BytesIO()
    directory.save(target)
    target.write(b"".join(segments))
    target.seek(0)
    return np.asarray(UnlimitedTiff(target))


def _unpacked(content: np.ndarray, count: int, bits: int, order: str) -> np.ndarray:
    """The first `count` samples of each row (R, bytes), as uint8 or uint16 that may be written to."""
    if bits == 8:
        return content[:, :count].copy()
    if bits == 16:
        return content.view(f"{order}u2")[:, :count].astype(np.uint16)
    dtype = np.dtype(np.uint8 if bits < 8 else ">u2")
    result = np.empty((len(content), count), dtype.newbyteorder("="))
    step = max(1, _UNPACKED_AT_ONCE // count)
    for top in range(0, len(content), step):
        single = np.unpackbits(content[top : top + step], axis=1, count=count * bits).reshape(-1, count, bits)
        padded = np.pad(single, ((0, 0), (0, 0), (8 * dtype.itemsize - bits, 0)))
        result[top : top + step] = np.packbits(padded, axis=2).view(dtype)[..., 0]
    return result


def _scaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Samples of so many bits, spread over the range of their type."""
    if bits in (8, 16):
        return values
    white = np.iinfo(values.dtype).max
    return np.asarray(np.rint(np.arange(2**bits) * (white / (2**bits - 1))).astype(values.dtype)[values])


def _divided(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colors (H, W, C) that were multiplied by their alpha (H, W), as they were before; black where it is 0."""
    white, opacity = np.uint32(np.iinfo(colors.dtype).max), alpha[..., None].astype(np.uint32)
    whole = (colors * white + opacity // 2) // np.maximum(opacity, 1)
    return np.where(opacity == 0, 0, np.minimum(whole, white)).astype(colors.dtype)
