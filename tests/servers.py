"""Embedded servers for the tests: in a thread of the test's process, or in a process of their own."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import grpc
import pytest

from serving.client import messages
from serving.server import server
from serving.server.server import Server, Settings
from tests.paths import ROOT
from tests.tiny_saved_model import red_of

SECONDS = 60.0  # more than anything takes, however busy the machine is


class InThread:
    """A running server; `stop` may be called earlier than the end of the `with` block."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="server", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(SECONDS)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> bool:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()
        return self._answered

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def rest(self) -> str:
        scheme = "http" if self.settings.ssl_cert is None else "https"
        return f"{scheme}://127.0.0.1:{self.server.rest_port}"

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._answered = False
        self.server = Server(self.settings)
        try:
            await self.server.start()
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._ready.set()
        await self._stopping.wait()
        self._answered = await self.server.stop()


@contextmanager
def serve(models: Path | None, **settings: Any) -> Iterator[InThread]:
    """A server of this folder of models on free ports, with REST; `settings` are fields of `Settings`."""
    chosen = {"port": 0, "rest_port": 0, "poll_seconds": 0.1, "grace": 10.0} | settings
    running = InThread(Settings(models=models, **chosen))
    # Clients of a test do not come back after their last call.
    with mock.patch.object(server, "_QUIET", 0.02):
        running.start()
        try:
            yield running
        finally:
            running.stop()


class Process:
    """`colorzoo serve` in a process of its own: `address`, and REST under `rest` where it is wanted."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self.log = log
        assert process.stdout is not None
        self.line = process.stdout.readline()
        if found := re.search(r"gRPC on (\S+?)[,;]", self.line):
            self.address = found[1]
        if found := re.search(r"REST on (\S+?)[;]", self.line):
            self.rest = f"http://{found[1]}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal -> exit code."""
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


@contextmanager
def process(models: Path, log: Path, *options: str) -> Iterator[Process]:
    """`colorzoo serve` on a free port, without REST; its log goes to a file."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "colorzoo", "serve", str(models), "--port", "0", "--rest-port", "0"]
    with log.open("w") as errors:
        running = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    try:
        yield Process(running, log)
    finally:
        running.kill()
        running.communicate()


@contextmanager
def stub(address: str, method: str = "Predict", service: str = messages.PREDICTION_SERVICE) -> Iterator[Any]:
    """A callable of one method, from message to message; give it a `timeout`."""
    request, response = (
        messages.message_class(f"tensorflow.serving.{name}") for name in messages.SERVICES[service][method]
    )
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        yield channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )


def request(model: str, signature: str = "", **inputs: Any) -> messages.Message:
    """A PredictRequest of arrays or lists of bytes."""
    found = messages.PredictRequest()
    found.model_spec.name = model
    found.model_spec.signature_name = signature
    for name, value in inputs.items():
        found.inputs[name].CopyFrom(messages.tensor(value))
    return found


def wait_until(true: Callable[[], bool]) -> None:
    """Return when it is, and fail if it never is."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Gate:
    """Stands in for a function: its first call does not return before `release` is set."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.began, self.release = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        if not self.began.is_set():
            self.began.set()
            assert self.release.wait(SECONDS)
        return self.function(*arguments)


def reds(response: Any) -> list[int]:
    return [red_of(png) for png in messages.array(response.outputs["png_bytes"])]


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


class held:
    """Runs begin and do not end before the second event is set."""

    def __init__(self, running: InThread) -> None:
        self.batcher = running.server._batcher
        self.began, self.release = threading.Event(), threading.Event()

    def __enter__(self) -> tuple[threading.Event, threading.Event]:
        original = self.batcher._run

        def run(batch: Any) -> None:
            self.began.set()
            assert self.release.wait(SECONDS)
            original(batch)

        self.batcher._run = run
        return self.began, self.release

    def __exit__(self, *_: object) -> None:
        self.release.set()
        del self.batcher._run
