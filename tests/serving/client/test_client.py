"""The gRPC clients, against a server that answers and errs as it is told."""

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client import (
    TLS,
    AsyncColorizeClient,
    BadImageError,
    BusyError,
    ClientClosedError,
    ColorizeClient,
    DeadlineError,
    InvalidRequestError,
    ModelNotFoundError,
    Outcome,
    ServerFailedError,
    ServerUnavailableError,
    ServingClientError,
    Signature,
    SignatureError,
    TensorKind,
    TooLargeError,
    TooLargeOrBusyError,
    messages,
)
from tests.blocking import BlockingClient
from tests.certificates import Pair, issued
from tests.paths import ROOT
from tests.stand_in import MODEL, StandIn, colorized, decoded, encoded, standing_in, tinted

RGB = np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8)
IMAGE = encoded(RGB)

both = pytest.mark.parametrize("client", [ColorizeClient, BlockingClient])
Failing = Callable[[grpc.StatusCode, str], Any]


def numbered(count: int) -> list[bytes]:
    """Images that differ."""
    return [encoded(np.full((3, 2 + number % 200, 3), number, np.uint8)) for number in range(count)]


def failing(code: grpc.StatusCode, details: str = "", times: float = float("inf")) -> Any:
    """A server that ends the first calls with this status."""
    left = itertools.count()

    def predict(request: Any, context: grpc.ServicerContext) -> Any:
        if next(left) < times:
            context.abort(code, details)
        return colorized(request, context)

    return predict


def test_light_imports() -> None:
    code = (
        "import sys, serving.client\n"
        "heavy = {'tensorflow', 'keras', 'training', 'media', 'cv2', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


# --- what comes back ---


@both
def test_colorize(client: Any) -> None:
    with standing_in() as server, client(server.address, MODEL) as connected:
        np.testing.assert_array_equal(decoded(connected.colorize(IMAGE)), tinted(RGB))
        jpeg = connected.colorize(IMAGE, format="jpeg")
        assert jpeg.startswith(b"\xff\xd8\xff")
        assert decoded(jpeg).shape == RGB.shape


@both
def test_rgb_keeps_the_shape(client: Any) -> None:
    batch = np.stack([RGB, RGB[::-1]])
    with standing_in() as server, client(server.address, MODEL) as connected:
        np.testing.assert_array_equal(connected.rgb(RGB), tinted(RGB))
        np.testing.assert_array_equal(connected.rgb(batch), tinted(batch))


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (2, 3, 4, 1), (1, 1)])
@both
def test_ab_of_every_shape(client: Any, shape: tuple[int, ...]) -> None:
    lightness = np.random.default_rng(0).uniform(0, 100, shape).astype(np.float32)
    with standing_in() as server, client(server.address, MODEL) as connected:
        ab = connected.ab(lightness)
    assert ab.dtype == np.float32
    planes = lightness if shape[-1] == 1 and len(shape) > 2 else lightness[..., None]
    np.testing.assert_array_equal(ab, np.concatenate([planes, -planes], axis=-1))


@both
def test_arrays_can_be_written_to(client: Any) -> None:
    with standing_in() as server, client(server.address, MODEL) as connected:
        for answer in (connected.rgb(RGB), connected.ab(np.zeros((3, 4), np.float32))):
            answer[:] = 7
            assert (answer == 7).all()


@both
def test_confidence(client: Any) -> None:
    with standing_in() as server, client(server.address, MODEL) as connected:
        confidence = connected.confidence(IMAGE)
    assert confidence.mean == 0.25
    np.testing.assert_array_equal(decoded(confidence.png), RGB)


@both
def test_signature(client: Any) -> None:
    with standing_in() as server, client(server.address, MODEL) as connected:
        signature = connected.signature()
    assert list(signature) == ["confidence", "jpeg", "lightness", "rgb", "serving_default"]
    assert signature["rgb"] == Signature(
        {"image": TensorKind("uint8", (None, None, None, 3))}, {"colorized": TensorKind("uint8", (None, None, None, 3))}
    )
    assert signature["serving_default"].inputs == {"image_bytes": TensorKind("string", (None,))}
    assert list(signature["confidence"].outputs) == ["confidence_bytes", "mean_confidence"]


