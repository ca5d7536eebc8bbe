"""A colorizer whose colors something else has a say in: hints, a reference photograph, or its own surest pixels."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from serving.local.hinting import Hinting, Region
from serving.local.pipeline import Prepared
from serving.local.tiled import TiledColorizer
from serving.local.working import Working, working_size


class Guide(Protocol):
    """What changes the colors of photographs; may be called from several threads."""

    def change(self, photograph: Prepared, working: Working) -> np.ndarray | None:
        """What is added to the colors of a photograph at working size, (h, w, 2) in Lab units, or None for nothing."""


class Hints:
    """Hints for a photograph.

    Args:
        hints: `serving.local.hints.Hint`s or strokes.
    """

    def __init__(self, hints: Sequence[Region]) -> None:
        self._hints = hints

    def change(self, photograph: Prepared, working: Working) -> np.ndarray | None:
        """See `Guide`.

        Raises:
            PhotographError: strokes have other proportions than the photograph.
        """
        return Hinting(working).change(self._hints)


class GuidedColorizer:
    """A `serving.local.pipeline.Colorizer` with guides, each of which sees the colors that those before it left."""

    def __init__(self, colorizer: TiledColorizer, guides: Sequence[Guide]) -> None:
        self._colorizer, self._guides = colorizer, guides
        self.prepare, self.predict = colorizer.prepare, colorizer.predict

    def paint(self, photograph: Prepared, ab: np.ndarray) -> np.ndarray:
        """See `serving.local.pipeline.Colorizer`."""
        first = working = working_size(photograph, ab)
        for guide in self._guides:
            change = guide.change(photograph, working)
            if change is not None:
                working = Working(working.lightness, working.ab + change)
        return self._colorizer.paint(photograph, ab, None if working is first else working.ab - first.ab)
