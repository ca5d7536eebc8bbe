"""The embedded server over time: its start, new versions under load, and its end."""

import shutil
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.client import messages
from serving.listening import ServerStartError
from serving.server.batching import Limits
from tests import tiny_saved_model
from tests.servers import SECONDS, held, reds, refusal, request, serve, stub, wait_until
from tests.tiny_saved_model import RED, picture

Code = grpc.StatusCode


@pytest.fixture
def own(tiny: Path, tmp_path: Path) -> Path:
    """A folder of models to change."""
    shutil.copytree(tiny.parent.parent, tmp_path / "models")
    return tmp_path / "models"


def test_a_new_version_under_load_costs_no_request(own):
    new = tiny_saved_model.write(own.parent / "beside" / "2", 90, "serving_default")
    with (
        serve(own, poll_seconds=0.05, rest_port=None) as running,
        stub(running.address) as predict,
        ThreadPoolExecutor(4) as clients,
    ):
        stop = threading.Event()
        answers: Counter[int] = Counter()

        def client() -> None:
            while not stop.is_set():
                response = predict(request("tiny", image_bytes=[picture(10)]), timeout=SECONDS)
                # The answer is of the version that it says.
                assert reds(response) == [10 + {1: RED, 2: 90}[response.model_spec.version.value]]
                answers[response.model_spec.version.value] += 1

        working = [clients.submit(client) for _ in range(4)]
        wait_until(lambda: answers[1] > 20)
        new.rename(own / "tiny" / "2")
        with stub(running.address, "GetModelStatus", messages.MODEL_SERVICE) as status:
            asked = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name="tiny"))

            def states() -> list[tuple[int, int]]:
                found = status(asked, timeout=SECONDS).model_version_status
                return [(each.version, each.state) for each in found]

            wait_until(lambda: states() == [(2, 30), (1, 50)])
        wait_until(lambda: answers[2] > 20)
        stop.set()
        for future in working:
            future.result(SECONDS)


def test_a_version_that_cannot_be_loaded_is_told_of_and_the_old_one_serves(own):
    with serve(own, poll_seconds=0.05, rest_port=None) as running, stub(running.address) as predict:
        broken = own / "tiny" / "2"
        shutil.copytree(own / "tiny" / "1", own.parent / "2")
        shutil.rmtree(own.parent / "2" / "variables")
        (own.parent / "2").rename(broken)
        with stub(running.address, "GetModelStatus", messages.MODEL_SERVICE) as status:
            asked = messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name="tiny"))
            asked.model_spec.version.value = 2

            def failed() -> Any:
                with suppress(grpc.RpcError):
                    (found,) = status(asked, timeout=SECONDS).model_version_status
                    return found if found.state == 50 else None

            wait_until(failed)
            assert failed().status.error_code == Code.NOT_FOUND.value[0]
            assert "variables" in failed().status.error_message
        response = predict(request("tiny", image_bytes=[picture(1)]), timeout=SECONDS)
        assert response.model_spec.version.value == 1


def test_stopping_answers_what_was_accepted_and_takes_nothing_more(models):
    limits = Limits(threads=1, batch=1)
    with serve(models, limits=limits) as running, grpc.insecure_channel(running.address) as other:
        watch = health_pb2_grpc.HealthStub(other).Watch(health_pb2.HealthCheckRequest(service=""))
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        with stub(running.address) as predict, held(running) as (began, release):
            accepted = [predict.future(request("tiny", image_bytes=[picture(n)]), timeout=SECONDS) for n in range(5)]
            assert began.wait(SECONDS)
            wait_until(lambda: running.server._batcher.length == 4)
            stopping = threading.Thread(target=running.stop)
            stopping.start()
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            wait_until(lambda: refused(predict) is Code.UNAVAILABLE)
            release.set()
            assert [reds(future.result(SECONDS)) for future in accepted] == [[n + RED] for n in range(5)]
        # Who watches the health for ever does not hold it up.
        stopping.join(SECONDS)
        assert not stopping.is_alive()
        assert running.stop()


def refused(predict: Any) -> grpc.StatusCode | None:
    future = predict.future(request("tiny", image_bytes=[picture(1)]), timeout=0.2)
    with suppress(grpc.RpcError):
        return future.code()
    return None


def test_requests_that_take_longer_than_the_grace_period_are_cut_off(models):
    limits = Limits(threads=1)
    with serve(models, limits=limits, grace=0.2, rest_port=None) as running, stub(running.address) as predict:
        with held(running) as (began, _):
            future = predict.future(request("tiny", image_bytes=[picture(1)]), timeout=SECONDS)
            assert began.wait(SECONDS)
            before = time.monotonic()
            assert not running.stop()
            assert time.monotonic() - before < 10
        assert refusal(future.result)[0] in (Code.UNAVAILABLE, Code.CANCELLED)


def test_a_port_in_use_is_one_line(server, models):
    with pytest.raises(
        ServerStartError, match=f"127.0.0.1:{server.server.port}: cannot be listened on: .* another port"
    ):
        with serve(models, port=server.server.port, rest_port=None):
            pass