@both
def test_ready(client: Any) -> None:
    with standing_in() as server:
        for name, version, expected in [
            (MODEL, None, True),
            (MODEL, 1, True),
            (MODEL, 2, False),
            ("other", None, False),
        ]:
            with client(server.address, name, version=version) as connected:
                assert connected.ready() is expected
        address = server.address
    with client(address, MODEL) as connected:
        assert connected.ready() is False


# --- what goes wrong ---


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"version": 1, "label": "stable"}, "version and label"),
        ({"version": 1 << 63}, f"version: {1 << 63} is not between 0 and {(1 << 63) - 1}"),
        ({"version": -1}, "version: -1"),
        ({"label": "\udcff"}, "model or label: .* cannot be sent"),
        ({"model": "\udcff"}, "model or label: .* cannot be sent"),
        ({"max_message": 0}, "max_message: 0 .* -1 means unlimited"),
        ({"max_message": -2}, "max_message: -2"),
        ({"max_message": 1 << 31}, f"max_message: {1 << 31}"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "timeout: inf"),
        ({"keepalive": 1e7}, "keepalive"),
        ({"retries": -1}, "retries"),
        ({"keepalive": 0}, "keepalive"),
        ({"model": ""}, "model"),
        ({"address": "localhost"}, "address"),
        ({"address": ":8500"}, "address"),
        ({"address": "localhost:port"}, "address"),
        ({"address": []}, "address"),
        ({"address": ["localhost:8500", "localhost"]}, "address"),
        ({"credentials": TLS(key="a.key")}, "credentials: key and certificate"),
        ({"credentials": TLS(ca="no such file")}, "credentials: ca no such file"),
    ],
)
@both
def test_wrong_arguments_of_the_client(client: Any, options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{named}"):
        client(**{"address": "localhost:8500", "model": MODEL, **options})


@pytest.mark.parametrize(
    ("method", "value", "error", "named"),
    [
        ("colorize", b"", BadImageError, "image: is empty"),
        ("colorize", "old.jpg", InvalidRequestError, "image: .* not str"),
        ("confidence", b"", BadImageError, "image: is empty"),
        ("rgb", RGB.astype(np.float32), InvalidRequestError, "array: uint8"),
        ("rgb", RGB[..., 0], InvalidRequestError, "array: uint8"),
        ("rgb", RGB[:0], InvalidRequestError, "array: uint8"),
        ("ab", RGB[..., 0], InvalidRequestError, "lightness: float32"),
        ("ab", RGB.astype(np.float32), InvalidRequestError, "lightness: float32"),
    ],
)
@both
def test_wrong_arguments_of_a_call_are_not_sent(
    client: Any, method: str, value: Any, error: type[Exception], named: str
) -> None:
    with standing_in() as server, client(server.address, MODEL) as connected:
        with pytest.raises(error, match=f"^{named}") as raised:
            getattr(connected, method)(value)
        assert isinstance(raised.value, ValueError)
        with pytest.raises(InvalidRequestError, match="^format"):
            connected.colorize(IMAGE, format="webp")
        with pytest.raises(InvalidRequestError, match="^concurrency"):
            next(connected.colorize_many([IMAGE], concurrency=0))
        with pytest.raises(InvalidRequestError, match="^timeout"):
            connected.colorize(IMAGE, timeout=-1)
        with pytest.raises(InvalidRequestError, match="^timeout"):
            connected.colorize(IMAGE, timeout=float("inf"))
        assert not server.received


@pytest.mark.parametrize(
    ("code", "details", "error"),
    [
        ("UNAVAILABLE", "no connection", ServerUnavailableError),
        ("UNKNOWN", "Stream removed", ServerUnavailableError),
        ("UNKNOWN", "Exception calling application", ServerFailedError),
        ("NOT_FOUND", "Servable not found for request: Latest(x)", ModelNotFoundError),
        ("INVALID_ARGUMENT", "Unrecognized servable version label: stable", ModelNotFoundError),
        ("INVALID_ARGUMENT", "input tensor alias not found in signature: image", SignatureError),
        ("INVALID_ARGUMENT", "Unknown image file format", BadImageError),
        ("FAILED_PRECONDITION", "Serving signature key not found", SignatureError),
        ("UNIMPLEMENTED", "Method not found!", SignatureError),
        ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (5 vs. 4)", TooLargeError),
        ("RESOURCE_EXHAUSTED", "the queue of 64 requests is full", BusyError),
        ("RESOURCE_EXHAUSTED", "OOM when allocating tensor", TooLargeOrBusyError),
        ("DEADLINE_EXCEEDED", "", DeadlineError),
        ("CANCELLED", "", ServerFailedError),
        ("INTERNAL", "two\nlines", ServerFailedError),
        ("DATA_LOSS", "", ServerFailedError),
        ("PERMISSION_DENIED", "", ServerFailedError),
        ("UNAUTHENTICATED", "", ServerFailedError),
    ],
)
@both
def test_every_status_has_its_error(client: Any, code: str, details: str, error: type[ServingClientError]) -> None:
    status = grpc.StatusCode[code]
    with standing_in(failing(status, details)) as server, client(server.address, MODEL, retries=0) as connected:
        with pytest.raises(ServingClientError) as raised:
            connected.colorize(IMAGE)
    assert type(raised.value) is error
    assert isinstance(raised.value.__cause__, grpc.RpcError) and raised.value.__cause__.code() == status
    assert str(raised.value).startswith(f"{server.address}: {MODEL}: ") and code in str(raised.value)
    assert " ".join(details.split()) in str(raised.value) and "\n" not in str(raised.value)


@both
def test_an_array_that_is_refused_is_no_bad_image(client: Any) -> None:
    refuse = failing(grpc.StatusCode.INVALID_ARGUMENT, "more than 100 pixels")
    with standing_in(refuse) as server, client(server.address, MODEL) as connected:
        with pytest.raises(InvalidRequestError, match="the server refused it .*more than 100 pixels") as raised:
            connected.rgb(RGB)
    assert type(raised.value) is InvalidRequestError


def answers(**values: Any) -> Any:
    """A server that gives these outputs, whatever it is asked."""
    answer = messages.PredictResponse()
    for name, value in values.items():
        answer.outputs[name].CopyFrom(messages.tensor(value) if isinstance(value, list | np.ndarray) else value)
    return lambda request, context: answer


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"output_0": [IMAGE]},
        {"png_bytes": []},
        {"png_bytes": [IMAGE, IMAGE]},
        {"png_bytes": RGB},
        {"png_bytes": messages.TensorProto(dtype=9)},
    ],
)
@both
def test_an_answer_of_another_kind(client: Any, outputs: dict[str, Any]) -> None:
    with standing_in(answers(**outputs)) as server, client(server.address, MODEL) as connected:
        with pytest.raises(SignatureError, match="png_bytes"):
            connected.colorize(IMAGE)


