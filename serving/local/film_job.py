"""The work on one film, on the disk: what lets a run go on that was killed.

Beside the result, in a hidden folder, lie the segments that are finished, and the state of the smoothing behind the
last one. The folder belongs to the very film and settings; with others the work begins anew. Batches begin with the
segments, so that a run that goes on computes the very numbers of an undisturbed one.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from media import atomic
from zoo.errors import FilmError

SEGMENT = 240
"""Number of frames in a segment; a multiple of the frames in a batch."""

_SETTINGS, _STATE = "job.json", "state"
_STATES = 4  # that are kept: the last ones may be ahead of their segments, which are still being coded
_NAME = re.compile(r"(\d{6})\.segment")


class FilmJob:
    """The folder of one film.

    Args:
        result: what the film will be called.
        settings: all that the frames depend on, as JSON can hold it.
    """

    def __init__(self, result: Path, settings: Mapping[str, object]) -> None:
        self.folder = result.with_name(f".{result.name}.colorzoo")
        self._result = result
        self._settings = json.dumps(settings, sort_keys=True)

    @contextmanager
    def work(self) -> Iterator[None]:
        """Delete the folder at the end, and where the film fails; it stays where the run is interrupted.

        Raises:
            FilmError: the result cannot be written, or what is done within raises it.
        """
        try:
            yield
        except OSError as error:
            self.remove()
            raise FilmError(f"{self._result} cannot be written: {error.strerror or error}") from error
        except (FilmError, MemoryError):
            self.remove()
            raise
        self.remove()

    def begin(self) -> int:
        """Make the folder, or find what an earlier run left there; returns the number of finished segments."""
        file = self.folder / _SETTINGS
        with suppress(OSError):
            if file.read_text(encoding="utf-8") == self._settings:
                return self._count()
        self.remove()
        self.folder.mkdir(parents=True)
        atomic.write_text(file, self._settings)
        return 0

    def _count(self) -> int:
        """The finished segments whose state is there; what else lies there is deleted."""
        done = 0
        while self.segment(done).is_file():
            done += 1
        while done and not self._state(done).is_file():  # as behind the last segment of a film, which may be short
            done -= 1
        for path in self.folder.iterdir():
            number = _NAME.fullmatch(path.name)
            if atomic.is_partial(path.name) or (number and int(number[1]) >= done):
                path.unlink()
        return done

    def segment(self, number: int) -> Path:
        """The file of a segment, counted from 0."""
        return self.folder / f"{number:06}.segment"

    def _state(self, number: int) -> Path:
        return self.folder / f"{_STATE}{number:06}.npz"

    def write_state(self, number: int, state: Mapping[str, np.ndarray]) -> None:
        """Keep the state with which segment `number` begins, before the one before it is finished."""
        with atomic.replacing(self._state(number), durable=True) as partial, partial.open("wb") as file:
            np.savez(file, **state)  # type: ignore[arg-type]  # of its own names it has only `allow_pickle`
        self._state(number - _STATES).unlink(missing_ok=True)

    def read_state(self, number: int) -> dict[str, np.ndarray]:
        """The state with which segment `number` begins."""
        with np.load(self._state(number)) as file:
            return dict(file)

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
