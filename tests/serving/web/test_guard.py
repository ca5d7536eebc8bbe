"""Who may ask, how often and how much; what answers say to browsers; what the log says."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing

import pytest
from fastapi.testclient import TestClient

from serving.listening import HttpServer, bind
from serving.web.application import application
from serving.web.bodies import arriving
from serving.web.engine import LocalEngine
from serving.web.errors import WebError, as_web_error
from serving.web.guard import HEADERS
from serving.web.limits import Limits, Rates, Room
from serving.web.server import config
from serving.web.service import Service
from serving.web.workers import Workers
from tests.photographs import easy_field
from tests.serving.web.conftest import add, encoded, error_of

RAW = {"Content-Type": "image/png"}


@pytest.mark.parametrize("path", ["/", "/api/presets", "/api/nothing", "/main.js"])
def test_browsers_are_told_what_to_refuse(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cache-control"] == ("no-store" if path.startswith("/api/") else "no-cache")


def test_nothing_may_come_from_elsewhere() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert {source for sources in policy.values() for source in sources.split()} == {
        "'self'",
        "'none'",
        "blob:",
        "data:",
    }
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"


def test_only_known_hosts(serve: Callable[..., TestClient]) -> None:
    client = serve({"localhost", "127.0.0.1", "::1"})
    for host in ("localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"):
        assert client.get("/api/health", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example/localhost", "", "["):
        assert error_of(client.get("/api/health", headers={"Host": host}), 421) == "unknown_host"
        assert error_of(client.get("/", headers={"Host": host}), 421) == "unknown_host"


def test_pages_of_other_sites_may_not_ask(client: TestClient, gray: bytes) -> None:
    for origin in ("https://evil.example", "null", "http://testserver:81", "http://["):
        refused = client.post("/api/colorize", content=gray, headers=RAW | {"Origin": origin})
        assert error_of(refused, 403) == "foreign_origin"
    own = client.post("/api/colorize", content=gray, headers=RAW | {"Origin": "http://testserver"})
    assert own.status_code == 200


@pytest.mark.parametrize(
    "method, path, status, code",
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("GET", "/nothing.html", 404, "not_found"),
        ("GET", "/../application.py", 404, "not_found"),
        ("GET", "/%2e%2e/application.py", 404, "not_found"),
        ("GET", "/..%2fapplication.py", 404, "not_found"),
        ("GET", "/api/photographs/..%2f..%2fetc/preview", 404, "not_found"),
        ("GET", "/api/colorize", 405, "method_not_allowed"),
        ("PUT", "/api/presets", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
        ("BREW", "/api/health", 405, "method_not_allowed"),
    ],
)
def test_paths_that_are_not_there(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    assert error_of(client.request(method, path), status) == code


def test_bodies_are_bounded(serve: Callable[..., TestClient], gray: bytes) -> None:
    client = serve(upload_bytes=len(gray))
    assert client.post("/api/colorize", content=gray, headers=RAW).status_code == 200
    assert error_of(client.post("/api/colorize", content=gray + b"\0", headers=RAW), 413) == "too_many_bytes"
    assert error_of(client.post("/api/colorize", files={"image": gray + b"\0"}), 413) == "too_many_bytes"
    unannounced = client.post("/api/colorize", content=iter([gray, b"\0"]), headers=RAW)
    assert error_of(unannounced, 413) == "too_many_bytes"


def test_pixels_are_bounded(serve: Callable[..., TestClient], gray: bytes) -> None:
    client = serve(pixels=36 * 48)
    assert client.post("/api/colorize", content=gray, headers=RAW).status_code == 200
    larger = encoded(easy_field(0, 37, 48).convert("L"))
    for path in ("/api/colorize", "/api/confidence", "/api/photographs"):
        assert error_of(client.post(path, content=larger, headers=RAW), 413) == "too_many_pixels"


def test_rates_are_bounded(serve: Callable[..., TestClient], gray: bytes) -> None:
    client = serve(requests_per_minute=10)
    answers = [client.post("/api/colorize", content=gray, headers=RAW) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert error_of(answers[2], 429) == "too_many_requests"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 6
    for path in ("/api/health", "/api/presets", "/", "/metrics"):
        assert client.get(path).status_code == 200


def test_a_bucket_fills_again() -> None:
    rates = Rates(60)
    for _ in range(12):
        rates.take("a", 0.0)
    with pytest.raises(WebError, match="60 requests in a minute") as refusal:
        rates.take("a", 0.5)
    assert refusal.value.retry_after == 1
    rates.take("b", 0.5)
    rates.take("a", 1.0)
    with pytest.raises(WebError):
        rates.take("a", 1.0)


def test_clients_are_not_remembered_without_end() -> None:
    rates = Rates(60)
    for number in range(20_000):
        rates.take(str(number), 0.0)
    assert len(rates._buckets) == 10_000


def test_room() -> None:
    room = Room(10)
    room.take(6)
    with pytest.raises(WebError, match="too many large requests"):
        room.take(5)
    room.give_back(6)
    room.take(10)


class Stream:
    """A request whose body arrives chunk by chunk."""

    headers: dict[str, str] = {}

    def __init__(self, *chunks: tuple[float, bytes]) -> None:
        self.chunks = chunks

    async def stream(self) -> AsyncIterator[bytes]:
        for seconds, chunk in self.chunks:
            await asyncio.sleep(seconds)
            yield chunk


def test_a_body_without_a_length_is_read_no_further_than_the_limit() -> None:
    async def read() -> None:
        endless = Stream(*[(0, b"\0" * 100)] * 1000)
        async for chunk in arriving(endless, 250, 30):  # type: ignore[arg-type]
            taken.append(chunk)

    taken: list[bytes] = []
    with pytest.raises(WebError, match="larger than the limit of 250 bytes"):
        asyncio.run(read())
    assert len(taken) == 2


def test_slow_bodies_are_given_up() -> None:
    async def read(seconds: float) -> bytes:
        slow = Stream((0, b"a"), (0, b"b"), (30, b"c"))
        return b"".join([chunk async for chunk in arriving(slow, 100, seconds)])  # type: ignore[arg-type]

    with pytest.raises(WebError, match="did not arrive within 0.01 s") as refusal:
        asyncio.run(read(0.01))
    assert refusal.value.status == 408


def test_work_waits_for_its_turn_and_not_too_much_does() -> None:
    async def check() -> None:
        workers = Workers(1, 2)
        gate = threading.Event()
        order: list[str] = []

        def work(name: str) -> str:
            assert gate.wait(30)
            order.append(name)
            return name

        tasks = []
        for name in "abc":
            tasks.append(asyncio.create_task(workers.run(lambda name=name: work(name))))  # type: ignore[misc]
            while workers.running + workers.waiting < len(tasks) or not workers.running:
                await asyncio.sleep(0)
        with pytest.raises(WebError, match="2 requests are waiting") as refusal:
            await workers.run(lambda: work("d"))
        assert refusal.value.status == 503
        patient = asyncio.create_task(workers.run(lambda: work("e"), patient=True))
        await asyncio.sleep(0)
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        await asyncio.sleep(0)
        gate.set()
        assert await patient == "e"
        assert order == ["a", "c", "e"]
        while workers.running or workers.waiting:
            await asyncio.sleep(0)
        workers.close()

    asyncio.run(check())


def test_errors_that_nobody_foresaw_tell_nothing(
    client: TestClient,
    engine: LocalEngine,
    gray: bytes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(engine, "colorizer", fail)
    refused = client.post("/api/colorize", content=gray, headers=RAW)
    assert error_of(refused, 500) == "internal_error"
    assert "secret" not in refused.text
    assert "secret" in caplog.text
    assert as_web_error(MemoryError()).code == "busy"


def test_the_log_has_sizes_and_times_only(client: TestClient, gray: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "colorzoo.web")
    client.post("/api/colorize?look=vivid", files={"image": ("grandmother.png", gray)})
    path = add(client, gray)
    client.get(f"{path}/preview?hints=[]")
    client.get("/secret.html")
    lines = [record.getMessage() for record in caplog.records if record.name == "colorzoo.web"]
    assert [line.split(" in=")[0] for line in lines] == [
        "POST /api/colorize 200",
        "POST /api/photographs 201",
        "GET /api/photographs/{id}/preview 200",
        "GET page 404",
    ]
    assert f"in={len(gray)} " in lines[1]
    assert not any(word in caplog.text for word in ("grandmother", "testclient", path, "vivid", "secret"))


def test_who_connects_and_asks_nothing_is_hung_up_on(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.web.server._HEADERS", 0.05)
    ports: list[int] = []
    started = threading.Event()

    def announce(address: str) -> None:
        ports.append(int(address.rstrip("/").rpartition(":")[2]))
        started.set()

    async def listen() -> None:
        server = HttpServer(config(application(Service(engine, Limits()))))
        with closing(bind("127.0.0.1", 0)) as listening:
            listening.listen()
            announce(f"http://127.0.0.1:{listening.getsockname()[1]}/")
            stop.append(lambda: setattr(server, "should_exit", True))
            await server.serve([listening])

    stop: list[Callable[[], None]] = []
    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    assert started.wait(30)
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=30) as silent:
        assert silent.recv(1) == b""
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=30) as slow:
        slow.sendall(b"GET /api/health HTTP/1.1\r\nHost: ")
        assert slow.recv(1) == b""
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=30) as asking:
        asking.sendall(b"GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asking.recv(12) == b"HTTP/1.1 200"
    stop[0]()
    thread.join(30)
    assert not thread.is_alive()
