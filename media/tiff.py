"""TIFF: what its tags say about its samples, understood before a decoder is chosen.

A TIFF can hold the same picture in thousands of ways. Pillow knows the usual ones and is left to decode these; gray,
RGB and CMYK stored in any other way (1 to 16 bits, planes, tiles, extra samples, 0 as white) are put together here,
with libtiff, through Pillow, as the decompressor. What neither gets right is refused.

Adobe. TIFF, Revision 6.0. 1992. https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import TiffImagePlugin, TiffTags

from media import bigtiff, tags
from media.photograph import UnusableError
from media.tiff_repairs import repaired
from media.tiff_samples import NO_COMPRESSION, UnlimitedTiff, picture, silence_libtiff

_GRAY, _RGB, _CMYK = "gray", "RGB", "CMYK"
_COLORS = {0: _GRAY, 1: _GRAY, 2: _RGB, 5: _CMYK}  # by PhotometricInterpretation
_CHANNELS = {_GRAY: 1, _RGB: 3, _CMYK: 4}
_OTHER_COLORS = {4: "a mask", 9: "ICC Lab", 10: "ITU Lab", 32803: "a camera's raw samples", 34892: "linear raw samples"}

_PACKBITS = 32773
_LOSSLESS = {NO_COMPRESSION, 5, 8, 32946, _PACKBITS, 34925, 50000}  # LZW, Deflate (two numbers), LZMA, Zstandard
_MAX_SAMPLES = 16  # per pixel; more are no photograph but, for instance, a satellite's bands


def _is_full_range(directory: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """Whether YCbCr uses all 256 levels, as Pillow takes for granted."""
    levels = directory.get(tags.REFERENCE_BLACK_WHITE, ())
    return not levels or [round(float(level)) for level in levels] == [0, 255, 128, 255, 128, 255]


class TiffFile(UnlimitedTiff):
    """An opened TIFF, not yet turned upright; its first page is selected, and `seek` selects another directory.

    Attributes:
        source: The file.
        pages: Numbers of the directories that are pages: neither reduced copies of others nor masks.
        layout: How the selected page stores its samples, if `decode` is to be called; None if Pillow's `load` is.
    """

    def _open(self) -> None:
        assert self.fp is not None  # it was opened just now
        silence_libtiff()
        big_endian = self.fp.read(4) == bigtiff.HEADER
        self.fp.seek(0)
        self.fp = repaired(self.fp)
        if big_endian:
            self.fp = bigtiff.as_classic(self.fp)
        self.source = self.fp
        self._listing = True
        super()._open()
        count = self.n_frames
        self.pages = [number for number in range(count) if count == 1 or self._is_page(number)] or [0]
        self._listing = False
        self._seek(self.pages[0])

    def decode(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Gray (H, W), RGB (H, W, 3) or CMYK (H, W, 4), uint8 or uint16, and the alpha (H, W) of the same type.

        Samples of 1 to 8 bits fill the range of uint8, those of 9 to 16 bits that of uint16. 0 is black, or no ink.

        Raises:
            UnusableError: the samples are not such, or are compressed in a way that is not supported.
            EOFError: the file ends before the last row.
            ValueError: its tags contradict each other.
        """
        if self.layout is None or self.fp is None:
            raise ValueError("no page is open")
        self.layout.refuse()
        return picture(self.fp, self.layout)

    def _is_page(self, number: int) -> bool:
        self._seek(number)
        kind, old_kind = self.tag_v2.get(tags.NEW_SUBFILE_TYPE, 0), self.tag_v2.get(tags.SUBFILE_TYPE)
        return not (isinstance(kind, int) and kind & (1 | 4)) and old_kind != 2

    def _setup(self) -> None:
        if self._listing:  # a page that cannot be read does not cost those before it
            return
        for name in ("icc_profile", "dpi", "resolution", "transparency"):  # of another page
            self.info.pop(name, None)
        self.layout: Layout | None = Layout.of(self.tag_v2)
        if self.layout.suits_pillow():
            self.tag_v2[tags.PHOTOMETRIC] = self.layout.photometric  # may be missing, and is 0 to Pillow then
            self.layout = None
            try:
                super()._setup()
            except SyntaxError as error:
                raise UnusableError(
                    f"stores samples in a way that is not supported ({error}); save it as RGB"
                ) from error
            return
        layout = self.layout
        self._mode = {_RGB: "RGB", _CMYK: "CMYK"}.get(layout.colors, "L")
        self._size = self._tile_size = layout.width, layout.height
        self.tile = []
        if TiffImagePlugin.ICCPROFILE in self.tag_v2:
            self.info["icc_profile"] = self.tag_v2[TiffImagePlugin.ICCPROFILE]

    def load_end(self) -> None:
        """Leave the picture as it is stored.

        Pillow would rotate it here, and fail if its EXIF is damaged; the reader rotates all formats in the same way.
        """
        # EXIF is read now, since Pillow closes the file after this.
        self._size = self._tile_size
        with suppress(Exception):
            exif = self.getexif()
            for tag in TiffTags.TAGS_V2_GROUPS:
                if tag in exif:
                    exif.get_ifd(tag)


