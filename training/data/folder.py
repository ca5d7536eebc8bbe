"""Finding and decoding the photographs that networks are trained and measured on."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from zoo.errors import DataError, PhotographError

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp"}
FRAMES_REPORT, FRAMES_SHEET = "frames.json", "sheet.jpg"  # what `colorzoo frames` writes beside the frames


def image_files(folders: Sequence[Path]) -> list[Path]:
    """The image files of folders and their sub-folders, sorted by path, hidden ones and sheets of frames left out.

    Raises:
        DataError: a folder that does not exist, is empty, or holds no image.
    """
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder: name a folder of photographs")
        files = [
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not path.name.startswith(".")
            and not (path.name == FRAMES_SHEET and path.with_name(FRAMES_REPORT).exists())
            and path.is_file()
        ]
        if not files:
            content = "no image file" if any(folder.iterdir()) else "nothing"
            raise DataError(f"{folder} holds {content}: photographs ({', '.join(sorted(SUFFIXES))}) are needed")
        found += files
    return sorted(set(found))


def decode(data: bytes) -> Image.Image:
    """The bytes of an image file -> the picture in sRGB, mode RGB, turned upright by its EXIF tag.

    Raises:
        PhotographError: why it cannot be used, without the file's name.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _to_srgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise PhotographError("not an image") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PhotographError(f"cannot be read: {error}") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and image.mode in {"RGB", "CMYK"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (OSError, ImageCms.PyCMSError):
            pass  # viewers, too, show a picture with a damaged profile as if it had none
    return image.convert("RGB")
