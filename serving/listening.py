"""What the servers of the project have in common: the addresses that they listen on, and HTTP without signals."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import uvicorn

from zoo.errors import ColorzooError


class ServerStartError(ColorzooError):
    """The server cannot listen on its address."""


class HttpServer(uvicorn.Server):
    """Leaves the signals of the process to whoever starts it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def serve_page(config: uvicorn.Config, host: str, port: int, announce: Callable[[str], object]) -> None:
    """Serve a web page until SIGINT or SIGTERM.

    Args:
        port: 0 chooses a free one.
        announce: Called with the address of the page, once it can be opened.

    Raises:
        ServerStartError: the port is taken, or the host is not one of this machine.
    """
    server = HttpServer(config)

    async def run() -> None:
        def stop() -> None:
            server.should_exit = True

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        with closing(bind(host, port)) as listening:
            listening.listen()  # so that connections are accepted from the moment of the announcement
            announce(f"http://{join(host, listening.getsockname()[1])}/")
            await server.serve([listening])

    asyncio.run(run())


def bind(host: str, port: int) -> socket.socket:
    """A socket on an address, on which nothing listens yet; port 0 chooses a free one.

    Raises:
        ServerStartError: the port is taken, or the host is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Otherwise a server that is started again at once would be refused for its own old connections.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        found.close()
        reason = error.strerror or error
        raise ServerStartError(f"{join(host, port)}: cannot be listened on: {reason}; choose another port") from error
    return found


def join(host: str, port: int) -> str:
    """HOST:PORT, with brackets around addresses of IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
