"""Files that hold several pictures: which of these are pages or frames, and how long frames are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import ImageFile

from media.tiff import TiffFile

_LONGEST = 2**24 - 1  # ms that a frame is shown, as WebP has it


@dataclass(frozen=True)
class Pictures:
    """What a file holds.

    Attributes:
        places: Where Pillow finds each page or frame; a single one for most files.
        animated: Whether they are frames of an animation, and not pages.
        plays: How often an animation is played; 0 without end.
    """

    places: Sequence[int]
    animated: bool
    plays: int


def pictures_of(image: ImageFile.ImageFile) -> Pictures:
    """Reduced copies and masks of a TIFF are no pages; the further pictures of an MPO or a HEIC are views of the first.

    The picture that an animated PNG has for those who see no animations is none of its frames.
    """
    if isinstance(image, TiffFile):
        return Pictures(image.pages, False, 1)
    frames = int(getattr(image, "n_frames", 1))
    if image.format in ("MPO", "HEIF") or frames == 1:
        return Pictures((image.tell(),), False, 1)
    return Pictures(range(bool(getattr(image, "default_image", False)), frames), True, _plays(image))


def duration_of(image: ImageFile.ImageFile) -> float:
    """Milliseconds that the frame, which was decoded, is shown."""
    value: Any = image.info.get("duration", 0)
    return min(float(value), _LONGEST) if isinstance(value, int | float) and value > 0 else 0.0


def _plays(image: ImageFile.ImageFile) -> int:
    loop: Any = image.info.get("loop")
    if image.format != "GIF":
        return loop if isinstance(loop, int) else 0
    # It says how often it is repeated, and nothing at all if it is not.
    return 1 if not isinstance(loop, int) else loop and loop + 1
