"""Reading shards on other machines, through the tf.data service.

    colorzoo data-service --port 5000                              a dispatcher and a worker
    colorzoo data-service --port 5001 --dispatcher HOST:5000       one more worker
    colorzoo train ... --data-service grpc://HOST:5000

Workers decode and frame; all else is done where the run is. A worker is a process of this program, since what it calls
is a function of Python that a graph cannot carry: the graph names it, and both sides know it by that name. Shards must
lie under the same path everywhere. Batches come back in any order, are put in theirs, and what a worker lost is read
here, so that a run computes the same with a service as without.
"""

import functools
import json
import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import script_ops

from training.data import records
from training.data.datasets import Photographs, of_shards
from zoo.errors import DataError

FUNCTION = "colorzoo.training.service.read"
AHEAD = 16  # batches that may come before their turn; then the missing one is read here
SECONDS = 10  # to connect, and to wait for a batch before it is read here
END = object()


@dataclass(frozen=True)
class DataService:
    """Reads the batches of `training.data.batches` through a service.

    address: grpc://HOST:PORT of the dispatcher.
    """

    address: str

    def read(self, photographs: Photographs, items: np.ndarray, seeds: Sequence[int] | None) -> tf.data.Dataset:
        """What `photographs.read` gives for each row of items (steps, B), read by the workers of the service.

        Args:
            photographs: must be in shards.
            items: positions of pictures.
            seeds: of windows; None for middle ones.

        Raises:
            DataError: the service does not answer, or the photographs are not in shards.
        """
        return _read_remotely(self.address, photographs, items, seeds)


def _read_remotely(
    address: str, photographs: Photographs, items: np.ndarray, seeds: Sequence[int] | None
) -> tf.data.Dataset:
    if not photographs.shards:
        raise DataError("a data service reads shards only: make some with colorzoo shards")
    _check_answers(address)
    task = _task(photographs, seeds)
    service = tf.data.experimental.service

    def read(step: tf.Tensor, chosen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        pixels, sizes = tf.raw_ops.PyFuncStateless(
            input=[tf.constant(task), chosen], token=FUNCTION, Tout=[tf.uint8, tf.int32]
        )
        return step, pixels, sizes

    def in_order() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        source = tf.data.Dataset.from_tensor_slices((np.arange(len(items)), items))
        remote = source.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False)
        # Each step is given to one worker, and lost if that one is.
        remote = remote.apply(service.distribute(service.ShardingPolicy.DYNAMIC, address))
        early: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        turn = 0
        for received in _fetch(remote, address):
            if received and received[0] >= turn:
                early[int(received[0])] = received[1:]
            late = received is None
            while turn < len(items) and (turn in early or late or len(early) > AHEAD):
                yield early.pop(turn) if turn in early else photographs.read(items[turn], seeds)
                turn += 1
                late = False
        for rest in range(turn, len(items)):
            yield early.pop(rest) if rest in early else photographs.read(items[rest], seeds)

    side = photographs.side
    signature = (
        tf.TensorSpec((items.shape[1], side, side, 3), tf.uint8),
        tf.TensorSpec((items.shape[1], 2), tf.int32),
    )
    return tf.data.Dataset.from_generator(in_order, output_signature=signature)


def _fetch(remote: tf.data.Dataset, address: str) -> Iterator[tuple[Any, ...] | None]:
    """The elements of a dataset as they come, and None whenever none came for some seconds.

    Raises:
        DataError: the service failed, or no longer answers.
    """
    arrived: queue.Queue[Any] = queue.Queue(1)
    closed = threading.Event()

    def put(element: object) -> None:
        while not closed.is_set():
            with suppress(queue.Full):
                return arrived.put(element, timeout=1)

    def run() -> None:
        try:
            for element in remote.as_numpy_iterator():
                put(element)
                if closed.is_set():
                    return
            put(END)
        except tf.errors.OpError as error:
            put(error)

    # In a thread that ends with the process, since TensorFlow waits for a service that died without end.
    threading.Thread(target=run, daemon=True).start()
    try:
        while True:
            try:
                element = arrived.get(timeout=SECONDS)
            except queue.Empty:
                _check_answers(address)
                yield None
                continue
            if element is END:
                return
            if isinstance(element, tf.errors.OpError):
                text = " ".join(element.message.split())
                raise DataError(f"the data service at {address} failed: {text}") from element
            yield element
    finally:
        closed.set()


def _check_answers(address: str) -> None:
    """Raises DataError at once, where TensorFlow would wait for long."""
    host, colon, port = address.removeprefix("grpc://").rpartition(":")
    if not (address.startswith("grpc://") and colon and port.isdigit()):
        raise DataError(f"the address of a data service is grpc://HOST:PORT, and not {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except OSError as error:
        raise DataError(
            f"no data service answers at {address}: {error}; start one with colorzoo data-service --port {port}"
        ) from error


# === What workers do ===


def _task(photographs: Photographs, seeds: Sequence[int] | None) -> str:
    """All that a worker must know to read the same pictures."""
    assert photographs.shards
    task = {"folders": photographs.shards.folders, "digest": photographs.shards.digest, "size": photographs.side}
    if photographs.window:
        return json.dumps(
            task | {"resize_mode": "random_crop", "shortest": photographs.window.shortest, "seeds": seeds}
        )
    assert photographs.resize
    resize = {"resize_mode": photographs.resize.mode, "enlarge": photographs.resize.enlarge}
    return json.dumps(task | resize | {"shortest": (0, 0), "seeds": seeds})


def _read(task: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The function that graphs name."""
    settings = json.loads(task.item() if isinstance(task, np.ndarray) else task)
    seeds = settings.pop("seeds")
    return _open(json.dumps(settings)).read(chosen, seeds)


@functools.lru_cache(4)
def _open(text: str) -> Photographs:
    settings: dict[str, Any] = json.loads(text)
    folders = [(Path(folder), split) for folder, split in settings["folders"]]
    shards = records.load(folders)
    if shards.digest != settings["digest"]:
        raise DataError(f"the shards in {folders[0][0]} differ between the data service and the run")
    return of_shards(
        shards, settings["size"], settings["resize_mode"], settings["shortest"], enlarge=settings.get("enlarge", True)
    )


# A graph holds the name of a function only, and TensorFlow looks it up in the process that runs the graph.
script_ops._py_funcs._funcs[FUNCTION] = _read


def serve(port: int, dispatcher: str | None = None, host: str | None = None) -> list[Any]:
    """Starts a worker, and a dispatcher for it if none is named; returns both, which run while they are kept."""
    service = tf.data.experimental.service
    servers: list[Any] = []
    worker_port = port
    if dispatcher is None:
        servers.append(service.DispatchServer(service.DispatcherConfig(port=port)))
        dispatcher, worker_port = servers[0].target.removeprefix("grpc://"), 0
    name = host or socket.gethostname()
    address = f"{name}:{worker_port}" if worker_port else f"{name}:%port%"
    config = service.WorkerConfig(dispatcher_address=dispatcher, worker_address=address, port=worker_port)
    servers.append(service.WorkerServer(config))
    return servers
