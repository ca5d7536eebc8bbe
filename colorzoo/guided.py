"""What guides the colors of `colorzoo colorize`: hints, a reference photograph, the network's own surest pixels."""

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ArgumentError

if TYPE_CHECKING:
    from serving.local.guidance import Guide
    from serving.local.hints import Hint, Stroke
    from serving.local.pipeline import Colorizer
    from serving.local.tiled import TiledColorizer


class Guides:
    """The options of a command, read before a network is loaded.

    Raises:
        ArgumentError: wrong hints, or several photographs with one file of them.
        PhotographError: a file cannot be read.
    """

    def __init__(self, photographs: int, hints: Path | None, reference: Path | None, refine: bool) -> None:
        self._reference, self._refine = reference, refine
        self._hints: list[Hint] | list[Stroke] = []
        if reference is not None:
            from media.reader import read

            self._pixels = read(reference).pixels
        if hints is not None:
            from serving.local.hints import read_hints

            if photographs > 1:
                raise ArgumentError(
                    f"{hints}: the places of hints belong to one photograph, and there are {photographs}"
                )
            self._hints = read_hints(hints)

    @property
    def names(self) -> list[str]:
        """What results are to say about how they were made."""
        there = {"refinement": self._refine, "a reference": self._reference, "hints": self._hints}
        return [name for name, wanted in there.items() if wanted]

    def colorizer(self, colorizer: "TiledColorizer") -> "Colorizer":
        """A colorizer that follows them: what the user says last of all, and most of all.

        Raises:
            ArgumentError: the reference has no colors, or a network without classes is to be refined.
        """
        if not self.names:
            return colorizer
        from serving.local.guidance import GuidedColorizer, Hints

        guides: list[Guide] = []
        if self._refine:
            from serving.local.refining import Refining

            guides.append(Refining(colorizer))
        if self._reference is not None:
            from serving.local.reference import Reference

            try:
                guides.append(Reference(colorizer, self._pixels))
            except ArgumentError as error:
                raise ArgumentError(f"{self._reference}: {error}") from None
        if self._hints:
            guides.append(Hints(self._hints))
        return GuidedColorizer(colorizer, guides)
