"""Where the servers are and how to connect to them: addresses, TLS, and the options of a gRPC channel."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from .errors import InvalidRequestError, ServerUnavailableError
from .rpc import FIRST_PAUSE, LONGEST_PAUSE

UNLIMITED = -1  # as max_message, for gRPC too
INT32_MAX = (1 << 31) - 1  # the type of gRPC's options


@dataclass(frozen=True)
class TLS:
    """The files of an encrypted connection, in PEM; they are read once, when the client is made.

    Attributes:
        ca: Certificates of the authorities that may have signed the server's; by default those that come with gRPC.
        key: The client's private key, for mutual TLS.
        certificate: The client's certificate, which goes with the key.
    """

    ca: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None


def options(max_message: int, keepalive: float) -> list[tuple[str, str | int]]:
    """Options of a channel, for messages of at most `max_message` bytes and a ping every `keepalive` seconds."""
    return [
        ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
        ("grpc.max_send_message_length", max_message),
        ("grpc.max_receive_message_length", max_message),
        ("grpc.keepalive_time_ms", round(1000 * keepalive)),
        ("grpc.keepalive_timeout_ms", 20_000),
        # Between attempts to connect; left alone they grow to two minutes, long after a server is back.
        ("grpc.initial_reconnect_backoff_ms", round(1000 * FIRST_PAUSE)),
        ("grpc.min_reconnect_backoff_ms", round(1000 * FIRST_PAUSE)),
        ("grpc.max_reconnect_backoff_ms", round(1000 * LONGEST_PAUSE)),
    ]


def secure_options(addresses: Sequence[str]) -> list[tuple[str, str | int]]:
    """Further options of a channel with TLS."""
    # The target of several servers consists of IP addresses, but certificates contain host names.
    return [("grpc.ssl_target_name_override", host_and_port(addresses[0])[0])] if len(addresses) > 1 else []


def channel_credentials(credentials: TLS | grpc.ChannelCredentials) -> grpc.ChannelCredentials:
    """The credentials of gRPC, read from files in the case of TLS.

    Raises:
        InvalidRequestError: key and certificate are not given together, or a file cannot be read.
    """
    if not isinstance(credentials, TLS):
        return credentials
    if (credentials.key is None) != (credentials.certificate is None):
        raise InvalidRequestError("credentials: key and certificate go together; give both or neither")
    files = (("ca", credentials.ca), ("key", credentials.key), ("certificate", credentials.certificate))
    return grpc.ssl_channel_credentials(*(_pem(name, path) for name, path in files))


def _pem(name: str, path: str | os.PathLike[str] | None) -> bytes | None:
    if not path:
        return None
    try:
        with open(path, "rb") as file:
            return file.read() or None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidRequestError(f"credentials: {name} {os.fspath(path)} cannot be read: {reason}") from error


def target(addresses: Sequence[str]) -> str:
    """One or several servers in gRPC's notation.

    Raises:
        InvalidRequestError: there is no address, or one is not HOST:PORT.
        ServerUnavailableError: of several addresses, one cannot be looked up.
    """
    if not addresses:
        raise InvalidRequestError("address: is empty; HOST:PORT is needed")
    if len(addresses) == 1:
        (address,) = addresses
        # A scheme such as dns:/// or unix: is gRPC's business.
        if "/" not in address and not address.startswith(("unix:", "ipv4:", "ipv6:")):
            host_and_port(address)
            return f"dns:///{address}"
        return address
    # Only the targets ipv4: and ipv6: list several servers, and they take no names.
    places = [host_and_port(address) for address in addresses]
    try:
        return "ipv4:" + ",".join(f"{_resolve(host, port, socket.AF_INET)}:{port}" for host, port in places)
    except socket.gaierror:
        pass
    try:
        return "ipv6:" + ",".join(f"[{_resolve(host, port, socket.AF_INET6)}]:{port}" for host, port in places)
    except socket.gaierror as error:
        raise ServerUnavailableError(f"{', '.join(addresses)}: no such host ({error.strerror})") from error


def _resolve(host: str, port: int, family: socket.AddressFamily) -> str:
    flags = socket.AI_V4MAPPED if family == socket.AF_INET6 else 0
    return str(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, flags)[0][4][0])


def host_and_port(address: str) -> tuple[str, int]:
    """HOST:PORT or [HOST]:PORT -> host and port.

    Raises:
        InvalidRequestError: the address is neither.
    """
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidRequestError(f"address: {address!r} is not HOST:PORT; TF Serving's port is 8500")
    return host.removeprefix("[").removesuffix("]"), int(port)
