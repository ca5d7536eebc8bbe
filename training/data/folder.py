"""Finding the photographs that networks are trained and measured on."""

from collections.abc import Sequence
from pathlib import Path

from media import files
from media.formats import TRAINING_SUFFIXES
from zoo.errors import DataError


def check_folder(folder: Path) -> None:
    """Raises DataError if there is no such folder."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder: name a folder of photographs")


def image_files(folders: Sequence[Path]) -> list[Path]:
    """The image files of folders and their sub-folders, sorted by path; see `media.files.walk` for what is left out.

    Raises:
        DataError: a folder that does not exist, is empty, cannot be read, or holds no image.
    """
    paths = []
    for folder in folders:
        check_folder(folder)
        found = list(files.walk(folder, TRAINING_SUFFIXES))
        for entry in found:
            if entry.error:
                raise DataError(f"{entry.path}: {entry.error}")
        there = [entry.path for entry in found if entry.path.is_file()]
        if not there:
            content = "no image file" if any(folder.iterdir()) else "nothing"
            raise DataError(
                f"{folder} holds {content}: photographs ({', '.join(sorted(TRAINING_SUFFIXES))}) are needed"
            )
        paths += there
    return sorted(set(paths))