@pytest.mark.parametrize("outputs", [{"colorized": RGB[None, :3]}, {"colorized": RGB[None].astype(np.float32)}])
@both
def test_an_answer_of_another_shape(client: Any, outputs: dict[str, Any]) -> None:
    with standing_in(answers(**outputs)) as server, client(server.address, MODEL) as connected:
        with pytest.raises(SignatureError, match=r"colorized: .* not uint8 \(1, 9, 13, 3\)"):
            connected.rgb(RGB)


# --- deadlines and retries ---


@both
def test_unavailable_twice_and_then_there(client: Any) -> None:
    unavailable = failing(grpc.StatusCode.UNAVAILABLE, "starting", times=2)
    with standing_in(unavailable) as server, client(server.address, MODEL) as connected:
        np.testing.assert_array_equal(decoded(connected.colorize(IMAGE)), tinted(RGB))
        assert server.predicted == 3


@pytest.mark.parametrize(("code", "attempts"), [("UNAVAILABLE", 3), ("RESOURCE_EXHAUSTED", 1), ("INTERNAL", 1)])
@both
def test_retries_are_counted_and_only_of_unavailable(client: Any, code: str, attempts: int) -> None:
    with standing_in(failing(grpc.StatusCode[code])) as server, client(server.address, MODEL, retries=2) as connected:
        with pytest.raises(ServingClientError):
            connected.colorize(IMAGE)
        assert server.predicted == attempts


