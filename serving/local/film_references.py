"""Colors of reference stills, carried through the scenes of a film.

Each reference is followed to the frames behind it and before it (`media.tracks`), up to the next cut or reference. Of
two references the nearer one counts for more, and the one that is trusted more. Where none is trusted a frame keeps the
colors of the network, moved by what the references changed nearby at the same lightness, and so without a seam.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from media.film_codecs import Coding
from media.films import Film, Frame
from media.reference_stills import Still, read_still
from media.tracks import Track
from serving.local.film_pipeline import FrameColorizer, Smoother, State, prepare
from serving.local.look_ahead import REACH, Ahead, Carried, LookAhead, Reference
from serving.local.smoothing import Cuts
from zoo import color

NEARBY = 0.06  # standard deviation of the Gaussian in which a correction counts, as a share of the frame's side...
LEVELS = 12  # ...and the number of levels of lightness between which it does not
PRIOR = 0.01  # trust, as a share of what is nearby, at which a correction is halved
_COARSE = 4  # pixels, over which corrections are averaged before they are spread

_SHARP = 4  # times the size of a frame: a still is shrunk to this in RGB, which costs little memory
_INNER, _TRACK, _CUTS = "inner ", "track ", "cuts "  # of the names in a state


class ReferenceSmoother:
    """Colors from references, on top of those of another smoother; see `serving.local.film_pipeline.Smoother`.

    Args:
        inner: colors what no reference shows.
        references: see `references_of`.
        frames: all frames of the film, read a second time; see `second_reading`.
        start: seconds from the film's beginning to the first frame that is colored.
        folder: for what lies on the disk meanwhile.
        reach: see `serving.local.look_ahead`.
    """

    def __init__(
        self,
        inner: Smoother,
        references: Sequence[Reference],
        frames: Iterator[Ahead],
        start: float,
        folder: Path,
        reach: int = REACH,
    ) -> None:
        self._inner, self._references, self._frames, self._start = inner, references, frames, start
        self._folder, self._reach = folder, reach
        self._ahead: LookAhead | None = None
        self._number = 0  # of the next frame, counted from the first one that is colored
        self._cuts = Cuts()
        self._track: Track | None = None
        self._source: Reference | None = None  # that is followed
        self._colors = np.empty(0, np.float32)  # of this reference
        self._since = 0  # frames since this reference

    def close(self) -> None:
        """Give the room on the disk back."""
        if self._ahead is not None:
            self._ahead.close()

    def colors(self, frames: np.ndarray) -> np.ndarray:
        """See `serving.local.film_pipeline.Smoother`."""
        own = self._inner.colors(frames)
        return np.stack([self._join(frame[..., 0], ab) for frame, ab in zip(frames, own, strict=True)])

    def _join(self, lightness: np.ndarray, own: np.ndarray) -> np.ndarray:
        ahead = self._ahead or self._begin(lightness.shape[0])
        here, after = ahead.at(self._number)
        self._number += 1
        self._follow(lightness, here)
        if here is not None:
            return self._colors
        before = None
        if self._track is not None:
            before = Carried(self._track.carry(self._colors), self._track.trust, self._since)
        return blend(own, lightness, before, after, self._reach)

    def _follow(self, lightness: np.ndarray, here: Reference | None) -> None:
        """Go on to the next frame with the reference that is followed, or begin with that of the frame."""
        if self._cuts.is_next(lightness[..., None]):
            self._track = self._source = None
        if here is not None:
            self._track, self._source, self._since = Track(lightness), here, 0
            self._colors = here.colors(lightness.shape[0])
        elif self._track is not None:
            self._track.follow(lightness)
            self._since += 1

    def _begin(self, size: int) -> LookAhead:
        """Go to the next frame in the second reading, following a reference that lies before the first one."""
        if self._source is not None:
            self._colors = self._source.colors(size)
        waiting = list(self._references)
        skipped = 0
        for frame in self._frames:
            wanted = frame.time >= self._start
            if wanted and skipped == self._number:
                self._frames = chain([frame], self._frames)
                break
            here = None
            while waiting and waiting[0].time <= frame.time:
                here = waiting.pop(0)
            if wanted:
                skipped += 1
            elif not self._number and (here is not None or self._track is not None):
                self._follow(frame.lightness(), here)
        self._ahead = LookAhead(self._frames, self._number, waiting, self._folder, self._reach)
        return self._ahead

    def state(self) -> State:
        """See `serving.local.film_pipeline.Smoother`."""
        kept = {"number": np.array(self._number), "since": np.array(self._since)}
        parts = {_INNER: self._inner.state(), _CUTS: self._cuts.state()}
        if self._track is not None and self._source is not None:
            kept["source"] = np.array(self._references.index(self._source))
            parts[_TRACK] = self._track.state()
        return kept | {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `serving.local.film_pipeline.Smoother`."""

        def part(prefix: str) -> State:
            return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

        self._number, self._since = int(state["number"]), int(state["since"])
        self._inner.restore(part(_INNER))
        self._cuts.restore(part(_CUTS))
        if "source" in state:
            self._source = self._references[int(state["source"])]
            self._track = Track.restore(part(_TRACK))


