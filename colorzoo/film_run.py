"""One film after the other: what `colorzoo video` does once it has found them."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from colorzoo import output as screen
from colorzoo.colorize import mark_of
from colorzoo.options import FilmCodec, Look, Smoothing

if TYPE_CHECKING:
    from serving.local.film_pipeline import Smoother
    from serving.local.films import Outcome, Plan
    from serving.local.tiled import TiledColorizer


@dataclass(frozen=True)
class WantedFilm:
    """A film, where its result goes, and why it cannot be colorized, if that is known."""

    source: Path
    result: Path
    error: str | None = None


def load_colorizer(preset: str, look: Look | None, size: int | None) -> "TiledColorizer":
    """The colorizer of a preset."""
    from serving.local.tiled import TiledColorizer
    from zoo.presets.loading import load_parts

    return TiledColorizer(load_parts(preset, size=size, look=None if look is None else look.value))


@dataclass
class FilmRun:
    """What all films of one command share; a network is loaded for the first one that passes its checks."""

    preset: str
    look: Look | None
    size: int | None
    smoothing: Smoothing
    start: float
    end: float | None
    codec: FilmCodec | None
    quality: int
    references: Path | None = None
    only: tuple[float, float] | None = None
    _colorizer: "TiledColorizer | None" = field(default=None, init=False)

    def colorize(self, film: WantedFilm) -> None:
        """Colorize a film, and say what came of it."""
        from media.allocator import give_back_large_blocks
        from serving.local.film_colorizer import FilmColorizer
        from serving.local.film_repair import plan_repair, repair_film
        from serving.local.films import FilmTask, colorize_film, plan
        from zoo.presets.metadata import find_file, sha256

        model = f"{sha256(find_file(self.preset))} {self.look} {self.size}"
        codec = None if self.codec is None else self.codec.value
        planned = plan(
            FilmTask(
                film.source,
                film.result,
                model,
                self.smoothing.value,
                self.start,
                self.end,
                codec,
                self.quality,
                self.references,
            )
        )
        repair = None if self.only is None else plan_repair(planned, *self.only)
        give_back_large_blocks()
        colorizer = self._load()
        film_colorizer, smoother = FilmColorizer(colorizer), self._smoother(colorizer)
        began, mark = time.monotonic(), mark_of(self.preset)
        with screen.progress(film.source.name, planned.extent.frames, unit="frames", decimals=1) as update:
            if repair is None:
                outcome = colorize_film(planned, film_colorizer, smoother, mark=mark, progress=update)
            else:
                outcome = repair_film(planned, repair, film_colorizer, smoother, mark=mark, progress=update)
        self._report(film, planned, outcome, time.monotonic() - began)

    def preview(self, film: WantedFilm, every: float) -> None:
        """Write a sheet with a frame of every so many seconds."""
        from serving.local.film_preview import write_preview

        sheet = film.result.with_name(f"{film.result.stem}-preview.jpg")
        count = write_preview(film.source, sheet, self._load(), every)
        typer.echo(f"{count} frames -> {sheet}")

    def _report(self, film: WantedFilm, planned: "Plan", outcome: "Outcome", seconds: float) -> None:
        for warning in outcome.warnings:
            typer.echo(f"{film.source}: {warning}", err=True)
        resumed = f", {outcome.resumed} of them from an earlier run" if outcome.resumed else ""
        rate = (outcome.frames - outcome.resumed) / max(seconds, 1e-6)
        count = len(planned.stills)
        held = f", with {count} {'references' if count > 1 else 'reference'}" if count else ""
        typer.echo(f"{outcome.frames} frames{resumed}{held}, {rate:.1f} frames/s -> {film.result}")

    def _load(self) -> "TiledColorizer":
        if self._colorizer is None:
            self._colorizer = load_colorizer(self.preset, self.look, self.size)
        return self._colorizer

    def _smoother(self, colorizer: "TiledColorizer") -> "Smoother":
        if self.smoothing is Smoothing.flow:
            from serving.local.flow_smoothing import FlowSmoother

            return FlowSmoother(colorizer)
        from serving.local.smoothing import TemporalSmoother, Unsmoothed

        return TemporalSmoother(colorizer) if self.smoothing is Smoothing.temporal else Unsmoothed(colorizer)