def slow(request: Any, context: grpc.ServicerContext) -> Any:
    for _ in range(50):
        if not context.is_active():
            break
        time.sleep(0.1)
    return colorized(request, context)


@pytest.mark.parametrize("timeout", [0.2, 1.0])
@both
def test_the_deadline_holds(client: Any, timeout: float) -> None:
    with standing_in(slow) as server, client(server.address, MODEL, timeout=60) as connected:
        while not connected.ready():  # on a busy machine, a server that was just started may refuse at first
            time.sleep(0.1)
        start = time.monotonic()
        with pytest.raises(DeadlineError):
            connected.colorize(IMAGE, timeout=timeout)
        took = time.monotonic() - start
    print(f"deadline {timeout} s, took {took:.3f} s")
    assert timeout * 0.99 <= took < timeout + 1


@both
def test_the_deadline_covers_all_retries(client: Any) -> None:
    unavailable = failing(grpc.StatusCode.UNAVAILABLE)
    with standing_in(unavailable) as server, client(server.address, MODEL, timeout=0.5, retries=1000) as connected:
        start = time.monotonic()
        with pytest.raises(ServerUnavailableError):
            connected.colorize(IMAGE)
        assert time.monotonic() - start < 1.5
        assert 2 <= server.predicted < 12


# --- after close ---


def calls(client: Any) -> list[Callable[[], Any]]:
    return [
        lambda: client.colorize(IMAGE),
        lambda: client.confidence(IMAGE),
        lambda: client.rgb(RGB),
        lambda: client.ab(np.zeros((3, 4), np.float32)),
        client.ready,
        client.signature,
        lambda: list(client.colorize_many([IMAGE])),
    ]


@both
def test_calls_after_close(client: Any) -> None:
    with standing_in() as server, client(server.address, MODEL) as connected:
        assert connected.ready()
        connected.close()
        connected.close()
        for call in calls(connected):
            with pytest.raises(ClientClosedError, match=f"^{server.address}: {MODEL}: the client is closed") as raised:
                call()
            assert isinstance(raised.value, RuntimeError)
        assert not server.predicted


@pytest.mark.parametrize("predict", ["waiting for an answer", "waiting for a retry"])
def test_close_while_a_call_waits(predict: str) -> None:
    refuse = failing(grpc.StatusCode.UNAVAILABLE)
    with standing_in(slow if predict == "waiting for an answer" else refuse) as server:
        client = ColorizeClient(server.address, MODEL, timeout=60, retries=1000)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(client.colorize, IMAGE)
            while not server.predicted:
                time.sleep(0.01)
            client.close()
            with pytest.raises(ClientClosedError):
                call.result(10)


@pytest.mark.parametrize("predict", ["waiting for an answer", "waiting for a retry"])
def test_close_while_an_asynchronous_call_waits(predict: str) -> None:
    async def run(server: StandIn) -> None:
        client = AsyncColorizeClient(server.address, MODEL, timeout=60, retries=1000)
        calls = [asyncio.create_task(client.colorize(IMAGE)) for _ in range(2)]
        while server.predicted < 2:
            await asyncio.sleep(0.01)
        calls[1].cancel()
        await client.close()
        closed, cancelled = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
        assert isinstance(closed, ClientClosedError), closed
        assert isinstance(cancelled, asyncio.CancelledError), cancelled

    refuse = failing(grpc.StatusCode.UNAVAILABLE)
    with standing_in(slow if predict == "waiting for an answer" else refuse) as server:
        asyncio.run(run(server))


# --- many images ---


