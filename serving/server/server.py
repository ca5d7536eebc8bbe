"""The embedded server: TF Serving's gRPC and REST interfaces in one process, without Docker.

    gRPC (grpc_service.py) ┐
                           ├ handlers.Service  ->  model_manager.ModelManager, batching.Batcher  ->  SavedModels
    REST (rest.py)         ┘

This module starts and stops them. The server is for development, for tests and for machines without Docker: TF Serving
is the production server.
"""

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import uvicorn
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving.client import messages
from serving.listening import HttpServer, ServerStartError, bind, join
from serving.server import logs
from serving.server.batching import Batcher, Limits
from serving.server.config import folder_config, local_config
from serving.server.errors import RequestError
from serving.server.grpc_service import method_handlers
from serving.server.handlers import Service
from serving.server.metrics import Metrics
from serving.server.model_manager import ModelManager
from serving.server.rest import application
from zoo.errors import ArgumentError

HEALTH_NAMES = ("", "PredictionService", "ModelService", *messages.SERVICES)
NOTICE = "this is the embedded server; TF Serving is the production server"

_UNREAD = 16 << 10  # bytes that gRPC receives of a call before the event loop reads its message
_UNQUEUED = 100  # calls besides those that wait or run: health checks, states, metadata
# Seconds: a stopping server refuses further calls until none has come for the first, or until the second has passed.
_QUIET = 0.2
_MAX_REFUSAL = 2.0


@dataclass(frozen=True)
class Settings:
    """The options of `colorzoo serve`.

    Attributes:
        models: Folder of NAME/VERSION/; with `config`, the folder at which its relative paths begin.
        config: A models.config as TF Serving reads it, or None.
        host: The address to listen on.
        port: The port of gRPC; 0 takes a free one.
        rest_port: The port of REST and metrics; 0 takes a free one, None turns both off.
        limits: How much may wait, and how much is run at once.
        poll_seconds: Interval at which new versions are looked for.
        grace: Seconds within which accepted requests have to end when the server stops.
        max_message: Maximum size of a message in bytes, in either direction.
        ssl_key: PEM file of the server's private key; None, with `ssl_cert`, turns TLS off.
        ssl_cert: PEM file of the server's certificate.
        ssl_ca: PEM file of the certificates that must have signed those of clients; None accepts every client.
    """

    models: Path | None = None
    config: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8500
    rest_port: int | None = 8501
    limits: Limits = field(default_factory=Limits)
    poll_seconds: float = 1.0
    grace: float = 30.0
    max_message: int = 64 << 20
    ssl_key: Path | None = None
    ssl_cert: Path | None = None
    ssl_ca: Path | None = None


def main(settings: Settings, announce: Callable[[str], object] = print) -> bool:
    """Serve until SIGTERM or SIGINT -> whether all accepted requests were answered.

    Args:
        announce: Called with a line that says where the server listens, once it does.

    Raises:
        ArgumentError: No model was found, or none can be served; or the certificates cannot be used.
        ServerStartError: A port is taken.
    """
    return asyncio.run(_main(settings, announce))


async def _main(settings: Settings, announce: Callable[[str], object]) -> bool:
    server = Server(settings)
    await server.start()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    announce(f"colorzoo serve: {server.address()}; {NOTICE}")
    await stopping.wait()
    return await server.stop()


