"""Where training runs: on one device, on all devices of a machine, or on several machines.

Every worker of a cluster runs the same command with its own TF_CONFIG. The chief, worker 0, writes what they
share.
"""

import hashlib
import json
import os
from collections.abc import Callable

import tensorflow as tf

from training.data.batches import ALONE, WorkerInfo
from zoo.errors import ArgumentError

STRATEGIES = ("one", "mirrored", "multiworker", "tpu")


def make_strategy(name: str) -> tf.distribute.Strategy:
    """A new strategy.

    Args:
        name: "one": the default device; "mirrored": all GPUs of this machine, or all logical CPUs; "multiworker": those
            of all workers in TF_CONFIG, for which nothing may have been computed before in this process; "tpu": the TPU
            that the environment names; not tested yet.

    Raises:
        ArgumentError: another name, or a TF_CONFIG or TPU that cannot be used.
    """
    match name:
        case "one":
            return tf.distribute.get_strategy()
        case "mirrored":
            return _mirrored()
        case "multiworker":
            return _multi_worker()
        case "tpu":
            return _tpu()
        case _:
            raise ArgumentError(f"strategy is {name!r}: it must be one of {', '.join(STRATEGIES)}")


def _mirrored() -> tf.distribute.Strategy:
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = [device.name for device in tf.config.list_logical_devices(kind)]
    # NCCL exists on GPUs only, and several strategies in one process need a reduction that keeps no state.
    reduction = None if kind == "GPU" else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction)


def _multi_worker() -> tf.distribute.Strategy:
    worker = check_cluster(os.environ.get("TF_CONFIG", ""))
    print(f"waiting for all {worker.workers} workers; this is worker {worker.worker}", flush=True)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"TF_CONFIG names a cluster that cannot be joined: {reason}") from error


def check_cluster(text: str) -> WorkerInfo:
    """Which of the workers that a TF_CONFIG names this process is.

    Raises:
        ArgumentError: the text is not a TF_CONFIG of workers, of which this process is one.
    """
    example = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        kind, index = task["type"], int(task["index"])
        others = sorted(set(config["cluster"]) - {"worker"})
    except (ValueError, KeyError, TypeError) as error:
        found = "is not set" if not text else f"is {text[:200]!r}"
        raise ArgumentError(f"TF_CONFIG {found}: the cluster is needed, as in {example}") from error
    if others:
        raise ArgumentError(f"TF_CONFIG names jobs of the kind {', '.join(others)}: only worker is used here")
    if kind != "worker" or not 0 <= index < len(workers):
        raise ArgumentError(f"TF_CONFIG says that this is {kind} {index}: it has worker 0 to {len(workers) - 1}")
    if len(set(workers)) < len(workers):
        raise ArgumentError(f"TF_CONFIG names a worker twice: {', '.join(workers)}")
    return WorkerInfo(index, len(workers))


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver()
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        raise ArgumentError(f"no TPU can be used: {str(error).splitlines()[0]}") from error
    return tf.distribute.TPUStrategy(resolver)


def worker_info(strategy: tf.distribute.Strategy) -> WorkerInfo:
    """Which of the workers that train together this process is."""
    resolver = strategy.cluster_resolver
    workers = resolver.cluster_spec().num_tasks("worker") if resolver and resolver.task_type == "worker" else 1
    return WorkerInfo(resolver.task_id, workers) if workers > 1 else ALONE


def distribute(
    strategy: tf.distribute.Strategy, size: int, part: Callable[[WorkerInfo], tf.data.Dataset]
) -> tf.distribute.DistributedDataset:
    """One dataset for all replicas: each worker reads its part of every batch, and divides it among its devices.

    Args:
        strategy: of the replicas.
        size: how many pictures a replica gets at once.
        part: makes the dataset of a worker, whose batches are its part of the whole ones.
    """

    def local(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return part(WorkerInfo(context.input_pipeline_id, context.num_input_pipelines)).rebatch(size)

    return strategy.distribute_datasets_from_function(local)


def total(strategy: tf.distribute.Strategy, worker: WorkerInfo, value: float) -> float:
    """The sum of a number over the workers, each of which calls this; the same on all."""
    if worker.workers == 1:
        return value
    replicas = strategy.num_replicas_in_sync // worker.workers
    shares = strategy.run(lambda: tf.constant(value, tf.float64))
    return float(strategy.reduce("SUM", shares, axis=None)) / replicas


def all_agree(strategy: tf.distribute.Strategy, worker: WorkerInfo, text: str) -> bool:
    """Whether all workers call this with the same text. Where they do not, at least one of them returns False."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    return total(strategy, worker, number) == number * worker.workers
