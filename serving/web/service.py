"""What the paths of the HTTP interface share."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from serving.web.bodies import Bodies
from serving.web.engine import Engine
from serving.web.jobs import Jobs
from serving.web.limits import Limits
from serving.web.metrics import Metrics
from serving.web.photographs import Photographs
from serving.web.rendering import Renderer
from serving.web.workers import Workers
from zoo.errors import ColorzooError

_SWEEP = 30  # seconds between two looks for what is to be forgotten


@dataclass
class Service:
    """One server of the page.

    Attributes:
        engine: What colorizes.
        limits: Of everything.
    """

    engine: Engine
    limits: Limits
    renderer: Renderer = field(init=False)
    workers: Workers = field(init=False)
    bodies: Bodies = field(init=False)
    photographs: Photographs = field(init=False)
    jobs: Jobs = field(init=False)
    metrics: Metrics = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        limits = self.limits
        self.renderer = Renderer(self.engine, limits.pixels)
        self.workers = Workers(limits.workers, limits.waiting)
        self.bodies = Bodies(limits)
        self.photographs = Photographs(limits)
        self.jobs = Jobs(limits, self.workers)
        self.metrics = Metrics()
        self.metrics.watch(
            waiting=lambda: self.workers.waiting,
            running=lambda: self.workers.running,
            photographs=lambda: len(self.photographs),
            photograph_bytes=lambda: self.photographs.size,
            jobs=lambda: len(self.jobs),
        )

    async def engine_ready(self) -> bool:
        """Whether a photograph would be colorized now."""
        return await asyncio.to_thread(self.engine.ready)

    def later(self, work: Callable[[], object]) -> None:
        """Do something that nobody waits for, unless others wait; if it fails, whoever needs it will see why."""

        async def attempt() -> None:
            with suppress(ColorzooError):
                await self.workers.run(work)

        if not self.workers.waiting:
            task = asyncio.create_task(attempt())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def forget_in_time(self) -> None:
        """Forget what nobody uses any more, also where nobody asks for anything else; ends only by being cancelled."""
        while True:
            await asyncio.sleep(_SWEEP)
            self.photographs.expire()
            self.jobs.expire()

    def close(self) -> None:
        """Begin nothing more, and forget everything."""
        self.jobs.close()
        self.workers.close()
        self.photographs.clear()
