"""One photograph whose colors a user guides, click by click: hints in, the photograph out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from serving.local.hinting import Hinting, Region
from serving.local.palette import Palette, Plausible
from serving.local.pipeline import Prepared
from serving.local.tiled import TiledColorizer
from serving.local.working import shrink, working_size
from zoo.arguments import check_whole
from zoo.errors import ArgumentError

UNSEEN = 0.25  # Lab units: a change of the color that makes a difference of one level at most


class GuidedPhotograph:
    """A photograph that is kept between clicks; not for several threads at once.

    Args:
        colorizer: may be shared by many photographs, and by threads.
        pixels: gray (H, W) or sRGB (H, W, 3), uint8 or uint16.
    """

    def __init__(self, colorizer: TiledColorizer, pixels: np.ndarray) -> None:
        self._colorizer = colorizer
        self._photograph = colorizer.prepare(pixels)
        self._ab = colorizer.predict(self._photograph.frame[None])[0]
        self._hinting = Hinting(working_size(self._photograph, self._ab))
        self._palette: Palette | None = None
        self._canvases: dict[int, _Canvas] = {}

    def paint(self, hints: Sequence[Region] = (), *, longest: int | None = None) -> np.ndarray:
        """The photograph with all hints, in any order: sRGB (H, W, 3), of the integer type of its pixels.

        Without hints it is what `colorzoo colorize` makes of it. Only what changed since the last call is computed.

        Args:
            hints: `serving.local.hints.Hint`s, or strokes.
            longest: largest number of pixels on the longer side of the result; by default it has full size.

        Raises:
            ArgumentError: longest is below 1.
            PhotographError: strokes have other proportions than the photograph.
        """
        if longest is not None:
            check_whole("longest", longest, 1)
        full = max(self._photograph.lightness.shape)
        side = full if longest is None else min(longest, full)
        if side not in self._canvases:
            # The full size, and one for previews.
            self._canvases = {kept: canvas for kept, canvas in self._canvases.items() if kept == full}
            lightness = shrink(self._photograph.lightness, side)
            self._canvases[side] = _Canvas(self._colorizer, replace(self._photograph, lightness=lightness), self._ab)
        return self._canvases[side].paint(self._hinting.change(hints))

    def palette(self, x: float, y: float, count: int = 8) -> list[Plausible]:
        """Colors that the network finds plausible at a place, the most probable one first; see `Palette`.

        Args:
            x, y: the place, as shares of the width and the height, in [0, 1].
            count: largest number of colors, at least 1.

        Raises:
            ArgumentError: an argument outside its range.
        """
        for name, value in (("x", x), ("y", y)):
            if not 0 <= value <= 1:
                raise ArgumentError(f"{name} is {value!r}: a share of the photograph, in [0, 1], is needed")
        check_whole("count", count, 1)
        if self._palette is None:
            self._palette = Palette(self._colorizer.parts, self._photograph, self._ab)
        return self._palette.at(x, y, count)


class _Canvas:
    """A photograph as it was painted last, and with what."""

    def __init__(self, colorizer: TiledColorizer, photograph: Prepared, ab: np.ndarray) -> None:
        self._colorizer, self._photograph, self._ab = colorizer, photograph, ab
        self._painted: np.ndarray | None = None
        self._change = np.zeros((1, 1, 2), np.float32)

    def paint(self, change: np.ndarray | None) -> np.ndarray:
        """The photograph with this change (h, w, 2) of its colors."""
        if self._painted is None:
            self._painted = self._colorizer.paint(self._photograph, self._ab, change)
            if change is not None:
                self._change = change
            return self._painted.copy()
        wanted = np.zeros((1, 1, 2), np.float32) if change is None else change
        difference = np.abs(wanted - self._change).max(axis=2)
        # What has no change any more is painted as if it never had.
        stale = (difference > UNSEEN) | ((difference > 0) & ~wanted.any(axis=2))
        # What is left out is remembered as it was painted, so that many small changes do not add up.
        self._change = np.where(stale[..., None], wanted, self._change)
        self._colorizer.repaint(self._painted, self._photograph, self._ab, self._change, stale)
        return self._painted.copy()
