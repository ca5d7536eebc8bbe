"""The metrics of `colorzoo web`, as Prometheus reads them.

colorzoo_web_requests_total{method,path,status}    answered requests; the path is that of the description
colorzoo_web_request_seconds{path}                 from request to answer
colorzoo_web_waiting, colorzoo_web_running         pieces of work in the queue, and in work
colorzoo_web_photographs, colorzoo_web_photograph_bytes    kept between clicks
    colorzoo_web_jobs                                  jobs that wait, run, or have a result
"""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counts and times of one server."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "colorzoo_web_requests", "Answered requests.", ("method", "path", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "colorzoo_web_request_seconds",
            "Seconds from request to answer.",
            ("path",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def watch(self, **gauges: Callable[[], float]) -> None:
        """Add what is read whenever Prometheus asks, by the end of its name."""
        for name, read in gauges.items():
            gauge = Gauge(f"colorzoo_web_{name}", f"Number of {name.replace('_', ' ')}.", registry=self._registry)
            gauge.set_function(read)

    def record(self, method: str, path: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def page(self) -> bytes:
        """The page in Prometheus's text format."""
        return generate_latest(self._registry)
