"""Reading shards through a tf.data service: the same batches in the same order as without."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.paths import ROOT
from tests.photographs import write_fields
from training.data import shards
from training.data.augmentation import Augmentation
from training.data.batches import WorkerInfo, batches
from training.data.datasets import Photographs, prepare
from training.data.folder import image_files
from training.loop import data_service
from training.loop.data_service import DataService
from training.loop.train import main
from zoo.errors import DataError

SIZE = 24
ALL = Augmentation(flip=True, crop=0.6, noise=(0.0, 2.0))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("service")
    with mock.patch.object(shards, "SHARD_BYTES", 6000):
        shards.write([str(write_fields(folder / "photos", 26))], folder / "shards")
    return folder / "shards"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(port: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the service."""
    command = [sys.executable, "-m", "colorzoo", "data-service", "--host", "localhost", "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout and server.stdout.readline() == f"serving at port {port}\n"
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A dispatcher with a worker."""
    port = free_port()
    with served(port):
        yield f"grpc://localhost:{port}"


def epoch(source: Photographs, **arguments: object) -> list[object]:
    return list(batches(source, 4, seed=3, epoch=1, augmentation=ALL, **arguments).as_numpy_iterator())  # type: ignore[arg-type]


def assert_equal_batches(left: list[object], right: list[object]) -> None:
    assert len(left) == len(right) > 0
    for a, b in zip(tf.nest.flatten(left), tf.nest.flatten(right), strict=True):
        np.testing.assert_array_equal(a, b)


def watched(source: Photographs) -> mock.Mock:
    """Counts what is read here and not by the service."""
    read = mock.Mock(wraps=source.read)
    object.__setattr__(source, "read", read)
    return read


@pytest.mark.parametrize("resize_mode", ["pad", "random_crop", pytest.param("center_crop", marks=pytest.mark.slow)])
def test_the_same_batches(sharded: Path, tmp_path: Path, address: str, resize_mode: str) -> None:
    source = prepare([sharded], SIZE, tmp_path, resize_mode)
    expected = epoch(source)
    assert len(expected) == 6
    here = watched(source)
    assert_equal_batches(epoch(source, reader=DataService(address)), expected)
    assert_equal_batches(epoch(source, reader=DataService(address), start=4), expected[4:])
    here.assert_not_called()


def test_workers_of_a_run_are_served_their_parts(sharded: Path, tmp_path: Path, address: str) -> None:
    source = prepare([sharded], SIZE, tmp_path, "random_crop")
    whole = epoch(source, start=3)
    here = watched(source)
    parts = [epoch(source, reader=DataService(address), start=3, worker=WorkerInfo(worker, 2)) for worker in range(2)]
    joined = [tf.nest.map_structure(lambda *x: np.concatenate(x), *step) for step in zip(*parts, strict=True)]
    assert_equal_batches(joined, whole)
    here.assert_not_called()


@pytest.mark.slow
def test_several_workers_and_the_end_of_them(sharded: Path, tmp_path: Path) -> None:
    source = prepare([sharded], SIZE, tmp_path, "random_crop")
    expected = epoch(source)
    here = watched(source)
    port = free_port()
    with served(port) as first, served(free_port(), "--dispatcher", f"localhost:{port}"):
        assert_equal_batches(epoch(source, reader=DataService(f"grpc://localhost:{port}")), expected)
        here.assert_not_called()
        first.send_signal(signal.SIGINT)
        assert first.wait(5) == -signal.SIGINT


@pytest.mark.slow
def test_a_run_on_shards_with_a_service_and_without(sharded: Path, tmp_path: Path, address: str) -> None:
    tiny = {
        "filters": "(4, 8)", "bins": "6", "size": "16", "frame_size": "24", "batch": "4", "epochs": "2",
    }  # fmt: skip
    held_out = tmp_path / "held_out"
    shards.write([str(write_fields(tmp_path / "more", 5, seed=1))], held_out)
    for out, service_of in ((tmp_path / "here", None), (tmp_path / "there", address)):
        with mock.patch.object(data_service, "_read_remotely", wraps=data_service._read_remotely) as used:
            main("color_unet_scenes_v1", [sharded], held_out, out, "one", tiny, data_service=service_of)
        assert used.call_count == (2 if service_of else 0)
    assert (tmp_path / "here" / "log.csv").read_bytes() == (tmp_path / "there" / "log.csv").read_bytes()
    models = [keras.models.load_model(tmp_path / out / "last.keras") for out in ("here", "there")]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    names = [line.split("\t")[2] for line in (tmp_path / "here" / "photographs.tsv").read_text().splitlines()]
    assert sorted(names) == sorted(map(str, image_files([sharded.parent / "photos", tmp_path / "more"])))


@pytest.mark.parametrize("ahead", [1, 16])
def test_what_is_lost_or_late_is_read_here(sharded: Path, tmp_path: Path, address: str, ahead: int) -> None:
    source = prepare([sharded], SIZE, tmp_path)
    expected = epoch(source)
    here = watched(source)

    def careless(*_: object) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
        # Backwards, and two are missing.
        return lambda batches: (
            batches.filter(lambda step, *_: step % 4 != 1)
            .batch(6)
            .map(lambda *parts: tuple(tf.reverse(part, [0]) for part in parts))
            .unbatch()
        )

    with (
        mock.patch.object(tf.data.experimental.service, "distribute", careless),
        mock.patch.object(data_service, "AHEAD", ahead),
    ):
        assert_equal_batches(epoch(source, reader=DataService(address)), expected)
    # Two were lost; how many more come too late for the shorter wait depends on the order in which they arrive.
    assert here.call_count == 2 if ahead == 16 else here.call_count > 2


def test_a_service_that_is_silent() -> None:
    go = threading.Event()

    def slowly() -> Iterator[int]:
        yield 0
        assert go.wait(60)
        yield 1

    remote = tf.data.Dataset.from_generator(slowly, output_signature=tf.TensorSpec((), tf.int32)).map(lambda x: (x,))
    with mock.patch.object(data_service, "SECONDS", 0.2), socket.create_server(("localhost", 0)) as alive:
        parts = data_service._fetch(remote, f"grpc://localhost:{alive.getsockname()[1]}")
        assert next(parts) == (0,)
        assert next(parts) is None
        go.set()
        assert [part for part in parts if part] == [(1,)]
        go.clear()
        parts = data_service._fetch(remote, f"grpc://localhost:{free_port()}")
        assert next(parts) == (0,)
        with pytest.raises(DataError, match="no data service answers at"):
            next(parts)
        go.set()


@pytest.mark.slow
def test_a_service_that_dies(sharded: Path, tmp_path: Path) -> None:
    source = prepare([sharded], SIZE, tmp_path)
    port = free_port()
    with served(port) as server, mock.patch.object(data_service, "AHEAD", 0):
        remote = DataService(f"grpc://localhost:{port}").read(source, np.arange(2000).reshape(-1, 4) % 26, [3, 1])
        parts = iter(remote)
        next(parts)
        server.kill()
        with pytest.raises(tf.errors.OpError, match="DataError: no data service answers at"):
            list(parts)


def test_addresses_where_nothing_answers(sharded: Path, tmp_path: Path) -> None:
    source = prepare([sharded], SIZE, tmp_path)
    port = free_port()
    for address, words in (
        (f"grpc://localhost:{port}", f"no data service answers at .*.*; start one with .* --port {port}"),
        ("localhost:5000", "the address of a data service is grpc://HOST:PORT, and not 'localhost:5000'"),
        ("grpc://localhost", "the address of a data service is"),
    ):
        with pytest.raises(DataError, match=words):
            epoch(source, reader=DataService(address))


def test_folders_are_read_where_the_run_is(sharded: Path, tmp_path: Path, address: str) -> None:
    source = prepare([sharded.parent / "photos"], SIZE, tmp_path)
    with pytest.raises(DataError, match="a data service reads shards only: make some with colorzoo shards"):
        epoch(source, reader=DataService(address))


def replaced(folder: Path, copy: Path) -> Photographs:
    """Shards that are others than when they were opened."""
    shutil.copytree(folder, copy)
    source = prepare([copy], SIZE, copy)
    (copy / "index.json").write_text((copy / "index.json").read_text() + "\n")
    return source


def test_other_shards_at_the_service(sharded: Path, tmp_path: Path) -> None:
    source = replaced(sharded, tmp_path / "shards")
    with pytest.raises(DataError, match="shards differ between the data service and the run"):
        data_service._read(np.array(data_service._task(source, [1, 2])), np.arange(3))


def test_a_service_that_fails(sharded: Path, tmp_path: Path, address: str) -> None:
    source = replaced(sharded, tmp_path / "shards")
    words = "DataError: the data service at .* differ between the data service and the run"
    with pytest.raises(tf.errors.OpError, match=words):
        epoch(source, reader=DataService(address))