class Server:
    """One embedded server, in the event loop that calls `start`.

    Attributes:
        port: The port of gRPC, after `start`.
        rest_port: The port of REST, after `start`, or None.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.rest_port: int | None = None
        self._metrics = Metrics()
        self._calls = 0
        self._stopping = False
        self._refused = 0.0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Load the models, then listen.

        Raises:
            ArgumentError, ServerStartError: As `main`.
        """
        settings = self.settings
        credentials = _credentials(settings)
        self._models = ModelManager(_source(settings), self._metrics)
        # The ports are tried first, since loading the models takes long.
        bind(settings.host, settings.port).close()
        with ExitStack() as undone:
            http_socket = None
            if settings.rest_port is not None:
                http_socket = undone.enter_context(closing(bind(settings.host, settings.rest_port)))
            await asyncio.to_thread(self._models.start, settings.poll_seconds)
            undone.callback(self._models.close)
            self._batcher = Batcher(settings.limits, self._metrics)
            undone.callback(self._batcher.close)
            self._metrics.watch(self._models.all_versions, lambda: self._batcher.length, lambda: self._batcher.bytes)
            service = Service(self._models, self._batcher, self._metrics, settings.max_message)
            await self._start_grpc(service, credentials)
            if http_socket is not None:
                await self._start_http(service, http_socket)
            undone.pop_all()
        logs.event("serving", port=self.port, rest_port=self.rest_port, models=sorted(self._served()))

    def address(self) -> str:
        """Where the server listens and what it serves, in words."""
        tls = "" if self.settings.ssl_cert is None else " with TLS"
        rest = "" if self.rest_port is None else f", REST on {join(self.settings.host, self.rest_port)}"
        models = ", ".join(f"{name} {numbers}" for name, numbers in self._served().items())
        return f"{models} by gRPC on {join(self.settings.host, self.port)}{rest}{tls}"

    async def stop(self) -> bool:
        """Accept no more requests, and answer the accepted ones -> whether all were, within the grace period."""
        logs.event("stopping", requests=self._calls)
        await self._health.enter_graceful_shutdown()
        # gRPC itself would cancel the calls that arrive while it stops, and clients do not retry after CANCELLED.
        # So the calls that come from now on are refused with UNAVAILABLE, until no more come.
        self._stopping = True
        if self.rest_port is not None:
            self._http.should_exit = True
        done = True
        try:
            async with asyncio.timeout(self.settings.grace):
                await self._idle.wait()
                if self.rest_port is not None:
                    await asyncio.shield(self._http_task)
        except TimeoutError:
            done = False
        self._refused = time.monotonic()
        end = self._refused + _MAX_REFUSAL
        while time.monotonic() < min(end, self._refused + _QUIET):
            await asyncio.sleep(0.01)
        await self._grpc.stop(0)
        if self.rest_port is not None:
            self._http.force_exit = True
            await self._http_task
        await asyncio.to_thread(self._models.close)
        done = await asyncio.to_thread(self._batcher.close, 5.0 if done else 0.0) and done
        logs.event("stopped", all_answered=done)
        return done

    def _served(self) -> dict[str, str]:
        served: dict[str, list[str]] = {}
        for version in self._models.all_versions():
            if version.state == "AVAILABLE":
                served.setdefault(version.name, []).append(str(version.number))
        return {name: "/".join(numbers) for name, numbers in served.items()}

    async def _start_grpc(self, service: Service, credentials: grpc.ServerCredentials | None) -> None:
        settings = self.settings
        limits = settings.limits
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_message),
                ("grpc.max_send_message_length", settings.max_message),
                # gRPC receives even while the event loop has no time, and would hold the whole messages of all clients,
                # as its windows grow to megabytes. A fixed window ends that; a message that is read gets what it needs.
                ("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", _UNREAD),
                # Otherwise a second server on the same port would get a share of the calls, and no error.
                ("grpc.so_reuseport", 0),
            ],
            # Further ones are refused before their messages are read: memory is bounded for any number of clients.
            maximum_concurrent_rpcs=limits.queue + limits.threads * limits.batch + _UNQUEUED,
        )
        server.add_generic_rpc_handlers(tuple(method_handlers(service, self._accept)))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for name in HEALTH_NAMES:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        messages.POOL.AddSerializedFile(health_pb2.DESCRIPTOR.serialized_pb)
        names = (*messages.SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, pool=messages.POOL)
        address = join(settings.host, settings.port)
        try:
            if credentials is None:
                self.port = server.add_insecure_port(address)
            else:
                self.port = server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise ServerStartError(f"{address}: cannot be listened on: {error}") from error
        await server.start()
        self._grpc = server

    async def _start_http(self, service: Service, bound: socket.socket) -> None:
        settings = self.settings
        config = uvicorn.Config(
            application(service, settings.max_message),
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=max(1, round(settings.grace)),
            ssl_keyfile=settings.ssl_key,
            ssl_certfile=settings.ssl_cert,
            ssl_ca_certs=None if settings.ssl_ca is None else str(settings.ssl_ca),
            ssl_cert_reqs=ssl.CERT_NONE if settings.ssl_ca is None else ssl.CERT_REQUIRED,
        )
        self._http = HttpServer(config)
        self._http_task = asyncio.create_task(self._http.serve([bound]))
        while not self._http.started:
            if self._http_task.done():
                self._http_task.result()
            await asyncio.sleep(0.01)
        self.rest_port = bound.getsockname()[1]

    @contextmanager
    def _accept(self) -> Iterator[None]:
        """A call that is being answered: `stop` waits for its end.

        Raises:
            RequestError: UNAVAILABLE: the server is stopping.
        """
        if self._stopping:
            self._refused = time.monotonic()
            raise RequestError(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()


def _source(settings: Settings) -> Callable[[], messages.Message]:
    if settings.config is not None:
        file, root = settings.config, settings.models
        return lambda: local_config(file, root)
    if settings.models is None:
        raise ArgumentError("give the folder of the models, or a models.config with --config")
    folder = settings.models
    return lambda: folder_config(folder)


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    key, certificate = settings.ssl_key, settings.ssl_cert
    if key is None and certificate is None and settings.ssl_ca is None:
        return None
    if key is None or certificate is None:
        raise ArgumentError("TLS needs both --ssl-key and --ssl-cert")
    try:
        # Checked here, since gRPC would only say that it could not listen.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if settings.ssl_ca is not None:
            context.load_verify_locations(settings.ssl_ca)
        authorities = None if settings.ssl_ca is None else settings.ssl_ca.read_bytes()
        pair = (key.read_bytes(), certificate.read_bytes())
    except OSError as error:  # which ssl.SSLError is
        files = ", ".join(str(path) for path in (key, certificate, settings.ssl_ca) if path is not None)
        raise ArgumentError(f"{files}: not a key and certificates in PEM that belong together: {error}") from error
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)
