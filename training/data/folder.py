"""Finding the photographs that networks are trained and measured on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from media import files
from media.formats import TRAINING_SUFFIXES
from media.reader import os_reason, read_rgb
from training.data.readers import ARCHIVES, UNREADABLE, Item, holds_archives, is_archive, open_source
from zoo.errors import DataError, PhotographError


def check_source(path: Path) -> None:
    """Raises DataError if there is no such folder or archive."""
    if not path.is_dir() and not (path.is_file() and is_archive(path.name)):
        raise DataError(
            f"{path} is not a folder, and no archive ({', '.join(ARCHIVES)}): name one that holds photographs"
        )


def image_files(folders: Sequence[Path]) -> list[Path]:
    """The image files of folders and their sub-folders, sorted by path; see `media.files.walk` for what is left out.

    Raises:
        DataError: a folder that does not exist, is empty, cannot be read, or holds no image.
    """
    paths = []
    for folder in folders:
        check_source(folder)
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


class PictureFiles:
    """The image files of a folder or an archive, to be read one after the other.

    Archives are read without being unpacked, those within the folder as well, and count as folders of their name.

    Attributes:
        paths: Of the files, within the folder or archive. In a folder without archives they are sorted; otherwise they
            have the order in which the files are read.

    Raises:
        DataError: there is no such folder or archive, it holds no image, or it cannot be read.
    """

    def __init__(self, source: Path) -> None:
        check_source(source)
        self._source = source
        self._files = [] if holds_archives(source) else image_files([source])
        self.paths = [Path(item.name).relative_to(source) for item in self._items()]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, chosen: Sequence[int]) -> Iterator[Image.Image | PhotographError]:
        """The pictures at ascending positions in `paths`, of mode RGB, or why one cannot be read.

        Raises:
            DataError: a damaged archive.
        """
        waiting = set(chosen)
        for position, item in enumerate(self._items()):
            if not waiting:
                return
            if position in waiting:
                waiting.remove(position)
                yield _read(item)
        if waiting:
            raise DataError(f"{self._source} has changed while it was read: leave it as it is, and try again")

    def _items(self) -> Iterator[Item]:
        if self._files:
            return (Item(str(path), "", path.read_bytes) for path in self._files)
        return open_source(str(self._source)).items()


def _read(item: Item) -> Image.Image | PhotographError:
    try:
        return read_rgb(item.read())
    except PhotographError as error:
        return PhotographError(f"{item.name}: {error}")
    except UNREADABLE as error:
        return PhotographError(f"{item.name}: cannot be opened: {os_reason(error)}")
