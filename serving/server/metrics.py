"""The metrics of the embedded server, as Prometheus reads them.

TF Serving's series with its names, labels and buckets, so that one dashboard shows both servers (microseconds):

    :tensorflow:serving:request_count{model_name,status}
    :tensorflow:serving:request_latency{model_name,API,entrypoint}
    :tensorflow:serving:runtime_latency{model_name,API,runtime}
    :tensorflow:serving:model_warmup_latency{model_path,status}
    :tensorflow:serving:batching_session:queuing_latency{thread_pool_name}
    :tensorflow:cc:saved_model:load_attempt_count{model_path,status}

and series of this server alone: colorzoo_serving_queue_requests, colorzoo_serving_queue_bytes,
colorzoo_serving_batch_size, colorzoo_serving_rejected{reason},
colorzoo_serving_version_state{model_name,version,state}.

Prometheus's library appends _total to the name of every counter, and TF Serving does not: counters are declared as
untyped here, which makes no difference to queries.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import Metric

from serving.server.errors import RequestError
from serving.server.model_manager import Version

PATH = "/monitoring/prometheus/metrics"

_LATENCY = [10 * 1.8**power for power in range(33)]  # microseconds, to twenty minutes
_QUEUING = [100 * 1.2**power for power in range(52)]
_BATCH = [1, 2, 4, 8, 16, 32, 64, 128]


class Metrics:
    """Counts and times of one server; methods may be called from several threads."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._requests = _Count(
            self.registry, ":tensorflow:serving:request_count", "Answered requests.", ("model_name", "status")
        )
        self._loads = _Count(
            self.registry,
            ":tensorflow:cc:saved_model:load_attempt_count",
            "Attempts to load a SavedModel.",
            ("model_path", "status"),
        )
        self._rejected = _Count(
            self.registry, "colorzoo_serving_rejected", "Requests that were refused without a run.", ("reason",)
        )
        self._latency = self._histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds from request to answer.",
            ("model_name", "API", "entrypoint"),
            _LATENCY,
        )
        self._runtime = self._histogram(
            ":tensorflow:serving:runtime_latency",
            "Microseconds of a run in TensorFlow.",
            ("model_name", "API", "runtime"),
            _LATENCY,
        )
        self._warm_up = self._histogram(
            ":tensorflow:serving:model_warmup_latency",
            "Microseconds of warming up.",
            ("model_path", "status"),
            _LATENCY,
        )
        self._queuing = self._histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            "Microseconds that requests waited.",
            ("thread_pool_name",),
            _QUEUING,
        )
        self._batch = self._histogram("colorzoo_serving_batch_size", "Items in one run.", (), _BATCH)

    def watch(
        self, versions: Callable[[], Iterable[Version]], queue: Callable[[], int], queue_bytes: Callable[[], int]
    ) -> None:
        """Add the states of versions and the length of the queue, read whenever Prometheus asks."""
        self.registry.register(_States(versions))
        length = Gauge("colorzoo_serving_queue_requests", "Number of waiting requests.", registry=self.registry)
        length.set_function(queue)
        size = Gauge(
            "colorzoo_serving_queue_bytes", "Bytes of inputs in the queue and in work.", registry=self.registry
        )
        size.set_function(queue_bytes)

    def record_answer(self, model: str, api: str, entrypoint: str, status: str, seconds: float) -> None:
        """A request was answered; `model` is "" for models that do not exist."""
        self._requests.add(model, status)
        self._latency.labels(model, api, entrypoint).observe(seconds * 1e6)

    def record_run(self, model: str, rows: int, waited: Sequence[float], seconds: float) -> None:
        """`rows` items were run at once; how long each request waited and how long the run took, in seconds."""
        self._runtime.labels(model, "Predict", "TF2").observe(seconds * 1e6)
        self._batch.observe(rows)
        for each in waited:
            self._queuing.labels("batch").observe(each * 1e6)

    def record_rejection(self, reason: str) -> None:
        """A request was refused: "full" or "late"."""
        self._rejected.add(reason)

    def record_load(self, path: Path, error: RequestError | None) -> None:
        """A version was loaded, or could not be."""
        self._loads.add(str(path), "success" if error is None else "fail")

    def record_warm_up(self, path: Path, seconds: float) -> None:
        """The requests that were exported with a version were run."""
        self._warm_up.labels(str(path), "OK").observe(seconds * 1e6)

    def page(self) -> bytes:
        """The page in Prometheus's text format."""
        return generate_latest(self.registry)

    def _histogram(self, name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)


class _Count:
    """A counter without a suffix to its name."""

    def __init__(self, registry: CollectorRegistry, name: str, text: str, labels: Sequence[str]) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._lock = threading.Lock()
        registry.register(self)

    def add(self, *labels: str) -> None:
        with self._lock:
            self._counts[labels] += 1

    def collect(self) -> Iterable[Metric]:
        metric = Metric(self._name, self._text, "unknown")
        with self._lock:
            for labels, count in self._counts.items():
                metric.add_sample(self._name, dict(zip(self._labels, labels, strict=True)), count)
        return [metric]


class _States:
    """A gauge for each version, labelled with its state."""

    def __init__(self, versions: Callable[[], Iterable[Version]]) -> None:
        self._versions = versions

    def collect(self) -> Iterable[Metric]:
        metric = Metric("colorzoo_serving_version_state", "1 for the state that a version is in.", "gauge")
        for version in self._versions():
            labels = {"model_name": version.name, "version": str(version.number), "state": version.state}
            metric.add_sample(metric.name, labels, 1)
        return [metric]