@dataclass(frozen=True)
class Layout:
    """How one page stores its samples, tag by tag.

    Attributes:
        width, height: In pixels.
        colors: "gray", "RGB" or "CMYK", or the name of something else.
        photometric: PhotometricInterpretation; where the tag is missing, what the number of samples suggests.
        bits: Of each sample of a pixel.
        extra: ExtraSamples, one for each sample beyond the colors: 0 unspecified, 1 alpha that the colors are
            multiplied by, 2 alpha.
        sample_format: 1 unsigned, 2 signed, 3 floating point, 4 undefined; one that differs among samples is 0.
        planes: Whether each sample of the pixels is stored in a plane of its own.
        order: Of the bytes, as in NumPy's types.
        compression, predictor, fill_order: The tags.
        tiled: Whether it is stored in tiles, all of one size, and not in strips, the last of which may be lower.
        segment: Width and height of a strip or tile.
        offsets, lengths: Of the strips or tiles in the file, in bytes.
        subsampled: Whether it is YCbCr whose samples Pillow would take for something else.
        ink_set: 1 for CMYK, anything else for other inks.
    """

    width: int
    height: int
    colors: str
    photometric: int
    bits: tuple[int, ...]
    extra: tuple[int, ...]
    sample_format: int
    planes: bool
    order: str
    compression: int
    predictor: int
    fill_order: int
    tiled: bool
    segment: tuple[int, int]
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    subsampled: bool
    ink_set: int

    @property
    def channels(self) -> int:
        """Number of color channels; 0 if they are none that are supported."""
        return _CHANNELS.get(self.colors, 0)

    @classmethod
    def of(cls, directory: TiffImagePlugin.ImageFileDirectory_v2) -> "Layout":
        """Read from the tags of one page.

        Raises:
            ValueError: a tag is missing that nothing can be read without, or is not a number.
        """

        def numbers(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
            found: Any = directory.get(tag, default)
            found = tuple(found) if isinstance(found, tuple | bytes) else (found,)
            if not all(isinstance(value, int) and value >= 0 for value in found):
                raise ValueError(f"tag {tag} holds no number")
            return found or default

        def number(tag: int, default: int) -> int:
            return numbers(tag, (default,))[0]

        width, height = number(tags.IMAGE_WIDTH, 0), number(tags.IMAGE_LENGTH, 0)
        if width < 1 or height < 1:
            raise ValueError(f"it is {width} x {height} pixels")
        compression = number(tags.COMPRESSION, NO_COMPRESSION)
        samples = number(tags.SAMPLES_PER_PIXEL, 3 if compression == 7 and number(tags.PHOTOMETRIC, 1) in (2, 6) else 1)
        bits = numbers(tags.BITS_PER_SAMPLE, (1,))
        if len(bits) == 1:
            bits *= min(samples, _MAX_SAMPLES + 1)
        photometric = number(tags.PHOTOMETRIC, 2 if samples >= 3 else 0 if compression in (2, 3, 4) else 1)
        colors = _COLORS.get(photometric) or _OTHER_COLORS.get(photometric, f"color space {photometric}")
        extra = numbers(tags.EXTRA_SAMPLES)
        undeclared = samples - _CHANNELS.get(colors, samples) - len(extra)
        if undeclared == 1 and not extra:
            extra = (2,)  # an alpha; several writers forget the tag
        elif 0 < undeclared <= _MAX_SAMPLES:
            extra += (0,) * undeclared
        formats = set(numbers(tags.SAMPLE_FORMAT, (1,)))
        if tiled := tags.TILE_OFFSETS in directory:
            segment = number(tags.TILE_WIDTH, 0), number(tags.TILE_LENGTH, 0)
        else:
            segment = width, max(1, min(number(tags.ROWS_PER_STRIP, height), height))
        plain_ycbcr = numbers(tags.YCBCR_SUBSAMPLING, (2, 2)) == (1, 1) and _is_full_range(directory)
        return cls(
            width=width,
            height=height,
            colors=colors,
            photometric=photometric,
            bits=bits[:samples] if len(bits) > samples else bits,
            extra=extra,
            sample_format=formats.pop() if len(formats) == 1 else 0,
            planes=number(tags.PLANAR_CONFIGURATION, 1) == 2 and samples > 1,
            order="<" if directory.prefix == b"II" else ">",
            compression=compression,
            # The other ways to compress ignore it.
            predictor=number(tags.PREDICTOR, 1) if compression in _LOSSLESS - {NO_COMPRESSION, _PACKBITS} else 1,
            fill_order=number(tags.FILL_ORDER, 1),
            tiled=tiled,
            segment=segment,
            offsets=numbers(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS),
            lengths=numbers(tags.TILE_BYTE_COUNTS if tiled else tags.STRIP_BYTE_COUNTS),
            subsampled=photometric == 6 and compression not in (6, 7) and not plain_ycbcr,
            ink_set=number(tags.INK_SET, 1),
        )

    def suits_pillow(self) -> bool:
        """Whether Pillow decodes this layout, and rightly so; or says itself that it does not."""
        if self.sample_format == 2 and self.bits == (32,) and self.photometric == 1:
            return True  # its own mode I; the reader looks at the values
        if self.sample_format not in (1, 4) or len(set(self.bits)) != 1 or self.subsampled:
            return False
        if self.compression not in _LOSSLESS:
            return self.bits[0] == (8 if self.compression in (6, 7, 50001) else 1)
        if self.fill_order != 1 or self.predictor not in (1, 2):
            return False
        if self.photometric == 3:
            return self.bits in ((1,), (2,), (4,), (8,))
        plain = self.bits[0] == 8 and not (self.planes or self.extra) and self.ink_set == 1
        return plain and len(self.bits) == {1: 1, 2: 3, 5: 4, 6: 3, 8: 3}.get(self.photometric)

    def refuse(self) -> None:
        """See that `picture` gives the right samples.

        Raises:
            UnusableError: it would not.
        """
        if self.sample_format == 3:
            raise UnusableError("holds floating-point samples, which have no fixed white; save it with 16 bits")
        if self.sample_format not in (1, 4):
            kind = {2: "signed", 0: "different kinds of"}.get(self.sample_format, "complex")
            raise UnusableError(f"holds {kind} samples, which have no fixed black and white; save it with 16 bits")
        if self.photometric == 6:
            raise UnusableError("stores YCbCr in a way that is not supported; save it as RGB")
        if self.colors not in _CHANNELS or (self.colors == _CMYK and self.ink_set != 1):
            what = self.colors if self.colors not in _CHANNELS else "inks other than CMYK"
            what = {3: "a palette", 8: "Lab"}.get(self.photometric, what)
            raise UnusableError(f"stores {what} with {self._depth()}, which is not supported; save it as RGB")
        if len(set(self.bits)) != 1 or not 1 <= self.bits[0] <= 16:
            raise UnusableError(f"holds samples of {self._depth()}; save it with 16 bits")
        if len(self.bits) > _MAX_SAMPLES:
            raise UnusableError(f"holds more than {_MAX_SAMPLES} samples per pixel; save it as RGB")
        if len(self.bits) != _CHANNELS[self.colors] + len(self.extra):
            raise UnusableError(f"is {self.colors} with {len(self.bits)} samples per pixel, which do not fit")
        if self.compression not in _LOSSLESS:
            raise UnusableError(
                f"holds samples of {self._depth()} in compression {self.compression}, which is not supported; "
                "save it with LZW or Deflate"
            )
        if self.predictor != 1 and (self.predictor != 2 or self.bits[0] not in (8, 16)):
            raise UnusableError(f"uses predictor {self.predictor} with {self._depth()}; save it without")

    def _depth(self) -> str:
        depths = sorted(set(self.bits))
        return f"{' and '.join(map(str, depths))} bits"
