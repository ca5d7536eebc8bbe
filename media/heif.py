"""HEIC and HEIF, by the optional pillow-heif."""

from typing import IO, Any

from PIL import ImageFile

from media import code_points
from media.photograph import UnusableError


def open_heif(file: IO[bytes]) -> ImageFile.ImageFile:
    """Read the header of the picture that the file shows first; it is upright once it is decoded.

    Raises:
        UnusableError: pillow-heif is not installed, or its colors are not supported.
    """
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnusableError("is HEIC, which needs a package of its own: pip install 'colorzoo[heif]'") from None
    image: ImageFile.ImageFile = HeifImageFile(file)
    named: Any = image.info.get("nclx_profile")
    if isinstance(named, dict) and "icc_profile" not in image.info:
        primaries, curve = named["color_primaries"], named["transfer_characteristics"]
        if code_points.UNSPECIFIED not in (primaries, curve):
            image.info["gamma"], image.info["chromaticity"] = code_points.meaning(primaries, curve)
    return image
