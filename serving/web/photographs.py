"""The photographs that are kept in memory between clicks: bounded in number, bytes and age, and never on the disk."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.local.working import shrink
from serving.web.errors import WebError
from serving.web.limits import Limits
from serving.web.pictures import Source, has_colors

SIDE = 2048
"""Longer side in pixels of the copy that previews are made of."""

_BYTES = 8  # for each pixel of that copy, besides the copy itself: what is kept beside it
_IN_USE = 60  # seconds since its last use, in which a photograph makes no room for a new one
_KEPT_COLORS = 8  # of each photograph


@dataclass(eq=False)
class Kept:
    """A photograph in memory.

    Attributes:
        id: A secret that whoever sent it knows.
        data: The bytes of its file.
        width, height: In pixels, upright.
        pages: Number of its pages.
        page: The one that is used, from 1, or None for the first of a file that has one.
        format: That results are written in by default.
        colored: Whether it has colors of its own.
        warnings: What was wrong with it.
        reduced: Its pixels, with at most SIDE along the longer side.
        reference: The bytes of a photograph whose colors are to be followed, or None.
        lock: Held while what is kept beside it is used.
        frames: By the side of the frame: what networks see of it.
        colors: By preset and settings: the colors of a frame.
        guided: The settings that hints were spread under last, and what spreads them.
        prepared: What spreads hints, once it has spread one.
        followed: The preset that the reference was followed by last, and what follows it.
    """

    id: str
    data: bytes = field(repr=False)
    width: int
    height: int
    pages: int
    page: int | None
    format: str
    colored: bool
    warnings: tuple[str, ...]
    reduced: np.ndarray
    reference: bytes | None = None
    used: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    frames: dict[int, np.ndarray] = field(default_factory=dict)
    colors: OrderedDict[tuple[object, ...], np.ndarray] = field(default_factory=OrderedDict)
    guided: tuple[tuple[object, ...], Any] | None = None
    prepared: Any = None
    followed: tuple[str, Any] | None = None

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        height, width = self.reduced.shape[:2]
        return len(self.data) + len(self.reference or b"") + self.reduced.nbytes + _BYTES * height * width

    def remember_colors(self, key: tuple[object, ...], compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The colors of its frame under some settings; the latest ones are kept."""
        if key not in self.colors:
            self.colors[key] = compute()
        self.colors.move_to_end(key)
        while len(self.colors) > _KEPT_COLORS:
            self.colors.popitem(last=False)
        return self.colors[key]

    def follow(self, reference: bytes | None) -> None:
        """Set, or forget, the photograph whose colors are to be followed."""
        with self.lock:
            self.reference, self.followed = reference, None


def keep(data: bytes, source: Source, page: int | None) -> Kept:
    """A photograph that was read, with the copy that previews are made of."""
    pixels = source.photograph.pixels
    return Kept(
        id=secrets.token_urlsafe(16),
        data=data,
        width=pixels.shape[1],
        height=pixels.shape[0],
        pages=source.pages,
        page=page,
        format=source.photograph.format.lower(),
        colored=has_colors(pixels),
        warnings=source.warnings,
        reduced=np.ascontiguousarray(shrink(pixels, SIDE)),
    )


class Photographs:
    """The photographs that are kept; used in the event loop only."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._kept: OrderedDict[str, Kept] = OrderedDict()  # those used last are at the end

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes that all of them take in memory, about."""
        return sum(each.size for each in self._kept.values())

    def add(self, photograph: Kept) -> None:
        """Keep one more; those that were not used for a while make room.

        Raises:
            WebError: there is no room, and all are in use.
        """
        self.expire()
        now = self._clock()
        while self._kept and (
            len(self._kept) >= self._limits.photographs or self.size + photograph.size > self._limits.memory_bytes
        ):
            oldest = next(iter(self._kept.values()))
            if now - oldest.used < _IN_USE:
                raise WebError(
                    "busy",
                    "the server keeps as many photographs as it can; try again later",
                    retry_after=_IN_USE - (now - oldest.used),
                )
            del self._kept[oldest.id]
        photograph.used = now
        self._kept[photograph.id] = photograph

    def get(self, id: str) -> Kept:
        """A photograph, which is used now.

        Raises:
            WebError: it is not kept, or not any more.
        """
        self.expire()
        if id not in self._kept:
            raise WebError("photograph_gone", "this photograph is not here, or not any more: send it again")
        self._kept.move_to_end(id)
        found = self._kept[id]
        found.used = self._clock()
        return found

    def remove(self, id: str) -> None:
        """Forget one, if it is there."""
        self._kept.pop(id, None)

    def expire(self) -> None:
        """Forget those that were not used for too long."""
        end = self._clock() - self._limits.photograph_seconds
        while self._kept and (oldest := next(iter(self._kept.values()))).used < end:
            del self._kept[oldest.id]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
