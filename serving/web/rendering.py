"""Photographs in color: results at full resolution, previews, maps of confidence and palettes; all of it in memory."""

import threading
from collections import deque
from dataclasses import replace

import numpy as np

from media.photograph import eight_bits
from media.provenance import Mark
from serving.local.guidance import Guide, GuidedColorizer, Hints
from serving.local.guided import GuidedPhotograph
from serving.local.hints import Hint
from serving.local.palette import Plausible
from serving.local.reference import Reference
from serving.local.tiled import TiledColorizer
from serving.local.working import shrink
from serving.web import filters
from serving.web.engine import Engine
from serving.web.errors import WebError
from serving.web.photographs import Kept
from serving.web.pictures import (
    Picture,
    Source,
    confidence_overlay,
    encode_preview,
    encode_result,
    has_colors,
    read,
)
from serving.web.settings import How
from zoo.blocks import resample
from zoo.errors import ArgumentError
from zoo.pipeline import from_frame

GUIDED = 6  # photographs for which what spreads hints is kept
PREVIEW = 1600  # longer side in pixels that previews have unless they are wanted otherwise
PLAUSIBLE = 12  # colors of a palette
_SWATCH = 256  # longer side in pixels of the copy whose colors are named


class Renderer:
    """Makes pictures with an engine; its methods take a while and may be called from several threads.

    Args:
        engine: What colorizes.
        max_pixels: Of one photograph.
    """

    def __init__(self, engine: Engine, max_pixels: int) -> None:
        self.engine = engine
        self.max_pixels = max_pixels
        self._guided: deque[Kept] = deque()
        self._lock = threading.Lock()

    def result(self, data: bytes, how: How, *, page: int | None = None, reference: bytes | None = None) -> Picture:
        """The file of a photograph, colorized at full resolution, as `colorzoo colorize` writes it.

        Raises:
            WebError: it is no photograph, or cannot be colorized so.
        """
        name = self.engine.check(how)
        source = read(data, self.max_pixels, page)
        pixels = self._colorize(source.photograph.pixels, how, reference)
        return encode_result(source, pixels, how, _mark(self.engine.mark(name), how), name)

    def result_of(self, kept: Kept, how: How) -> Picture:
        """The file of a photograph that is kept; see `result`."""
        return self.result(kept.data, how, page=kept.page, reference=kept.reference if how.reference else None)

    def _colorize(self, pixels: np.ndarray, how: How, reference: bytes | None) -> np.ndarray:
        """(H, W) or (H, W, 3), uint8 or uint16 -> sRGB (H, W, 3) of the same type, without filters."""
        colorizer = self.engine.colorizer(how)
        guides: list[Guide] = []
        if how.reference:
            guides.append(self._follow(colorizer, reference))
        if how.hints:
            guides.append(Hints(_hints(how)))
        guided = GuidedColorizer(colorizer, guides) if guides else colorizer
        prepared = colorizer.prepare(pixels)
        return guided.paint(prepared, colorizer.predict(prepared.frame[None])[0])

    def read_reference(self, data: bytes) -> bytes:
        """Check a photograph whose colors are to be followed.

        Raises:
            WebError: it is no photograph, or has no colors.
        """
        if not has_colors(_read_reference(data, self.max_pixels)):
            raise WebError("not_possible", "the reference has no colors: a photograph in color is needed")
        return data

    def _follow(self, colorizer: TiledColorizer, reference: bytes | None) -> Reference:
        if reference is None:
            raise WebError("invalid_parameter", "reference: none was sent")
        try:
            return Reference(colorizer, _read_reference(reference, self.max_pixels))
        except ArgumentError as error:
            raise WebError("not_possible", str(error)) from error

    def read(self, data: bytes, page: int | None) -> Source:
        """A page of a photograph; see `serving.web.pictures.read`."""
        return read(data, self.max_pixels, page)

    def original(self, kept: Kept, longest: int, gray: bool, format: str, quality: int) -> Picture:
        """A photograph as it was sent, reduced; without its colors if wanted."""
        pixels = _three_channels(eight_bits(shrink(kept.reduced, longest)))
        return encode_preview(filters.apply(pixels, ["gray"] if gray else []), format, quality)

    def preview(self, kept: Kept, how: How, longest: int) -> Picture:
        """A reduced photograph in color.

        Raises:
            WebError: it cannot be colorized so.
        """
        name = self.engine.check(how)
        pixels = self.small(kept, how, longest)
        return encode_preview(filters.apply(pixels, how.filters), how.format or "jpeg", how.quality, name)

    def confidence(self, kept: Kept, name: str, longest: int, overlay: bool) -> tuple[Picture, float]:
        """The map of a photograph, and its mean; see `confidence_of`."""
        with kept.lock:
            frame = self._frame(kept, self.engine.colorizer(How(preset=name)))
        small = shrink(kept.reduced, longest)
        return self._draw_confidence(name, frame, small.shape[:2], overlay)

    def confidence_of(
        self, data: bytes, name: str, page: int | None, longest: int | None, overlay: bool
    ) -> tuple[Picture, float]:
        """How sure a preset is of the colors of a photograph.

        Returns:
            A gray PNG of 16 bits, 65535 for a probability of 1 of the best color; or an overlay, orange where it is
            low. And the mean probability.

        Raises:
            WebError: it is no photograph, or the preset has no probabilities.
        """
        pixels = read(data, self.max_pixels, page).photograph.pixels
        frame = self.engine.colorizer(How(preset=name)).prepare(pixels).frame
        height, width = pixels.shape[:2]
        scale = min(1.0, (longest or max(height, width)) / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        return self._draw_confidence(name, frame, size, overlay)

    def _draw_confidence(
        self, name: str, frame: np.ndarray, size: tuple[int, int], overlay: bool
    ) -> tuple[Picture, float]:
        top = self.engine.confidence(name, frame)
        longest = np.float32(max(size))
        rows, columns = (
            np.asarray(from_frame(np.arange(side, dtype=np.float32)[:, None], len(top), longest)) for side in size
        )
        enlarged = np.asarray(resample(top, rows, columns))
        mean = float(enlarged.mean())
        drawn = confidence_overlay(enlarged) if overlay else np.rint(enlarged.clip(0, 1) * 65535).astype(np.uint16)
        return encode_preview(drawn, "png", 90, name), mean

    def palette(self, kept: Kept, how: How, x: float, y: float) -> tuple[str, list[Plausible]]:
        """The color of a place without hints, and those that are plausible there, the most probable one first.

        Args:
            x, y: Shares of the width and the height, in [0, 1].
        """
        name = self.engine.check(how)
        if reason := self.engine.unavailable().get("palette"):
            raise WebError("not_possible", reason)
        colored = self.small(kept, How(name, how.look, how.temperature, how.saturation), _SWATCH)
        height, width = colored.shape[:2]
        current = colored[min(int(y * height), height - 1), min(int(x * width), width - 1)]
        with kept.lock:
            found = self._guide(kept, how).palette(x, y, PLAUSIBLE)
        return "#{:02x}{:02x}{:02x}".format(*current), found

    def prepare_hints(self, kept: Kept, how: How, x: float, y: float, color: str) -> None:
        """Do what the first hint for a photograph would wait for, once, while somebody chooses its color."""
        with kept.lock:
            guided = self._guide(kept, how)
            if kept.prepared is not guided:
                guided.paint([Hint(x, y, color)], longest=PREVIEW)
                kept.prepared = guided

    def small(self, kept: Kept, how: How, longest: int) -> np.ndarray:
        """The colorized pixels of a preview, 8 bits, before its filters."""
        colorizer = self.engine.colorizer(how)
        with kept.lock:
            if how.hints and not how.reference:
                return eight_bits(self._guide(kept, how).paint(_hints(how), longest=longest))
            frame = self._frame(kept, colorizer)
            ab = kept.remember_colors(how.colors, lambda: colorizer.predict(frame[None])[0])
            guides: list[Guide] = []
            if how.reference:
                name = self.engine.check(how)
                if kept.followed is None or kept.followed[0] != name:
                    kept.followed = name, self._follow(colorizer, kept.reference)
                guides = [kept.followed[1], *([Hints(_hints(how))] if how.hints else [])]
        painter = GuidedColorizer(colorizer, guides) if guides else colorizer
        return painter.paint(colorizer.prepare(eight_bits(shrink(kept.reduced, longest))), ab)

    def _frame(self, kept: Kept, colorizer: TiledColorizer) -> np.ndarray:
        """What the network sees, the same for previews of all sizes; the photograph is in use."""
        if colorizer.size not in kept.frames:
            kept.frames[colorizer.size] = colorizer.prepare(kept.reduced).frame
        return kept.frames[colorizer.size]

    def _guide(self, kept: Kept, how: How) -> GuidedPhotograph:
        """What spreads hints over a photograph, which is in use; kept for the photographs that had some last."""
        if kept.guided is None or kept.guided[0] != how.colors:
            kept.guided = how.colors, GuidedPhotograph(self.engine.colorizer(how), kept.reduced)
        guided: GuidedPhotograph = kept.guided[1]
        with self._lock:
            if kept in self._guided:
                self._guided.remove(kept)
            self._guided.append(kept)
            if len(self._guided) > GUIDED:
                oldest = self._guided.popleft()
                oldest.guided = oldest.prepared = None
        return guided


def _mark(mark: Mark, how: How) -> Mark:
    """What a result says about how it was made: as `colorzoo colorize` does, with what guided the colors."""
    guides = {"a reference": how.reference, "hints": how.hints}
    return replace(mark, model=" and ".join([mark.model, *(name for name, wanted in guides.items() if wanted)]))


def _read_reference(data: bytes, max_pixels: int) -> np.ndarray:
    try:
        return read(data, max_pixels).photograph.pixels
    except WebError as error:
        raise WebError(error.code, f"the reference {error}") from error


def _hints(how: How) -> list[Hint]:
    return [Hint(hint.x, hint.y, hint.color, hint.radius) for hint in how.hints]


def _three_channels(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
