"""Two processes that train as one."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from tests.photographs import write_fields
from tests.two_layers import without_panels, without_tracing
from training.data import shards
from training.data.batches import WorkerInfo
from training.loop.strategies import check_cluster
from training.loop.train import main
from zoo.colorizer import network_of
from zoo.errors import ArgumentError, DataError

PHOTOS = {"train": 16, "val": 5}
COMMON = {
    "size": "32", "frame_size": "32", "batch": "8", "epochs": "1", "checkpoint_steps": "1", "crop": "0.8",
    "noise": "(0.0, 1.0)", "optimizer": "sgd", "learning_rate": "0.01", "schedule": "constant",
}  # fmt: skip
TINY = {
    "color_unet_scenes_v1": {"filters": "(4, 8)", "bins": "6"},
    "ibn_gan_scenes_v1": {"width": "0.06", "levels": "3", "scales": "2"},
    "iizuka2016_scenes_v1": {"width": "0.03", "global_size": "32"},
    "zhang2016_scenes_v1": {"width": "0.03"},
}
PROCESS = """
import json, sys
from pathlib import Path
from tests.two_layers import without_panels, without_tracing
from training.loop.train import main
recipe, photos, out, strategy, overrides = sys.argv[1:]
with without_tracing(), without_panels():
    main(recipe, [Path(photos) / "train"], Path(photos) / "val", Path(out), strategy, json.loads(overrides))
"""


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]


def start(name: str, photos: Path, out: Path, overrides: dict[str, str], workers: int) -> list[subprocess.Popen[str]]:
    addresses = [f"localhost:{port}" for port in free_ports(workers)]
    processes = []
    for index in range(workers):
        environment = os.environ | {"PYTHONPATH": os.getcwd()}
        if workers > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        settings = json.dumps(COMMON | TINY[name] | overrides)
        strategy = "multiworker" if workers > 1 else "one"
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, name, str(photos), str(out).format(index=index), strategy, settings],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            )
        )  # fmt: skip
    return processes


def ended(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0, output


def trained(out: Path) -> list[np.ndarray]:
    return [ops.convert_to_numpy(v) for v in network_of(keras.models.load_model(out / "last.keras")).variables]


def trained_alone(name: str, photos: Path, out: Path, overrides: dict[str, str]) -> None:
    """The same in this process, without waiting for another one to start."""
    with without_tracing(), without_panels():
        main(name, [photos / "train"], photos / "val", out, "one", COMMON | TINY[name] | overrides)


def assert_same(one: Path, two: Path) -> None:
    for x, y in zip(trained(one), trained(two), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5, rtol=0)
    logs = [(folder / "log.csv").read_text().splitlines() for folder in (one, two)]
    assert logs[0][0] == logs[1][0]
    for rows in zip(*(log[1:] for log in logs), strict=True):
        numbers = [[float(x) for x in row.split(",")] for row in rows]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-4)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if "color" in name else pytest.mark.slow) for name in TINY]
)
def test_two_workers_train_as_one_process(name: str, photos: Path, tmp_path: Path) -> None:
    processes = start(name, photos, tmp_path / "{index}", {}, 2)  # two machines that share no folder
    trained_alone(name, photos, tmp_path / "one", {})  # while they start
    ended(processes)
    assert_same(tmp_path / "one", tmp_path / "0")
    assert {p.name for p in (tmp_path / "1").iterdir()} == {"cache"}, "only the chief writes"


@pytest.mark.slow
def test_two_workers_train_on_shards_as_one_process(photos: Path, tmp_path: Path) -> None:
    for part in ("train", "val"):
        shards.write([str(photos / part)], tmp_path / "shards" / part)
    trained_alone("color_unet_scenes_v1", tmp_path / "shards", tmp_path / "one", {})
    ended(start("color_unet_scenes_v1", tmp_path / "shards", tmp_path / "{index}", {}, 2))
    assert_same(tmp_path / "one", tmp_path / "0")


@pytest.mark.slow
def test_killed_worker(photos: Path, tmp_path: Path) -> None:
    """The other one says so, and all started again end where nobody was killed."""
    long = {"epochs": "5"}
    processes = start("color_unet_scenes_v1", photos, tmp_path / "two", long, 2)
    log = tmp_path / "two" / "log.csv"
    while not log.is_file() or len(log.read_text().splitlines()) < 2:
        assert processes[0].poll() is None, processes[0].communicate()[0]
        time.sleep(0.02)
    processes[1].kill()
    output, _ = processes[0].communicate(timeout=60)
    processes[1].communicate()
    assert processes[0].returncode == 1
    assert "another of the 2 workers was lost" in output.splitlines()[-1]
    assert not (tmp_path / "two" / "last.keras").exists()

    ended(start("color_unet_scenes_v1", photos, tmp_path / "two", long, 2))
    trained_alone("color_unet_scenes_v1", photos, tmp_path / "one", long)
    assert_same(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_workers_that_differ(photos: Path, tmp_path: Path) -> None:
    """Each would go its own way: here the checkpoints lie where only the chief sees them."""
    ended(start("color_unet_scenes_v1", photos, tmp_path / "{index}", {"epochs": "1"}, 2))
    for process in start("color_unet_scenes_v1", photos, tmp_path / "{index}", {"epochs": "1"}, 2):
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "the workers differ" in output.splitlines()[-1]


def tf_config(cluster: object, kind: str = "worker", index: object = 0) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


TWO = {"worker": ["a:1", "b:1"]}


def test_worker_of_a_cluster() -> None:
    assert check_cluster(tf_config(TWO, index=1)) == WorkerInfo(1, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not set: the cluster is needed, as in"),
        ("{", "is '{': the cluster is needed"),
        ("[]", r"is '\[\]': the cluster"),
        (tf_config({}), "the cluster is needed"),
        (tf_config(TWO, index="first"), "the cluster is needed"),
        (tf_config(TWO | {"chief": ["c:1"]}), "jobs of the kind chief: only worker"),
        (tf_config(TWO, "ps"), "this is ps 0: it has worker 0 to 1"),
        (tf_config(TWO, index=2), "this is worker 2: it has worker 0 to 1"),
        (tf_config({"worker": ["a:1", "a:1"]}), "a worker twice: a:1, a:1"),
    ],
)
def test_cluster_that_cannot_be(text: str, reason: str) -> None:
    with pytest.raises(ArgumentError, match=f"TF_CONFIG .*{reason}"):
        check_cluster(text)


def test_fewer_validation_photographs_than_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker would find nothing to validate on, and the others would wait for it without end."""
    photos, val = write_fields(tmp_path / "train", 8), write_fields(tmp_path / "val", 2, seed=1)
    monkeypatch.setattr("training.loop.train.worker_info", lambda _: WorkerInfo(1, 3))
    with pytest.raises(DataError, match="--val needs at least one photograph for each of the 3 workers: it has 2"):
        main("color_unet_scenes_v1", [photos], val, tmp_path / "run", "one", COMMON | TINY["color_unet_scenes_v1"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["cache"]