def blend(
    own: np.ndarray, lightness: np.ndarray, before: Carried | None, after: Carried | None, reach: int = REACH
) -> np.ndarray:
    """The colors of a frame, ab (S, S, 2): its own ones and those of the references before and after it.

    Args:
        own: ab (S, S, 2) of the network.
        lightness: L (S, S) in [0, 100].
        before: what was carried to it from the last reference of its scene, or None.
        after: the same from the next one.
        reach: frames over which colors are carried backwards.
    """
    if before is None or after is None:
        parts = [(part, 1.0) for part in (before, after) if part is not None]
    else:
        share = max(0.0, 1 - after.distance / min(before.distance + after.distance, reach))
        parts = [(before, 1 - share), (after, share)]
    if not parts:
        return own
    weights = [np.square(part.trust) * np.float32(share) + np.float32(1e-9) for part, share in parts]
    carried = sum((part.ab * weight[..., None] for (part, _), weight in zip(parts, weights, strict=True)))
    carried = np.asarray(carried / sum(weights)[..., None])
    trust = np.maximum.reduce([part.trust for part, _ in parts])
    correction = carried - own
    spread = _spread(correction, trust, lightness)
    return np.asarray(own + spread + trust[..., None] * (correction - spread), np.float32)


def _spread(correction: np.ndarray, trust: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """The corrections (S, S, 2) that are trusted, meaned over what is nearby and about as light; 0 far from them.

    A bilateral grid: Chen, Paris, Durand. Real-time Edge-Aware Image Processing with the Bilateral Grid. 2007.
    """
    size = lightness.shape[0]
    coarse = -(-size // _COARSE)
    level = lightness * np.float32((LEVELS - 1) / 100)
    values = np.dstack([correction * trust[..., None], trust])
    shares = [np.clip(1 - np.abs(level - i), 0, 1) for i in range(LEVELS)]
    sums = []
    for share in shares:
        small = cv2.resize(values * share[..., None], (coarse, coarse), interpolation=cv2.INTER_AREA)
        sums.append(cv2.GaussianBlur(small, None, NEARBY * coarse))
    padded = [np.zeros_like(sums[0]), *sums, np.zeros_like(sums[0])]
    found = np.zeros_like(values)
    for i, share in enumerate(shares):
        mean = (padded[i] + 2 * padded[i + 1] + padded[i + 2]) / 4
        found += cv2.resize(mean, (size, size), interpolation=cv2.INTER_LINEAR) * share[..., None]
    return np.asarray(found[..., :2] / (found[..., 2:] + np.float32(PRIOR)))


def second_reading(film: Film, coding: Coding, colorizer: FrameColorizer) -> Iterator[Ahead]:
    """The frames of a film that is opened for this alone."""

    def reader(frame: Frame) -> Callable[[], np.ndarray]:
        return lambda: prepare(film, frame, coding, colorizer).frame[..., 0]

    return (Ahead(frame.time, reader(frame)) for frame in film.frames())


def references_of(stills: Sequence[Still], film: Film) -> list[Reference]:
    """The stills of a film as a smoother takes them; a picture is read when its frame comes."""
    early = float(1 / film.rate) / 4  # times that were rounded are none too late

    def reader(path: Path) -> Callable[[int], np.ndarray]:
        return lambda size: to_frame_colors(read_still(path), size)

    return [Reference(still.time - early, reader(still.path)) for still in stills]


def to_frame_colors(pixels: np.ndarray, size: int) -> np.ndarray:
    """A picture, sRGB (H, W, 3) uint8 with square pixels -> its ab (size, size, 2) in the frame of a network.

    The longer side fills the frame, and the border is repeated, as in `zoo.pipeline.to_frame`.
    """
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = cv2.copyMakeBorder(pixels, 0, side - height, 0, side - width, cv2.BORDER_REPLICATE)
    if side > _SHARP * size:
        square = cv2.resize(square, (_SHARP * size, _SHARP * size), interpolation=cv2.INTER_AREA)
    ab = np.asarray(color.rgb_to_lab(square.astype(np.float32) / 255))[..., 1:]
    smaller = square.shape[0] > size
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(ab), (size, size), interpolation=interpolation), np.float32)