@both
def test_many_images_in_order_with_the_bad_ones(client: Any) -> None:
    images = numbered(20)
    images[3], images[11] = b"no image", b""
    with standing_in() as server, client(server.address, MODEL) as connected:
        outcomes = list(connected.colorize_many(images, concurrency=4))
    assert [outcome.index for outcome in outcomes] == list(range(20))
    for image, outcome in zip(images, outcomes, strict=True):
        if outcome.index in (3, 11):
            assert outcome.image is None and isinstance(outcome.error, BadImageError)
        else:
            assert outcome.error is None and outcome.image is not None
            np.testing.assert_array_equal(decoded(outcome.image), tinted(decoded(image)))


class Gauge:
    """Counts the calls that a server has in its hands, and the most of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1
        return colorized(request, context)


@both
def test_many_images_at_once_but_not_more(client: Any) -> None:
    gauge = Gauge()
    with standing_in(gauge) as server, client(server.address, MODEL) as connected:
        assert all(outcome.image for outcome in connected.colorize_many(numbered(30), concurrency=3))
    assert gauge.most == 3


@both
def test_images_are_taken_as_they_are_needed(client: Any) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield IMAGE

    with standing_in() as server, client(server.address, MODEL) as connected:
        outcomes = connected.colorize_many(endless(), concurrency=4)
        for _ in range(10):
            next(outcomes)
        assert taken == 13
        outcomes.close()


def test_images_from_an_asynchronous_iterable() -> None:
    async def images() -> Any:
        for image in numbered(5):
            await asyncio.sleep(0)
            yield image

    async def run(address: str) -> list[Outcome]:
        async with AsyncColorizeClient(address, MODEL) as client:
            return [outcome async for outcome in client.colorize_many(images(), concurrency=2)]

    with standing_in() as server:
        outcomes = asyncio.run(run(server.address))
    assert [outcome.index for outcome in outcomes] == list(range(5))
    assert all(outcome.image for outcome in outcomes)


def test_the_event_loop_goes_on_while_a_call_waits() -> None:
    async def run(address: str) -> float:
        async with AsyncColorizeClient(address, MODEL) as client:
            calls = [asyncio.create_task(client.colorize(IMAGE, timeout=0.5)) for _ in range(8)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(error, DeadlineError) for error in found), found
        return 0

    with standing_in(slow) as server:
        start = time.monotonic()
        asyncio.run(run(server.address))
        assert time.monotonic() - start < 3  # one after the other: 4 s


# --- TLS ---


@pytest.fixture(scope="module")
def authority() -> Pair:
    return issued("Test authority")


def server_credentials(authority: Pair, *, mutual: bool = False) -> grpc.ServerCredentials:
    own = issued("localhost", authority)
    return grpc.ssl_server_credentials(
        [(own.key_pem, own.certificate_pem)], authority.certificate_pem if mutual else None, mutual
    )


@both
def test_tls(client: Any, authority: Pair, tmp_path: Path) -> None:
    _, ca = authority.write(tmp_path, "ca")
    with standing_in(credentials=server_credentials(authority)) as server:
        with client(server.address, MODEL, credentials=TLS(ca)) as connected:
            assert connected.ready()
            connected.colorize(IMAGE)
        with client([server.address, server.address], MODEL, credentials=TLS(ca)) as connected:
            connected.colorize(IMAGE)
        ready_made = grpc.ssl_channel_credentials(ca.read_bytes())
        with client(server.address, MODEL, credentials=ready_made) as connected:
            connected.colorize(IMAGE)


@both
def test_mutual_tls(client: Any, authority: Pair, tmp_path: Path) -> None:
    _, ca = authority.write(tmp_path, "ca")
    key, certificate = issued("client", authority).write(tmp_path, "client")
    with standing_in(credentials=server_credentials(authority, mutual=True)) as server:
        with client(server.address, MODEL, credentials=TLS(ca, key, certificate)) as connected:
            connected.colorize(IMAGE)
        with client(server.address, MODEL, credentials=TLS(ca), retries=0) as connected:
            with pytest.raises(ServerUnavailableError):
                connected.colorize(IMAGE)


@pytest.mark.parametrize("wrong", ["authority", "name", "plain"])
@both
def test_wrong_certificates(client: Any, wrong: str, authority: Pair, tmp_path: Path) -> None:
    _, ca = (issued("Another authority") if wrong == "authority" else authority).write(tmp_path, "ca")
    with standing_in(credentials=server_credentials(authority)) as server:
        address = server.address.replace("localhost", "127.0.0.1") if wrong == "name" else server.address
        credentials = None if wrong == "plain" else TLS(ca)
        with client(address, MODEL, credentials=credentials, retries=1) as connected:
            assert not connected.ready()
            with pytest.raises(ServerUnavailableError):
                connected.colorize(IMAGE)
        assert not server.received


# --- several servers ---


@both
def test_servers_take_turns(client: Any) -> None:
    with standing_in() as one, standing_in() as two, client([one.address, two.address], MODEL) as connected:
        for _ in range(20):
            connected.colorize(IMAGE)
            time.sleep(0.01)
        assert one.predicted + two.predicted == 20
        assert min(one.predicted, two.predicted) >= 5


@both
def test_a_dead_server_is_left_out(client: Any) -> None:
    with standing_in() as one, standing_in() as two:
        with client([one.address, two.address], MODEL) as connected:
            connected.colorize(IMAGE)
            two.stop()
            for _ in range(10):
                connected.colorize(IMAGE)
            assert one.predicted >= 10


# --- a server that dies ---


def killable(port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.stand_in", str(port)]
    return subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})


@both
def test_a_server_that_is_killed_and_started_again(client: Any) -> None:
    with standing_in() as free:
        port = free.port
    images = numbered(200)
    processes = [killable(port)]
    try:
        with client(f"127.0.0.1:{port}", MODEL, timeout=60, retries=100) as connected:
            outcomes = []
            for outcome in connected.colorize_many(images):
                outcomes.append(outcome)
                if outcome.index == 60:
                    processes[0].kill()
                    processes[0].wait()
                    processes.append(killable(port))
        assert [outcome.index for outcome in outcomes] == list(range(200))
        for image, outcome in zip(images, outcomes, strict=True):
            assert outcome.image is not None, outcome.error
            np.testing.assert_array_equal(decoded(outcome.image), tinted(decoded(image)))
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
@both
def test_a_server_that_was_away_for_long(client: Any) -> None:
    with standing_in() as first, client(first.address, MODEL, retries=1000) as connected:
        connected.colorize(IMAGE)
        first.stop()
        end = time.monotonic() + 25
        while time.monotonic() < end:
            with pytest.raises(ServerUnavailableError):
                connected.colorize(IMAGE, timeout=1)
        with standing_in(port=first.port):
            connected.colorize(IMAGE, timeout=4)


# --- large messages ---


@both
def test_messages_above_4_mib_go_both_ways(client: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1200, 1300, 3), np.uint8)
    with standing_in() as server, client(server.address, MODEL) as connected:
        assert len(encoded(pixels)) > 4 << 20
        np.testing.assert_array_equal(decoded(connected.colorize(encoded(pixels))), tinted(pixels))


@both
def test_messages_up_to_64_mib(client: Any) -> None:
    just_below = np.zeros((1, 4096, 5460, 3), np.uint8)
    with standing_in() as server, client(server.address, MODEL, timeout=60) as connected:
        assert (64 << 20) - 100_000 < just_below.nbytes < 64 << 20
        assert connected.rgb(just_below).shape == just_below.shape
        with pytest.raises(TooLargeError, match="67.* max_message is 67108864"):
            connected.rgb(np.zeros((1, 4096, 5462, 3), np.uint8))
        assert server.predicted == 1


@both
def test_an_answer_above_the_limit(client: Any) -> None:
    with standing_in(answers(png_bytes=[bytes(2000)])) as server:
        with client(server.address, MODEL, max_message=1000) as connected:
            with pytest.raises(TooLargeError, match="max_message"):
                connected.colorize(IMAGE)


@both
def test_without_a_limit(client: Any) -> None:
    above = np.zeros((1, 4096, 5462, 3), np.uint8)
    with standing_in() as server, client(server.address, MODEL, timeout=60, max_message=-1) as connected:
        assert connected.rgb(above).shape == above.shape
